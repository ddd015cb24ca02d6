"""The tree above the base clusters (paper, G.7): level by level, propose, deduplicate, assign, rename.

How many levels is levels.py's; what persists from the previous date is persistence.py's; the judgement in
each step is the analyst's.

A node's vector is the mean of its children's, weighted by their conversations, and a base cluster's is its
centroid; the paper embeds names and descriptions instead. The centroid is what the topic's conversations say,
in every language alike, while a name is ten words of it: composed of supported words, names share so many
generic ones that their vectors crowd together, and a changed name would move its topic in the tree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst, Node, ParentSample, Summary, Vocabulary
from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.clusters.vectors import normalized
from clio_dagster.hierarchy.levels import level_sizes, shares
from clio_dagster.hierarchy.persistence import kept_summaries, leaf_topics, parent_topics
from clio_dagster.privacy.accounts import owner
from clio_dagster.privacy.naming import named as named_by
from clio_dagster.privacy.vocabulary import parent_vocabulary
from clio_dagster.settings import Settings
from clio_dagster.tables import HIERARCHY

NEIGHBOURHOOD = 40
"""Topics in a neighbourhood, in the mean (G.7)."""

NEAREST_OUTSIDE = 10
"""Nearest topics outside a neighbourhood that a proposer sees too; the paper names no number."""

ASSIGNED_AT_ONCE = 20
"""Children assigned under one order of the parents; the next group sees them shuffled anew."""


T = TypeVar("T")


class HierarchyError(RuntimeError):
    """The analyst answered what no tree can be made of. The message says in which step."""


@dataclass
class _Topic:
    """A node while the tree is built. `parent` is a place in the list of all nodes."""

    level: int
    topic: str
    summary: Summary
    vector: np.ndarray
    vocabulary: Vocabulary
    conversations: int
    languages: dict[str, int]  # accounts that write in each
    leaves: frozenset[int]  # cluster ids of the base clusters below, or its own
    parent: int | None = None

    @property
    def node(self) -> Node:
        return Node(self.summary, self.vector)


def build_hierarchy(
    summaries: pl.DataFrame,
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    vocabularies: Mapping[int, Vocabulary],
    analyst: Analyst,
    *,
    previous: pl.DataFrame,
    settings: Settings,
    date: dt.date,
    clustered_by: str,
    stand_in: Analyst | None = None,
    at_once: int = 1,
) -> tuple[pl.DataFrame, dict[str, Vocabulary]]:
    """The whole tree (tables.HIERARCHY) and each node's vocabulary by node_id.

    `summaries`: tables.CLUSTER_SUMMARIES; `clusters`: tables.CLUSTERS, of which those that pass and have a
    summary are the base; `members`: tables.CLUSTER_MEMBERS; `vocabularies` by cluster_id; `previous`:
    tables.HIERARCHY of the previous date. A parent that persists keeps its topic, and its name where the
    words are still supported. A child that would be its parent's only one stands beside the parents instead
    and takes part in the level above: at the top, parent_id is null at whatever level. A base node's id is
    `0-CLUSTER_ID`; parents are numbered in the order of their topics, so that no number tells a size.
    Conversations and accounts are distinct ones among counted members. `stand_in` names the parents that the
    analyst names wrongly twice (privacy/naming.py); None where that is the analyst itself. Of neighbourhoods, and of
    groups to be assigned, the analyst is asked about `at_once` at a time.

    Raises HierarchyError where the analyst proposes no parent or assigns outside what it was given.
    """
    previous = previous.filter(clustered_by=clustered_by)
    nodes = _base(summaries, clusters, members, vocabularies)
    topic_of = {next(iter(node.leaves)): node.topic for node in nodes}
    draw = np.random.default_rng(settings.seed)
    earlier = leaf_topics(previous)
    current = list(range(len(nodes)))
    level = 1
    for wanted in level_sizes(len(nodes), settings.top_topics)[1:]:
        if len(current) <= wanted:
            continue
        families = _families([nodes[place] for place in current], wanted, analyst, settings, draw, at_once)
        if len(families) < 2:
            break
        parents = [[current[child] for child in family] for family in families if len(family) > 1]
        if not parents:
            break
        made = _parents(
            [[nodes[child] for child in family] for family in parents],
            analyst,
            stand_in,
            level=level,
            topic_of=topic_of,
            earlier=earlier,
            taken={node.topic for node in nodes},
            previous=previous,
            place=f"{clustered_by} {date.isoformat()} {level}",
        )
        for family, parent in zip(parents, made, strict=True):
            for child in family:
                nodes[child].parent = len(nodes)
            nodes.append(parent)
        level += 1
        current = [place for place in range(len(nodes)) if nodes[place].parent is None]
    return _frame(nodes, members, date, clustered_by)


def _base(
    summaries: pl.DataFrame,
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    vocabularies: Mapping[int, Vocabulary],
) -> list[_Topic]:
    rows = (
        clusters.filter("passes")
        .select("cluster_id", "topic", "conversations", "centroid")
        .join(summaries.select("cluster_id", "name", "description"), on="cluster_id")
        .sort("cluster_id")
    )
    languages: dict[int, dict[str, int]] = {}
    writers = (
        members.filter("counted").group_by("cluster_id", "language").agg(owner().n_unique().alias("accounts"))
    )
    for cluster, language, accounts in writers.sort("cluster_id", "language").iter_rows():
        languages.setdefault(cluster, {})[language] = accounts
    return [
        _Topic(
            level=0,
            topic=row["topic"],
            summary=Summary(row["name"], row["description"]),
            vector=np.array(row["centroid"], dtype=np.float32),
            vocabulary=vocabularies.get(row["cluster_id"], Vocabulary()),
            conversations=row["conversations"],
            languages=languages.get(row["cluster_id"], {}),
            leaves=frozenset({row["cluster_id"]}),
        )
        for row in rows.iter_rows(named=True)
    ]


def _families(
    children: list[_Topic],
    wanted: int,
    analyst: Analyst,
    settings: Settings,
    draw: np.random.Generator,
    at_once: int,
) -> list[list[int]]:
    """Children, by their places, that belong under one parent each; parents that nobody chose are gone."""
    vectors = np.stack([child.vector for child in children])
    proposed = _propose(children, vectors, wanted, analyst, settings, at_once)
    parents = analyst.deduplicate(proposed, wanted) if len(proposed) > 1 else proposed
    if not parents:
        raise HierarchyError("hierarchy: deduplicating the proposed parents left none")
    families: dict[int, list[int]] = {}
    order = draw.permutation(len(children))
    groups = [order[start : start + ASSIGNED_AT_ONCE] for start in range(0, len(children), ASSIGNED_AT_ONCE)]
    shuffles = [draw.permutation(len(parents)) for _ in groups]
    assigned = _at_once(
        lambda group, shuffled: analyst.assign(
            [children[child].node for child in group], [parents[place] for place in shuffled]
        ),
        list(zip(groups, shuffles, strict=True)),
        at_once,
    )
    for group, shuffled, answers in zip(groups, shuffles, assigned, strict=True):
        if len(answers) != len(group) or not all(0 <= answer < len(parents) for answer in answers):
            raise HierarchyError("hierarchy: an assignment names no parent that was given")
        for child, answer in zip(group, answers, strict=True):
            families.setdefault(int(shuffled[answer]), []).append(int(child))
    return sorted(sorted(family) for family in families.values())


def _propose(
    children: list[_Topic],
    vectors: np.ndarray,
    wanted: int,
    analyst: Analyst,
    settings: Settings,
    at_once: int,
) -> list[Node]:
    labels = spherical_kmeans(
        vectors, max(1, round(len(children) / NEIGHBOURHOOD)), seed=settings.seed, threads=settings.threads
    )
    neighbourhoods = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]

    def of(inside: np.ndarray, share: int) -> list[Node]:
        middle = normalized(vectors[inside].mean(axis=0, keepdims=True))[0]
        nearest = np.argsort(-(vectors @ middle), kind="stable")
        outside = nearest[~np.isin(nearest, inside)][:NEAREST_OUTSIDE]
        return analyst.propose(
            [children[row].node for row in inside], [children[row].node for row in outside], share
        )

    wanted_of = shares(wanted, [len(rows) for rows in neighbourhoods])
    found = _at_once(of, list(zip(neighbourhoods, wanted_of, strict=True)), at_once)
    proposed = [node for nodes in found for node in nodes]
    if not proposed:
        raise HierarchyError("hierarchy: no parent was proposed")
    return proposed


def _at_once(ask: Callable[..., T], about: Sequence[tuple[Any, ...]], at_once: int) -> list[T]:
    """What an analyst answers about each, in order, asked about so many at a time."""
    if at_once == 1 or len(about) < 2:
        return [ask(*each) for each in about]
    with ThreadPoolExecutor(min(at_once, len(about)), "clio-hierarchy") as pool:
        asked = [pool.submit(copy_context().run, ask, *each) for each in about]
        return [each.result() for each in asked]


def _parents(
    families: list[list[_Topic]],
    analyst: Analyst,
    stand_in: Analyst | None,
    *,
    level: int,
    topic_of: Mapping[int, str],
    earlier: Mapping[str, frozenset[str]],
    taken: set[str],
    previous: pl.DataFrame,
    place: str,
) -> list[_Topic]:
    leaves = [frozenset[int]().union(*(child.leaves for child in family)) for family in families]
    base_topics = [frozenset(topic_of[leaf] for leaf in below) for below in leaves]
    topics = parent_topics(base_topics, earlier, taken, place)
    words = [parent_vocabulary([child.vocabulary for child in family]) for family in families]
    languages = [_summed([child.languages for child in family]) for family in families]
    samples = [
        ParentSample(
            children=[child.node for child in family],
            weights=[child.conversations for child in family],
            vocabulary=vocabulary,
            language=_most(spoken),
        )
        for family, vocabulary, spoken in zip(families, words, languages, strict=True)
    ]
    return [
        _Topic(
            level=level,
            topic=topic,
            summary=summary,
            vector=_middle(family),
            vocabulary=vocabulary,
            conversations=sum(child.conversations for child in family),
            languages=spoken,
            leaves=below,
        )
        for topic, summary, family, vocabulary, spoken, below in zip(
            topics,
            _renamed(samples, topics, words, partial(_rename, analyst=analyst, stand_in=stand_in), previous),
            families,
            words,
            languages,
            leaves,
            strict=True,
        )
    ]


def _renamed(
    samples: Sequence[ParentSample],
    topics: Sequence[str],
    vocabularies: Sequence[Vocabulary],
    rename: Callable[[Sequence[ParentSample]], list[Summary]],
    previous: pl.DataFrame,
) -> list[Summary]:
    """Names that persist stay, the rest are asked for; all are, where a new one equals a kept one."""
    kept = kept_summaries(topics, vocabularies, previous)
    open_ = [sample for sample, summary in zip(samples, kept, strict=True) if summary is None]
    fresh = iter(rename(open_))
    named = [summary or next(fresh) for summary in kept]
    if len({summary.name.casefold() for summary in named}) == len(named) or len(open_) == len(samples):
        return named
    return rename(samples)


def _rename(samples: Sequence[ParentSample], *, analyst: Analyst, stand_in: Analyst | None) -> list[Summary]:
    answers = named_by(samples, analyst.rename, stand_in.rename if stand_in else None)
    if len(answers) != len(samples):
        raise HierarchyError(f"hierarchy: {len(samples)} parents to rename, {len(answers)} names came back")
    return answers


def _middle(children: Sequence[_Topic]) -> np.ndarray:
    weights = np.array([max(1, child.conversations) for child in children], dtype=np.float32)
    return normalized((weights @ np.stack([child.vector for child in children]))[None, :])[0]


def _summed(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for language, accounts in part.items():
            total[language] = total.get(language, 0) + accounts
    return total


def _most(languages: Mapping[str, int]) -> str:
    return min(languages, key=lambda language: (-languages[language], language), default="other")


def _frame(
    nodes: list[_Topic], members: pl.DataFrame, date: dt.date, clustered_by: str
) -> tuple[pl.DataFrame, dict[str, Vocabulary]]:
    # Base clusters stand first, by cluster_id; the sort is stable.
    order = sorted(
        range(len(nodes)), key=lambda place: (level := nodes[place].level, level and nodes[place].topic)
    )
    ids: dict[int, str] = {}
    parents_so_far: dict[int, int] = {}
    for place in order:
        level = nodes[place].level
        if level == 0:
            number = min(nodes[place].leaves)
        else:
            number = parents_so_far.get(level, 0)
            parents_so_far[level] = number + 1
        ids[place] = f"{level}-{number}"
    below = pl.DataFrame(
        [(ids[place], cluster) for place in order for cluster in sorted(nodes[place].leaves)],
        schema={"node_id": pl.String, "cluster_id": pl.Int32},
        orient="row",
    )
    sizes = (
        below.join(
            members.filter("counted").select("cluster_id", "conversation_id", "account"), on="cluster_id"
        )
        .group_by("node_id")
        .agg(
            pl.col("conversation_id").n_unique().cast(pl.Int64).alias("conversations"),
            pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
        )
    )
    parents = {place: nodes[place].parent for place in order}
    tree = pl.DataFrame(
        {
            "node_id": [ids[place] for place in order],
            "parent_id": [None if (above := parents[place]) is None else ids[above] for place in order],
            "level": [nodes[place].level for place in order],
            "topic": [nodes[place].topic for place in order],
            "name": [nodes[place].summary.name for place in order],
            "description": [nodes[place].summary.description for place in order],
        },
        schema={
            column: HIERARCHY.schema[column]
            for column in ("node_id", "parent_id", "level", "topic", "name", "description")
        },
    )
    frame = tree.join(sizes, on="node_id", how="left", maintain_order="left").select(
        pl.lit(date, dtype=pl.Date).alias("date"),
        pl.lit(clustered_by).alias("clustered_by"),
        *tree.columns,
        pl.col("conversations", "accounts").fill_null(0),
    )
    return frame.select(list(HIERARCHY.schema)), {ids[place]: nodes[place].vocabulary for place in order}
