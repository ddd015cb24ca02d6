"""The site's classifier against the analyst's concern, over clusters, and over what it flagged alone.

Clio paper, section 4.3: the correlation of mean concern and flagged share over clusters; and, for false positives, the
flagged conversations clustered by themselves, where those of low concern stand out. Which clusters of the whole window
disagree is a SQL model (dbt_like_sql/restricted/classifier_clusters.sql). Leads for people: concern is an analyst's
reading, not the truth, and a flag that is missing does not mean that an answer did harm.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from clio_dagster.safety.tables import CLASSIFIER_AUDIT, FLAGGED_CLUSTERS, PEARSON, PEARSON_WEIGHTED

RESAMPLES = 2_000
INTERVAL = 0.95

LEAST_CONVERSATIONS = 10
"""Conversations that a cluster needs to be a point of the correlation: a share of fewer is mostly chance."""

FLAGGED_A_CLUSTER = 20
"""Conversations that a cluster of the flagged ones aims at."""

LEAST_FLAGGED, LEAST_ACCOUNTS = 5, 3
"""What a cluster of flagged conversations needs to be told of."""

CONCERNING_DEVIATIONS = 0.5
"""Standard deviations above the mean concern of all conversations from which a cluster counts as concerning, as in
classifier_clusters.sql."""


def correlations(clusters: pl.DataFrame, *, date: dt.date, seed: int) -> pl.DataFrame:
    """Pearson's r of mean concern and flagged share over clusters (CLASSIFIER_AUDIT): two rows a clustering.

    `clusters`: classifier_clusters' columns clustered_by, conversations, mean_concerning, flagged_share. The interval
    is the percentile bootstrap over clusters. r and its interval are null with fewer than three clusters, or where
    one of the two does not vary.
    """
    rows = [
        (
            date,
            clustered_by,
            measure,
            *_with_interval(part, weights, seed),
            part.height,
            part["conversations"].sum(),
        )
        for (clustered_by,), part in clusters.filter(pl.col("conversations") >= LEAST_CONVERSATIONS)
        .sort("clustered_by", "cluster_id")
        .group_by("clustered_by", maintain_order=True)
        for measure, weights in (
            (PEARSON, np.ones(part.height)),
            (PEARSON_WEIGHTED, part["conversations"].to_numpy().astype(float)),
        )
    ]
    return pl.DataFrame(rows, CLASSIFIER_AUDIT.schema, orient="row")


def pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted r along the last axis; NaN where x or y does not vary. The arrays have one shape."""
    total = weights.sum(axis=-1, keepdims=True)
    dx = x - (weights * x).sum(axis=-1, keepdims=True) / total
    dy = y - (weights * y).sum(axis=-1, keepdims=True) / total
    spread = (weights * dx**2).sum(axis=-1) * (weights * dy**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-20, (weights * dx * dy).sum(axis=-1) / np.sqrt(spread), np.nan)


def flagged_clusters(
    conversations: pl.DataFrame,
    vectors: np.ndarray,
    *,
    date: dt.date,
    clustered_by: str,
    seed: int,
    threads: int,
) -> pl.DataFrame:
    """The flagged conversations clustered alone, those of low concern first (FLAGGED_CLUSTERS).

    `conversations`: conversation_id, and account, topic, concerning and flagged, all nullable; `vectors`: unit rows,
    float32, beside them. Ranks are of the clusters that are not concerning, by their size; a cluster of fewer than
    LEAST_FLAGGED conversations or LEAST_ACCOUNTS accounts has none.
    """
    from clio_dagster.clusters.kmeans import spherical_kmeans

    judged = conversations.select(
        pl.col("flagged").fill_null(False) & pl.col("concerning").is_not_null()
    ).to_series()
    flagged = conversations.filter(judged)
    if flagged.is_empty():
        return FLAGGED_CLUSTERS.empty()
    labels = spherical_kmeans(
        vectors[judged.to_numpy()],
        max(1, round(flagged.height / FLAGGED_A_CLUSTER)),
        seed=seed,
        threads=threads,
    )
    concern = pl.col("concerning").cast(pl.Float64)
    concerning_from = conversations.select(
        concern.mean() + CONCERNING_DEVIATIONS * concern.std(ddof=0).fill_null(0.0)
    ).item()
    return (
        flagged.with_columns(
            pl.Series("cluster_id", labels, dtype=pl.Int32),
            owner=pl.coalesce("account", "conversation_id"),
        )
        .group_by("cluster_id")
        .agg(
            pl.len().cast(pl.Int64).alias("conversations"),
            pl.col("owner").n_unique().cast(pl.Int64).alias("accounts"),
            pl.col("concerning").cast(pl.Float64).mean().alias("mean_concerning"),
            pl.col("topic").drop_nulls().mode().sort().first(),
        )
        .with_columns(
            is_candidate=(pl.col("mean_concerning") < concerning_from)
            & (pl.col("conversations") >= LEAST_FLAGGED)
            & (pl.col("accounts") >= LEAST_ACCOUNTS)
        )
        .sort("is_candidate", "conversations", "cluster_id", descending=[True, True, False])
        .with_columns(
            pl.lit(date).alias("date"),
            pl.lit(clustered_by).alias("clustered_by"),
            rank=pl.when("is_candidate").then(pl.int_range(1, pl.len() + 1, dtype=pl.Int32)),
        )
        .select(*FLAGGED_CLUSTERS.schema)
        .sort("cluster_id")
    )


def _with_interval(
    part: pl.DataFrame, weights: np.ndarray, seed: int
) -> tuple[float | None, float | None, float | None]:
    if part.height < 3:
        return None, None, None
    x, y = part["mean_concerning"].to_numpy(), part["flagged_share"].to_numpy()
    drawn = np.random.default_rng(seed).integers(part.height, size=(RESAMPLES, part.height))
    resampled = pearson(x[drawn], y[drawn], weights[drawn])
    resampled = resampled[~np.isnan(resampled)]
    r = pearson(x, y, weights).item()
    if np.isnan(r) or not len(resampled):
        return None, None, None
    low, high = np.quantile(resampled, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return r, float(low), float(high)
