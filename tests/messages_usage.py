"""Tokens of a request as the server in `messages_server` counts them, and its cache of prefixes.

A run of letters or digits costs one token for each four begun, a character of an unspaced script one, every other
character that is no space one. The schema of a structured answer is part of the prompt and comes first.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson

UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
PIECES = re.compile(rf"[^\W_{UNSPACED}]{{1,4}}|\S")
SHORT = 400
"""Characters up to which matching is faster than arrays."""

SPACE, SIGN, WORD = 0, 1, 2
BEYOND = 0x10000
"""All characters past the basic plane are signs."""

MOST_BREAKPOINTS = 4


def _classes() -> np.ndarray:
    unspaced = re.compile(f"[{UNSPACED}]")
    found = np.full(BEYOND + 1, SIGN, np.uint8)
    for code in range(BEYOND):
        character = chr(code)
        if character.isspace():
            found[code] = SPACE
        elif character.isalnum() and not unspaced.match(character):
            found[code] = WORD
    return found


CLASSES = _classes()


def tokens(text: str) -> int:
    """Tokens of a text."""
    if len(text) <= SHORT:
        return len(PIECES.findall(text))
    if text.isascii():
        classes = CLASSES[np.frombuffer(text.encode(), np.uint8)]
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        classes = CLASSES[np.minimum(codes, BEYOND)]
    others = np.flatnonzero(classes != WORD)
    lengths = np.diff(others, prepend=-1, append=len(classes)) - 1
    return int(((lengths + 3) >> 2).sum()) + int(np.count_nonzero(classes == SIGN))


tokens_of_shared = lru_cache(maxsize=256)(tokens)
"""`tokens`, remembered: of instructions and schemas, which many requests share."""


class Part(NamedTuple):
    """A piece of a prompt, and for how long what ends with it is to be cached, in seconds."""

    text: str
    tokens: int
    cached_for: float = 0


def parts(params: Mapping[str, Any], cache_seconds: float) -> list[Part]:
    """A prompt's pieces in the order that the cache sees them: schema, tools, system, messages."""
    found = []
    schema = schema_of(params)
    if schema is not None:
        found.append(_shared(orjson.dumps(schema).decode()))
    found += [_shared(orjson.dumps(tool).decode()) for tool in params.get("tools") or []]
    for block in _blocks(params.get("system") or []):
        found.append(_shared(block.get("text", ""), _seconds(block, cache_seconds)))
    for message in params["messages"]:
        for block in _blocks(message["content"]):
            text = block.get("text", "")
            found.append(Part(text, tokens(text), _seconds(block, cache_seconds)))
    if params.get("cache_control"):
        found[-1] = found[-1]._replace(cached_for=_seconds(params, cache_seconds))
    return found


def schema_of(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that an answer is to fit."""
    asked = (params.get("output_config") or {}).get("format") or {}
    return asked.get("schema")


def prompt_tokens(params: Mapping[str, Any]) -> int:
    return sum(each.tokens for each in parts(params, 0))


class Cache:
    """Prefixes of prompts by model, each until it has not been used for some time."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def usage(self, model: str, prompt: list[Part], minimum: int) -> dict[str, Any]:
        """What a prompt counts as, but for its answer. What it marks and what is long enough is there from now on."""
        whole = sum(each.tokens for each in prompt)
        ends = [place for place, each in enumerate(prompt) if each.cached_for]
        read = written = 0
        lifetimes = {300: 0, 3600: 0}
        if ends:
            now = time.monotonic()
            for place, size, key in self._prefixes(model, prompt[: ends[-1] + 1]):
                is_known = self._until.get(key, 0) > now
                if is_known:
                    read, written = size, 0
                if prompt[place].cached_for and size >= minimum:
                    if not is_known:
                        written = size - read
                    self._until[key] = now + prompt[place].cached_for
            lifetimes[3600 if prompt[ends[-1]].cached_for == 3600 else 300] = written
        return {
            "input_tokens": whole - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": lifetimes[300],
                "ephemeral_1h_input_tokens": lifetimes[3600],
            },
        }

    def clear(self) -> None:
        self._until.clear()

    @staticmethod
    def _prefixes(model: str, prompt: list[Part]) -> Iterator[tuple[int, int, bytes]]:
        """Place, tokens and key of each prefix, the shortest first."""
        told = hashlib.blake2b(model.encode(), digest_size=16)
        size = 0
        for place, each in enumerate(prompt):
            told.update(each.text.encode("utf-8", "surrogatepass") + b"\0")
            size += each.tokens
            yield place, size, told.copy().digest()


def _shared(text: str, cached_for: float = 0) -> Part:
    return Part(text, tokens_of_shared(text), cached_for)


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"text": content}
    else:
        yield from content


def _seconds(block: Mapping[str, Any], cache_seconds: float) -> float:
    control = block.get("cache_control")
    if not control:
        return 0
    return 3600 if control.get("ttl") == "1h" else cache_seconds
