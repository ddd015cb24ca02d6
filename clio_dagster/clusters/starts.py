"""Where k-means begins: small clusters, joined by Ward's criterion (1963, doi 10.1080/01621459.1963.10500845).

On 12,000 labelled requests (USE, 120 clusters) this takes three times the processor time of random rows; ARI with the
150 intents is 0.64 where they reach 0.56, and two seeds agree to 0.85 (ARI) where theirs do to 0.62.
Only numbers here, no conversation.
"""

from __future__ import annotations

import numpy as np

from clio_dagster.clusters.lloyd import lloyd
from clio_dagster.clusters.vectors import normalized

PARTS = 3_000
"""Small clusters that are joined; up to as many rows are joined themselves. Ward's memory and time grow with their
square: 150 MB."""

MOST_CLUSTERS = 1_000
"""Beyond, too few small clusters are joined to gain by it."""

MOST_ROWS = 20_000
"""Rows that are looked at, of more a seeded sample."""

ITERATIONS = 4
"""Of the small clusters, which need not be settled."""

NEIGHBOURS = 15
"""Of each of those that are joined the mean with its nearest is, itself among them: one odd text joins less."""

OWN_SHARE = 0.75
"""Most of a cluster of the wanted size that those neighbours may be."""


def ward_starts(
    points: np.ndarray, rows: np.ndarray, clusters: int, *, seed: int, threads: int
) -> np.ndarray | None:
    """`clusters` unit centroids (float32), fewer where rows are equal; None of more than MOST_CLUSTERS.

    `points` are unit rows, float32; `rows`, places in them and no fewer than `clusters`, are looked at. Deterministic
    for a seed, whatever the number of threads; up to PARTS rows the seed changes nothing.
    """
    if clusters > MOST_CLUSTERS:
        return None
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    points = points[rows]
    sums = points if len(points) <= PARTS else _small(points, seed, threads)
    joined = ward(_smoothed(normalized(sums), clusters), clusters)
    centroids = np.zeros((int(joined.max()) + 1, points.shape[1]), dtype=np.float64)
    np.add.at(centroids, joined, sums)
    return normalized(centroids)


def beside(known: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The known centroids, and those of the groups that are left when each known one has taken one near to it.

    Both are unit rows, float32, of one width. There are as many as groups, or as known ones where those are more.
    """
    from scipy.optimize import linear_sum_assignment

    taken = linear_sum_assignment(known @ groups.T, maximize=True)[1]
    return np.concatenate([known, np.delete(groups, taken, axis=0)])


def _small(points: np.ndarray, seed: int, threads: int) -> np.ndarray:
    """The sum of the rows of each small cluster."""
    small = lloyd(points, PARTS, iterations=ITERATIONS, seed=seed, threads=threads)
    label = small.index.search(points, 1)[1][:, 0]
    sums = np.zeros((PARTS, points.shape[1]), dtype=np.float64)
    np.add.at(sums, label, points)
    return sums[np.bincount(label, minlength=PARTS) > 0]


def _smoothed(points: np.ndarray, clusters: int) -> np.ndarray:
    """The unit rows without what all of them share, each averaged with its nearest."""
    points = normalized(points - points.mean(axis=0))
    count = min(NEIGHBOURS, int(np.ceil(OWN_SHARE * len(points) / clusters)))
    nearest = np.argpartition(points @ points.T, -count, axis=1)[:, -count:]
    sums = np.zeros_like(points)
    for place in range(count):
        sums += points[nearest[:, place]]
    return normalized(sums)


def ward(centroids: np.ndarray, clusters: int) -> np.ndarray:
    """Which group each unit row falls into (int32, from 0), joined so that the variance within grows least.

    `clusters` groups; fewer where rows are equal.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    cosines = centroids @ centroids.T
    squared = np.concatenate([2.0 - 2.0 * row[place:] for place, row in enumerate(cosines, start=1)])
    apart = np.sqrt(np.maximum(squared, 0.0), dtype=np.float64)
    del cosines, squared
    joined = fcluster(linkage(apart, "ward"), clusters, "maxclust")
    return np.asarray(joined - 1, dtype=np.int32)
