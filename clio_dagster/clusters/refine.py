"""What k-means was asked for, corrected by what the vectors say: a cluster of two topics is split, two of one merged.

Both tests compare directions, and a split is judged on rows that had no part in finding it: two halves of anything
lie apart where they were found.
"""

from __future__ import annotations

import numpy as np

from clio_dagster.clusters.vectors import by_label, normalized

TWO_TOPICS = 0.6
"""Cosine of two halves' middles, their own scatter taken out, below which they are two topics. On clusters of CLINC150
(USE) four in five of those with a quarter or more of a second intent lie below 0.8, and one in twenty of the others
below 0.6."""

ONE_TOPIC = 0.9
"""Least cosine of two centroids for their clusters to be one topic. Of CLINC150's 225 clusters, merging down to it
costs no purity, and to 0.87 one hundredth."""

LARGEST = 4
"""Times the size aimed at that a merged cluster may have: where everything is alike, it does not all become one."""

STEPS = 10


def refined(
    vectors: np.ndarray,
    labels: np.ndarray,
    trained: np.ndarray,
    *,
    least: int,
    aimed_at: int,
    most: int,
    seed: int,
    threads: int,
) -> np.ndarray:
    """Labels (int32, without gaps) after the split test and the merge test.

    `vectors`: unit rows; `labels` from 0 without gaps; `trained` (Boolean) says which rows are looked at, the others
    go with them. Both parts of a split have `least` such rows or more. `aimed_at` is the size that clusters are asked
    to have; no split makes more than `most` of them.
    """
    if not len(labels):
        return labels
    labels = _split(vectors, labels, trained, least, most, seed)
    labels = _merge(vectors, labels, trained, LARGEST * aimed_at, threads)
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def _split(
    vectors: np.ndarray, labels: np.ndarray, trained: np.ndarray, least: int, most: int, seed: int
) -> np.ndarray:
    found = labels.astype(np.int32, copy=True)
    clusters = int(labels.max(initial=-1)) + 1
    order, edges = by_label(labels, clusters)
    draw = np.random.default_rng(seed)
    for cluster in range(clusters):
        if clusters >= most:
            break
        rows = order[edges[cluster] : edges[cluster + 1]]
        looked_at = trained[rows]
        if looked_at.sum() < 2 * least:
            continue
        points = vectors[rows]
        apart = _apart(points[looked_at], draw)
        if apart is None:
            continue
        second = points @ apart > 0
        if least <= (second & looked_at).sum() <= looked_at.sum() - least:
            found[rows[second]] = clusters
            clusters += 1
    return found


def _apart(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray | None:
    """The direction from one topic to the other; None where there is one."""
    fitted = draw.permutation(len(rows)) % 2 == 0
    fit, held_out = rows[fitted], rows[~fitted]
    side = fit @ _axis(fit - fit.mean(axis=0)) > 0
    for _ in range(STEPS):
        if side.all() or not side.any():
            return None
        middles = _middles(fit, side)
        moved = fit @ (middles[1] - middles[0]) > 0
        if (moved == side).all():
            break
        side = moved
    apart = middles[1] - middles[0]
    other = held_out @ apart > 0
    if not 1 < other.sum() < len(other) - 1 or side.all() or not side.any():
        return None
    again = _middles(held_out, other)
    # A middle of few rows points away from the topic's own: by so much do those of the same half differ.
    scatter = float(np.prod(np.clip((_middles(fit, side) * again).sum(axis=1), 0.01, 1.0)))
    return None if float(again[0] @ again[1]) >= TWO_TOPICS * scatter**0.5 else apart


def _axis(centred: np.ndarray) -> np.ndarray:
    """About the direction of largest spread: a few power iterations."""
    axis = centred[np.argmax(np.einsum("ij,ij->i", centred, centred))]
    for _ in range(STEPS):
        axis = centred.T @ (centred @ axis)
        axis /= max(float(np.linalg.norm(axis)), 1e-12)
    return axis


def _middles(rows: np.ndarray, side: np.ndarray) -> np.ndarray:
    return normalized(np.stack([rows[~side].mean(axis=0), rows[side].mean(axis=0)]))


def _merge(
    vectors: np.ndarray, labels: np.ndarray, trained: np.ndarray, largest: int, threads: int
) -> np.ndarray:
    """Pairs that are each other's nearest are merged, round by round."""
    import faiss

    faiss.omp_set_num_threads(threads)
    clusters = int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels[trained], minlength=clusters)
    order, edges = by_label(labels, clusters)
    sums = np.zeros((clusters, vectors.shape[1]), dtype=np.float64)
    for cluster in range(clusters):
        rows = order[edges[cluster] : edges[cluster + 1]]
        sums[cluster] = vectors[rows[trained[rows]]].sum(axis=0, dtype=np.float64)
    into = np.arange(clusters)
    while True:
        alive = np.flatnonzero(sizes)
        if len(alive) < 2:
            break
        middles = normalized(sums[alive])
        index = faiss.IndexFlatIP(middles.shape[1])
        index.add(middles)
        cosines, near = index.search(middles, 2)
        own = near[:, 0] == np.arange(len(alive))
        nearest, cosine = np.where(own, near[:, 1], near[:, 0]), np.where(own, cosines[:, 1], cosines[:, 0])
        here = np.arange(len(alive))
        pair = (nearest[nearest] == here) & (here < nearest) & (cosine >= ONE_TOPIC)
        pair &= sizes[alive] + sizes[alive[nearest]] <= largest
        if not pair.any():
            break
        kept, gone = alive[pair], alive[nearest[pair]]
        sums[kept] += sums[gone]
        sizes[kept] += sizes[gone]
        sizes[gone] = 0
        place = np.arange(clusters)
        place[gone] = kept
        into = place[into]
    return into[labels]
