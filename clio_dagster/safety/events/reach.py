"""How much was said about a topic on each day, before the window and in it, measured alike on both sides.

A topic's reach is the cosine to its centroid that half of its own conversations have, each compared with the centroid
of the others, so that no conversation counts for having drawn the centroid to itself. Whatever lies within it counts,
whether it was screened or not: the baseline need not be screened, and the two sides differ in nothing but the days.
What is counted is accounts, each once a day, so that who sends a thousand conversations counts as who sends one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.clusters.vectors import ROWS_AT_ONCE, normalized

HALF = 0.5
"""The part of a topic's own conversations that lie within its reach."""


COUNTS = {
    "date": pl.Date,
    "topic": pl.String,
    "conversations": pl.Int64,
    "accounts": pl.Int64,
    "all_accounts": pl.Int64,
}
"""Columns of `counts_within`."""


@dataclass(frozen=True)
class Reach:
    """Topics' unit centroids (k × dimensions, float32), and the least cosine at which a conversation is within each."""

    topics: tuple[str, ...]
    centroids: np.ndarray
    cosines: np.ndarray

    def within(self, vectors: np.ndarray) -> np.ndarray:
        """Which of the unit rows `vectors` lie within which topic: n × k, Boolean."""
        found = np.zeros((len(vectors), len(self.topics)), dtype=bool)
        if not self.topics:
            return found
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            found[rows] = vectors[rows] @ self.centroids.T >= self.cosines
        return found


def reach_of(labels: pl.Series, vectors: np.ndarray) -> Reach:
    """The reach of each topic of `labels` (a topic beside each unit row of `vectors`; null is none), by topic.

    A topic of one conversation reaches nothing.
    """
    topics = sorted(labels.drop_nulls().unique())
    centroids = np.zeros((len(topics), vectors.shape[1]), dtype=np.float32)
    cosines = np.full(len(topics), 2.0, dtype=np.float32)
    for place, topic in enumerate(topics):
        rows = vectors[(labels == topic).fill_null(False).to_numpy()].astype(np.float64)
        total = rows.sum(axis=0)
        centroids[place] = normalized(total[None])[0]
        if len(rows) > 1:
            others = normalized(total - rows)
            cosines[place] = np.quantile(np.einsum("ij,ij->i", rows, others), 1 - HALF)
    return Reach(tuple(topics), centroids, cosines)


def rows_within(reach: Reach, vectors: np.ndarray) -> pl.DataFrame:
    """Each row of `vectors` beside each topic that it lies within: row, topic."""
    rows, topics = np.nonzero(reach.within(vectors))
    names = pl.Series("topic", reach.topics, dtype=pl.String)
    return pl.DataFrame({"row": pl.Series(rows, dtype=pl.UInt32), "topic": names.gather(topics)})


def counts_within(reach: Reach, conversations: pl.DataFrame, vectors: np.ndarray) -> pl.DataFrame:
    """What lies within each topic's reach, day by day: date, topic, conversations, accounts, all_accounts.

    `conversations`: account and date, a row beside each of `vectors`. Every day has a row for every topic;
    `all_accounts` are those of the day. Conversations without an account count as none.
    """
    days = conversations.group_by("date").agg(
        pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("all_accounts")
    )
    every = days.join(pl.DataFrame({"topic": reach.topics}, schema={"topic": pl.String}), how="cross")
    found = rows_within(reach, vectors).join(
        conversations.select("account", "date").with_row_index("row"), on="row", maintain_order="left"
    )
    counts = found.group_by("date", "topic").agg(
        pl.len().cast(pl.Int64).alias("conversations"),
        pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
    )
    return (
        every.join(counts, on=["date", "topic"], how="left")
        .with_columns(pl.col("conversations", "accounts").fill_null(0))
        .select(*COUNTS)
        .sort("date", "topic")
    )
