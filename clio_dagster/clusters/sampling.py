"""What a namer sees of each base cluster (paper, G.5): some of its members, and the nearest that are not.

Only counted members of passing clusters are ever shown, as contrast too: what a threshold holds back reaches
no analyst.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import NamingSample, Vocabulary
from clio_dagster.clusters.vectors import stacked
from clio_dagster.privacy.accounts import owner

INSIDE = OUTSIDE = 50
"""The paper's sample sizes (G.5)."""

NEIGHBOURS = 20
"""Clusters, nearest by centroid, among whose members the nearest outsiders are looked for: a bounded search
that finds the very nearest wherever they lie in one of those, as members beside a border do."""


CLUSTERS_AT_ONCE = 512

_NO_ROWS = np.empty(0, dtype=np.int64)


def naming_samples(
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    vectors: np.ndarray,
    vocabularies: Mapping[int, Vocabulary],
    *,
    seed: int,
) -> list[NamingSample]:
    """A sample for each passing cluster, in the order of cluster_id.

    `clusters`: tables.CLUSTERS; `members`: tables.CLUSTER_MEMBERS with `text`, beside `vectors` (unit rows).
    Inside: at most 50 counted members drawn at random, of distinct accounts as far as they go. Outside: the
    50 counted members of other passing clusters nearest to the centroid, no text twice. `vocabularies` by
    cluster_id; a cluster without one gets an empty one. The language is the one that most accounts write in.
    """
    passing = clusters.filter("passes").sort("cluster_id")
    if passing.is_empty():
        return []
    ids = passing["cluster_id"].to_list()
    centroids = stacked(passing["centroid"])
    rows = (
        members.with_row_index("row")
        .filter(pl.col("counted") & pl.col("cluster_id").is_in(ids))
        .select("row", "cluster_id", "conversation_id", "language", "text", person=owner())
    )
    inside = _inside(rows, seed)
    languages = _languages(rows)
    places = {
        cluster: part["row"].to_numpy()
        for (cluster,), part in rows.partition_by("cluster_id", as_dict=True, maintain_order=True).items()
    }
    texts = members["text"]
    near = nearest_clusters(centroids, NEIGHBOURS)
    samples = []
    for place, cluster in enumerate(ids):
        around = np.concatenate([_NO_ROWS, *(places.get(ids[other], _NO_ROWS) for other in near[place])])
        samples.append(
            NamingSample(
                inside=inside.get(cluster, []),
                outside=_nearest_texts(texts, vectors, around, centroids[place]),
                vocabulary=vocabularies.get(cluster, Vocabulary()),
                language=languages.get(cluster, "other"),
                centroid=centroids[place],
            )
        )
    return samples


def _inside(rows: pl.DataFrame, seed: int) -> dict[int, list[str]]:
    """At most INSIDE texts of each cluster: everybody's first in random order, then everybody's second."""
    shuffled = rows.sort("conversation_id").with_columns(
        pl.Series("draw", np.random.default_rng(seed).permutation(len(rows)))
    )
    drawn = (
        shuffled.with_columns(pl.col("draw").rank("ordinal").over("cluster_id", "person").alias("turn"))
        .sort("cluster_id", "turn", "draw")
        .group_by("cluster_id", maintain_order=True)
        .agg(pl.col("text").head(INSIDE))
    )
    return dict(drawn.iter_rows())


def _languages(rows: pl.DataFrame) -> dict[int, str]:
    most = (
        rows.group_by("cluster_id", "language")
        .agg(pl.col("person").n_unique())
        .sort("cluster_id", "person", "language", descending=[False, True, False])
        .unique("cluster_id", keep="first", maintain_order=True)
    )
    return dict(most.select("cluster_id", "language").iter_rows())


def nearest_clusters(centroids: np.ndarray, wanted: int) -> np.ndarray:
    """For each centroid, the places of its `wanted` nearest others (fewer where there are fewer)."""
    wanted = min(wanted, len(centroids) - 1)
    nearest = np.empty((len(centroids), wanted), dtype=np.int64)
    for start in range(0, len(centroids), CLUSTERS_AT_ONCE):
        block = slice(start, start + CLUSTERS_AT_ONCE)
        cosines = centroids[block] @ centroids.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf
        nearest[block] = np.argsort(-cosines, axis=1, kind="stable")[:, :wanted]
    return nearest


def _nearest_texts(
    texts: pl.Series, vectors: np.ndarray, rows: np.ndarray, centroid: np.ndarray
) -> list[str]:
    nearest = rows[np.argsort(-(vectors[rows] @ centroid), kind="stable")]
    found: dict[str, None] = {}
    for row in nearest:
        found.setdefault(texts[int(row)])
        if len(found) == OUTSIDE:
            break
    return list(found)
