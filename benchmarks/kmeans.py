"""k-means alone, on made topics in a tree: seconds, peak memory, and inertia against full Lloyd.

    python -m benchmarks.kmeans [--rows N --clusters K --dimensions D] [--threads N]

Without sizes: 20,000 × 384 at 200 and 2,000 clusters, and 100,000 × 512 at 1,000 against full Lloyd; each in a process
of its own. `ratio` is inertia over that of full Lloyd (25 steps of faiss over all rows), 1 where they are the same.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

SIZES = ((20_000, 200, 384), (20_000, 2_000, 384), (100_000, 1_000, 512))
STEPS = 25
COMPARED_ROWS = 200_000
"""Up to which full Lloyd is run beside."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("rows", "clusters", "dimensions"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.rows:
        measure(arguments.rows, arguments.clusters, arguments.dimensions or 512, arguments.threads)
        return
    for rows, clusters, dimensions in SIZES:
        sizes = ["--rows", str(rows), "--clusters", str(clusters), "--dimensions", str(dimensions)]
        threads = ["--threads", str(arguments.threads)]
        subprocess.run([sys.executable, "-m", "benchmarks.kmeans", *sizes, *threads], check=True)


def measure(rows: int, clusters: int, dimensions: int, threads: int) -> None:
    from clio_dagster.clusters.kmeans import spherical_kmeans

    vectors = made(rows, clusters, dimensions)
    started = time.perf_counter()
    labels = spherical_kmeans(vectors, clusters, seed=0, threads=threads)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    beside = ""
    if rows <= COMPARED_ROWS:
        full, taken = lloyd(vectors, clusters, threads)
        beside = f", full Lloyd {taken:.1f} s, ratio {inertia(vectors, labels) / inertia(vectors, full):.4f}"
    print(
        f"{rows:,} x {dimensions}, {clusters:,} clusters: {seconds:.1f} s, {peak:,.0f} MB{beside}", flush=True
    )


def made(rows: int, clusters: int, dimensions: int) -> np.ndarray:
    """Unit rows of topics that are no fewer or more than asked for by a third, in groups of 30."""
    draw = np.random.default_rng(0)

    def points(count: int) -> np.ndarray:
        return draw.standard_normal((count, dimensions), dtype=np.float32)

    topics = max(2, clusters * 3 // 4)
    groups = max(1, topics // 30)
    centres = points(groups)[draw.integers(groups, size=topics)] + 0.7 * points(topics)
    topic = draw.choice(topics, p=draw.dirichlet(np.full(topics, 3.0)), size=rows)
    vectors = np.empty((rows, dimensions), dtype=np.float32)
    for start in range(0, rows, 65_536):
        part = slice(start, start + 65_536)
        each = centres[topic[part]] + 1.5 * points(len(topic[part]))
        vectors[part] = each / np.linalg.norm(each, axis=1, keepdims=True)
    return vectors


def lloyd(vectors: np.ndarray, clusters: int, threads: int) -> tuple[np.ndarray, float]:
    import faiss

    faiss.omp_set_num_threads(threads)
    started = time.perf_counter()
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=STEPS,
        seed=0,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    kmeans.train(vectors)
    labels = kmeans.index.search(vectors, 1)[1][:, 0]
    return labels, time.perf_counter() - started


def inertia(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Sum of cosine distances to the own cluster's middle."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    sums = np.add.reduceat(vectors[order], starts, axis=0)
    return float(len(vectors) - np.linalg.norm(sums, axis=1).sum())


if __name__ == "__main__":
    main()
