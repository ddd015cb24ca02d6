"""Lloyd's steps of spherical k-means, by faiss: every row is compared with every centroid."""

from __future__ import annotations

from typing import Any

import numpy as np


def lloyd(
    points: np.ndarray,
    clusters: int,
    *,
    iterations: int,
    seed: int,
    threads: int,
    starts: np.ndarray | None = None,
) -> Any:
    """faiss.Kmeans after `iterations` steps over all rows of `points` (unit, float32), one at least.

    Its `centroids` are unit rows and its `index` finds the nearest. It begins from `starts` and random rows for the
    rest. Deterministic for a seed, whatever the number of threads.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    kmeans = faiss.Kmeans(
        points.shape[1],
        clusters,
        niter=iterations,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),
    )
    kmeans.train(points, init_centroids=starts)
    return kmeans
