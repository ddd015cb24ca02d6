"""What of yesterday's tree persists: the ids of parents, and the names that may stay."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from clio_dagster.analyst.protocol import Summary, Vocabulary
from clio_dagster.privacy.vocabulary import violations_of

SAME_PARENT = 0.5
"""Least overlap (Jaccard, of the base topics below) of two parents that may be one topic."""


def leaf_topics(hierarchy: pl.DataFrame) -> dict[str, frozenset[str]]:
    """For each parent's topic in a tree (tables.HIERARCHY rows of one date), the base topics below it."""
    parent_of = dict(hierarchy.select("node_id", "parent_id").iter_rows())
    topic_of = dict(hierarchy.select("node_id", "topic").iter_rows())
    below: dict[str, set[str]] = {}
    for leaf, topic in hierarchy.filter(level=0).select("node_id", "topic").iter_rows():
        above = parent_of[leaf]
        while above is not None:
            below.setdefault(topic_of[above], set()).add(topic)
            above = parent_of[above]
    return {topic: frozenset(leaves) for topic, leaves in below.items()}


def parent_topics(
    parents: Sequence[frozenset[str]], previous: Mapping[str, frozenset[str]], taken: set[str], place: str
) -> list[str]:
    """A topic for each parent, given by its base topics: the previous one that it continues, else a new id.

    Pairs are taken by falling overlap, each side once, down to SAME_PARENT; `taken` are the topics that other
    levels use already. A new id is a hash of `place` (what was clustered, date, level) and the base topics,
    which are themselves keyed hashes.
    """
    pairs = sorted(
        (-overlap, topic, number)
        for number, leaves in enumerate(parents)
        for topic, others in previous.items()
        if topic not in taken and (overlap := len(leaves & others) / len(leaves | others)) >= SAME_PARENT
    )
    found: dict[int, str] = {}
    for _, topic, number in pairs:
        if number not in found and topic not in found.values():
            found[number] = topic
    return [found.get(number) or _new_topic(place, leaves) for number, leaves in enumerate(parents)]


def kept_summaries(
    topics: Sequence[str], vocabularies: Sequence[Vocabulary], previous: pl.DataFrame
) -> list[Summary | None]:
    """For each topic, the summary it had on the previous date, where its words are still supported (P5).

    `previous`: tables.HIERARCHY or CLUSTER_SUMMARIES rows of one date. None for a topic that is new, whose
    words lack support now, or whose name another of `topics` has kept already.
    """
    before = {
        topic: Summary(name, description)
        for topic, name, description in previous.select("topic", "name", "description").iter_rows()
    }
    known = [place for place, topic in enumerate(topics) if topic in before]
    texts = [
        text for place in known for text in (before[topics[place]].name, before[topics[place]].description)
    ]
    broken = violations_of(texts, [vocabularies[place] for place in known for _ in range(2)])
    kept: list[Summary | None] = [None] * len(topics)
    used: set[str] = set()
    for number, place in enumerate(known):
        summary = before[topics[place]]
        if summary.name.casefold() not in used and not any(broken[2 * number : 2 * number + 2]):
            used.add(summary.name.casefold())
            kept[place] = summary
    return kept


def _new_topic(place: str, leaves: frozenset[str]) -> str:
    content = "\x00".join([place, *sorted(leaves)])
    return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()
