"""Names and descriptions of base clusters, composed of their phrases.

One phrase that tells enough is the name; two are joined where one does not; a category label heads what is
not in English, and stands in where the cluster has no phrase. Each name passes P5 before it is taken, and no
two clusters have the same. How phrases are found and ranked is in phrases.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from clio_dagster.analyst.offline.english import VAGUE
from clio_dagster.analyst.offline.headings import CLOSE, Headings
from clio_dagster.analyst.offline.phrases import Phrase, Reading, read_samples
from clio_dagster.analyst.offline.writing import MOST_WORDS, listed, sentence, stems
from clio_dagster.analyst.protocol import NamingSample, Summary
from clio_dagster.privacy.vocabulary import violations

_MENTIONED = 4
"""Telling words that a description lists."""

_GOOD_ENOUGH = 0.45
"""A phrase of several telling words is preferred to a better one of a single word down to this share of
its score."""

_DROPPED = frozenset(["my", "me", "our", "i'd", "please"])
_TO_THIRD_PERSON = {
    "my": "their",
    "me": "them",
    "our": "their",
    "i": "they",
    "mine": "theirs",
    "myself": "themselves",
}

_LABELS_TRIED = 60
"""Category labels tried before a cluster without a phrase gives up looking for a name of its own."""


Labels = list[tuple[str, float]]
"""Category labels and how near they are, nearest first."""


def name_topics(samples: Sequence[NamingSample], headings: Headings) -> list[Summary]:
    """A summary for each sample: at most ten words, past tense, distinct, with no violation of P5."""
    if not samples:
        return []
    readings = read_samples(samples)
    labels = headings.nearest(np.stack([sample.centroid for sample in samples]), _LABELS_TRIED)
    # The cluster with the clearest phrase has it; the others look further.
    order = sorted(range(len(samples)), key=lambda i: (-_clarity(readings[i]), i))
    taken: set[str] = set()
    senses: set[frozenset[str]] = set()
    summaries: dict[int, Summary] = {}
    for number in order:
        sample, reading, own = samples[number], readings[number], labels[number]
        name, phrases = _choose(sample, reading, own, taken, senses)
        taken.add(name.casefold())
        if phrases:
            senses.add(_sense(phrases))
        summaries[number] = Summary(name, _describe(name, phrases, sample, reading, own))
    return [summaries[number] for number in range(len(samples))]


def _choose(
    sample: NamingSample, reading: Reading, labels: Labels, taken: set[str], senses: set[frozenset[str]]
) -> tuple[str, list[Phrase]]:
    """The first name that is free and passes P5, and the phrases that it is made of."""
    for phrases in _combinations(reading.phrases):
        if _sense(phrases) in senses:
            continue
        name = _compose(phrases, sample, labels)
        if name and name.casefold() not in taken and not violations(name, sample.vocabulary):
            return name, phrases
    for name in _label_names(labels):
        if name.casefold() not in taken and not violations(name, sample.vocabulary):
            return name, []
    return _numbered(labels, taken), []


def _combinations(phrases: Sequence[Phrase]) -> Iterator[list[Phrase]]:
    """Phrases and pairs of phrases in the order in which they are tried."""
    if not phrases:
        return
    best = phrases[0].score
    telling = [phrase for phrase in phrases if len(phrase.content) >= 2]
    single = [phrase for phrase in phrases if len(phrase.content) == 1]
    good = [phrase for phrase in telling if phrase.score >= _GOOD_ENOUGH * best]
    yield from ([phrase] for phrase in good)
    for first in phrases[:6]:
        for second in phrases[:20]:
            if not stems(first.words) & stems(second.words):
                yield [first, second]
    yield from ([phrase] for phrase in telling if phrase not in good)
    yield from ([phrase] for phrase in single)


def _compose(phrases: Sequence[Phrase], sample: NamingSample, labels: Labels) -> str | None:
    """The phrase; under a category label where it is short or not in English."""
    english = sample.language == "en"
    parts = [_without_possessives(phrase) if english else phrase.text for phrase in phrases]
    name = ", ".join(parts)
    if not english or len(phrases) > 1 or len(phrases[0].content) == 1:
        told = stems(word for phrase in phrases for word in phrase.words)
        fitting = [label for label, near in labels[:1] if near >= CLOSE and not stems(label.split()) & told]
        if fitting:
            name = f"{fitting[0]}: {name}"
    words = name.replace(",", " ").replace(":", " ").split()
    return sentence(name) if len(words) <= MOST_WORDS and len(set(words)) == len(words) else None


def _without_possessives(phrase: Phrase) -> str:
    return " ".join(word for word in phrase.text.split() if word not in _DROPPED)


def _label_names(labels: Labels) -> Iterator[str]:
    yield from (sentence(label) for label, near in labels[:1] if near >= CLOSE)
    for second in range(1, len(labels)):
        for first in range(second):
            one, other = labels[first][0], labels[second][0]
            if not stems(one.split()) & stems(other.split()):
                yield sentence(f"{one}, {other}")


def _numbered(labels: Labels, taken: set[str]) -> str:
    """No name is left: thousands of clusters without a word that enough accounts share."""
    first = labels[0][0]
    kinds = ("other", "further", "more", "general", "various", "several")
    free = [f"{a} {b} {first}" for a in kinds for b in kinds if a != b]
    free = [
        name
        for name in (*(f"{kind} {first}" for kind in kinds), *free)
        if sentence(name).casefold() not in taken
    ]
    return sentence(free[0] if free else f"other {first}")


def _describe(
    name: str, phrases: Sequence[Phrase], sample: NamingSample, reading: Reading, labels: Labels
) -> str:
    """At most two sentences; each part of a list is a clause of its own, so that only words need support."""
    asked = _asked(name, phrases, sample)
    mentioned = _mentioned(reading, stems(word for phrase in phrases for word in phrase.words))
    description = f"Users asked {asked}."
    if mentioned:
        longer = f"{description} They often mentioned {listed(mentioned)}."
        if not violations(longer, sample.vocabulary):
            return longer
    if not violations(description, sample.vocabulary):
        return description
    return f"Users asked about {labels[0][0]}."


def _mentioned(reading: Reading, used: set[str]) -> list[str]:
    """The most telling words that the phrases do not hold, one of each stem."""
    mentioned: list[str] = []
    for word in reading.weights:
        if word not in VAGUE and len(word) > 1 and not stems([word]) & used:
            mentioned.append(word)
            used |= stems([word])
    return mentioned[:_MENTIONED]


def _asked(name: str, phrases: Sequence[Phrase], sample: NamingSample) -> str:
    if not phrases:
        return "about " + name[0].lower() + name[1:].replace(", ", ", and about ")
    if sample.language != "en":
        return "about " + ", and about ".join(f"“{phrase.text}”" for phrase in phrases)
    parts = []
    for phrase in phrases:
        if phrase.is_act:
            parts.append("to " + " ".join(_TO_THIRD_PERSON.get(word, word) for word in phrase.text.split()))
        else:
            parts.append(
                f"about “{_without_possessives(phrase)}”" if len(phrase.words) > 1 else f"about {phrase.text}"
            )
    return ", and ".join(parts)


def _sense(phrases: Sequence[Phrase]) -> frozenset[str]:
    """The telling words without their endings: "credit card" and "credit cards" are one sense."""
    return frozenset(stems(word for phrase in phrases for word in phrase.content))


def _clarity(reading: Reading) -> float:
    return reading.phrases[0].score if reading.phrases else 0.0
