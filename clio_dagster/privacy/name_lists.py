"""What is known of a word before its context is looked at: a given name, a surname, an ordinary word.

Part of the detector (P3). Given names and surnames are those of Faker's 87 locales, 58,000 in all, and of
`given_names`; ordinary words are those of the reviewed lists (`word_lists`) and of `words/people/`: words that
lists of names hold too (`ordinary.txt`), and capitalised words of places, firms, products and languages
(`capitalised.txt`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from enum import IntFlag
from functools import cache
from pathlib import Path

from clio_dagster.privacy import word_lists
from clio_dagster.privacy.given_names import AMBIGUOUS, GIVEN

_FOLDER = Path(__file__).parent / "words" / "people"
_WIDESPREAD = 3
"""In how many countries' lists a given name stands that is taken for one wherever it is capitalised."""


class Known(IntFlag):
    """What a word is known as; several may hold."""

    GIVEN = 1
    SURE = 2
    """A given name wherever it stands capitalised."""
    SURNAME = 4
    COMMON = 8
    """An ordinary word, or a capitalised one that is no person."""
    FUNCTION = 16
    """A word that only holds a sentence together: never part of a name."""


@cache
def lexicon() -> dict[str, int]:
    """Folded word to the `Known` it is, for all words that are known as anything."""
    # Plain integers: a hundred thousand operations on flags take half a second of every process.
    given, sure, surname, common, function = map(int, Known)
    words: Counter[str] = Counter()
    for name, countries in _counted("first_name").items():
        words[name] |= given | (sure if countries >= _WIDESPREAD else 0)
    for name in _counted("last_name"):
        words[name] |= surname
    for name in map(fold, AMBIGUOUS):
        words[name] |= given
    for word in _ordinary():
        words[word] = words[word] & ~sure | common
    for name in map(fold, AMBIGUOUS):
        words[name] = words[name] & ~sure | common
    for name in map(fold, GIVEN):
        words[name] = words[name] & ~common | given | sure
    for language in word_lists.listed_languages():
        for word in word_lists.function_words(language):
            words[word] = words[word] & ~sure | common | function
    return dict(words)


def fold(word: str) -> str:
    """The form in which names are compared: NFC, lower case, one kind of apostrophe."""
    return unicodedata.normalize("NFC", word).lower().replace("’", "'")


@cache
def country_names(locale: str, part: str) -> frozenset[str]:
    """The names of one of Faker's locales (`zh_CN`, say); `part` is `first_name` or `last_name`."""
    from importlib import import_module

    provider = import_module(f"faker.providers.person.{locale}").Provider
    lists = (getattr(provider, attribute) for attribute in dir(provider) if attribute.startswith(part))
    return frozenset(
        name
        for names in lists
        if isinstance(names, dict | list | tuple | set | frozenset)
        for name in names
        if isinstance(name, str)
    )


@cache
def _counted(part: str) -> Counter[str]:
    """Each folded part of a name with the number of countries that list it; unaccented forms count too."""
    import pkgutil

    import faker.providers.person as people

    countries: Counter[str] = Counter()
    for module in pkgutil.iter_modules(people.__path__):
        if len(module.name) > 2:
            countries.update(set(_forms(country_names(module.name, part))))
    countries.update(set(_forms(country_names("en", part))) - countries.keys())  # not a country: counts least
    return countries


def _forms(names: frozenset[str]) -> Iterator[str]:
    for name in names:
        for word in fold(name).replace("-", " ").split():
            if len(word) > 2:
                yield word
                yield unaccented(word)


def unaccented(word: str) -> str:
    """The word without its diacritics, as many write it."""
    if word.isascii():
        return word
    bare = "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign))
    return unicodedata.normalize("NFC", bare).replace("ł", "l").replace("ø", "o").replace("ı", "i")


def _ordinary() -> Iterator[str]:
    for language in word_lists.listed_languages():
        yield from word_lists.generic_words(language)
        yield from word_lists.frequent_words(language)
    yield from word_lists.sensitive_words()
    yield from (word for heading in word_lists.headings() for word in heading.split())
    for name in ("ordinary.txt", "capitalised.txt"):
        lines = (_FOLDER / name).read_text("utf-8").splitlines()
        yield from (line for line in lines if not line.startswith("#"))
