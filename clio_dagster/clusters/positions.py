"""Where published topics lie on the map (paper, G.6: UMAP, 15 neighbours, minimum distance 0, cosine).

Positions come from published names and descriptions alone, embedded anew: from the vectors of conversations
they would tell what no noise covers. So do those of the date before, on which each map goes on: it begins from them,
and is laid over them.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl

from clio_dagster.clusters.compiled import load_umap
from clio_dagster.embedding import embed_texts
from clio_dagster.embedding.protocol import Embedder
from clio_dagster.tables import POSITIONS, PUBLISHED

NEIGHBOURS = 15
LEAST_FOR_UMAP = NEIGHBOURS + 1
LEAST_FOR_PLANE = 4
LEAST_TO_ALIGN = 3
"""Topics that two maps must share for one to be turned onto the other: two points turn it, and cannot tell a mirror."""

ALIGNED_EPOCHS = 200
"""Of UMAP where it begins from the map before. Over four dates of 140 topics those that stayed moved by 0.096 of the
map's width in the median (50 epochs: 0.126); trustworthiness@15 was 0.836 (50: 0.814; each date alone: 0.829)."""


def positions(
    audited: pl.DataFrame,
    embedder: Embedder,
    *,
    seed: int,
    previous: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """x and y of every published node (tables.POSITIONS), rounded to two decimals.

    `audited`: tables.AUDITED_SUMMARIES rows of one date; withheld ones are passed over. `previous`: where the topics of
    an earlier date lie (clustered_by, topic, x, y). The nodes of each clustered_by have a map of their own: UMAP from
    16 nodes, their first two principal axes from 4, a circle below. Topics that lay on the map before begin where they
    were, new ones beside the nearest of them, and the result is moved, turned and scaled onto what both maps have.
    Deterministic for a seed.
    """
    shown = audited.filter(status=PUBLISHED).sort("clustered_by", "node_id")
    if shown.is_empty():
        return POSITIONS.empty()
    maps = []
    for (clustered_by,), nodes in shown.group_by("clustered_by", maintain_order=True):
        texts = nodes.select(pl.concat_str("name", "description", separator=". ")).to_series()
        points = _points(embed_texts(texts, embedder), _before(nodes, previous, str(clustered_by)), seed)
        maps.append(
            nodes.select(
                "date", "clustered_by", "node_id", pl.Series("x", points[:, 0]), pl.Series("y", points[:, 1])
            )
        )
    return pl.concat(maps).select(list(POSITIONS.schema))


def _before(nodes: pl.DataFrame, previous: pl.DataFrame | None, clustered_by: str) -> np.ndarray:
    """Where each node's topic lay before (rows × 2), NaN where it did not, or where too few did."""
    if previous is None:
        return np.full((len(nodes), 2), np.nan)
    known = previous.filter(clustered_by=clustered_by).select("topic", "x", "y")
    found = nodes.select("topic").join(known, on="topic", how="left", maintain_order="left")
    before = found.select("x", "y").to_numpy().astype(np.float64)
    enough = np.isfinite(before[:, 0]).sum() >= LEAST_TO_ALIGN
    return before if enough else np.full_like(before, np.nan)


def _points(vectors: np.ndarray, before: np.ndarray, seed: int) -> np.ndarray:
    shared = np.isfinite(before[:, 0])
    if len(vectors) >= LEAST_FOR_UMAP:
        points = _umap(vectors, _beside(vectors, before, shared) if shared.any() else None, seed)
    elif len(vectors) >= LEAST_FOR_PLANE:
        points = _principal_axes(vectors)
    else:
        angles = 2 * np.pi * np.arange(len(vectors)) / len(vectors)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = points.astype(np.float64)
    if shared.any():
        points = _laid_over(points, before, shared)
    return np.round(points, 2) + 0.0  # no negative zeros


def _beside(vectors: np.ndarray, before: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Where each node begins: where it was, else where the nearest of those that were is."""
    nearest = np.flatnonzero(shared)[(vectors @ vectors[shared].T).argmax(axis=1)]
    return np.where(shared[:, None], before, before[nearest]).astype(np.float32)


def _laid_over(points: np.ndarray, before: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """`points` moved, turned or mirrored, and scaled so that those that are `shared` lie nearest to `before`
    (Procrustes). The scale is the ratio of the two spreads: the least squares one is below it wherever the maps differ,
    and would shrink a map from date to date."""
    here, there = points[shared], before[shared]
    centre, target = here.mean(axis=0), there.mean(axis=0)
    spread = np.linalg.norm(here - centre)
    wanted = np.linalg.norm(there - target)
    if not spread or not wanted:
        return points
    left, _, right = np.linalg.svd((here - centre).T @ (there - target))
    return (points - centre) @ (left @ right) * (wanted / spread) + target


def _umap(vectors: np.ndarray, starts: np.ndarray | None, seed: int) -> np.ndarray:

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # small graphs are laid out at random first, and it says so
        return (
            load_umap()
            .UMAP(
                n_neighbors=NEIGHBOURS,
                min_dist=0.0,
                metric="cosine",
                init="spectral" if starts is None else starts,
                n_epochs=None if starts is None else ALIGNED_EPOCHS,
                random_state=seed,
                n_jobs=1,
            )
            .fit_transform(vectors)
        )


def _principal_axes(vectors: np.ndarray) -> np.ndarray:
    """Coordinates on the first two principal axes, each axis turned so that its largest entry is positive."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points = left[:, :2] * scale[:2]
    largest = np.abs(points).argmax(axis=0)
    return points * np.where(points[largest, np.arange(2)] < 0, -1.0, 1.0)
