"""Where a date's own conversations make a group that the days before did not have: seeds for new topics.

k-means that begins from yesterday's centroids has none to spare for a new topic: it would spread over its neighbours
until it outgrew them.
"""

from __future__ import annotations

import numpy as np

from clio_dagster.clusters.vectors import normalized

OWN_SHARE = 0.5
"""Least share of a group that is of the date itself. In a full window each day has about a seventh."""

CHANCE = 1e-6
"""Greatest probability that a group of no topic of its own has as many conversations of the date, given the cluster
that it lies in: over 10,000 clusters, one in a hundred dates."""

PIECES = 3
"""A new topic may lie on the border of as many clusters: a piece with a third of what is needed counts towards it."""

SAME = 0.8
"""Least cosine of two pieces of one topic. They lie on two sides of a border, and so further apart than halves drawn at
random (0.955, lineage.py)."""

ITERATIONS = 10
"""Most steps of 2-means; it ends where no row moves."""


def births(
    vectors: np.ndarray, rows: np.ndarray, labels: np.ndarray, is_own: np.ndarray, *, least: int
) -> np.ndarray:
    """Unit centroids (float32) of groups that the date brought.

    `vectors` are unit rows. Beside `rows`, places in them, stand `labels`, their clusters by yesterday's centroids, and
    `is_own` (Boolean), whether each is of the date itself. Each cluster is parted in two, from the mean of the date's
    rows and that of the others, and parts that the date brought are put together where they are alike. Groups of at
    least `least` rows of the date are returned.
    """
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    pieces: list[tuple[int, np.ndarray]] = []
    for inside in np.split(order, starts[1:]):
        own = is_own[inside]
        if own.sum() * PIECES < least or own.all():
            continue
        points = vectors[rows[inside]]
        part = _nearer(points, own)
        both = int((part & own).sum())
        if both * PIECES >= least and is_brought(both, int(part.sum()), int(own.sum()), len(own)):
            pieces.append((both, points[part & own].sum(axis=0, dtype=np.float64)))
    return _together(pieces, least, vectors.shape[1])


def _together(pieces: list[tuple[int, np.ndarray]], least: int, dimensions: int) -> np.ndarray:
    """Unit centroids of the groups that pieces (rows, sum of their vectors) make up: each joins the first of the larger
    ones that is like it."""
    ordered = sorted(pieces, key=lambda piece: -piece[0])
    sums = np.zeros((len(ordered), dimensions))
    directions = np.zeros((len(ordered), dimensions), np.float32)
    sizes = np.zeros(len(ordered), np.int64)
    groups = 0
    for rows, total in ordered:
        alike = directions[:groups] @ normalized(total[None])[0] >= SAME
        place = int(alike.argmax()) if alike.any() else groups
        groups = max(groups, place + 1)
        sizes[place] += rows
        sums[place] += total
        directions[place] = normalized(sums[place][None])[0]
    return directions[sizes >= least]


def is_brought(
    own: np.ndarray | int, size: np.ndarray | int, own_of_all: int, all_: int
) -> np.ndarray | np.bool:
    """Whether the date brought a group of `size` conversations, `own` of them its own: at least OWN_SHARE of them, and
    more than the `own_of_all` among `all_` around it would put there by CHANCE (hypergeometric)."""
    from scipy.stats import hypergeom

    return (own >= OWN_SHARE * np.asarray(size)) & (
        hypergeom.sf(np.asarray(own) - 1, all_, own_of_all, size) < CHANCE
    )


def _nearer(points: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Which points come to lie in the part that began at the mean of `own` (spherical 2-means)."""
    part = own
    for _ in range(ITERATIONS):
        if part.all() or not part.any():
            break
        one, other = normalized(np.stack([points[part].mean(axis=0), points[~part].mean(axis=0)]))
        moved = points @ (one - other) > 0
        if np.array_equal(moved, part):
            break
        part = moved
    return part
