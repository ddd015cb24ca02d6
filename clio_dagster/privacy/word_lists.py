"""The reviewed word lists that P5 rests on: which words are generic, and which are of a kind that can hurt.

Files under `words/`, one word or label a line, `#` opens a comment: `LANGUAGE.function.txt` (words that only
hold a sentence together), `LANGUAGE.frequent.txt` (about the 500 most frequent), `LANGUAGE.abstract.txt`
(kinds of things and acts), `en.verbs.txt` (acts that are asked for), `en.headings.txt`, `en.subjects.txt` and
`en.harms.txt` (category labels: most of them; the broad ones; those of what can harm),
`sensitive/KIND.LANGUAGE.txt` (`employer.firms.txt` for firms, which have one name everywhere), `names.txt` (given
names that are everyday words somewhere). What stands in the last two is never generic, whatever list of whatever
language holds it too: a published name carries no language, and German "Gift" is no English gift. A single letter
of Han, kana, Thai or Hangul is listed only as a function word: names and illnesses are made of the others. Nothing
here knows of a cluster or a count.

The attacker is a reader who knows a little of one person and looks for more in a public name: a word that wrongly
counts as generic is published though nobody else used it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "words"

SENSITIVE_KINDS = ("crime", "employer", "faith", "illness", "orientation", "place", "substance")
"""Kinds of words that can hurt: they need more accounts, and get more noise (P5)."""

NO_SUBJECT = ("mixed requests", "various things,", "with no subject in common")
"""What is said of a topic that no category label fits."""

LANGUAGE_NAMES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "zh": "Chinese",
}
"""English names of the languages that have lists."""


_FIRMS = "firms"
"""Stands where a language does in the file of employers' own names."""

_ARABIC_PREFIXES = ("ال", "و", "وال", "ب", "بال", "ل", "لل", "ف", "فال", "ك", "كال")


def fold(text: str) -> str:
    """The form in which words are compared: NFKC, lower case, one kind of apostrophe, no dot over an `i` that
    comes of Turkish `İ`."""
    return unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("i\u0307", "i")


@cache
def listed_languages() -> tuple[str, ...]:
    """ISO 639-1 codes that have a list of function words, sorted."""
    return tuple(sorted(path.name.split(".")[0] for path in _FOLDER.glob("*.function.txt")))


@cache
def function_words(language: str) -> frozenset[str]:
    """Words of `language` that say nothing of a subject; empty for a language without a list."""
    return _read(f"{language}.function.txt")


@cache
def frequent_words(language: str) -> frozenset[str]:
    """About the 500 most frequent words of `language`; empty for a language without a list."""
    return _read(f"{language}.frequent.txt")


@cache
def abstract_words(language: str) -> frozenset[str]:
    """Kinds of things and acts that say nothing of one person; empty for a language without a list."""
    return _read(f"{language}.abstract.txt")


@cache
def everyday_names() -> frozenset[str]:
    """Given names that are everyday words of some language."""
    return _read("names.txt")


@cache
def generic_words(language: str) -> frozenset[str]:
    """Words of `language` that may stand in a published name without support; empty without lists."""
    words = function_words(language) | frequent_words(language) | abstract_words(language)
    if language == "en":
        words |= verbs() | {label for label in headings() if " " not in label}
    return words - _sensitive().keys() - everyday_names()


@cache
def every_generic_word() -> frozenset[str]:
    """Generic words of all languages together: a published name carries no language of its own."""
    return frozenset().union(*(generic_words(language) for language in listed_languages()))


@cache
def headings() -> tuple[str, ...]:
    """English category labels, sorted, the broad ones among them."""
    return tuple(sorted(_labels("en.headings.txt").keys() | subjects() | harms()))


@cache
def harms() -> frozenset[str]:
    """The category labels of what can harm."""
    return frozenset(_labels("en.harms.txt"))


def examples(label: str) -> tuple[str, ...]:
    """Requests that belong under a category label whose own words do not say so; never shown."""
    return tuple(
        example
        for name in ("en.headings.txt", "en.subjects.txt", "en.harms.txt")
        for example in _labels(name).get(label, ())
    )


@cache
def subjects() -> frozenset[str]:
    """The broad ones among the category labels."""
    return frozenset(_labels("en.subjects.txt"))


@cache
def free_phrases() -> tuple[str, ...]:
    """Phrases of several words that need no support as a whole, whatever their words: category labels without
    an English word of a sensitive kind, "in LANGUAGE", and what is said of a topic without a subject."""
    hurting = frozenset().union(*(sensitive_list(kind, "en") for kind in SENSITIVE_KINDS))
    labels = (label for label in headings() if " " in label and not set(label.split()) & hurting)
    return (*NO_SUBJECT, *labels, *(f"in {fold(language)}" for language in LANGUAGE_NAMES.values()))


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
def sensitive_list(kind: str, language: str) -> frozenset[str]:
    """The words of one kind that can hurt as the list of one language has them; empty without one. Employers'
    own names, which have no language, are in every language's list of employers."""
    words = _read(f"sensitive/{kind}.{language}.txt")
    return words | _read(f"sensitive/{kind}.{_FIRMS}.txt") if words else words


@cache
def kept_whole() -> frozenset[str]:
    """Listed words that no cutting of texts may take apart: those that can hurt, and names that are everyday
    words."""
    return everyday_names().union(*(words for _, _, words in _sensitive_lists()))


@cache
def _sensitive() -> dict[str, str]:
    """Kind by word, the listed forms before the derived ones; no derived form takes a generic word away."""
    lists = _sensitive_lists()
    kinds = {word: kind for kind, _, words in reversed(lists) for word in words}
    taken = frozenset().union(
        *(
            function_words(language) | frequent_words(language) | abstract_words(language)
            for language in listed_languages()
        )
    )
    for kind, language, words in lists:
        for form in _derived(words, language):
            if form not in taken:
                kinds.setdefault(form, kind)
    return kinds


def _derived(words: Iterable[str], language: str) -> Iterable[str]:
    """Further forms in which sensitive words are written: without accents, German with ae for ä, with an
    apostrophe and s; Arabic with prepositions, conjunctions and the article."""
    for word in words:
        if language == "ar":
            stem = word.removeprefix("ال")
            yield from (prefix + stem for prefix in ("", *_ARABIC_PREFIXES))
        elif re.match(r"[a-zß-ɏ]", word):
            plain = _without_accents(word)
            yield plain
            yield from (f"{word}'s", f"{plain}'s")
            if language == "de":
                for letter, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
                    word = word.replace(letter, letters)
                yield word


def _without_accents(word: str) -> str:
    marked = unicodedata.normalize("NFKD", word.translate(str.maketrans("łøıđ", "loid")).replace("ß", "ss"))
    return "".join(letter for letter in marked if not unicodedata.combining(letter))


@cache
def _sensitive_lists() -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Kind, language (or "firms") and words of every list of sensitive words."""
    return tuple(
        (kind, path.name.split(".")[1], _read(f"sensitive/{path.name}"))
        for kind in SENSITIVE_KINDS
        for path in sorted((_FOLDER / "sensitive").glob(f"{kind}.*.txt"))
    )


@cache
def _labels(name: str) -> dict[str, tuple[str, ...]]:
    """Labels of a file, each with its examples: `LABEL | REQUEST; REQUEST`."""
    split = (line.partition("|") for line in _read(name))
    return {
        label.strip(): tuple(example.strip() for example in requests.split(";") if example.strip())
        for label, _, requests in split
    }


def _read(name: str) -> frozenset[str]:
    path = _FOLDER / name
    if not path.is_file():
        return frozenset()
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return frozenset(fold(line) for line in lines if line and not line.startswith("#"))
