"""Nested cells of meaning: what conversations are about, from the narrowest cell to the broadest.

The narrowest are clusters of the vectors; each broader level joins them by Ward's method. A group shows best at the
level that holds it whole, which nobody knows beforehand, so all are looked at: the tree-based scan statistic
(Kulldorff, Fang, Walsh 2003, doi 10.1111/1541-0420.00039). Only numbers here, no conversation.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.clusters.vectors import ROWS_AT_ONCE, normalized

DIMENSIONS = 64
"""Principal directions that are kept: on 50,000 requests they hold about four fifths of the variance."""

SAMPLED = 20_000
"""Rows that the directions are found on."""

TRAINED = 100_000
"""Rows that the narrowest cells are found on; the others go to the nearest."""

CELL_SIZE, MOST_CELLS = 100, 1_024
"""Conversations of a narrowest cell, and the most of them."""

BROAD = 16
"""Cells of the broadest level: an account that keeps to one of them keeps to one broad area."""


def reduced(vectors: np.ndarray, rows: np.ndarray, *, seed: int, threads: int) -> np.ndarray:
    """Of each of `rows` (places in `vectors`, unit rows) its unit vector in the principal directions (float32).

    The mean is taken away first. The same whatever the number of threads: blocks are fixed, and each is one core's.
    """
    from threadpoolctl import threadpool_limits

    width = min(DIMENSIONS, vectors.shape[1])
    drawn = np.random.default_rng(seed).choice(rows, min(SAMPLED, len(rows)), replace=False)
    points = np.empty((len(rows), width), dtype=np.float32)
    with threadpool_limits(limits=1, user_api="blas"):
        sample = vectors[np.sort(drawn)].astype(np.float64)
        middle = sample.mean(axis=0)
        sample -= middle
        _, directions = np.linalg.eigh(sample.T @ sample)
        chosen = directions[:, ::-1][:, :width].astype(np.float32)
        shift = (middle @ chosen).astype(np.float32)

        def block(start: int) -> None:
            part = slice(start, start + ROWS_AT_ONCE)
            points[part] = normalized(vectors[rows[part]] @ chosen - shift)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(block, range(0, len(rows), ROWS_AT_ONCE)))
    return points


def nested_cells(points: np.ndarray, *, seed: int, threads: int) -> list[np.ndarray]:
    """Labels of each row (int64) at each level, the narrowest first; each level has about half the cells of the last.

    `points`: from `reduced`. The last level has at most BROAD cells.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    wanted = int(np.clip(len(points) // CELL_SIZE, 2 * BROAD, MOST_CELLS))
    trained = None
    if len(points) > TRAINED:
        trained = np.zeros(len(points), dtype=bool)
        trained[np.random.default_rng(seed).choice(len(points), TRAINED, replace=False)] = True
    finest = spherical_kmeans(points, wanted, seed=seed, threads=threads, trained=trained).astype(np.int64)
    count = int(finest.max()) + 1
    if count < 2:
        return [finest]
    sums = np.zeros((count, points.shape[1]), dtype=np.float64)
    np.add.at(sums, finest, points)
    tree = linkage(normalized(sums).astype(np.float64), "ward")
    levels, cells = [finest], count // 2
    while cells >= BROAD:
        levels.append(fcluster(tree, cells, "maxclust").astype(np.int64)[finest] - 1)
        cells //= 2
    if len(np.unique(levels[-1])) > BROAD:
        levels.append(fcluster(tree, BROAD, "maxclust").astype(np.int64)[finest] - 1)
    return levels
