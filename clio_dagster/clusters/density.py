"""UMAP, then HDBSCAN: the clusterer by density, which may leave a row out as noise. Only numbers here, no conversation.

McInnes, Healy, Melville 2018 (arXiv 1802.03426); Campello, Moulavi, Sander 2013 (doi 10.1007/978-3-642-37456-2_14).
"""

from __future__ import annotations

import warnings

import numpy as np

from clio_dagster.clusters.compiled import load_umap
from clio_dagster.clusters.kmeans import without_gaps
from clio_dagster.clusters.starts import ward
from clio_dagster.clusters.vectors import ROWS_AT_ONCE, normalized

NOISE = -1
"""The label of a row in no cluster."""

NEIGHBOURS, DIMENSIONS = 15, 5
"""UMAP's, as BERTopic and the paper's map have them; cosine, and a minimum distance of 0 to pack what is dense."""

LEAST = 5
PARTS = 4
"""A density peak needs a PARTS-th of the size wanted of a cluster, at least LEAST rows; peaks beyond the number
wanted are merged."""

MOST_ROWS = 50_000
"""Rows whose density is looked at. Of more a seeded sample is, and the others go to the nearest centroid."""


def density_clusters(
    vectors: np.ndarray,
    clusters: int,
    *,
    seed: int,
    threads: int,
    starts: np.ndarray | None = None,
    trained: np.ndarray | None = None,
) -> np.ndarray:
    """Label of each row (int32): from 0, without gaps, in the order of first appearance; NOISE in no cluster.

    Parameters as of kmeans.spherical_kmeans, but that density has no start, and a seeded UMAP one thread: `starts`
    and `threads` change nothing. At most `clusters` come back, fewer where there are fewer peaks of density; one,
    without noise, where there is none.
    Rows that are not trained, or beyond MOST_ROWS, take the nearest centroid; they are noise where they lie
    further from it than each row that made it. Deterministic for a seed, on one kind of machine.
    """
    points = np.ascontiguousarray(vectors, dtype=np.float32)
    sample = np.arange(len(points)) if trained is None else np.flatnonzero(trained)
    if len(sample) > MOST_ROWS:
        sample = np.sort(np.random.default_rng(seed).choice(sample, MOST_ROWS, replace=False))
    if clusters <= 1 or len(sample) <= max(NEIGHBOURS, 2 * LEAST):
        return np.zeros(len(points), dtype=np.int32)
    found = _peaks(points[sample], clusters, seed)
    if not (found >= 0).any():
        return np.zeros(len(points), dtype=np.int32)
    centroids = _centroids(points[sample], found)
    if len(centroids) > clusters:
        found = np.where(found >= 0, ward(centroids, clusters)[found], NOISE)
        centroids = _centroids(points[sample], found)
    labels = np.full(len(points), NOISE, dtype=np.int32)
    labels[sample] = found
    others = np.setdiff1d(np.arange(len(points)), sample, assume_unique=True)
    if len(others):
        inside = sample[found >= 0]
        own = np.einsum("ij,ij->i", points[inside], centroids[labels[inside]])
        furthest = np.full(len(centroids), np.inf, dtype=np.float32)
        np.minimum.at(furthest, labels[inside], own)
        nearest, cosine = _nearest(points, others, centroids)
        labels[others] = np.where(cosine >= furthest[nearest], nearest, NOISE)
    placed = np.flatnonzero(labels >= 0)
    labels[placed] = without_gaps(labels[placed])
    return labels


def without_noise(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels, each row of noise given to the cluster of the nearest centroid."""
    lost = np.flatnonzero(labels < 0)
    if not len(lost) or len(lost) == len(labels):
        return np.where(labels < 0, 0, labels).astype(np.int32)
    whole = labels.astype(np.int32)
    whole[lost] = _nearest(vectors, lost, _centroids(vectors, labels))[0]
    return whole


def _peaks(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """HDBSCAN's leaves over UMAP's coordinates."""
    import hdbscan

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one thread for one seed; of small graphs laid out at random
        laid = (
            load_umap()
            .UMAP(
                n_neighbors=NEIGHBOURS,
                n_components=DIMENSIONS,
                min_dist=0.0,
                metric="cosine",
                random_state=seed,
                n_jobs=1,
            )
            .fit_transform(points)
        )
        size = max(LEAST, round(len(points) / clusters / PARTS))
        return np.asarray(
            hdbscan.HDBSCAN(
                min_cluster_size=size,
                min_samples=LEAST,
                cluster_selection_method="leaf",
                core_dist_n_jobs=1,
            ).fit_predict(laid.astype(np.float64)),
            dtype=np.int32,
        )


def _centroids(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    means = np.zeros((int(labels.max()) + 1, points.shape[1]), dtype=np.float64)
    inside = labels >= 0
    np.add.at(means, labels[inside], points[inside])
    return normalized(means)


def _nearest(points: np.ndarray, rows: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each of `rows`, places in `points`, and the cosine to it."""
    nearest = np.empty(len(rows), dtype=np.int32)
    cosine = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        cosines = points[rows[part]] @ centroids.T
        nearest[part], cosine[part] = cosines.argmax(axis=1), cosines.max(axis=1)
    return nearest, cosine
