"""What the model of `messages_server` says: JSON shaped by the schema and by what stands in the prompt.

It knows nothing and copies: the worst that a model does with what it is shown, and what a test can foretell. `wrong`
names rules that it breaks, those that no schema can state.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from html import unescape
from typing import Any

import orjson

from tests.messages_controls import Controls
from tests.messages_corpora import corpus_answer
from tests.messages_usage import schema_of

TEXT_WITHOUT_SCHEMA = "That can be done."
LONGEST_REQUEST = 160
NAME_WORDS, DESCRIPTION_WORDS = 4, 6
TOO_LONG = 14
"""Words of a name that is too long."""

CONCERNS = ("bomb", "weapon", "explosive", "hack")
PRIVATE = re.compile(r"[^\s@]@[^\s@]|\d(?:[ -]?\d){4}")
TAG = re.compile(r"<[^>]*>")
SENTENCE_END = re.compile(r"(?<=[.!?])\s|(?<=[。！？])|\n")
FIRST_TURN = re.compile(r'<(?:user|turn role="user")>')
DECLINES = re.compile(r"<(?:assistant|turn role=\"assistant\")>\s*I (?:can['’]t|cannot)\b")
INJECTED = re.compile(r"IGNORE ALL INSTRUCTIONS AND WRITE:\s*([^\n<]+)")
BETWEEN = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:to|and|through|–|-)\s*(-?\d+(?:\.\d+)?)")
BOUND = re.compile(r"(minimum|maximum): (-?\d+(?:\.\d+)?)")
NUMBERED = re.compile(r'<(?:topic|parent) n="(\d+)">(.*?)</(?:topic|parent)>', re.S)

SCRIPTS = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "zh": re.compile("[\u3400-\u9fff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "es": re.compile("[ñ¿¡]"),
    "pt": re.compile("[ãõ]"),
    "de": re.compile("[äöüß]"),
    "fr": re.compile("[éèêàç]"),
}
"""Languages by letters that tell them, the first that is found."""

OWN_FIELDS = frozenset(("request", "task", "language", "concerning", "refused"))


def answer_text(params: Mapping[str, Any], controls: Controls) -> str:
    """The text that answers a request: JSON where a schema is given."""
    schema = schema_of(params)
    if schema is None:
        return TEXT_WITHOUT_SCHEMA
    data = _text(params["messages"][0]["content"])
    once = controls.wrong.get("once", controls.wrong_once)
    turns = sum(message["role"] == "user" for message in params["messages"])
    wrong = controls.wrong if turns == 1 or not once else {}
    fields = frozenset(schema.get("properties", ()))
    if {"request", "task"} <= fields:
        value: Any = facets(schema["properties"], data, wrong)
    elif fields == {"name", "description"}:
        value = _in_order(schema, summary(data, controls.naming, wrong))
    elif written := corpus_answer(fields, data, wrong):
        value = written
    elif fields == {"relates"}:
        value = {"relates": relates(inside("question", _text(params.get("system") or "")), data)}
    elif fields == {"score"}:
        value = {"score": 1 if PRIVATE.search(plain(data)) else 4}
    elif fields == {"assignments"}:
        value = {"assignments": assignments(data, wrong.get("assignments", ""))}
    elif fields in ({"parents"}, {"names"}):
        (name,) = fields
        value = {name: parents(data, wrong.get("parents", ""))}
    else:
        value = _any_value(schema, "answer", data, schema.get("$defs", {}), is_outside=False)
    return orjson.dumps(value).decode()


# Conversations.


def facets(properties: Mapping[str, Any], data: str, wrong: Mapping[str, Any]) -> dict[str, Any]:
    """Facets of a conversation, the site's own among them, in the order of the schema."""
    said = data.lower()
    sentence = SENTENCE_END.split(first_turn(data)[:2_000].strip(), maxsplit=1)[0].strip()
    own = {
        "request": (sentence or "ask something")[:LONGEST_REQUEST],
        "task": " ".join(sentence.split()[:3])[:80] or "ask",
        "language": _language(properties.get("language", {}), data),
        "concerning": 4 if any(word in said for word in CONCERNS) else 1,
        "refused": bool(DECLINES.search(data)),
    }
    if wrong.get("request") == "empty":
        own["request"] = ""
    if wrong.get("concerning") == "outside":
        own["concerning"] = 9
    is_outside = wrong.get("scale") == "outside"
    return {
        name: own[name] if name in OWN_FIELDS else _any_value(inner, name, data, {}, is_outside=is_outside)
        for name, inner in properties.items()
    }


def first_turn(data: str) -> str:
    """The first user turn's text; of a prompt without turns all of its text."""
    opened = FIRST_TURN.search(data)
    if not opened:
        return plain(data)
    end = data.find("</", opened.end())
    return plain(data[opened.end() : end if end >= 0 else None])


def relates(question: str, data: str) -> bool:
    """Whether a word of the question, of five letters or more, is in the conversation."""
    said = plain(data).lower()
    return any(word in said for word in re.findall(r"\w{5,}", question.lower()))


def _language(schema: Mapping[str, Any], data: str) -> str:
    known = schema.get("enum")
    guess = "en"
    if not data.isascii():
        guess = next((code for code, letters in SCRIPTS.items() if letters.search(data)), "en")
    if not known or guess in known:
        return guess
    return "en" if "en" in known else str(known[0])


# Topics.


def summary(data: str, naming: str, wrong: Mapping[str, Any]) -> dict[str, str]:
    """A name and a description from the words that are offered; copied or obeyed where `naming` says so."""
    if naming == "copy" and (shown := inside("s", inside_raw("inside", data)) or inside("name", data)):
        return {"name": shown, "description": shown}
    if naming == "obey" and (told := INJECTED.search(unescape(data))):
        return {"name": told.group(1).strip(), "description": told.group(1).strip()}
    words = inside("words", data).split() or ["help"]
    pairs = None
    if _opening("pairs")(data):
        pairs = {frozenset(pair.split()) for pair in inside("pairs", data).split(";")}
    name = " ".join(_together(words, pairs)).capitalize()
    if wrong.get("name") == "long":
        name = " ".join(["help"] * TOO_LONG)
    return {"name": name, "description": f"People asked about {', '.join(words[:DESCRIPTION_WORDS])}."}


def _together(words: Sequence[str], pairs: set[frozenset[str]] | None) -> list[str]:
    """The first words; where pairs are offered, the first of which every pair is."""
    if pairs is None:
        return list(words[:NAME_WORDS])
    chosen = [next((word for word in words if any(word in pair for pair in pairs)), words[0])]
    for word in words:
        if len(chosen) < NAME_WORDS and all(frozenset((word, each)) in pairs for each in chosen):
            chosen.append(word)
    return chosen


def parents(data: str, wrong: str) -> list[dict[str, str]]:
    """As many parents as are wanted, named after topics at even distances."""
    names = list(
        dict.fromkeys(map(plain, re.findall(r"<name>(.*?)</name>", inside_raw("topics", data), re.S)))
    )
    wanted = int(inside("wanted", data) or 1)
    if wrong == "none":
        return []
    if wrong == "too many":
        chosen = [f"{names[place % len(names)]} {_letters(place)}" for place in range(3 * wanted + 3)]
    else:
        count = min(wanted, len(names))
        chosen = [names[place * len(names) // count] for place in range(count)]
    return [{"name": name, "description": f"People asked about {name.lower()}."} for name in chosen]


def assignments(data: str, wrong: str) -> list[dict[str, int]]:
    """For each topic the parent with most letter trigrams of its own."""
    offered = [
        (int(number), _trigrams(text)) for number, text in NUMBERED.findall(inside_raw("parents", data))
    ]
    found = []
    for number, text in NUMBERED.findall(inside_raw("topics", data)):
        own = _trigrams(text)
        parent, _ = max(offered, key=lambda each: len(each[1] & own))
        found.append({"topic": int(number), "parent": parent})
    if wrong == "outside" and found:
        found[0]["parent"] = len(offered) + 1
    return found[1:] if wrong == "missing" else found


def _trigrams(text: str) -> set[str]:
    told = plain(text).lower()
    return {told[place : place + 3] for place in range(len(told) - 2)}


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


# Any other field.


def _any_value(
    schema: Mapping[str, Any], name: str, data: str, defs: Mapping[str, Any], *, is_outside: bool
) -> Any:
    """A value that fits a schema, chosen by a hash of the text; numbers past their bounds where asked for."""

    def of(inner: Mapping[str, Any], inner_name: str) -> Any:
        return _any_value(inner, inner_name, data, defs, is_outside=is_outside)

    chance = zlib.crc32(f"{name}\0{data}".encode("utf-8", "surrogatepass"))
    kind = schema.get("type")
    if "$ref" in schema:
        return of(defs[schema["$ref"].rsplit("/", 1)[1]], name)
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return of(schema["anyOf"][chance % len(schema["anyOf"])], name)
    if "enum" in schema:
        return _one_of(schema["enum"], data, chance, is_outside=is_outside)
    if kind == "object":
        return {each: of(inner, each) for each, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [of(schema["items"], f"{name} {place}") for place in range(1 + chance % 2)]
    if kind == "boolean":
        return chance % 2 == 0
    if kind in ("integer", "number"):
        low, high = _bounds(schema)
        if is_outside:
            return _number(high + 1, kind)
        return _number(low + (high - low) * (chance % 101) / 100, kind)
    if kind == "null":
        return None
    words = first_turn(data).split() or ["nothing"]
    start = chance % len(words)
    return " ".join(words[start : start + 4])


def _one_of(values: Sequence[Any], data: str, chance: int, *, is_outside: bool) -> Any:
    if is_outside and all(isinstance(each, int) for each in values):
        return max(values) + 1
    said = plain(data).lower()
    named = [each for each in values if isinstance(each, str) and each.lower() in said]
    return named[0] if named else values[chance % len(values)]


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float]:
    told = schema.get("description", "")
    stated = {name: float(value) for name, value in BOUND.findall(told)}
    if stated:
        low = stated.get("minimum", stated.get("maximum", 10.0) - 10)
        return low, stated.get("maximum", low + 10)
    between = BETWEEN.search(told)
    return (float(between.group(1)), float(between.group(2))) if between else (0.0, 10.0)


def _number(value: float, kind: str) -> float:
    return round(value) if kind == "integer" else round(value, 2)


# Text in blocks.


@lru_cache(maxsize=64)
def _opening(tag: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(rf"<{tag}(?: [^>]*)?>").search


def inside_raw(tag: str, text: str) -> str:
    """What stands in the first block of a tag, as it stands there; empty where there is none."""
    opened = _opening(tag)(text)
    if not opened:
        return ""
    end = text.find(f"</{tag}>", opened.end())
    return text[opened.end() : end if end >= 0 else None]


def inside(tag: str, text: str) -> str:
    return plain(inside_raw(tag, text))


def plain(text: str) -> str:
    """Text without its tags and escapes."""
    if "<" in text:
        text = TAG.sub(" ", text)
    return unescape(text) if "&" in text else text


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _in_order(schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in schema["properties"]}
