"""A question to a model: what is sent, what an answer may be, and under which key it is remembered."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

from clio_dagster.analyst.prices import Usage, estimated_tokens
from clio_dagster.analyst.prompts import Prompt

Value = dict[str, Any]
"""An answer that fits its schema."""

Check = Callable[[Value], list[str]]
"""What is wrong with an answer, in reasons that hold no word of it; empty where nothing is."""

Clean = Callable[[Sequence[Value]], list[Value]]
"""Answers as they may be kept: scrubbed, many at once."""


def nothing_wrong(_value: Value) -> list[str]:
    return []


def as_they_are(values: Sequence[Value]) -> list[Value]:
    return list(values)


@dataclass(frozen=True)
class Question:
    """One question. `about` are the conversations that it quotes, `day` the day they or their topics belong to."""

    prompt: Prompt
    model: str
    system: str
    data: str
    schema: Mapping[str, Any]
    most_output: int
    thinking: str = "unset"
    check: Check = field(default=nothing_wrong, compare=False)
    clean: Clean = field(default=as_they_are, compare=False)
    about: tuple[str, ...] = ()
    day: date | None = None

    @cached_property
    def params(self) -> dict[str, Any]:
        """What the Messages API is sent. The instructions come first and alike, so that they are cached."""
        cached = {"type": "text", "text": self.system, "cache_control": {"type": "ephemeral"}}
        thinking = {} if self.thinking == "unset" else {"thinking": {"type": self.thinking}}
        return {
            "model": self.model,
            "max_tokens": self.most_output,
            "system": [cached],
            "messages": [{"role": "user", "content": self.data}],
            "output_config": {"format": {"type": "json_schema", "schema": dict(self.schema)}},
            **thinking,
        }

    def key(self, secret: bytes) -> str:
        """Hex HMAC-SHA256 of prompt version and all that is sent: whoever reads it can confirm no guess of a text."""
        told = json.dumps([self.prompt.identity, self.params], sort_keys=True, ensure_ascii=False)
        return hmac.new(
            secret, b"answer\0" + told.encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()

    def again(self, answer: str, faults: Sequence[str]) -> dict[str, Any]:
        """What is sent once more where the answer was not as asked: the answer, and why."""
        told = "That answer cannot be used: " + "; ".join(faults) + ". Answer again, as asked."
        turns = [{"role": "assistant", "content": answer or "{}"}, {"role": "user", "content": told}]
        return self.params | {"messages": [*self.params["messages"], *turns]}

    @cached_property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, about."""
        return _instructions_tokens(self.system, json.dumps(self.schema)) + estimated_tokens(self.data)

    @property
    def at_most(self) -> Usage:
        """What it may cost, if the cache helps nothing and the answer is as long as it may be."""
        return Usage(input=self.prompt_tokens, output=self.most_output)


@lru_cache(maxsize=64)
def _instructions_tokens(system: str, schema: str) -> int:
    return estimated_tokens(system) + estimated_tokens(schema)


def answered_as_asked(question: Question, text: str) -> tuple[Value | None, list[str]]:
    """The value of an answer's text, and what is wrong with it."""
    try:
        value = json.loads(text)
    except ValueError:
        return None, ["it is not JSON"]
    faults = schema_faults(value, question.schema)
    if faults:
        return None, faults
    faults = question.check(value)
    return (None, faults) if faults else (value, [])


def schema_faults(value: object, schema: Mapping[str, Any], place: str = "the answer") -> list[str]:
    """Where a value does not fit a schema of the kinds that are used here."""
    kind = schema.get("type")
    if "enum" in schema and (isinstance(value, bool) or value not in schema["enum"]):
        return [f"{place} is none of {', '.join(map(str, schema['enum']))}"]
    if not isinstance(value, _TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool)):
        return [f"{place} is not of type {kind}"]
    if kind == "object":
        assert isinstance(value, dict)
        missing = [name for name in schema["properties"] if name not in value]
        extra = len(value.keys() - schema["properties"].keys())
        return [
            *(f"{place} lacks {name}" for name in missing),
            *([f"{place} has {extra} fields too many"] if extra else []),
            *(
                fault
                for name, inner in schema["properties"].items()
                if name in value
                for fault in schema_faults(value[name], inner, name)
            ),
        ]
    if kind == "array":
        assert isinstance(value, list)
        found = [
            fault for each in value for fault in schema_faults(each, schema["items"], f"an item of {place}")
        ]
        return list(dict.fromkeys(found))
    return []


_TYPES: dict[Any, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def object_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of an object with exactly these properties, in order."""
    return {
        "type": "object",
        "properties": {name: dict(inner) for name, inner in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
YES_NO = {"type": "boolean"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}


def one_of(*values: object) -> dict[str, Any]:
    """A schema of one of several values: bounds that schemas of the API cannot state otherwise."""
    return {"type": "integer" if isinstance(values[0], int) else "string", "enum": list(values)}


def list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}
