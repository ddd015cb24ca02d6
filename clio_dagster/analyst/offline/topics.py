"""Names and descriptions of base clusters, composed of their phrases and of category labels.

Where most of a cluster is in English, a phrase of its own that lies near its middle is the name. Where it is
not, or has no such phrase, the nearest category label leads, told from its like by words that the cluster's
accounts support. Each name passes P5 before it is taken, and no two clusters have the same. How phrases are
found and ranked is in phrases.py, how near a label is in headings.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clio_dagster.analyst.offline.english import VAGUE
from clio_dagster.analyst.offline.headings import (
    CLEAR,
    FAINT,
    Headings,
    Labels,
    broad,
    cautious,
    harm_share,
    ranked,
)
from clio_dagster.analyst.offline.phrases import Phrase, Reading, read_samples
from clio_dagster.analyst.offline.writing import MOST_WORDS, joined, listed, overlap, sentence, stems
from clio_dagster.analyst.protocol import NamingSample, Summary
from clio_dagster.privacy.vocabulary import violations
from clio_dagster.privacy.word_lists import (
    LANGUAGE_NAMES,
    NO_SUBJECT,
    frequent_words,
    function_words,
    harms,
    headings,
    verbs,
)

_MENTIONED = 4
"""Telling words that a description lists."""

_JUDGED = 8
"""Phrases of a cluster whose nearness to it is measured."""

_NEAR = 0.4
"""Nearness from which a phrase says what its cluster is about."""

_HELD = 0.12
"""Share of a cluster's texts that hold a phrase's telling words, at least."""

_ALONE = 0.25
"""Weight from which one word tells a cluster from another with the same label."""

_BEHIND = 0.08
"""A phrase may be this much less near than the nearest label: it says more."""

_MIXED = NO_SUBJECT[0]
"""What a cluster is called that no label and no phrase lies near."""

_SPOKEN = 0.3
"""Share of its texts from which a language's words may tell a cluster from another."""

_SAID = 0.2
"""What a label's nearness gains where every English text holds its words."""

_TELLING = 0.06
"""Weight from which a word is mentioned: what every tenth text holds, and no other cluster's."""

_BROAD = 0.04
"""What a broad label's nearness loses: a base cluster has a narrow subject."""

_AS_NEAR = 0.06
"""A label this little behind the nearest is as good."""

_LABELS_TRIED = 60
"""Category labels tried before a cluster gives up looking for a name of its own."""

_DROPPED = frozenset(["my", "me", "our", "i'd", "please"])
_TO_THIRD_PERSON = {
    "my": "their",
    "me": "them",
    "our": "their",
    "i": "they",
    "mine": "theirs",
    "myself": "themselves",
}


@dataclass(frozen=True)
class _Name:
    """A name, and what it is made of: labels, phrases, words beside a label."""

    text: str
    labels: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Topic:
    """All that is known of a cluster when its name is chosen; phrases by how well they serve, best first."""

    sample: NamingSample
    reading: Reading
    labels: Labels
    nearest: float  # of any label, before what its words add
    near: dict[str, float]  # of each phrase that was judged, by its text

    @property
    def words(self) -> dict[str, float]:
        """Telling words of the language that most of its texts are in, if enough are, and their weights."""
        language = next(iter(self.reading.shares), "")
        if self.reading.shares.get(language, 0.0) < _SPOKEN:
            return {}
        empty = VAGUE | frequent_words(language) | (verbs() if language == "en" else frozenset())
        return {
            word: weight
            for word, weight in self.reading.weights.get(language, {}).items()
            if word not in empty
            and len(word) > 1
            and not word.endswith("'s")
            and weight >= (_TELLING if word in self.sample.vocabulary.words else 2 * _TELLING)
        }


def name_topics(samples: Sequence[NamingSample], labels: Headings) -> list[Summary]:
    """A summary for each sample: at most ten words, past tense, distinct, with no violation of P5."""
    if not samples:
        return []
    topics = _topics(samples, labels)
    # The cluster that is clearest has its name; the others look further.
    order = sorted(range(len(samples)), key=lambda i: (-_clarity(topics[i]), i))
    taken: set[str] = set()
    senses: set[frozenset[str]] = set()
    summaries: dict[int, Summary] = {}
    for number in order:
        topic = topics[number]
        name = _choose(topic, taken, senses)
        taken.add(name.text.casefold())
        if name.phrases:
            senses.add(_sense(name.phrases))
        summaries[number] = Summary(name.text, _describe(name, topic))
    return [summaries[number] for number in range(len(samples))]


def _topics(samples: Sequence[NamingSample], labels: Headings) -> list[_Topic]:
    readings = read_samples(samples)
    centroids = np.stack([sample.centroid for sample in samples])
    middle = labels.middle(centroids)
    plain = labels.nearness(centroids, middle)
    nearness = cautious(plain, harm_share(plain)) - _BROAD * broad()
    judged = [
        (number, phrase) for number, reading in enumerate(readings) for phrase in reading.phrases[:_JUDGED]
    ]
    closeness_of = labels.closeness(
        [phrase.text for _, phrase in judged], centroids[[number for number, _ in judged]], middle
    )
    phrases: list[list[Phrase]] = [[] for _ in samples]
    nearest: list[dict[str, float]] = [{} for _ in samples]
    for (number, phrase), closeness in zip(judged, closeness_of, strict=True):
        best = readings[number].phrases[0].score
        nearest[number][phrase.text] = float(closeness)
        phrases[number].append(replace(phrase, score=float(closeness) + 0.3 * phrase.score / best))
    return [
        _Topic(
            sample,
            replace(reading, phrases=sorted(own, key=lambda phrase: (-phrase.score, phrase.text))),
            _as_said(ranked(row, _LABELS_TRIED), reading),
            float(plain_row.max()),
            near,
        )
        for sample, reading, own, near, row, plain_row in zip(
            samples, readings, phrases, nearest, nearness, plain, strict=True
        )
    ]


def _as_said(near: Labels, reading: Reading) -> Labels:
    """The labels by their nearness and by how many of the English texts hold their words."""
    if reading.shares.get("en", 0.0) < _SPOKEN:
        return near
    texts = [stems(text) for text in reading.texts]
    said = []
    for label, nearness in near:
        words = stems(set(label.split()) - function_words("en"))
        share = sum(words <= text for text in texts) / len(texts) if words else 0.0
        said.append((label, nearness + _SAID * share))
    return sorted(said, key=lambda entry: (-entry[1], entry[0]))


def _choose(topic: _Topic, taken: set[str], senses: set[frozenset[str]]) -> _Name:
    """The first name that is free and passes P5."""
    for name in _names(topic):
        words = name.text.replace(",", " ").replace(":", " ").casefold().split()
        if (
            name.text.casefold() not in taken
            and len(words) <= MOST_WORDS
            and not (name.phrases and _sense(name.phrases) in senses)
            and not violations(name.text, topic.sample.vocabulary)
        ):
            return name
    return _numbered(topic.labels, taken)


def _names(topic: _Topic) -> Iterator[_Name]:
    """Names in the order in which they are tried."""
    main = topic.reading.main
    # What can harm is named only where it is clear.
    labels = [(label, near) for label, near in topic.labels if near >= CLEAR or label not in harms()]
    labels = labels or topic.labels
    telling = [phrase for phrase in topic.reading.phrases if len(phrase.content - VAGUE) >= 2]
    lowest = max(_NEAR, topic.nearest - _BEHIND)
    good = [
        phrase
        for phrase in telling
        if phrase.is_whole and phrase.share >= _HELD and topic.near[phrase.text] >= lowest
    ]
    if main == "en":
        yield from (_Name(sentence(_bare(phrase)), phrases=(phrase,)) for phrase in good)
    elif main:
        yield from _told_apart(labels[0][0], good, topic.words)
    as_near = [label for label, near in labels[:5] if near >= max(CLEAR, labels[0][1] - _AS_NEAR)]
    if labels[0][1] < FAINT:
        yield _Name(sentence(_MIXED))
        yield from _told_apart(_MIXED, [], topic.words)
        yield from (_Name(f"{sentence(_MIXED)}, {label}", labels=(label,)) for label, _ in labels[:5])
    yield from (_Name(sentence(label), labels=(label,)) for label in as_near)
    for label in as_near[:2]:
        yield from _told_apart(label, good, topic.words)
    first = labels[0][0]
    if main in LANGUAGE_NAMES and main != "en":
        yield _Name(f"{sentence(first)}, in {LANGUAGE_NAMES[main]}", labels=(first,))
    for second, _ in labels[1:]:
        if not overlap(first, second):
            yield _Name(sentence(joined([first, second])), labels=(first, second))
    for other, _ in labels[1:]:
        yield _Name(sentence(other), labels=(other,))


def _told_apart(label: str, phrases: Sequence[Phrase], words: Mapping[str, float]) -> Iterator[_Name]:
    """The label, with what tells this cluster from others under it: a phrase, two words, one word."""
    for phrase in phrases[:3]:
        if not stems(phrase.words) & stems(label.split()):
            yield _Name(f"{sentence(label)}: {phrase.text}", labels=(label,), phrases=(phrase,))
    apart = _distinct(list(words), stems(label.split()))
    for one, other in zip(apart[0:6:2], apart[1:6:2], strict=False):
        yield _Name(f"{sentence(label)}: {one}, {other}", labels=(label,), words=(one, other))
    for word in (word for word in apart[:4] if words[word] >= _ALONE):
        yield _Name(f"{sentence(label)}: {word}", labels=(label,), words=(word,))


def _bare(phrase: Phrase) -> str:
    return " ".join(word for word in phrase.text.split() if word not in _DROPPED)


def _distinct(words: Sequence[str], used: set[str]) -> list[str]:
    """The words, one of each stem, without those that are used already."""
    seen = set(used)
    kept = []
    for word in words:
        if not stems([word]) & seen:
            kept.append(word)
            seen |= stems([word])
    return kept


def _numbered(labels: Labels, taken: set[str]) -> _Name:
    """No name is left: thousands of clusters without a word that enough accounts share."""
    kinds = ("other", "further", "more", "general", "various", "several")
    free = {label for label in headings() if " " in label} & {label for label, _ in labels}
    first = next((label for label, _ in labels if label in free), labels[0][0])
    tried = [*(f"{kind} {first}" for kind in kinds)]
    tried += [f"{a} {b} {first}" for a in kinds for b in kinds if a != b]
    name = next((name for name in tried if sentence(name).casefold() not in taken), tried[0])
    return _Name(sentence(name), labels=(first,))


def _describe(name: _Name, topic: _Topic) -> str:
    """At most two sentences; each part of a list is a clause of its own, so that only words need support."""
    asked = f"Users asked {_asked(name)}."
    used = stems(name.text.replace(",", " ").replace(":", " ").casefold().split())
    vocabulary = topic.sample.vocabulary
    # A generic word needs no support to be used, but "many" must have said what many are said to have.
    told = [*name.words, *_distinct(list(topic.words), used)]
    mentioned = [word for word in told if word in vocabulary.words][:_MENTIONED]
    if len(mentioned) > 1:
        longer = f"{asked} Many mentioned {listed(mentioned)}."
        if not violations(longer, vocabulary):
            return longer
    if not violations(asked, vocabulary):
        return asked
    free = [label for label, _ in topic.labels if label not in harms() and not violations(label, vocabulary)]
    return f"Users asked about {free[0] if free else 'various topics'}."


def _asked(name: _Name) -> str:
    if name.text.casefold().startswith(_MIXED):
        return f"about {' '.join(NO_SUBJECT[1:])}"
    if not name.phrases:
        return f"about {joined(name.labels)}"
    phrase = name.phrases[0]
    if name.labels:
        return f"about {joined(name.labels)}, and about “{phrase.text}”"
    if phrase.is_act:
        return "to " + " ".join(_TO_THIRD_PERSON.get(word, word) for word in phrase.text.split())
    return f"about “{_bare(phrase)}”" if len(phrase.words) > 1 else f"about {phrase.text}"


def _sense(phrases: Sequence[Phrase]) -> frozenset[str]:
    """The telling words without their endings: "credit card" and "credit cards" are one sense."""
    return frozenset(stems(word for phrase in phrases for word in phrase.content))


def _clarity(topic: _Topic) -> float:
    return max([topic.labels[0][1], *(phrase.score for phrase in topic.reading.phrases[:1])])
