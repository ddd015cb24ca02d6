"""Many clusters from coarse to fine, and the tests that split a cluster of two topics and merge two of one."""

from __future__ import annotations

import numpy as np
import pytest

from clio_dagster.clusters import kmeans
from clio_dagster.clusters.coarse_to_fine import coarse_to_fine, nearest
from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.clusters.refine import refined
from clio_dagster.clusters.vectors import normalized


def blobs(sizes: list[int], *, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around random directions, shuffled, and which direction each is of."""
    draw = np.random.default_rng(seed)
    topics = draw.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = normalized(draw.standard_normal((len(sizes), 64)))
    rows = centres[topics] + spread / 8 * draw.standard_normal((len(topics), 64))
    return normalized(rows), topics


def inertia(rows: np.ndarray, labels: np.ndarray) -> float:
    sums = np.zeros((labels.max() + 1, rows.shape[1]))
    np.add.at(sums, labels, rows)
    return float(len(rows) - np.linalg.norm(sums, axis=1).sum())


def split_and_merged(rows: np.ndarray, labels: np.ndarray, least: int, aimed_at: int) -> np.ndarray:
    everyone = np.ones(len(rows), dtype=bool)
    return refined(rows, labels, everyone, least=least, aimed_at=aimed_at, most=10_000, seed=0, threads=1)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "COMPARED", 0)


@pytest.mark.usefixtures("coarse")
def test_coarse_to_fine_comes_within_two_hundredths_of_full_lloyd() -> None:
    rows, _ = blobs([40] * 150, spread=0.8)
    full = inertia(rows, kmeans._lloyd(rows, np.arange(len(rows)), 120, 0, 2, None))
    assert inertia(rows, spherical_kmeans(rows, 120, seed=0, threads=2)) <= 1.02 * full


@pytest.mark.usefixtures("coarse")
def test_the_number_of_threads_changes_nothing() -> None:
    rows, _ = blobs([30] * 60, spread=0.8)
    one, two = (spherical_kmeans(rows, 50, seed=3, threads=threads) for threads in (1, 2))
    assert (one == two).all()


@pytest.mark.usefixtures("coarse")
def test_it_begins_from_yesterdays_centroids() -> None:
    rows, topics = blobs([50] * 30, spread=0.5)
    middles = normalized(np.stack([rows[topics == topic].mean(axis=0) for topic in range(30)]))
    _, labels = coarse_to_fine(rows, np.arange(len(rows)), 30, seed=0, threads=2, starts=middles)
    assert (labels == topics).mean() > 0.99


@pytest.mark.usefixtures("coarse")
def test_rows_that_move_no_centroid_are_assigned_to_the_nearest() -> None:
    rows, topics = blobs([50] * 20, spread=0.4)
    labels = spherical_kmeans(rows, 20, seed=0, threads=2, trained=np.arange(len(rows)) % 5 > 0)
    majority = np.array([np.bincount(topics[labels == label]).argmax() for label in range(labels.max() + 1)])
    assert (majority[labels] == topics).mean() > 0.85


@pytest.mark.usefixtures("coarse")
def test_equal_rows_leave_fewer_clusters_than_were_asked_for() -> None:
    rows = np.repeat(blobs([1] * 5, spread=0.1)[0], 40, axis=0)
    assert len(set(spherical_kmeans(rows, 60, seed=0, threads=1).tolist())) <= 60


def test_the_nearest_centroid_is_looked_for_in_the_cells_around() -> None:
    rows, _ = blobs([20] * 100, spread=0.8)
    centroids, _ = coarse_to_fine(rows, np.arange(len(rows)), 100, seed=0, threads=1)
    found = nearest(rows, np.arange(len(rows)), centroids, seed=0, threads=1)
    assert (found == (rows @ centroids.T).argmax(axis=1)).mean() > 0.99


def test_a_cluster_of_two_topics_is_split_and_one_of_one_is_not() -> None:
    rows, topics = blobs([120, 60, 200], spread=0.8)
    together = (topics == 2).astype(np.int32)
    labels = split_and_merged(rows, together, least=25, aimed_at=100)
    assert len(set(labels.tolist())) == 3
    assert all((labels[topics == topic] == labels[topics == topic][0]).mean() > 0.98 for topic in range(3))


def test_no_part_of_a_split_is_smaller_than_a_topic_may_be() -> None:
    rows, topics = blobs([200, 20], spread=0.5)
    labels = split_and_merged(rows, np.zeros(len(topics), np.int32), least=25, aimed_at=100)
    assert set(labels.tolist()) == {0}


def test_two_clusters_of_one_topic_are_merged_and_neighbours_are_not() -> None:
    rows, topics = blobs([200, 100], spread=0.8)
    halved = np.where(topics == 0, np.arange(len(topics)) % 2, 2).astype(np.int32)
    labels = split_and_merged(rows, halved, least=200, aimed_at=100)
    assert len(set(labels.tolist())) == 2
    assert len({*zip(labels.tolist(), topics.tolist(), strict=True)}) == 2


def test_where_everything_is_alike_it_does_not_all_become_one() -> None:
    rows, _ = blobs([1000], spread=0.2)
    labels = split_and_merged(rows, np.arange(1000, dtype=np.int32) // 50, least=600, aimed_at=50)
    assert np.bincount(labels).max() <= 200
    assert labels.max() + 1 < 20


def test_who_floods_a_window_cannot_split_a_topic() -> None:
    rows, topics = blobs([120, 300], spread=0.5)
    one = np.zeros(len(topics), np.int32)
    labels = refined(rows, one, topics == 0, least=25, aimed_at=100, most=10_000, seed=0, threads=1)
    assert set(labels.tolist()) == {0}
