"""How much was said about a topic on each day, before the window and in it, measured alike on both sides.

A topic's reach is a cap around its core, the half of its conversations that lie closest together (the concentration
steps of Rousseeuw and Van Driessen 1999), just wide enough for that half, each compared with the centre of the others,
so that none counts for having drawn the centre to itself. What a young cluster has swept up from old talk beside it so
neither moves the centre nor widens the cap. Whatever lies within it counts, whether it was screened or not: the
baseline need not be screened, and the two sides differ in nothing but the days. What is counted is accounts, each once
a day, so that who sends a thousand conversations counts as who sends one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.clusters.vectors import ROWS_AT_ONCE, normalized

CONCENTRATIONS = 10
"""Steps at most; they end where the core stays."""

SEEN = 1_000
"""Conversations of a topic among which the one that begins its core is looked for: all pairs of them are compared."""


@dataclass(frozen=True)
class Reach:
    """Unit centres of topics' cores (k × dimensions, float32), and the least cosine at which a conversation is within each."""

    topics: tuple[str, ...]
    centres: np.ndarray
    cosines: np.ndarray

    def within(self, vectors: np.ndarray) -> np.ndarray:
        """Which of the unit rows `vectors` lie within which topic: n × k, Boolean."""
        found = np.zeros((len(vectors), len(self.topics)), dtype=bool)
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            found[rows] = vectors[rows] @ self.centres.T >= self.cosines
        return found


def reach_of(labels: pl.Series, vectors: np.ndarray) -> Reach:
    """The reach of each topic of `labels` (a topic beside each unit row of `vectors`; null is none), by topic.

    A topic of one conversation reaches nothing.
    """
    topics = sorted(labels.drop_nulls().unique())
    centres = np.zeros((len(topics), vectors.shape[1]), dtype=np.float32)
    cosines = np.full(len(topics), 2.0, dtype=np.float32)
    for place, topic in enumerate(topics):
        rows = vectors[(labels == topic).fill_null(False).to_numpy()].astype(np.float64)
        if len(rows) > 1:
            centres[place], cosines[place] = _core(rows)
    return Reach(tuple(topics), centres, cosines)


def _core(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre of the half of the rows that lies closest together, and the least cosine of that half to it."""
    half = (len(rows) + 1) // 2
    some = rows[:SEEN]
    first = int(np.median(some @ some.T, axis=1).argmax())
    core = np.argsort(-(rows @ some[first]), kind="stable")[:half]
    for _ in range(CONCENTRATIONS):
        nearest = np.argsort(-_to_others(rows, core), kind="stable")[:half]
        if set(nearest) == set(core):
            break
        core = nearest
    return normalized(rows[core].sum(axis=0)[None])[0], float(_to_others(rows, core)[core].min())


def _to_others(rows: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Cosine of each row to the centre of the core without itself."""
    total = rows[core].sum(axis=0)
    others = np.broadcast_to(total, rows.shape).copy()
    if len(core) > 1:
        others[core] -= rows[core]
    return np.einsum("ij,ij->i", rows, normalized(others))


def counts_within(reach: Reach, conversations: pl.DataFrame, vectors: np.ndarray) -> pl.DataFrame:
    """What lies within each topic's reach, day by day: date, topic, conversations, accounts, all_accounts.

    `conversations`: conversation_id, account, date, a row beside each of `vectors`. Every day has a row for every
    topic; `all_accounts` are those of the day. Conversations without an account count as none.
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
        .select("date", "topic", "conversations", "accounts", "all_accounts")
        .sort("date", "topic")
    )


def rows_within(reach: Reach, vectors: np.ndarray) -> pl.DataFrame:
    """Each row of `vectors` beside each topic that it lies within: row, topic."""
    rows, topics = np.nonzero(reach.within(vectors))
    names = pl.Series("topic", reach.topics, dtype=pl.String)
    return pl.DataFrame({"row": pl.Series(rows, dtype=pl.UInt32), "topic": names.gather(topics)})
