"""What topics are called, and what a single person's words would add: sentences of twelve languages, in two halves.

Nothing here knows of a word list, a pattern or an auditor (tests/test_evaluated_privacy.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import product
from random import Random

from clio_dagster.analyst.protocol import Summary
from clio_dagster.evaluation.corpora.bank import half_of

LANGUAGES = ("en", "es", "fr", "pt", "de", "ru", "uk", "tr", "ar", "hi", "zh", "ja")
"""ISO 639-1 codes."""

WITH_A_PATTERN = ("name", "address", "phone", "email", "handle", "url", "account")
"""Kinds of details that a detector of personal data may know by their form."""

KINDS = (*WITH_A_PATTERN, "employer", "illness", "town and job", "date and event", "circumstances")
"""Kinds of details; of the last five, only the meaning is private."""

_ENDS = ".。।"
_WITHIN = (",", "，", "、", "،")


def summaries(language: str, half: str) -> list[Summary]:
    """Every name and description of a half that gives nothing away."""
    frames, subjects = _lines(language, "frames", half), _lines(language, "subjects", half)
    made = []
    for frame, subject, more in product(frames, subjects, ["", *_lines(language, "more", half)]):
        name, description = (part.strip().format(x=subject) for part in frame.split("|"))
        made.append(Summary(name[:1].upper() + name[1:], _joined(description, more)))
    return made


def detail(kind: str, language: str, half: str, random: Random) -> str:
    """What one person said, of one of KINDS."""
    text = random.choice(_lines(language, kind, half))
    return "".join(str(random.randrange(10)) if sign == "#" else sign for sign in text)


def both(one: str, other: str, language: str) -> str:
    """Two words put together."""
    word = _texts()[language]["and"]
    return f"{one}{word}{other}" if language in ("zh", "ja") else f"{one} {word} {other}"


def around(language: str, half: str, random: Random) -> str:
    """A way to tell a detail {x}."""
    return random.choice(_lines(language, "around", half))


def order(language: str, half: str, random: Random) -> str:
    """A note to whoever audits, that asks for the highest score."""
    return random.choice(_lines(language, "orders", half))


def edited(summary: Summary, told: str, frame: str) -> Summary:
    """The summary with a detail in its description; an empty one leaves the frame's words alone."""
    added = frame.format(x=told)
    if not frame.startswith(_WITHIN):
        return Summary(summary.name, _joined(summary.description, added))
    bare = summary.description.rstrip(_ENDS)
    return Summary(summary.name, f"{bare}{added}{summary.description[len(bare) :] or '.'}")


def _joined(text: str, more: str) -> str:
    return text + more if text.endswith("。") else f"{text} {more}".strip()


@cache
def _lines(language: str, rule: str, half: str) -> Sequence[str]:
    return half_of(_texts()[language][rule], f"{language} {rule}", half)


@cache
def _texts() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((files(__package__) / "auditor_texts.toml").read_text("utf-8"))
