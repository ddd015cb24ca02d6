"""The tree: sizes of levels, families by likeness, ids and names that persist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from clio_dagster.analyst.protocol import NamingSample, Node, ParentSample, Summary, Vocabulary
from clio_dagster.clusters.vectors import normalized
from clio_dagster.hierarchy.hierarchizer import HierarchyError, build_hierarchy
from clio_dagster.hierarchy.levels import level_sizes, shares
from clio_dagster.hierarchy.persistence import kept_summaries, leaf_topics
from clio_dagster.settings import Settings
from clio_dagster.tables import CLUSTERS, HIERARCHY

TODAY = date(2026, 11, 7)
DIMENSIONS = 32


class Likeness:
    """Judges by cosine: every topic is proposed, the most unlike are kept, children go to the nearest."""

    name, version = "likeness", "1"

    def __init__(self) -> None:
        self.orders: list[tuple[str, ...]] = []
        self.neighbourhoods: list[tuple[int, int, int]] = []
        self.renamed = 0

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        return conversations

    def name_clusters(self, samples: Sequence[NamingSample]) -> list[Summary]:
        return [Summary("", "") for _ in samples]

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        self.neighbourhoods.append((len(inside), len(outside), wanted))
        return list(inside)

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        kept = [proposed[0]]
        while len(kept) < min(wanted, len(proposed)):
            nearest = [max(node.vector @ other.vector for other in kept) for node in proposed]
            kept.append(proposed[int(np.argmin(nearest))])
        return kept

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        self.orders.append(tuple(parent.summary.name for parent in parents))
        return [int(np.argmax([child.vector @ parent.vector for parent in parents])) for child in children]

    def rename(self, parents: Sequence[ParentSample]) -> list[Summary]:
        self.renamed += len(parents)
        return [Summary(" ".join(sorted(parent.vocabulary.words)), "About the same.") for parent in parents]

    def audit(self, summaries: Sequence[Summary]) -> list[int]:
        return [5 for _ in summaries]


def base(families: Sequence[int], *, seed: int = 0) -> tuple[pl.DataFrame, ...]:
    """Summaries, clusters and members of base clusters in families, each about an axis of its own."""
    draw = np.random.default_rng(seed)
    axes = np.repeat(np.arange(len(families)), families)
    vectors = normalized(np.eye(DIMENSIONS)[axes] + draw.normal(0, 0.05, (len(axes), DIMENSIONS)))
    ids = range(len(axes))
    clusters = pl.DataFrame(
        {
            "date": [TODAY] * len(axes),
            "clustered_by": ["request"] * len(axes),
            "cluster_id": ids,
            "topic": [f"{number:012x}" for number in ids],
            "conversations": [2] * len(axes),
            "accounts": [2] * len(axes),
            "top_account_share": [0.5] * len(axes),
            "passes": [True] * len(axes),
            "reasons": [[]] * len(axes),
            "centroid": vectors.tolist(),
        },
        schema=CLUSTERS.schema,
    )
    summaries = clusters.select("date", "clustered_by", "cluster_id", "topic").with_columns(
        pl.format("topic {}", "cluster_id").alias("name"), pl.lit("One of many.").alias("description")
    )
    members = pl.DataFrame(
        {
            "cluster_id": pl.Series(np.repeat(np.arange(len(axes)), 3), dtype=pl.Int32),
            "conversation_id": [f"c{number}" for number in range(3 * len(axes))],
            "account": [["everybody", f"a{number}", "spare"][number % 3] for number in range(3 * len(axes))],
            "language": ["en"] * 3 * len(axes),
            "counted": [True, True, False] * len(axes),
        }
    )
    return summaries, clusters, members


def vocabularies(families: Sequence[int]) -> dict[int, Vocabulary]:
    axes = np.repeat(np.arange(len(families)), families)
    return {
        number: Vocabulary({f"zq{chr(97 + axis)}family": 1.0, f"zq{number}own": 1.0})
        for number, axis in enumerate(axes.tolist())
    }


def build(
    families: Sequence[int],
    analyst: Likeness | None = None,
    previous: pl.DataFrame | None = None,
    top_topics: int = 10,
    seed: int = 0,
) -> tuple[pl.DataFrame, dict[str, Vocabulary]]:
    return build_hierarchy(
        *base(families),
        vocabularies(families),
        analyst or Likeness(),  # type: ignore[arg-type]
        previous=HIERARCHY.empty() if previous is None else previous,
        settings=Settings(top_topics=top_topics, seed=seed, threads=2),
        date=TODAY,
        clustered_by="request",
    )


def yesterday(tree: pl.DataFrame) -> pl.DataFrame:
    return tree.with_columns(pl.lit(TODAY - timedelta(days=1)).alias("date"))


# sizes


@pytest.mark.parametrize(
    ("base_topics", "sizes"),
    [
        (0, [0]),
        (5, [5]),
        (6, [6, 2]),
        (23, [23, 7]),
        (100, [100, 10]),
        (225, [225, 47, 10]),
        (1_000, [1_000, 100, 10]),
    ],
)
def test_levels_shrink_geometrically_to_the_top(base_topics: int, sizes: list[int]) -> None:
    assert level_sizes(base_topics, 10) == sizes


def test_what_a_neighbourhood_proposes_follows_its_size() -> None:
    assert shares(10, [60, 30, 10]) == [6, 3, 1]
    assert shares(3, [98, 1, 1]) == [2, 1, 1]


# the tree


def test_families_come_together_under_parents() -> None:
    tree, words = build([4, 4, 4, 4], top_topics=4)
    leaves = tree.filter(level=0)

    assert tree.schema == pl.Schema(HIERARCHY.schema)
    assert leaves["node_id"].to_list() == [f"0-{number}" for number in range(16)]
    assert [leaves["parent_id"][4 * family : 4 * family + 4].n_unique() for family in range(4)] == [1] * 4
    assert tree.filter(level=1)["parent_id"].null_count() == 4
    assert set(tree["node_id"]) == set(words)


def test_a_large_base_gets_a_level_between() -> None:
    tree, _ = build([10] * 22)

    assert tree["level"].max() == 2
    assert tree.filter(pl.col("parent_id").is_null()).height <= 15
    assert (
        tree.join(tree, left_on="parent_id", right_on="node_id")
        .filter(pl.col("level") >= pl.col("level_right"))
        .is_empty()
    )


def test_a_parent_counts_distinct_counted_conversations_and_accounts() -> None:
    tree, _ = build([4, 4, 4, 4], top_topics=4)
    parent = tree.filter(level=1).row(0, named=True)

    assert parent["conversations"] == 8
    below = tree.filter(parent_id=parent["node_id"])["node_id"].str.slice(2).cast(pl.Int32)
    members = base([4, 4, 4, 4])[2].filter(pl.col("counted") & pl.col("cluster_id").is_in(below.implode()))
    assert parent["accounts"] == members["account"].n_unique() < parent["conversations"]


def test_a_parent_may_use_the_words_that_two_children_support() -> None:
    tree, words = build([4, 4, 4, 4], top_topics=4)

    for node in tree.filter(level=1)["node_id"]:
        (word,) = words[node].words
        assert word.endswith("family")


def test_an_only_child_stands_beside_the_parents() -> None:
    tree, _ = build([5, 5, 1], top_topics=3)
    lone = tree.filter(node_id="0-10")

    assert lone["parent_id"][0] is None
    assert tree.filter(level=1).height == 2
    children = tree.drop_nulls("parent_id").group_by("parent_id").len()
    assert (children["len"] > 1).all()


def test_few_topics_stay_without_parents() -> None:
    tree, _ = build([3, 2])

    assert tree["level"].to_list() == [0] * 5
    assert tree["parent_id"].null_count() == 5


def test_no_passing_cluster_gives_an_empty_tree() -> None:
    summaries, clusters, members = base([2])
    tree, words = build_hierarchy(
        summaries.clear(),
        clusters.with_columns(pl.lit(False).alias("passes")),
        members,
        {},
        Likeness(),  # type: ignore[arg-type]
        previous=HIERARCHY.empty(),
        settings=Settings(),
        date=TODAY,
        clustered_by="request",
    )

    assert tree.schema == pl.Schema(HIERARCHY.schema)
    assert tree.is_empty() and words == {}


def test_one_parent_for_all_is_no_level() -> None:
    class OneForAll(Likeness):
        def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
            return [0 if parents[0].summary.name < parents[1].summary.name else 1 for _ in children]

    tree, _ = build([8], OneForAll(), top_topics=2)

    assert tree["level"].to_list() == [0] * 8


def test_parents_are_shuffled_between_groups_of_children_and_alike_for_a_seed() -> None:
    first, second, other = Likeness(), Likeness(), Likeness()
    build([10] * 6, first)
    build([10] * 6, second)
    build([10] * 6, other, seed=1)

    assert len(set(first.orders)) == len(first.orders) == 3
    assert first.orders == second.orders
    assert first.orders != other.orders


def test_the_same_input_gives_the_same_tree() -> None:
    assert build([10] * 12)[0].equals(build([10] * 12)[0])


def test_a_neighbourhood_holds_about_forty_and_shows_the_nearest_outside() -> None:
    analyst = Likeness()
    build([10] * 12, analyst)

    first_level = analyst.neighbourhoods[:3]
    assert sum(inside for inside, _, _ in first_level) == 120
    assert all(outside == 10 for _, outside, _ in first_level)


def test_an_assignment_outside_the_parents_is_an_error() -> None:
    class Lost(Likeness):
        def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
            return [len(parents)] * len(children)

    with pytest.raises(HierarchyError, match="no parent that was given"):
        build([4, 4], Lost())


def test_no_proposal_is_an_error() -> None:
    class Silent(Likeness):
        def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
            return []

    with pytest.raises(HierarchyError, match="no parent was proposed"):
        build([4, 4], Silent())


# persistence


def test_a_parent_that_persists_keeps_its_topic_and_name_and_is_not_named_again() -> None:
    first, _ = build([4, 4, 4], top_topics=3)
    analyst = Likeness()
    second, _ = build([4, 4, 4], analyst, previous=yesterday(first), top_topics=3)

    assert second.select("topic", "name").equals(first.select("topic", "name"))
    assert analyst.renamed == 0


def test_a_parent_with_other_children_is_a_new_topic() -> None:
    first, _ = build([4, 4, 4], top_topics=3)
    others = yesterday(first).with_columns("z" + pl.col("topic"))
    second, _ = build([4, 4, 4], previous=others, top_topics=3)

    assert not second["topic"].str.starts_with("z").any()


def test_a_name_whose_words_lost_their_support_goes() -> None:
    before = pl.DataFrame({"topic": ["t"], "name": ["zqword"], "description": [""]})

    assert kept_summaries(["t"], [Vocabulary({"zqword": 1.0})], before) == [Summary("zqword", "")]
    assert kept_summaries(["t"], [Vocabulary()], before) == [None]
    assert kept_summaries(["u"], [Vocabulary({"zqword": 1.0})], before) == [None]


def test_a_name_is_kept_once() -> None:
    before = pl.DataFrame({"topic": ["t", "u"], "name": ["zqword", "Zqword"], "description": ["", ""]})
    words = Vocabulary({"zqword": 1.0})

    assert kept_summaries(["t", "u"], [words, words], before) == [Summary("zqword", ""), None]


def test_base_topics_are_known_below_every_parent() -> None:
    tree, _ = build([4, 4, 4], top_topics=3)
    below = leaf_topics(tree)

    assert sorted(len(leaves) for leaves in below.values()) == [4, 4, 4]
    assert frozenset().union(*below.values()) == frozenset(tree.filter(level=0)["topic"])
