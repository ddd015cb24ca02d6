"""Categories, and the phrase bank of each language: requests with slots, tones, turns and replies.

Everything that may be tuned on is cut in two by hash: requests, fillers and categories. One half is TUNING's, and
figures are told of the other, HELD_OUT.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from clio_dagster.synthetic.grammar import Grammar

ORDINARY, CONCERNING = "ordinary", "concerning"
KINDS = (ORDINARY, CONCERNING)

TUNING, HELD_OUT = "tuning", "held out"

_SLOT = re.compile(r"\{\w+\}")

LANGUAGES = ("en", "uk", "es", "ja", "zh", "fr", "ru", "hi", "pt", "ca", "hy", "ar", "af", "tr", "ka")
"""ISO 639-1 codes of the paper's fifteen languages (its Table 5), in its order."""


@dataclass(frozen=True)
class Category:
    """What is to be found again: `name` and `description` are those that the hierarchy's level is fixed to."""

    id: str
    name: str
    description: str
    subcategories: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Subject:
    """A subcategory in one language and half: requests, and the slots that a conversation fills once."""

    grammar: Grammar
    slots: tuple[str, ...]


@dataclass(frozen=True)
class Bank:
    """One language. `said` has rules `plain`, `polite`, … (tones), `context`, `detail`, `follow` and `insist` (after a
    reply that helps, or declines), `thanks`, `help` and `refusal`; `subjects` are by kind, category and subcategory."""

    joiner: str
    tones: tuple[str, ...]
    said: Grammar
    subjects: Mapping[tuple[str, str, str], Subject]


@cache
def categories(kind: str) -> tuple[Category, ...]:
    """The categories of a kind, in their order."""
    stored = tomllib.loads(_text("categories.toml"))[kind]
    return tuple(Category(name, **row) for name, row in stored.items())


def is_tuning(category: str) -> bool:
    """Whether a category is one that may be tuned on: every second one by hash, of each kind."""
    for kind in KINDS:
        names = [each.id for each in categories(kind)]
        if category in names:
            return category in half_of(names, kind, TUNING)
    raise KeyError(category)


@cache
def load_bank(language: str, half: str) -> Bank:
    """The bank of one of LANGUAGES, with the requests and fillers of one half."""
    stored = _stored(language)
    tones = tuple(stored["tones"])
    said = {**stored["tones"], **stored["length"], **stored["turns"], **stored["replies"]}
    subjects = {}
    for kind in KINDS:
        for category in categories(kind):
            for subcategory in category.subcategories:
                place = (kind, category.id, subcategory)
                rules = stored[kind][category.id][subcategory]
                halved = {
                    name: half_of(lines, " ".join((language, *place, name)), half)
                    for name, lines in rules.items()
                }
                subjects[place] = Subject(Grammar(halved), tuple(name for name in rules if name != "ask"))
    return Bank(stored["joiner"], tones, Grammar(said), subjects)


@cache
def phrases_of(language: str, kind: str, category: str) -> tuple[str, ...]:
    """All that a bank has on a category, of both halves: requests with their slots empty, and fillers."""
    stored = _stored(language)[kind][category]
    lines = [line for rules in stored.values() for of_rule in rules.values() for line in of_rule]
    return tuple(_SLOT.sub(" ", line) for line in lines)


@cache
def _stored(language: str) -> dict[str, Any]:
    return tomllib.loads(_text(f"banks/{language}.toml"))


def half_of(lines: Sequence[str], of: str, half: str) -> list[str]:
    """Every second line in the order of their hashes; `of` says whose lines they are."""
    ordered = sorted(lines, key=lambda line: hashlib.sha256(f"{of}\0{line}".encode()).digest())
    return ordered[half == HELD_OUT :: 2]


def _text(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
