"""Names of base clusters, composed of their phrases and of category labels.

Where most of a cluster is in English, the name is the one that serves best (candidates.py). Where it is not, or has
none, the nearest category label leads, told from its like by words that the cluster's accounts support. Each name
passes P5 before it is taken, and no two clusters have the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from clio_dagster.analyst.offline.candidates import ALONE, MIXED, Name, Topic, topics_of
from clio_dagster.analyst.offline.describing import descriptions
from clio_dagster.analyst.offline.headings import FAINT, Headings, Labels
from clio_dagster.analyst.offline.phrases import Phrase
from clio_dagster.analyst.offline.writing import (
    MOST_WORDS,
    beside,
    distinct,
    overlap,
    sense,
    sentence,
    stems,
    words_of,
)
from clio_dagster.analyst.protocol import NamingSample, Summary
from clio_dagster.privacy.vocabulary import violations, violations_of
from clio_dagster.privacy.word_lists import LANGUAGE_NAMES, headings

_CHECKED = 12
"""Names of each cluster that are checked for P5 at once; few clusters need another."""


def name_topics(samples: Sequence[NamingSample], labels: Headings) -> list[Summary]:
    """A summary for each sample: at most ten words, past tense, distinct, with no violation of P5."""
    if not samples:
        return []
    topics = topics_of(samples, labels)
    checked = _checked(topics)
    # The cluster that is clearest has its name; the others look further.
    order = sorted(range(len(samples)), key=lambda i: (-topics[i].clarity, i))
    taken: set[str] = set()
    senses: set[frozenset[str]] = set()
    names: dict[int, Name] = {}
    for number in order:
        name = _choose(topics[number], checked[number], taken, senses)
        taken.add(name.text.casefold())
        senses.add(sense(name.text))
        names[number] = name
    chosen = [names[number] for number in range(len(samples))]
    return [Summary(name.text, told) for name, told in zip(chosen, descriptions(chosen, topics), strict=True)]


def _checked(topics: Sequence[Topic]) -> list[list[Name]]:
    """The first names of each topic that keep to P5, all looked through at once."""
    tried = [list(islice(_names(topic), _CHECKED)) for topic in topics]
    broken = iter(
        violations_of(
            [name.text for names in tried for name in names],
            [topic.sample.vocabulary for topic, names in zip(topics, tried, strict=True) for _ in names],
        )
    )
    return [[name for name in names if not next(broken)] for names in tried]


def _choose(topic: Topic, checked: Sequence[Name], taken: set[str], senses: set[frozenset[str]]) -> Name:
    """The first name that is free and passes P5, which those given do."""
    further = (
        name
        for name in islice(_names(topic), _CHECKED, None)
        if not violations(name.text, topic.sample.vocabulary)
    )
    for name in chain(checked, further):
        words = words_of(name.text)
        if (
            name.text.casefold() not in taken
            and len(words) <= MOST_WORDS
            and len({*words}) == len(words)
            and sense(name.text) not in senses
        ):
            return name
    return _numbered(topic.labels, taken)


def _names(topic: Topic) -> Iterator[Name]:
    """Names in the order in which they are tried."""
    main, labels, as_near = topic.reading.main, topic.plausible, topic.as_near
    yield from (name for _, name in topic.scored)
    if main and main != "en":
        yield from _told_apart(labels[0][0], topic.good, topic.words)
    if labels[0][1] < FAINT:
        yield Name(sentence(MIXED))
        yield from _told_apart(MIXED, [], topic.words)
        yield from (Name(f"{sentence(MIXED)}, {label}", labels=(label,)) for label, _ in labels[:5])
    yield from (Name(sentence(label), labels=(label,)) for label in as_near)
    for label in as_near[:2]:
        yield from _told_apart(label, topic.good, topic.words)
    first = labels[0][0]
    if main in LANGUAGE_NAMES and main != "en":
        yield Name(f"{sentence(first)}, in {LANGUAGE_NAMES[main]}", labels=(first,))
    for second, _ in labels[1:]:
        if not overlap(first, second):
            yield Name(sentence(beside([first, second])), labels=(first, second))
    for other, _ in labels[1:]:
        yield Name(sentence(other), labels=(other,))


def _told_apart(label: str, phrases: Sequence[Phrase], words: Mapping[str, float]) -> Iterator[Name]:
    """The label, with what tells this cluster from others under it: a phrase, two words, one word."""
    for phrase in phrases[:3]:
        if not stems(phrase.words) & stems(label.split()):
            yield Name(f"{sentence(label)}: {phrase.text}", labels=(label,), phrases=(phrase,))
    apart = distinct(list(words), stems(label.split()))
    for one, other in zip(apart[0:6:2], apart[1:6:2], strict=False):
        yield Name(f"{sentence(label)}: {one}, {other}", labels=(label,), words=(one, other))
    for word in (word for word in apart[:4] if words[word] >= ALONE):
        yield Name(f"{sentence(label)}: {word}", labels=(label,), words=(word,))


def _numbered(labels: Labels, taken: set[str]) -> Name:
    """No name is left: thousands of clusters without a word that enough accounts share."""
    kinds = ("other", "further", "more", "general", "various", "several")
    free = {label for label in headings() if " " in label} & {label for label, _ in labels}
    first = next((label for label, _ in labels if label in free), labels[0][0])
    tried = [*(f"{kind} {first}" for kind in kinds)]
    tried += [f"{a} {b} {first}" for a in kinds for b in kinds if a != b]
    name = next((name for name in tried if sentence(name).casefold() not in taken), tried[0])
    return Name(sentence(name), labels=(first,))
