"""What the server in `messages_server` refuses of a request's params, as the API does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from tests.messages_controls import Controls
from tests.messages_usage import MOST_BREAKPOINTS, Part, schema_of

KNOWN = frozenset(
    [
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "prefill",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    ]
)
SCHEMA_KEYS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems"},
    "string": {"format"},
}
"""What may stand in a schema of a type, beside what may stand in any: no bounds and no patterns."""

IN_ANY_SCHEMA = frozenset(
    ("type", "description", "title", "enum", "const", "default", "$defs", "$ref", "anyOf", "allOf")
)


def digest(params: Mapping[str, Any]) -> str:
    """SHA-256 of the params, the same wherever they are sent and however they are written."""
    return hashlib.sha256(orjson.dumps(params, option=orjson.OPT_SORT_KEYS)).hexdigest()


def refusal(params: Any, controls: Controls, *, is_count: bool = False) -> tuple[int, str] | None:
    """Status and message for params that are refused, None for those that are answered."""
    if not isinstance(params, dict):
        return 400, "params: an object is expected"
    unknown = params.keys() - KNOWN
    messages, model = params.get("messages"), params.get("model")
    if unknown:
        return 400, f"{min(unknown)}: extra inputs are not permitted"
    if not isinstance(model, str) or not model:
        return 400, "model: field required"
    if controls.models and model not in controls.models:
        return 404, "model: there is none of that name"
    most = params.get("max_tokens")
    if not is_count and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        return 400, "max_tokens: a positive integer is required"
    if not isinstance(messages, list) or not messages:
        return 400, "messages: at least one message is required"
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            return 400, "messages: role must be user or assistant"
        if not message.get("content"):
            return 400, "messages: content must not be empty"
    if messages[0]["role"] != "user":
        return 400, "messages: the first must be of the user"
    if params.get("stream"):
        return 400, "stream: not served here"
    schema = schema_of(params)
    wrong = _schema_fault(orjson.dumps(schema)) if schema is not None else ""
    return (400, f"output_config.format.schema: {wrong}") if wrong else None


def breakpoints_refusal(prompt: list[Part]) -> tuple[int, str] | None:
    if sum(each.cached_for > 0 for each in prompt) > MOST_BREAKPOINTS:
        return 400, f"at most {MOST_BREAKPOINTS} blocks with cache_control may be provided"
    return None


@lru_cache(maxsize=256)
def _schema_fault(schema: bytes) -> str:
    return next(_schema_faults(orjson.loads(schema)), "")


def _schema_faults(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield "an object is expected"
        return
    kind = schema.get("type")
    if kind is None and not schema.keys() & {"$ref", "enum", "const", "anyOf", "allOf"}:
        yield "a type is required"
    unsupported = schema.keys() - IN_ANY_SCHEMA - SCHEMA_KEYS.get(str(kind), set())
    if unsupported:
        yield f"for '{kind}' type, {', '.join(sorted(unsupported))} is not supported"
    if kind == "object" and schema.get("additionalProperties") is not False:
        yield "for 'object' type, additionalProperties must be false"
    if schema.get("minItems", 0) not in (0, 1):
        yield "minItems: 0 or 1"
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [
        *schema.get("anyOf", []),
        *schema.get("allOf", []),
        *([schema["items"]] if "items" in schema else []),
    ]
    for each in inner:
        yield from _schema_faults(each)
