"""One method of benchmarks/quality.py in a process of its own: it needs numpy and what the method itself needs.

    python -m benchmarks.quality_methods METHOD IN.npz OUT.npz --seeds N --threads N

IN holds `vectors` (unit rows, float32), `texts`, `clusters` (the number wanted). OUT gets `whole` and `parts`, labels
of N runs (int32, a row a run; -1 noise, -2 not in the run's 80%), `seconds` of each whole run, `peak_mb`, of the
process, and `base_mb`, what it held before the first run.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

SHARE = 0.8
NOT_DRAWN = -2

Method = Callable[[np.ndarray, list[str], int, int, int], np.ndarray]
"""Vectors, texts, clusters wanted, seed, threads to labels."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("method", choices=METHODS)
    options.add_argument("given")
    options.add_argument("found")
    options.add_argument("--seeds", type=int, required=True)
    options.add_argument("--threads", type=int, required=True)
    arguments = options.parse_args()
    warnings.simplefilter("ignore")
    with np.load(arguments.given, allow_pickle=False) as given:
        vectors, texts, clusters = given["vectors"], given["texts"].tolist(), int(given["clusters"])
    method, rows, base = METHODS[arguments.method], len(vectors), _peak()
    whole = np.full((arguments.seeds, rows), NOT_DRAWN, dtype=np.int32)
    parts, seconds = whole.copy(), []
    for seed in range(arguments.seeds):
        started = time.perf_counter()
        whole[seed] = method(vectors, texts, clusters, seed, arguments.threads)
        seconds.append(time.perf_counter() - started)
        drawn = np.sort(np.random.default_rng(seed).choice(rows, round(SHARE * rows), replace=False))
        of_drawn = [texts[row] for row in drawn]
        parts[seed, drawn] = method(vectors[drawn], of_drawn, clusters, seed, arguments.threads)
    np.savez(arguments.found, whole=whole, parts=parts, seconds=seconds, peak_mb=_peak(), base_mb=base)


def _peak() -> float:
    """Most memory that this process has held, in MB. Linux; getrusage would count what started it too."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024


def our_kmeans(vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int) -> np.ndarray:
    from clio_dagster.clusters.kmeans import spherical_kmeans

    return spherical_kmeans(vectors, clusters, seed=seed, threads=threads)


def our_hdbscan(vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int) -> np.ndarray:
    from clio_dagster.clusters.density import density_clusters

    return density_clusters(vectors, clusters, seed=seed, threads=threads)


def sklearn_kmeans(
    vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int
) -> np.ndarray:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(clusters, random_state=seed).fit_predict(vectors))


def kura_kmeans(vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int) -> np.ndarray:
    """kura's default method. It takes no seed; numpy's own generator, which it draws from, is seeded instead."""
    from kura.k_means import KmeansClusteringMethod

    np.random.seed(seed)
    return _of_kura(KmeansClusteringMethod(_a_group(vectors, clusters)), vectors)


def kura_minibatch(
    vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int
) -> np.ndarray:
    from kura.k_means import MiniBatchKmeansClusteringMethod

    return _of_kura(MiniBatchKmeansClusteringMethod(_a_group(vectors, clusters), random_state=seed), vectors)


def _a_group(vectors: np.ndarray, clusters: int) -> float:
    """Rows a group with which kura, which rounds up, makes as many groups as wanted."""
    return len(vectors) / clusters * (1 + 1e-9)


def _of_kura(method: object, vectors: np.ndarray) -> np.ndarray:
    items = [{"embedding": vector, "item": row} for row, vector in enumerate(vectors)]
    labels = np.empty(len(vectors), dtype=np.int32)
    for label, rows in method.cluster(items).items():  # type: ignore[attr-defined]
        labels[rows] = label
    return labels


def bertopic(vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int) -> np.ndarray:
    """As it comes, with a seeded UMAP of its own parameters, topics as small as ours may be, and as many of them."""
    from bertopic import BERTopic
    from umap import UMAP

    model = BERTopic(
        umap_model=UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed),
        min_topic_size=max(5, round(len(vectors) / clusters / 4)),
        nr_topics=clusters + 1,  # the outliers are one
    )
    return np.asarray(model.fit_transform(texts, embeddings=vectors)[0])


def evoc(vectors: np.ndarray, texts: list[str], clusters: int, seed: int, threads: int) -> np.ndarray:
    from evoc import EVoC

    return np.asarray(EVoC(approx_n_clusters=clusters, random_state=seed).fit_predict(vectors))


OURS: dict[str, Method] = {
    "k-means": our_kmeans,
    "UMAP, HDBSCAN": our_hdbscan,
    "scikit-learn": sklearn_kmeans,
}
PEERS: dict[str, Method] = {
    "kura": kura_kmeans,
    "kura MiniBatch": kura_minibatch,
    "EVoC": evoc,
    "BERTopic": bertopic,
}
METHODS = OURS | PEERS


if __name__ == "__main__":
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    main()
