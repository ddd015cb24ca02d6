"""Names that a topic could have, and how well each serves: how near it lies, and how well it tells the topic from
its neighbours.

A name is a phrase of the topic's own, a category label, or either with telling words or a second one beside it. What
it says is measured by its vector against the centroids of the topic and of its nearest, so no member's text is read
for that. How phrases are found is in phrases.py, how near a label is in headings.py, which name is taken in topics.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from clio_dagster.analyst.offline.english import BEFORE_THINGS, VAGUE
from clio_dagster.analyst.offline.headings import CLEAR, Headings, Labels, broad, cautious, harm_share, ranked
from clio_dagster.analyst.offline.phrases import Phrase, Reading, read_samples
from clio_dagster.analyst.offline.writing import distinct, overlap, sense, sentence, stems, words_of
from clio_dagster.analyst.protocol import NamingSample
from clio_dagster.clusters.sampling import nearest_clusters
from clio_dagster.privacy.word_lists import (
    NO_SUBJECT,
    frequent_words,
    function_words,
    harms,
    headings,
    verbs,
)

MIXED = NO_SUBJECT[0]
"""What a cluster is called that no label and no phrase lies near."""

_JUDGED = 10
"""Phrases of a cluster whose meaning is measured: what costs most of naming."""

_BORDERS = 5
"""Nearest clusters from which a name must tell its own."""

_APART = 1.3
"""What a name gains that lies nearer its own cluster than every one of those, beside how near it lies.
On CLINC150, 20,000 requests, a name tells members from those of its five nearest with an AUC of .886 at 0.2 and of
.898 here, and ranks the true intent first .90 times as often as the centroid does at both."""

_SPREAD = 0.12
"""How far the members of one cluster lie apart, seen from a name: standard deviation of their cosines."""

_CHARACTERISTIC = 0.05
"""What the most telling of a cluster's phrases gains over one that tells nothing."""

_WIDESPREAD = 0.2
"""What a phrase gains whose words every text holds; a third of them is as good as all."""

_EMPTY_OPENING = 0.06
"""What a phrase loses that begins with a word said of anything ("use card", "sort of plug")."""

_READY = 0.03
"""What a category label gains over a phrase: it is well put, and public."""

_WITH_WORDS, _WITH_ANOTHER = 0.04, 0.09
"""What a name loses that has words behind a colon, or another name beside it: the shorter reads better."""

_LEADING = 2
"""Names of one part that others are combined with."""

ALONE = 0.25
"""Weight from which one word, behind a colon, tells a cluster from its like."""

_NO_THING = ("ed", "ing", "ly")
"""Endings of English words that are not listed in a name: they say what became of a thing, or how."""

_NEAR = 0.3
"""Nearness from which a phrase says what its cluster is about."""

_HELD = 0.05
"""Share of a cluster's texts that hold a phrase's telling words, at least."""

_SAID_BY = 2
"""Texts that hold a phrase itself, at least: one may have put it oddly."""

_ONE_WORD = 0.03
"""What a phrase of one word loses: it says what was spoken of, not what was asked."""

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

_AT_ONCE = 4_096
"""Names measured at once: bounds memory."""

_DROPPED = frozenset(["my", "me", "our", "i'd", "please"])


@dataclass(frozen=True)
class Name:
    """A name, and what it is made of: labels, phrases, words beside a label."""

    text: str
    labels: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    words: tuple[str, ...] = ()


Scored = list[tuple[float, Name]]
"""Names and how well each tells its topic from its neighbours, best first."""


@dataclass(frozen=True)
class Topic:
    """All that is known of a cluster when its name is chosen; phrases by how well they serve, best first."""

    sample: NamingSample
    reading: Reading
    labels: Labels
    near: dict[str, float]  # nearness of each phrase that was judged, by its text
    scored: Scored  # in English; empty where most of its texts are not

    @property
    def plausible(self) -> Labels:
        """The labels without those of what can harm, which are named only where they are clear."""
        kept = [(label, near) for label, near in self.labels if near >= CLEAR or label not in harms()]
        return kept or self.labels

    @property
    def as_near(self) -> list[str]:
        """The labels that are clear, and about as near as the nearest."""
        lowest = max(CLEAR, self.plausible[0][1] - _AS_NEAR)
        return [label for label, near in self.plausible[:5] if near >= lowest]

    @property
    def good(self) -> list[Phrase]:
        """The phrases that say what the topic is about."""
        return [phrase for phrase in self.reading.phrases if self.near[phrase.text] >= _NEAR]

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

    @property
    def clarity(self) -> float:
        """How near the nearest label or phrase lies."""
        return max([self.labels[0][1], *self.near.values()])


@dataclass(frozen=True)
class Map:
    """Where the topics lie: unit centroids (topics, dimensions), and the places of each one's nearest."""

    centroids: np.ndarray
    near: np.ndarray

    def fit(self, said: np.ndarray, owners: Sequence[int]) -> np.ndarray:
        """How well each name (a unit vector) serves the topic beside it: how near it lies, and the chance that a
        member lies nearer to it than a neighbour's does."""
        own = (said * self.centroids[owners]).sum(axis=1)
        for start in range(0, len(said) if self.near.size else 0, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            others = np.einsum("nd,nkd->nk", said[part], self.centroids[self.near[owners[part]]])
            own[part] += _APART * np.tanh((own[part, None] - others) / (2 * _SPREAD)).mean(axis=1)
        return np.asarray(own)


def topics_of(samples: Sequence[NamingSample], labels: Headings) -> list[Topic]:
    """What is known of each sample's topic, with its names in English and how well each serves."""
    readings = read_samples(samples)
    centroids = np.stack([sample.centroid for sample in samples])
    middle = labels.middle(centroids)
    plain = labels.nearness(centroids, middle)
    nearness = cautious(plain, harm_share(plain)) - _BROAD * broad()
    map_ = Map(centroids, nearest_clusters(centroids, _BORDERS))
    judged = [(number, phrase) for number, reading in enumerate(readings) for phrase in _worth(reading)]
    owners = [number for number, _ in judged]
    said = labels.encode([bare(phrase) for _, phrase in judged])
    phrases: list[list[Phrase]] = [[] for _ in samples]
    near: list[dict[str, float]] = [{} for _ in samples]
    if judged:
        closeness_of = labels.closeness(said, centroids[owners], middle)
        contrast_of = map_.fit(said, owners)
        for (number, phrase), closeness, contrast in zip(judged, closeness_of, contrast_of, strict=True):
            near[number][phrase.text] = float(closeness)
            score = (
                float(contrast)
                + _WIDESPREAD * min(phrase.share, 1 / 3)
                + _CHARACTERISTIC * phrase.score / readings[number].phrases[0].score
            )
            if phrase.words[0] in VAGUE - BEFORE_THINGS:
                score -= _EMPTY_OPENING
            if len(phrase.words) == 1:
                score -= _ONE_WORD
            phrases[number].append(replace(phrase, score=score))
    topics = []
    for number, (sample, reading) in enumerate(zip(samples, readings, strict=True)):
        own = sorted(phrases[number], key=lambda phrase: (-phrase.score, phrase.text))
        as_said = _as_said(ranked(nearness[number], _LABELS_TRIED), reading)
        topics.append(Topic(sample, replace(reading, phrases=own), as_said, near[number], []))
    return _with_scores(topics, map_, labels)


def _with_scores(topics: Sequence[Topic], map_: Map, labels: Headings) -> list[Topic]:
    """The topics with their names in English, of a label, a phrase, or of two parts."""
    scored: list[Scored] = [[] for _ in topics]
    combined: list[tuple[int, Name, float]] = []
    for number, topic in enumerate(topics):
        if topic.reading.main == "en":
            ready = labels.said()[[headings().index(label) for label in topic.as_near]]
            scored[number] = _of_one_part(topic, map_.fit(ready, [number] * len(ready)))
            combined += [(number, name, loss) for name, loss in _of_two_parts(topic, scored[number])]
    if combined:
        said = labels.encode([name.text.casefold() for _, name, _ in combined])
        fits = map_.fit(said, [number for number, _, _ in combined])
        for (number, name, loss), fit in zip(combined, fits, strict=True):
            scored[number].append((float(fit) - loss, name))
    return [replace(topic, scored=_sorted(own)) for topic, own in zip(topics, scored, strict=True)]


def _of_one_part(topic: Topic, ready: np.ndarray) -> Scored:
    """Phrases that lie near the topic, and the labels nearest to it."""
    return _sorted(
        [
            *((phrase.score, Name(sentence(bare(phrase)), phrases=(phrase,))) for phrase in topic.good),
            *(
                (float(fit) + _READY, Name(sentence(label), labels=(label,)))
                for label, fit in zip(topic.as_near, ready, strict=True)
            ),
        ]
    )


def _of_two_parts(topic: Topic, scored: Scored) -> Iterator[tuple[Name, float]]:
    """The best names of one part with telling words, or with one another, and what each loses for that."""
    best = [name for _, name in scored[: _LEADING + 1]]
    for name in best[:_LEADING]:
        words = [
            word
            for word in topic.words
            if not word.endswith(_NO_THING) and not overlap(word, name.text.casefold())
        ]
        apart = distinct(words, set())[:2]
        if len(apart) == 2 or (apart and topic.words[apart[0]] >= ALONE):
            yield replace(name, text=f"{name.text}: {', '.join(apart)}", words=tuple(apart)), _WITH_WORDS
    whole = [name for name in best if name.labels or len(words_of(name.text)) > 1]
    for one, other in combinations(whole, 2):
        if not overlap(one.text.casefold(), other.text.casefold()):
            text = f"{one.text}, {other.text[:1].lower()}{other.text[1:]}"
            yield Name(text, one.labels + other.labels, one.phrases + other.phrases), _WITH_ANOTHER


def _sorted(scored: Scored) -> Scored:
    return sorted(scored, key=lambda entry: (-entry[0], entry[1].text))


def _worth(reading: Reading) -> list[Phrase]:
    """The phrases that could be a name, the most telling first; one of each sense and kind."""
    kept: dict[object, Phrase] = {}
    for phrase in reading.phrases:
        is_named = len(phrase.words) > 1 or phrase.is_thing
        if phrase.is_whole and phrase.texts >= _SAID_BY and phrase.share >= _HELD and is_named:
            kept.setdefault((sense(phrase.text), phrase.is_act), phrase)
    return list(kept.values())[:_JUDGED]


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


def bare(phrase: Phrase) -> str:
    return " ".join(word for word in phrase.text.split() if word not in _DROPPED)
