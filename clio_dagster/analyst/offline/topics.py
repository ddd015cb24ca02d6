"""Names and descriptions of base clusters, composed of their phrases and of category labels.

Where most of a cluster is in English, a phrase of its own that lies near its middle is the name. Where it is
not, or has no such phrase, the nearest category label leads, told from its like by words that the cluster's
accounts support. Each name passes P5 before it is taken, and no two clusters have the same. How phrases are
found and ranked is in phrases.py, how near a label is in headings.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice

import numpy as np

from clio_dagster.analyst.offline.english import BEFORE_THINGS, VAGUE
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
from clio_dagster.analyst.offline.writing import MOST_WORDS, beside, joined, listed, overlap, sentence, stems
from clio_dagster.analyst.protocol import NamingSample, Summary
from clio_dagster.clusters.sampling import nearest_clusters
from clio_dagster.privacy.vocabulary import violations, violations_of
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

_JUDGED = 14
"""Phrases of a cluster whose meaning is measured: what costs most of naming."""

_BORDERS = 5
"""Nearest clusters from which a name must tell its own."""

_APART = 1.0
"""What a name gains that lies nearer its own cluster than every one of those, beside how near it lies."""

_SPREAD = 0.12
"""How far the members of one cluster lie apart, seen from a name: standard deviation of their cosines."""

_CHARACTERISTIC = 0.08
"""What the most telling of a cluster's phrases gains over one that tells nothing."""

_EMPTY_OPENING = 0.06
"""What a phrase loses that begins with a word said of anything ("use card", "sort of plug")."""

_READY = 0.03
"""What a category label gains over a phrase: it is well put, and public."""

_WITH_WORDS, _WITH_ANOTHER = 0.05, 0.08
"""What a name loses that has words behind a colon, or another name beside it: the shorter reads better."""

_LEADING = 2
"""Names of one part that others are combined with."""

_NO_THING = ("ed", "ing")
"""Endings of English words that are not listed in a name: they say what became of a thing."""

_CHECKED = 12
"""Names of each cluster that are checked for P5 at once; few clusters need another."""

_NEAR = 0.3
"""Nearness from which a phrase says what its cluster is about."""

_HELD = 0.06
"""Share of a cluster's texts that hold a phrase's telling words, at least."""

_SAID_BY = 2
"""Texts that hold a phrase itself, at least: one may have put it oddly."""

_ONE_WORD = 0.03
"""What a phrase of one word loses: it says what was spoken of, not what was asked."""

_ALONE = 0.25
"""Weight from which one word tells a cluster from another with the same label."""

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


Scored = list[tuple[float, _Name]]
"""Names and how well each tells its topic from its neighbours, best first."""


@dataclass(frozen=True)
class _Topic:
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


def name_topics(samples: Sequence[NamingSample], labels: Headings) -> list[Summary]:
    """A summary for each sample: at most ten words, past tense, distinct, with no violation of P5."""
    if not samples:
        return []
    topics = _topics(samples, labels)
    checked = _checked(topics)
    # The cluster that is clearest has its name; the others look further.
    order = sorted(range(len(samples)), key=lambda i: (-_clarity(topics[i]), i))
    taken: set[str] = set()
    senses: set[frozenset[str]] = set()
    names: dict[int, _Name] = {}
    for number in order:
        name = _choose(topics[number], checked[number], taken, senses)
        taken.add(name.text.casefold())
        senses.add(_sense(name.text))
        names[number] = name
    chosen = [names[number] for number in range(len(samples))]
    return [
        Summary(name.text, told) for name, told in zip(chosen, _descriptions(chosen, topics), strict=True)
    ]


def _topics(samples: Sequence[NamingSample], labels: Headings) -> list[_Topic]:
    readings = read_samples(samples)
    centroids = np.stack([sample.centroid for sample in samples])
    middle = labels.middle(centroids)
    plain = labels.nearness(centroids, middle)
    nearness = cautious(plain, harm_share(plain)) - _BROAD * broad()
    map_ = _Map(centroids, nearest_clusters(centroids, _BORDERS))
    judged = [(number, phrase) for number, reading in enumerate(readings) for phrase in _worth(reading)]
    owners = [number for number, _ in judged]
    said = labels.encode([_bare(phrase) for _, phrase in judged])
    phrases: list[list[Phrase]] = [[] for _ in samples]
    near: list[dict[str, float]] = [{} for _ in samples]
    if judged:
        closeness_of = labels.closeness(said, centroids[owners], middle)
        contrast_of = map_.fit(said, owners)
        for (number, phrase), closeness, contrast in zip(judged, closeness_of, contrast_of, strict=True):
            near[number][phrase.text] = float(closeness)
            score = float(contrast) + _CHARACTERISTIC * phrase.score / readings[number].phrases[0].score
            if phrase.words[0] in VAGUE - BEFORE_THINGS:
                score -= _EMPTY_OPENING
            if len(phrase.words) == 1:
                score -= _ONE_WORD
            phrases[number].append(replace(phrase, score=score))
    topics = []
    for number, (sample, reading) in enumerate(zip(samples, readings, strict=True)):
        own = sorted(phrases[number], key=lambda phrase: (-phrase.score, phrase.text))
        as_said = _as_said(ranked(nearness[number], _LABELS_TRIED), reading)
        topics.append(_Topic(sample, replace(reading, phrases=own), as_said, near[number], []))
    return _with_scores(topics, map_, labels)


def _with_scores(topics: Sequence[_Topic], map_: _Map, labels: Headings) -> list[_Topic]:
    """The topics with their names in English, of a label, a phrase, or of two parts."""
    scored: list[Scored] = [[] for _ in topics]
    combined: list[tuple[int, _Name, float]] = []
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


def _of_one_part(topic: _Topic, ready: np.ndarray) -> Scored:
    """Phrases that lie near the topic, and the labels nearest to it."""
    return _sorted(
        [
            *((phrase.score, _Name(sentence(_bare(phrase)), phrases=(phrase,))) for phrase in topic.good),
            *(
                (float(fit) + _READY, _Name(sentence(label), labels=(label,)))
                for label, fit in zip(topic.as_near, ready, strict=True)
            ),
        ]
    )


def _of_two_parts(topic: _Topic, scored: Scored) -> Iterator[tuple[_Name, float]]:
    """The best names of one part with telling words, or with one another, and what each loses for that."""
    best = [name for _, name in scored[: _LEADING + 1]]
    for name in best[:_LEADING]:
        words = [
            word
            for word in topic.words
            if not word.endswith(_NO_THING) and not overlap(word, name.text.casefold())
        ]
        if apart := _distinct(words, set())[:2]:
            yield replace(name, text=f"{name.text}: {', '.join(apart)}", words=tuple(apart)), _WITH_WORDS
    whole = [name for name in best if name.labels or len(_words(name.text)) > 1]
    for one, other in combinations(whole, 2):
        if not overlap(one.text.casefold(), other.text.casefold()):
            text = f"{one.text}, {other.text[:1].lower()}{other.text[1:]}"
            yield _Name(text, one.labels + other.labels, one.phrases + other.phrases), _WITH_ANOTHER


def _sorted(scored: Scored) -> Scored:
    return sorted(scored, key=lambda entry: (-entry[0], entry[1].text))


@dataclass(frozen=True)
class _Map:
    """Where the topics lie: unit centroids (topics, dimensions), and the places of each one's nearest."""

    centroids: np.ndarray
    near: np.ndarray

    def fit(self, said: np.ndarray, owners: Sequence[int]) -> np.ndarray:
        """How well each name (a unit vector) serves the topic beside it: how near it lies, and the chance that a
        member lies nearer to it than a neighbour's does."""
        own = (said * self.centroids[owners]).sum(axis=1)
        others = np.einsum("nd,nkd->nk", said, self.centroids[self.near[owners]])
        lead = np.tanh((own[:, None] - others) / (2 * _SPREAD))
        return np.asarray(own + _APART * (lead.mean(axis=1) if lead.size else 0.0))


def _worth(reading: Reading) -> list[Phrase]:
    """The phrases that could be a name, the most telling first; one of each sense and kind."""
    kept: dict[object, Phrase] = {}
    for phrase in reading.phrases:
        is_named = len(phrase.words) > 1 or phrase.is_thing
        if phrase.is_whole and phrase.texts >= _SAID_BY and phrase.share >= _HELD and is_named:
            kept.setdefault((_sense(phrase.text), phrase.is_act), phrase)
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


def _checked(topics: Sequence[_Topic]) -> list[list[_Name]]:
    """The first names of each topic that keep to P5, all looked through at once."""
    tried = [list(islice(_names(topic), _CHECKED)) for topic in topics]
    broken = iter(
        violations_of(
            [name.text for names in tried for name in names],
            [topic.sample.vocabulary for topic, names in zip(topics, tried, strict=True) for _ in names],
        )
    )
    return [[name for name in names if not next(broken)] for names in tried]


def _choose(topic: _Topic, checked: Sequence[_Name], taken: set[str], senses: set[frozenset[str]]) -> _Name:
    """The first name that is free and passes P5, which those given do."""
    further = (
        name
        for name in islice(_names(topic), _CHECKED, None)
        if not violations(name.text, topic.sample.vocabulary)
    )
    for name in chain(checked, further):
        words = _words(name.text)
        if (
            name.text.casefold() not in taken
            and len(words) <= MOST_WORDS
            and len({*words}) == len(words)
            and _sense(name.text) not in senses
        ):
            return name
    return _numbered(topic.labels, taken)


def _names(topic: _Topic) -> Iterator[_Name]:
    """Names in the order in which they are tried."""
    main, labels, as_near = topic.reading.main, topic.plausible, topic.as_near
    yield from (name for _, name in topic.scored)
    if main and main != "en":
        yield from _told_apart(labels[0][0], topic.good, topic.words)
    if labels[0][1] < FAINT:
        yield _Name(sentence(_MIXED))
        yield from _told_apart(_MIXED, [], topic.words)
        yield from (_Name(f"{sentence(_MIXED)}, {label}", labels=(label,)) for label, _ in labels[:5])
    yield from (_Name(sentence(label), labels=(label,)) for label in as_near)
    for label in as_near[:2]:
        yield from _told_apart(label, topic.good, topic.words)
    first = labels[0][0]
    if main in LANGUAGE_NAMES and main != "en":
        yield _Name(f"{sentence(first)}, in {LANGUAGE_NAMES[main]}", labels=(first,))
    for second, _ in labels[1:]:
        if not overlap(first, second):
            yield _Name(sentence(beside([first, second])), labels=(first, second))
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


def _descriptions(names: Sequence[_Name], topics: Sequence[_Topic]) -> list[str]:
    """A description of each topic that keeps to P5: at most two sentences."""
    vocabularies = [topic.sample.vocabulary for topic in topics]
    longer = [_mentioning(name, topic) for name, topic in zip(names, topics, strict=True)]
    shorter = [f"Users asked {_asked(name)}." for name in names]
    broken = violations_of([*longer, *shorter], [*vocabularies, *vocabularies])
    described = []
    for number, topic in enumerate(topics):
        if not broken[number]:
            described.append(longer[number])
        elif not broken[len(topics) + number]:
            described.append(shorter[number])
        else:
            labels = (label for label, _ in topic.labels if label not in harms())
            free = (label for label in labels if not violations(label, topic.sample.vocabulary))
            described.append(f"Users asked about {next(free, 'various topics')}.")
    return described


def _mentioning(name: _Name, topic: _Topic) -> str:
    """What was asked, and what many mentioned; each part of a list is a clause of its own, so that only words
    need support."""
    asked = f"Users asked {_asked(name)}."
    # A generic word needs no support to be used, but "many" must have said what many are said to have.
    told = [*name.words, *_distinct(list(topic.words), stems(_words(name.text)))]
    mentioned = [word for word in told if word in topic.sample.vocabulary.words][:_MENTIONED]
    return f"{asked} Many mentioned {listed(mentioned)}." if len(mentioned) > 1 else asked


def _asked(name: _Name) -> str:
    if name.text.casefold().startswith(_MIXED):
        return f"about {' '.join(NO_SUBJECT[1:])}"
    if not name.phrases:
        return f"about {joined(name.labels)}"
    if name.labels:
        about = f"about {joined(name.labels)}"
        return ", and ".join([about, *(f"about “{phrase.text}”" for phrase in name.phrases)])
    return ", and ".join(_asked_as(phrase) for phrase in name.phrases)


def _asked_as(phrase: Phrase) -> str:
    if phrase.is_act:
        return "to " + " ".join(_TO_THIRD_PERSON.get(word, word) for word in phrase.text.split())
    return f"about “{_bare(phrase)}”" if len(phrase.words) > 1 else f"about {phrase.text}"


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(":", " ").casefold().split()


def _sense(text: str) -> frozenset[str]:
    """The words without their endings and those of grammar: "credit card" and "a list of credit cards" differ in
    "list" alone."""
    words = _words(text)
    return frozenset(stems([word for word in words if word not in function_words("en")] or words))


def _clarity(topic: _Topic) -> float:
    return max([topic.labels[0][1], *topic.near.values()])
