"""Descriptions of base clusters: what was asked, and what many mentioned."""

from __future__ import annotations

from collections.abc import Sequence

from clio_dagster.analyst.offline.candidates import MIXED, Name, Topic, bare
from clio_dagster.analyst.offline.phrases import Phrase
from clio_dagster.analyst.offline.writing import distinct, joined, listed, stems, words_of
from clio_dagster.privacy.vocabulary import violations, violations_of
from clio_dagster.privacy.word_lists import NO_SUBJECT, harms

_MENTIONED = 4
"""Telling words that a description lists."""

_TO_THIRD_PERSON = {
    "my": "their",
    "me": "them",
    "our": "their",
    "i": "they",
    "mine": "theirs",
    "myself": "themselves",
}


def descriptions(names: Sequence[Name], topics: Sequence[Topic]) -> list[str]:
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


def _mentioning(name: Name, topic: Topic) -> str:
    """What was asked, and what many mentioned; each part of a list is a clause of its own, so that only words
    need support."""
    asked = f"Users asked {_asked(name)}."
    # A generic word needs no support to be used, but "many" must have said what many are said to have.
    told = [*name.words, *distinct(list(topic.words), stems(words_of(name.text)))]
    mentioned = [word for word in told if word in topic.sample.vocabulary.words][:_MENTIONED]
    return f"{asked} Many mentioned {listed(mentioned)}." if len(mentioned) > 1 else asked


def _asked(name: Name) -> str:
    if name.text.casefold().startswith(MIXED):
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
    return f"about “{bare(phrase)}”" if len(phrase.words) > 1 else f"about {phrase.text}"
