"""Where published topics lie on the map (paper, G.6: UMAP, 15 neighbours, minimum distance 0, cosine).

Positions come from published names and descriptions alone, embedded anew: from the vectors of conversations
they would tell what no noise covers.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl

from clio_dagster.embedding import embed_texts
from clio_dagster.embedding.protocol import Embedder
from clio_dagster.tables import POSITIONS, PUBLISHED

NEIGHBOURS = 15
LEAST_FOR_UMAP = NEIGHBOURS + 1
LEAST_FOR_PLANE = 4


def positions(audited: pl.DataFrame, embedder: Embedder, *, seed: int) -> pl.DataFrame:
    """x and y of every published node (tables.POSITIONS), rounded to two decimals.

    `audited`: tables.AUDITED_SUMMARIES rows of one date; withheld ones are passed over. The nodes of each
    clustered_by have a map of their own: UMAP from 16 nodes, their first two principal axes from 4, a circle
    below. Deterministic for a seed.
    """
    shown = audited.filter(status=PUBLISHED).sort("clustered_by", "node_id")
    if shown.is_empty():
        return POSITIONS.empty()
    maps = []
    for _, nodes in shown.group_by("clustered_by", maintain_order=True):
        texts = nodes.select(pl.concat_str("name", "description", separator=". ")).to_series()
        points = _points(embed_texts(texts, embedder), seed)
        maps.append(
            nodes.select(
                "date", "clustered_by", "node_id", pl.Series("x", points[:, 0]), pl.Series("y", points[:, 1])
            )
        )
    return pl.concat(maps).select(list(POSITIONS.schema))


def _points(vectors: np.ndarray, seed: int) -> np.ndarray:
    if len(vectors) >= LEAST_FOR_UMAP:
        points = _umap(vectors, seed)
    elif len(vectors) >= LEAST_FOR_PLANE:
        points = _principal_axes(vectors)
    else:
        angles = 2 * np.pi * np.arange(len(vectors)) / len(vectors)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.round(points.astype(np.float64), 2) + 0.0  # no negative zeros


def _umap(vectors: np.ndarray, seed: int) -> np.ndarray:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # small graphs are laid out at random first, and it says so
        return umap.UMAP(
            n_neighbors=NEIGHBOURS, min_dist=0.0, metric="cosine", random_state=seed, n_jobs=1
        ).fit_transform(vectors)


def _principal_axes(vectors: np.ndarray) -> np.ndarray:
    """Coordinates on the first two principal axes, each axis turned so that its largest entry is positive."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points = left[:, :2] * scale[:2]
    largest = np.abs(points).argmax(axis=0)
    return points * np.where(points[largest, np.arange(2)] < 0, -1.0, 1.0)
