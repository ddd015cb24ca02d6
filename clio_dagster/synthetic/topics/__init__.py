"""What people write about, a file a language: `load_languages()` reads them.

Beside the languages, `pasted_code.toml` holds code that is pasted whatever the language, `planted.toml` the
subject and the template that the corpus plants, `rings.toml` what rings of accounts write, and `election.toml` what
is written around an election.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from clio_dagster.synthetic.grammar import Grammar

LANGUAGES = ("en", "es", "de", "fr", "pt", "zh", "ja", "it", "ru")
"""ISO 639-1 codes of the languages that have a file here."""

NUMBERS = {
    "small": [str(number) for number in range(2, 10)],
    "number": [str(number) for number in range(11, 60)],
    "big": [str(number) for number in range(60, 400)],
}
"""Rules that every grammar has: {small} 2 to 9, {number} 11 to 59, {big} 60 to 399."""


@dataclass(frozen=True)
class Topic:
    """A subject in one language: its name there, how it is written about, whether it asks for harm."""

    name: str
    grammar: Grammar
    harmful: bool


@dataclass(frozen=True)
class Language:
    """A language's topics, most frequent first, and how private data is put into its sentences."""

    joiner: str  # what stands between sentences
    topics: dict[str, Topic]
    carriers: Grammar
    carrier_kinds: tuple[str, ...]
    person: dict[str, list[str]]


@cache
def load_languages() -> dict[str, Language]:
    """Every language by its code."""
    code = _read("pasted_code")["topic"]
    return {language: _language(_read(language), code) for language in LANGUAGES}


@cache
def load_planted() -> dict[str, Topic]:
    """The planted topics: `fairground_organ` and `review_ring`, in English, with its greetings and wishes."""
    english = _read("en")
    return _language(english | {"topic": _read("planted")["topic"]}, {}).topics


@cache
def load_election() -> dict[str, dict[str, Topic]]:
    """What is written around an election, by language and topic, with each language's greetings and wishes."""
    written = _read("election")
    return {code: _language(_read(code) | written[code], {}).topics for code in written}


@cache
def load_rings() -> dict[str, Topic]:
    """The topics of rings and of the crowds that look like them, in English, with its greetings and wishes."""
    english = _read("en")
    return _language(english | {"topic": _read("rings")["topic"]}, {}).topics


def _language(table: Mapping[str, Any], code: Mapping[str, Any]) -> Language:
    common = {name: _lines(value) for name, value in table.items() if isinstance(value, str)}
    canary = {name: _lines(value) for name, value in table["canary"].items()}
    topics = {}
    for name, rules in table["topic"].items():
        own = {key: _lines(value) for key, value in rules.items() if isinstance(value, str)}
        pasted = {
            key: _blocks(value) if key == "paste" else _lines(value)
            for key, value in code.get(name, {}).items()
        }
        anywhere = {"any_follow": common["follow"], "any_reply": common["reply"]}
        merged = common | NUMBERS | pasted | own | anywhere
        topics[name] = Topic(rules["name"], Grammar(merged), bool(rules.get("harmful", False)))
    person = {name: _lines(value) for name, value in table["person"].items()}
    return Language(table["joiner"], topics, Grammar(canary), tuple(canary), person)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text("utf-8"))


def _lines(value: str) -> list[str]:
    """The alternatives of a rule: its lines, or what bars separate where it is a single line."""
    stripped = value.strip("\n")
    return stripped.split("\n") if value.endswith("\n") else stripped.split("|")


def _blocks(value: str) -> list[str]:
    return value.strip("\n").split("\n---\n")
