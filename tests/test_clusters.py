"""Base clusters: alike for a seed, judged by counted members, merged with siblings, stable over dates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.clusters import read_vectors
from clio_dagster.analyst.protocol import Vocabulary
from clio_dagster.clusters.find import find_clusters
from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.clusters.lineage import match_one_to_one, new_topic
from clio_dagster.clusters.positions import positions
from clio_dagster.clusters.sampling import INSIDE, OUTSIDE, naming_samples
from clio_dagster.clusters.vectors import normalized
from clio_dagster.embedding.protocol import unit_rows
from clio_dagster.settings import Settings
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    CLUSTER_MEMBERS,
    CLUSTERS,
    EMBEDDINGS,
    POSITIONS,
    PUBLISHED,
    WITHHELD,
)
from resources.site import Site

KEY = b"k" * 32
TODAY = date(2026, 11, 7)
DIMENSIONS = 16
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty"]


def settings(**changes: object) -> Settings:
    plain: dict[str, object] = {"epsilon": float("inf"), "cluster_size": 40, "threads": 2}
    return Settings(**(plain | changes))  # type: ignore[arg-type]


def text(number: int) -> str:
    """A request like no other: no template group."""
    return " ".join(WORDS[(number // 10**place) % 10] for place in range(5))


def around(axis: int, rows: int, *, seed: int, spread: float = 0.1, tilt: float = 0.0) -> np.ndarray:
    """Unit vectors about an axis, tilted towards the next one."""
    middle = np.zeros(DIMENSIONS)
    middle[axis], middle[axis + 1] = 1.0, tilt
    return normalized(middle + np.random.default_rng(seed).normal(0, spread, (rows, DIMENSIONS)))


def facets(*groups: int, accounts: Sequence[str | None] | None = None, start: int = 0) -> pl.DataFrame:
    """So many conversations in each group, two an account unless told."""
    rows = sum(groups)
    who = accounts if accounts is not None else [f"a{number // 2}" for number in range(rows)]
    return pl.DataFrame(
        {
            "conversation_id": [f"c{start + number}" for number in range(rows)],
            "account": pl.Series(who, dtype=pl.String),
            "language": ["en"] * rows,
            "date": [TODAY] * rows,
            "request": [text(start + number) for number in range(rows)],
        }
    )


def find(
    frame: pl.DataFrame, vectors: np.ndarray, previous: pl.DataFrame | None = None, **changes: object
) -> tuple[pl.DataFrame, pl.DataFrame]:
    return find_clusters(
        frame,
        vectors,
        previous=CLUSTERS.empty() if previous is None else previous,
        settings=settings(**changes),
        key=KEY,
        date=TODAY,
    )


def two_topics() -> tuple[pl.DataFrame, np.ndarray]:
    return facets(40, 40), np.concatenate([around(0, 40, seed=0), around(5, 40, seed=1)])


def yesterday(clusters: pl.DataFrame) -> pl.DataFrame:
    return clusters.with_columns(pl.lit(TODAY - timedelta(days=1)).alias("date"))


# k-means


def test_kmeans_is_the_same_for_a_seed_whatever_the_threads() -> None:
    vectors = np.concatenate([around(axis, 60, seed=axis, spread=0.3) for axis in range(8)])
    one = spherical_kmeans(vectors, 8, seed=3, threads=1)

    assert np.array_equal(one, spherical_kmeans(vectors, 8, seed=3, threads=2))
    assert sorted(set(one.tolist())) == list(range(8))


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_kmeans_never_makes_more_clusters_than_rows(rows: int) -> None:
    labels = spherical_kmeans(around(0, rows, seed=0), 5, seed=0, threads=1)

    assert len(labels) == rows
    assert len(set(labels.tolist())) <= rows


def test_kmeans_leaves_no_gap_where_equal_rows_empty_a_cluster() -> None:
    vectors = np.repeat(around(0, 2, seed=0), 20, axis=0)
    labels = spherical_kmeans(vectors, 6, seed=0, threads=1)

    assert sorted(set(labels.tolist())) == list(range(len(set(labels.tolist()))))


# find_clusters


def test_clusters_and_members_keep_their_tables_contracts() -> None:
    clusters, members = find(*two_topics())

    assert clusters.schema == pl.Schema(CLUSTERS.schema)
    assert members.schema == pl.Schema(CLUSTER_MEMBERS.schema)
    assert clusters["passes"].to_list() == [True, True]
    assert clusters["conversations"].to_list() == [40, 40] and clusters["accounts"].to_list() == [20, 20]


def test_a_centroid_is_the_normalised_mean_and_distance_one_minus_the_cosine() -> None:
    frame, vectors = two_topics()
    clusters, members = find(frame, vectors)
    inside = (members["cluster_id"] == 0).to_numpy()
    centroid = normalized(vectors[inside].mean(axis=0, keepdims=True))[0]

    assert np.allclose(clusters["centroid"][0].to_numpy(), centroid, atol=1e-6)
    assert np.allclose(members["distance"].to_numpy()[inside], 1 - vectors[inside] @ centroid, atol=1e-6)


def test_finding_twice_gives_the_same_frames() -> None:
    first, second = find(*two_topics(), epsilon=1.0), find(*two_topics(), epsilon=1.0)

    assert first[0].equals(second[0]) and first[1].equals(second[1])


def test_numbers_follow_topics_and_so_tell_no_size() -> None:
    frame = facets(40, 60, 80)
    vectors = np.concatenate([around(axis, rows, seed=axis) for axis, rows in ((0, 40), (4, 60), (8, 80))])
    clusters, _ = find(frame, vectors)

    assert clusters["topic"].is_sorted()
    assert clusters["cluster_id"].to_list() == list(range(len(clusters)))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_few_conversations_are_members_of_what_does_not_pass(rows: int) -> None:
    clusters, members = find(facets(rows), around(0, rows, seed=0))

    assert len(members) == rows
    assert not clusters["passes"].any()
    assert all(reasons for reasons in clusters["reasons"].to_list())


def test_rows_and_vectors_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="3 conversations, but 2 vectors"):
        find(facets(3), around(0, 2, seed=0))


def test_a_small_cluster_joins_its_nearest_sibling() -> None:
    vectors = np.concatenate([around(0, 60, seed=0), around(0, 10, seed=1, tilt=0.9), around(8, 60, seed=2)])
    clusters, members = find(facets(60, 10, 60), vectors)

    assert clusters["passes"].to_list() == [True, True]
    assert members["cluster_id"][:70].n_unique() == 1
    assert sorted(clusters["conversations"]) == [60, 70]


def test_an_outlier_group_is_not_shoved_into_a_foreign_topic() -> None:
    vectors = np.concatenate([around(0, 60, seed=0), around(4, 12, seed=1), around(8, 60, seed=2)])
    clusters, members = find(facets(60, 12, 60), vectors)
    outliers = members["cluster_id"][60:72].unique()

    assert len(outliers) == 1
    left_out = clusters.filter(cluster_id=outliers[0])
    assert not left_out["passes"][0]
    assert left_out["conversations"][0] == 12
    assert any("conversations" in reason for reason in left_out["reasons"][0])


def test_two_small_siblings_pass_together() -> None:
    vectors = np.concatenate([around(0, 20, seed=0), around(0, 20, seed=1, tilt=0.9), around(8, 40, seed=2)])
    clusters, members = find(facets(20, 20, 40), vectors, cluster_size=27)

    assert clusters["passes"].all()
    assert members["cluster_id"][:40].n_unique() == 1


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_clusters_are_found_than_are_wanted_at_most(most: int) -> None:
    vectors = np.concatenate([around(axis, 60, seed=axis) for axis in (0, 5, 10)])
    clusters, _ = find(facets(60, 60, 60), vectors, cluster_size=30, max_clusters=most)

    assert len(clusters) == most


def test_one_spammer_does_not_sink_a_topic() -> None:
    people: list[str | None] = [f"a{number // 2}" for number in range(40)]
    frame = facets(140, accounts=[*people, *["spammer"] * 100])
    clusters, members = find(frame, around(0, 140, seed=0), cluster_size=200)

    assert clusters["passes"].to_list() == [True]
    assert clusters["top_account_share"][0] <= 0.15
    assert int(members.filter(account="spammer")["counted"].sum()) <= 5


@pytest.mark.parametrize("in_step", [True, False])
def test_a_ring_makes_no_topic_where_its_accounts_write_in_step(in_step: bool) -> None:
    minutes = np.random.default_rng(0).permutation(24 * 60)[:200]
    if in_step:
        minutes[100:136] = 600 + np.arange(36) // 12 * 120 + np.arange(36) % 12
    begun = [datetime(2026, 11, 7, tzinfo=UTC) + timedelta(minutes=int(minute)) for minute in minutes]
    people = [f"a{number}" for number in range(200)]
    people[100:136] = [f"ring{number % 12}" for number in range(36)]
    frame = facets(100, 36, 64, accounts=people).with_columns(started_at=pl.Series(begun))
    vectors = np.concatenate([around(axis, rows, seed=axis) for axis, rows in ((0, 100), (5, 36), (9, 64))])
    clusters, members = find(frame, vectors, cluster_size=66)
    ring = members[100:136]
    assert ring["counted"].sum() == (1 if in_step else 36)
    topic = clusters.filter(pl.col("cluster_id") == ring["cluster_id"][0])
    assert topic["passes"].to_list() == [not in_step]


def test_a_topic_persists_over_dates_and_a_new_one_gets_an_id_of_its_own() -> None:
    first, _ = find(*two_topics())
    vectors = np.concatenate([around(0, 40, seed=7), around(5, 40, seed=8), around(10, 40, seed=9)])
    second, _ = find(facets(40, 40, 40, start=500), vectors, previous=yesterday(first))

    assert set(first["topic"]) < set(second["topic"])
    assert len(second) == 3


def test_a_topic_that_stood_yesterday_stays_down_to_a_lower_edge() -> None:
    first, _ = find(facets(40), around(0, 40, seed=0))
    shrunk = facets(22, start=500), around(0, 22, seed=1)

    assert not find(*shrunk)[0]["passes"][0]
    assert find(*shrunk, previous=yesterday(first))[0]["passes"][0]


def test_an_earlier_revision_of_the_date_hands_on_topics_but_no_standing() -> None:
    first, _ = find(facets(40), around(0, 40, seed=0))
    again, _ = find(facets(22, start=500), around(0, 22, seed=1), previous=first)

    assert again["topic"].to_list() == first["topic"].to_list()
    assert not again["passes"][0]


def test_another_embedder_begins_topics_anew() -> None:
    first, _ = find(*two_topics())
    frame, vectors = two_topics()
    wider = np.pad(vectors, ((0, 0), (0, 4)))
    second, _ = find(frame, wider, previous=yesterday(first))

    assert not set(first["topic"]) & set(second["topic"])


# lineage


def test_each_topic_is_handed_on_once_to_the_nearest() -> None:
    previous = np.eye(3, dtype=np.float32)[:2]
    near = normalized(np.array([[1.0, 0.1, 0.0], [1.0, 0.02, 0.0], [0.0, 0.0, 1.0]]))

    assert match_one_to_one(near, previous, ["old", "other"]) == [None, "old", None]


def test_a_new_id_cannot_be_computed_without_the_key() -> None:
    assert new_topic(KEY, "request", b"\x01") == new_topic(KEY, "request", b"\x01")
    assert new_topic(KEY, "request", b"\x01") != new_topic(b"j" * 32, "request", b"\x01")


# sampling


def sampled(seed: int = 0) -> tuple[list, pl.DataFrame]:  # type: ignore[type-arg]
    frame = facets(80, 80, 12)
    vectors = np.concatenate([around(0, 80, seed=0), around(5, 80, seed=1), around(10, 12, seed=2)])
    clusters, members = find(frame, vectors, cluster_size=57)
    members = members.with_columns(frame["request"].alias("text"))
    words = {cluster: Vocabulary({f"w{cluster}": 1.0}) for cluster in clusters["cluster_id"]}
    samples = naming_samples(clusters, members, vectors, words, seed=seed)
    named = clusters.filter("passes").select("cluster_id", "topic")
    return samples, members.join(named, on="cluster_id", how="left", maintain_order="left")


def test_a_sample_holds_fifty_members_and_fifty_nearest_outsiders() -> None:
    samples, members = sampled()

    assert len(samples) == 2
    for cluster, sample in zip(
        sorted(members.drop_nulls("topic")["cluster_id"].unique()), samples, strict=True
    ):
        own = set(members.filter(cluster_id=cluster)["text"])
        assert len(sample.inside) == INSIDE and set(sample.inside) <= own
        assert len(sample.outside) == OUTSIDE and not set(sample.outside) & own
        assert sample.language == "en"
        assert sample.vocabulary.words == {f"w{cluster}": 1.0}


def test_what_a_threshold_holds_back_is_not_shown_even_as_contrast() -> None:
    samples, members = sampled()
    held_back = set(members.filter(pl.col("topic").is_null())["text"])

    assert held_back
    assert not any(held_back & {*sample.inside, *sample.outside} for sample in samples)


def test_outsiders_are_the_nearest_there_are() -> None:
    near, far = around(0, 60, seed=3, tilt=1.0), around(9, 60, seed=4)
    vectors = np.concatenate([around(0, 60, seed=2), near, far])
    clusters = pl.DataFrame(
        {
            "cluster_id": [0, 1, 2],
            "passes": [True] * 3,
            "centroid": [
                normalized(part.mean(axis=0, keepdims=True))[0].tolist() for part in np.split(vectors, 3)
            ],
        },
        schema_overrides={"cluster_id": pl.Int32},
    )
    members = facets(60, 60, 60).with_columns(
        pl.Series("cluster_id", np.repeat([0, 1, 2], 60), dtype=pl.Int32),
        pl.lit(True).alias("counted"),
        pl.col("request").alias("text"),
    )

    sample = naming_samples(clusters, members, vectors, {}, seed=0)[0]

    cosines = vectors[60:] @ np.array(clusters["centroid"][0].to_list())
    nearest = members["text"][60:].gather(np.argsort(-cosines)[:OUTSIDE])
    assert set(sample.outside) == set(nearest)


def test_everybody_is_heard_once_before_anybody_twice() -> None:
    who: list[str | None] = [
        *(f"a{number}" for number in range(45)),
        *["talker"] * 5,
        *["other"] * 5,
        *["third"] * 5,
    ]
    frame = facets(60, accounts=who)
    clusters, members = find(frame, around(0, 60, seed=0), cluster_size=60, max_account_share=1.0)
    members = members.with_columns(frame["request"].alias("text"))

    sample = naming_samples(clusters, members, around(0, 60, seed=0), {}, seed=0)[0]

    heard = frame.filter(pl.col("request").is_in(sample.inside))["account"]
    assert heard.n_unique() == 48


def test_a_sample_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert sampled(0)[0][0].inside == sampled(0)[0][0].inside
    assert sampled(0)[0][0].inside != sampled(1)[0][0].inside


# positions


class WordHashes:
    """A vector from each text's letters, enough to lay texts out."""

    name, version, dimensions, languages = "hashes", "1", 12, frozenset({"en"})

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return unit_rows(
            np.array(
                [np.bincount([ord(letter) % 12 for letter in text] or [0], minlength=12) for text in texts],
                dtype=np.float32,
            )
        )


def audited(count: int, status: str = PUBLISHED, conversations: int = 50) -> pl.DataFrame:
    rows = [
        {
            "date": TODAY,
            "clustered_by": "request",
            "node_id": f"0-{number}",
            "level": 0,
            "topic": f"t{number}",
            "name": text(number * 37),
            "description": text(number * 91 + 5),
            "conversations": conversations,
            "accounts": 20,
            "status": status,
            "reasons": [],
            "privacy_score": 5,
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=AUDITED_SUMMARIES.schema)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_every_published_node_gets_a_rounded_position(count: int) -> None:
    found = positions(audited(count), WordHashes(), seed=0)

    assert found.schema == pl.Schema(POSITIONS.schema)
    assert len(found) == count
    for axis in ("x", "y"):
        assert found[axis].is_finite().all()
        assert found[axis].equals(found[axis].round(2))


def test_positions_are_the_same_for_a_seed_and_come_from_published_text_alone() -> None:
    # Twenty nodes: laid out by UMAP.
    first = positions(audited(20), WordHashes(), seed=0)
    others = positions(
        audited(20, conversations=9_000).sample(fraction=1.0, shuffle=True, seed=1), WordHashes(), seed=0
    )

    assert first.equals(others)
    assert first.select("x", "y").n_unique() > 10


def test_withheld_nodes_have_no_position_and_move_no_other() -> None:
    mixed = pl.concat([audited(5), audited(9, WITHHELD).tail(4)])

    assert positions(mixed, WordHashes(), seed=0).equals(positions(audited(5), WordHashes(), seed=0))


def topics_at(found: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    return found.join(nodes.select("node_id", "topic"), on="node_id").select(
        "clustered_by", "topic", "x", "y"
    )


def test_a_map_that_goes_on_is_laid_over_the_one_before_whatever_its_turn_and_scale() -> None:
    # Six nodes: principal axes, so that the same names give the same shape.
    nodes = audited(6)
    first = positions(nodes, WordHashes(), seed=0)
    turned = topics_at(first, nodes).with_columns(
        (9 - 3 * pl.col("y")).alias("x"), (3 * pl.col("x") - 4).alias("y")
    )
    again = positions(nodes, WordHashes(), seed=0, previous=turned)
    moved = again.join(nodes.select("node_id", "topic"), on="node_id").join(turned, on="topic")
    assert (moved["x"] - moved["x_right"]).abs().max() < 0.05  # type: ignore[operator]
    assert (moved["y"] - moved["y_right"]).abs().max() < 0.05  # type: ignore[operator]


def test_topics_that_stay_on_a_map_of_many_hardly_move_and_new_ones_find_a_place() -> None:
    before, after = audited(40), audited(44)
    first = positions(before, WordHashes(), seed=0)
    lay = topics_at(first, before)
    second = positions(after, WordHashes(), seed=0, previous=lay)
    assert second.equals(positions(after, WordHashes(), seed=0, previous=lay))
    both = topics_at(second, after).join(lay, on="topic")
    moved = np.hypot(both["x"] - both["x_right"], both["y"] - both["y_right"])
    width = first["x"].max() - first["x"].min()  # type: ignore[operator]
    assert len(second) == 44
    assert np.median(moved) < 0.2 * width


def test_two_maps_that_share_too_little_are_not_turned_onto_each_other() -> None:
    nodes = audited(6)
    far = pl.DataFrame(
        {"clustered_by": ["request"] * 2, "topic": ["t0", "t1"], "x": [90.0, 91.0], "y": [5.0, 5.0]}
    )
    assert positions(nodes, WordHashes(), seed=0, previous=far).equals(positions(nodes, WordHashes(), seed=0))


# The vectors of a window, as the assets read them


@pytest.mark.parametrize("at_once", [1_000, 14, 5])
def test_the_vectors_of_a_window_are_those_of_its_rows_however_many_are_read_at_once(
    tmp_path: Path, at_once: int
) -> None:
    """Of three days, two languages and two kinds of vectors; an id that two slices share is two rows."""
    site = Site(overrides={"home": tmp_path})
    stored = []
    for number, (day, language) in enumerate(product(range(3), ["de", "en"])):
        where = {"date": TODAY - timedelta(days=day), "language": language}
        slice = pl.concat(
            _embedded(9, seed=10 * number + place).with_columns(
                **{name: pl.lit(value) for name, value in where.items()}, clustered_by=pl.lit(by)
            )
            for place, by in enumerate(("request", "task"))
        )
        site.warehouse.write(EMBEDDINGS, where, slice)
        stored.append(slice.filter(clustered_by="task"))
    rows = pl.concat(stored).sample(fraction=0.8, shuffle=True, seed=1)

    found = read_vectors(site, rows.drop("vector"), "task", at_once=at_once)

    assert rows.group_by("conversation_id").len()["len"].max() > 1
    assert (found == rows["vector"].to_numpy()).all()


def _embedded(count: int, *, seed: int) -> pl.DataFrame:
    vectors = pl.Series("vector", around(0, count, seed=seed), pl.Array(pl.Float32, DIMENSIONS))
    return pl.DataFrame({"conversation_id": [f"c{number}" for number in range(count)], "vector": vectors})
