"""Private items that one account alone says, in the sentences of fifteen languages (`private_items.toml`).

Half are of kinds that the detector knows (synthetic/canaries.py); the others, a coined illness, a coined employer, two
everyday words that nobody else puts together, are of kinds that no pattern can know. All are made up.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import combinations
from random import Random
from typing import Any

from clio_dagster.synthetic.canaries import Canaries, Canary
from clio_dagster.synthetic.grammar import Grammar
from clio_dagster.synthetic.topics import Language, load_languages

ILLNESS, EMPLOYER, PAIR = "illness", "employer", "rare pair"
UNKNOWN = (ILLNESS, EMPLOYER, PAIR)
"""Kinds that no detector can know: what makes them private is that one account says them."""

_POOL = 4
"""Words of a topic, of which rare pairs are made."""


class Items:
    """Private items, each drawn once. Rare pairs are of words that one topic has in its language, while words last."""

    def __init__(self, random: Random, topics: Sequence[str], languages: Sequence[str] = ("en",)) -> None:
        self._random = random
        self._known = Canaries(random)
        self._used: set[str] = set()
        self._pools: dict[tuple[str, str], list[str]] = {}
        self._pairs: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for language in languages:
            self._share_out(language, topics)

    def draw(self, topic: str, language: str = "en") -> Canary:
        """An item of any kind, of which the language has sentences."""
        turn = self._random.random()
        if turn < 0.5:
            return self._known.plant(language, _speech(language))
        if turn < 0.6 and self._pairs.get((language, topic)):
            one, other = self._pairs[language, topic].pop()
            return self._carried(PAIR, language, f"{one} {_bank()[language]['and']} {other}")
        kind = ILLNESS if turn < 0.8 else EMPLOYER
        return self._carried(kind, language, self._coined(kind, language))

    def common(self, topic: str, language: str = "en") -> str:
        """A sentence with a word of the topic's pairs, so that each word has support and no pair has; empty for a
        topic without pairs in its language."""
        pool = self._pools.get((language, topic))
        return _bank()[language]["common"].format(x=self._random.choice(pool)) if pool else ""

    def _share_out(self, language: str, topics: Sequence[str]) -> None:
        words = _bank()[language].get("words", "").split()
        pools = [words[start : start + _POOL] for start in range(0, len(words) - _POOL + 1, _POOL)]
        for topic, pool in zip(topics, pools, strict=False):
            self._pools[language, topic] = pool
            self._pairs[language, topic] = combinations_of(pool, self._random)

    def _coined(self, kind: str, language: str) -> str:
        parts = _bank()[_bank()[language]["script"]][kind]
        while True:
            text = "".join(self._random.choice(part) for part in parts)
            if kind == EMPLOYER and self._random.random() < 0.5:
                text = text.lower()
            if text not in self._used:
                self._used.add(text)
                return text

    def _carried(self, kind: str, language: str, text: str) -> Canary:
        sentences = _bank()[language]["pair" if kind == PAIR else kind]
        return Canary(kind, text, self._random.choice(sentences).format(x=text))


def combinations_of(pool: Sequence[str], random: Random) -> list[tuple[str, str]]:
    """All pairs of a pool's words, shuffled."""
    pairs = list(combinations(pool, 2))
    return random.sample(pairs, len(pairs))


@cache
def _speech(language: str) -> Language:
    """How a language tells items that the detector knows: the synthetic corpus's way, or one of the bank's."""
    if language in (known := load_languages()):
        return known[language]
    bank = _bank()[language]
    carriers: Mapping[str, list[str]] = bank["known"]
    return Language(" ", {}, Grammar(carriers), tuple(carriers), bank["person"])


@cache
def _bank() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "private_items.toml").read_text("utf-8"))
