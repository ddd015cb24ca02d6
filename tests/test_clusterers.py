"""The clusterers behind one signature: density and what it leaves out, and where k-means begins."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clio_dagster.clusters import density, starts
from clio_dagster.clusters.density import NOISE, density_clusters, without_noise
from clio_dagster.clusters.find import IN_NO_CLUSTER
from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.clusters.vectors import normalized
from clio_dagster.coverage import stages_of
from tests.test_clusters import around, facets, find, yesterday

BLOBS, ROWS, SCATTERED = 3, 60, 24


@pytest.fixture(scope="module")
def scattered() -> np.ndarray:
    """Three tight topics, and rows about anything behind them."""
    blobs = [around(5 * blob, ROWS, seed=blob, spread=0.05) for blob in range(BLOBS)]
    anything = np.random.default_rng(9).normal(size=(SCATTERED, blobs[0].shape[1])).astype(np.float32)
    return np.concatenate([*blobs, anything / np.linalg.norm(anything, axis=1, keepdims=True)])


@pytest.fixture(scope="module")
def labels(scattered: np.ndarray) -> np.ndarray:
    return density_clusters(scattered, BLOBS, seed=0, threads=2)


TRUTH = np.repeat(np.arange(BLOBS), ROWS)


def test_density_finds_the_topics_and_nothing_else(scattered: np.ndarray, labels: np.ndarray) -> None:
    placed = labels[: len(TRUTH)]
    assert labels.dtype == np.int32
    assert set(placed[placed != NOISE].tolist()) == set(range(BLOBS))
    assert (placed == TRUTH)[placed != NOISE].mean() > 0.9
    assert (placed == NOISE).mean() < 0.2
    assert np.array_equal(labels, density_clusters(scattered, BLOBS, seed=0, threads=1))


def test_noise_is_given_to_the_nearest_topic(scattered: np.ndarray, labels: np.ndarray) -> None:
    lost = labels.copy()
    lost[::10] = NOISE
    whole = without_noise(scattered, lost)

    assert whole.min() == 0
    assert np.array_equal(whole[lost != NOISE], lost[lost != NOISE])
    assert np.array_equal(whole[: len(TRUTH) : 10], TRUTH[::10])


def test_what_moves_no_topic_joins_one_or_none(scattered: np.ndarray) -> None:
    trained = np.arange(len(scattered)) < len(TRUTH)
    trained[::3] = False
    found = density_clusters(scattered, BLOBS, seed=0, threads=2, trained=trained)
    beside = found[len(TRUTH) :]

    assert (found[: len(TRUTH)] == TRUTH).mean() > 0.8
    assert (beside == NOISE).mean() > 0.9


def test_of_many_rows_a_sample_finds_the_topics(
    scattered: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(density, "MOST_ROWS", 120)
    found = without_noise(scattered, density_clusters(scattered, BLOBS, seed=0, threads=2))
    assert (found[: len(TRUTH)] == TRUTH).mean() > 0.9


@pytest.mark.parametrize("rows", [1, 2, 12])
def test_few_rows_are_one_cluster(rows: int) -> None:
    assert not density_clusters(around(0, rows, seed=0), 3, seed=0, threads=1).any()


def test_noise_is_counted_below_a_threshold_and_hands_on_no_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.concatenate([around(0, 60, seed=0), around(0, 60, seed=1), around(5, 60, seed=2)])
    lost = np.repeat([NOISE, 0, 1], 60).astype(np.int32)
    monkeypatch.setattr("clio_dagster.clusters.clusterers.density_clusters", lambda *_, **__: lost)
    frame, how = facets(60, 60, 60), {"clusterer": "hdbscan", "outliers": "noise", "max_account_share": 0.5}
    clusters, members = find(frame, vectors, **how)

    (noise,) = clusters.filter(~pl.col("passes")).to_dicts()
    assert noise["reasons"] == [IN_NO_CLUSTER]
    assert members.filter(cluster_id=noise["cluster_id"])["conversation_id"].to_list() == [
        f"c{number}" for number in range(60)
    ]
    audited = pl.DataFrame(schema={"level": pl.Int32, "node_id": pl.String, "status": pl.String})
    read = frame.with_columns(pl.lit("read").alias("status"))
    stages = stages_of(read, members, clusters, audited)["stage"]
    assert (stages[:60] == "below a threshold").all()
    assert (stages[60:] == "withheld").all()

    renamed = pl.format("topic {}", "cluster_id").alias("topic")
    again, _ = find(frame, vectors, previous=yesterday(clusters.with_columns(renamed)), **how)
    handed_on = clusters.filter("passes").select(renamed)["topic"].to_list()
    assert again.filter("passes")["topic"].sort().to_list() == sorted(handed_on)
    assert f"topic {noise['cluster_id']}" not in again["topic"]


def test_outliers_are_assigned_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.concatenate([around(0, 60, seed=0), around(5, 60, seed=2)])
    lost = np.repeat([0, 1], 60).astype(np.int32)
    lost[::6] = NOISE
    monkeypatch.setattr("clio_dagster.clusters.clusterers.density_clusters", lambda *_, **__: lost)
    clusters, _ = find(facets(60, 60), vectors, clusterer="hdbscan", max_account_share=0.5)

    assert clusters["passes"].to_list() == [True, True]
    assert clusters["conversations"].to_list() == [60, 60]


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_begins_at_every_topic_whatever_its_size(seed: int) -> None:
    sizes = [8, 30, 15, 90, 40, 10, 60]
    truth = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.concatenate(
        [around(2 * axis, rows, seed=axis, spread=0.1) for axis, rows in enumerate(sizes)]
    )

    assert np.array_equal(spherical_kmeans(vectors, len(sizes), seed=seed, threads=2), truth)


def test_of_many_rows_small_clusters_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "PARTS", 40)
    monkeypatch.setattr(starts, "MOST_ROWS", 120)
    vectors = np.concatenate([around(2 * axis, 30, seed=axis, spread=0.1) for axis in range(5)])
    found = starts.ward_starts(vectors, np.arange(150), 5, seed=0, threads=1)

    assert found is not None
    assert np.array_equal(found, starts.ward_starts(vectors, np.arange(150), 5, seed=0, threads=2))
    assert sorted(found.argmax(axis=1).tolist()) == [0, 2, 4, 6, 8]


def test_clusters_beyond_the_known_ones_begin_where_no_known_one_is() -> None:
    draw = np.random.default_rng(0)
    middles = np.eye(12, dtype=np.float32)
    points = normalized(np.repeat(middles, 30, axis=0) + 0.02 * draw.standard_normal((360, 12)))
    coarse = normalized(np.stack([middles[:6].mean(axis=0), middles[6:].mean(axis=0)]))

    labels = spherical_kmeans(points, 12, seed=0, threads=1, starts=coarse)

    assert len(set(labels)) == 12
    assert all(len(set(labels[start : start + 30])) == 1 for start in range(0, 360, 30))
