"""The reviewed word lists that P5 rests on: which words are generic, and which are of a kind that can hurt.

Files under `words/`, one word or label a line, `#` opens a comment: `LANGUAGE.function.txt` (words that only
hold a sentence together), `LANGUAGE.frequent.txt` (about the 500 most frequent), `LANGUAGE.abstract.txt`
(kinds of things and acts), `en.verbs.txt` (acts that are asked for), `en.headings.txt` (category labels),
`sensitive/KIND.txt`, `names.txt` (given names that are everyday words somewhere). What stands in the last two
is never generic, whatever list of whatever language holds it too. Nothing here knows of a cluster or a count.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "words"

SENSITIVE_KINDS = ("crime", "employer", "faith", "illness", "orientation", "place", "substance")
"""Kinds of words that can hurt: they need more accounts, and get more noise (P5)."""


def fold(text: str) -> str:
    """The form in which words are compared: NFKC, lower case, one kind of apostrophe."""
    return unicodedata.normalize("NFKC", text).lower().replace("’", "'")


@cache
def listed_languages() -> tuple[str, ...]:
    """ISO 639-1 codes that have a list of function words, sorted."""
    return tuple(sorted(path.name.split(".")[0] for path in _FOLDER.glob("*.function.txt")))


@cache
def function_words(language: str) -> frozenset[str]:
    """Words of `language` that say nothing of a subject; empty for a language without a list."""
    return _read(f"{language}.function.txt")


@cache
def generic_words(language: str) -> frozenset[str]:
    """Words of `language` that may stand in a published name without support; empty without lists."""
    words = function_words(language) | _read(f"{language}.frequent.txt") | _read(f"{language}.abstract.txt")
    if language == "en":
        words |= verbs() | {word for label in headings() for word in label.split()}
    return words - _sensitive().keys() - _read("names.txt")


@cache
def every_generic_word() -> frozenset[str]:
    """Generic words of all languages together: a published name carries no language of its own."""
    return frozenset().union(*(generic_words(language) for language in listed_languages()))


@cache
def headings() -> tuple[str, ...]:
    """English category labels, sorted. Their words are generic."""
    return tuple(sorted(_read("en.headings.txt")))


@cache
def verbs() -> frozenset[str]:
    """English verbs for what one asks an assistant to do."""
    return _read("en.verbs.txt")


def is_generic(word: str) -> bool:
    """Whether a word, in any configured language, needs no support. Digits never are."""
    return fold(word) in every_generic_word()


def sensitive_kind(word: str) -> str | None:
    """The kind of a word that can hurt (one of SENSITIVE_KINDS), or None."""
    return _sensitive().get(fold(word))


@cache
def sensitive_words() -> frozenset[str]:
    """Every word of a kind that can hurt."""
    return frozenset(_sensitive())


@cache
def _sensitive() -> dict[str, str]:
    return {word: kind for kind in SENSITIVE_KINDS for word in _read(f"sensitive/{kind}.txt")}


def _read(name: str) -> frozenset[str]:
    path = _FOLDER / name
    if not path.is_file():
        return frozenset()
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return frozenset(fold(line) for line in lines if line and not line.startswith("#"))
