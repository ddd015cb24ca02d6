"""Spherical k-means of many clusters: coarse cells, clusters within each, then all of them refined together.

A step of Lloyd's compares every row with every centroid, which at a constant size of clusters grows with the square
of the rows. Here a row is compared with the centroids nearest to its own alone (k²-means, Agustsson et al. 2017,
arXiv 1605.09299): a row changes to a cluster beside its own or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from clio_dagster.clusters.lloyd import lloyd
from clio_dagster.clusters.vectors import ROWS_AT_ONCE, by_label, normalized

NEIGHBOURS = 64
"""Centroids that a row is compared with in a step, its own among them."""

STEPS = 25
"""Most steps of refinement."""

SETTLED = 0.001
"""Share of rows that change in a step, below which the steps end."""

COARSE_ITERATIONS, FINE_ITERATIONS = 10, 6
COARSE_ROWS = 256
"""Rows a coarse cell, by which their centroids are found: what faiss takes for enough."""

PROBED = 12
"""Cells of centroids in which the nearest to a row is looked for."""


def coarse_to_fine(
    points: np.ndarray,
    rows: np.ndarray,
    clusters: int,
    *,
    seed: int,
    threads: int,
    starts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Unit centroids (float32, `clusters` rows) and the label (int32) of each of `rows`, which are places in `points`.

    `points` are unit rows, float32. Begins from `starts` where there are any, and random rows for the rest. A cluster
    may end without rows; its centroid is zeros then. Deterministic for a seed, whatever the number of threads.
    """
    if starts is None or not len(starts):
        centroids, labels = _cells(points, rows, clusters, seed, threads)
    else:
        drawn = np.random.default_rng(seed).choice(rows, max(0, clusters - len(starts)), replace=False)
        centroids = np.ascontiguousarray(np.concatenate([starts[:clusters], points[drawn]]), dtype=np.float32)
        labels = nearest(points, rows, centroids, seed=seed, threads=threads)
    for _ in range(STEPS):
        before = labels
        centroids, labels = _step(points, rows, labels, len(centroids), threads)
        if (labels != before).mean() < SETTLED:
            break
    return _means(points, rows, labels, len(centroids), threads), labels


def nearest(
    points: np.ndarray, rows: np.ndarray, centroids: np.ndarray, *, seed: int, threads: int
) -> np.ndarray:
    """The nearest centroid (int32) to each of `rows`, places in `points`, of those in the cells around it."""
    import faiss

    faiss.omp_set_num_threads(threads)
    dimensions = points.shape[1]
    cells = max(1, round(len(centroids) ** 0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.min_points_per_centroid = seed, 1
    index.train(centroids)
    index.add(centroids)
    index.nprobe = PROBED
    found = np.empty(len(rows), dtype=np.int32)
    for start in range(0, len(found), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        found[part] = index.search(points[rows[part]], 1)[1][:, 0]
    return found


def _cells(
    points: np.ndarray, rows: np.ndarray, clusters: int, seed: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Centroids and labels where each coarse cell is clustered by itself."""
    cells = max(2, round(clusters**0.5))
    drawn = np.random.default_rng(seed).choice(rows, min(len(rows), cells * COARSE_ROWS), replace=False)
    coarse = lloyd(points[np.sort(drawn)], cells, iterations=COARSE_ITERATIONS, seed=seed, threads=threads)
    cell = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        cell[part] = coarse.index.search(points[rows[part]], 1)[1][:, 0]
    order, edges = by_label(cell, cells)
    sizes = np.diff(edges)
    wanted = np.minimum(_shares(clusters, sizes), sizes)
    centroids = np.empty((int(wanted.sum()), points.shape[1]), dtype=np.float32)
    labels = np.empty(len(rows), dtype=np.int32)
    found = 0
    for number, count in enumerate(wanted):
        inside = order[edges[number] : edges[number + 1]]
        if not len(inside):
            continue
        within = points[rows[inside]]
        fine = lloyd(within, int(count), iterations=FINE_ITERATIONS, seed=seed, threads=threads)
        centroids[found : found + count] = fine.centroids
        labels[inside] = found + fine.index.search(within, 1)[1][:, 0]
        found += count
    return centroids, labels


def _step(
    points: np.ndarray, rows: np.ndarray, labels: np.ndarray, clusters: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Centroids of the labels, and each row's nearest among those beside its own."""
    import faiss

    centroids = _means(points, rows, labels, clusters, threads)
    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatIP(points.shape[1])
    flat.add(centroids)
    beside = flat.search(centroids, min(NEIGHBOURS, clusters))[1]
    order, edges = by_label(labels, clusters)
    moved = np.empty_like(labels)

    def assign(first: int, last: int) -> None:
        places = order[edges[first] : edges[last]]
        block = points[rows[places]]
        for cluster in range(first, last):
            part = slice(edges[cluster] - edges[first], edges[cluster + 1] - edges[first])
            if part.start < part.stop:
                near = beside[cluster]
                moved[places[part]] = near[(block[part] @ centroids[near].T).argmax(axis=1)]

    _each(assign, edges, threads)
    return centroids, moved


def _means(
    points: np.ndarray, rows: np.ndarray, labels: np.ndarray, clusters: int, threads: int
) -> np.ndarray:
    """Normalised mean of each label's rows; of none, zeros."""
    order, edges = by_label(labels, clusters)
    means = np.zeros((clusters, points.shape[1]), dtype=np.float32)

    def mean(first: int, last: int) -> None:
        block = points[rows[order[edges[first] : edges[last]]]]
        filled = np.flatnonzero(np.diff(edges[first : last + 1]))
        if len(filled):
            means[first + filled] = np.add.reduceat(block, edges[first + filled] - edges[first], axis=0)

    _each(mean, edges, threads)
    return normalized(means)


def _each(work: Callable[[int, int], None], edges: np.ndarray, threads: int) -> None:
    """Work on blocks of clusters that hold some ROWS_AT_ONCE rows, in threads whose matrix products have one each."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, *block) for block in _blocks(edges)]:
            done.result()


def _blocks(edges: np.ndarray) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(edges) - 1:
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + ROWS_AT_ONCE // 2, "right")) - 1)
        yield first, last
        first = last


def _shares(total: int, sizes: np.ndarray) -> np.ndarray:
    """`total` in proportion to `sizes`, at least 1 where there is anything."""
    exact = total * sizes / sizes.sum()
    parts = np.maximum(np.floor(exact), sizes > 0).astype(np.int64)
    short = max(0, total - int(parts.sum()))
    parts[np.argsort(np.floor(exact) - exact, kind="stable")[:short]] += 1
    return parts
