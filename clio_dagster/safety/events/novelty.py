"""Whether what a topic's accounts write on a day is like anything that was written before: one exact test a topic.

How far a conversation lies from the baseline is its third nearest there; how far that is to be expected is what that
neighbour's own third nearest is, among the baseline's other days. A conversation of a rare old topic has a neighbour
that lies as far from its own, one of a new topic has a neighbour among its like. Its surprise is the difference; it is
novel where that is greater than for all but one in twenty of the baseline's own (a conformal p-value of 0.05). On a day
that brings nothing new one account in twenty is novel, so the novel accounts of a topic are binomial. Nothing here
hangs on a cluster's middle: a topic that has swept up some old talk beside it is new all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.privacy.accounts import owner

NEIGHBOURS = 3
"""How many nearest count: in two weeks, one or two may have had the same thought before."""

NOVEL_SHARE = 0.05
"""Part of the baseline's own conversations that are as surprising as a novel one."""

MOST = 0.5
"""Part of what is asked about from which on it is most of it."""

TOLD_SHARE = 0.9
"""Part of what an alert was about that lies as near to the rest of it as what it has told lies to it."""

COMPARED = 20_000
"""Baseline conversations, drawn at random, that others are compared with: what bounds time and memory."""

SAMPLE = 2_000
"""Those of them from which it is learned how surprising the baseline's own are."""

NOWHERE = -2.0
"""The cosine of what is not there."""

_ROWS = 2_048


@dataclass(frozen=True)
class Pool:
    """Conversations to compare with: unit vectors (n × dimensions), and the number of each one's day."""

    vectors: np.ndarray
    days: np.ndarray


def nearest(vectors: np.ndarray, pool: Pool, days: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of each unit row's NEIGHBOURS nearest in the pool, falling, and their places: both n × NEIGHBOURS.

    `days`: the day of each row, which it is not compared with. What is not there has the cosine NOWHERE.
    """
    cosines = np.full((len(vectors), NEIGHBOURS), NOWHERE, dtype=np.float32)
    places = np.zeros((len(vectors), NEIGHBOURS), dtype=np.int64)
    if not len(pool.vectors):
        return cosines, places
    kept = min(NEIGHBOURS, len(pool.vectors))
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        found = vectors[rows] @ pool.vectors.T
        if days is not None:
            found[days[rows, None] == pool.days] = NOWHERE
        best = np.argpartition(-found, kept - 1, axis=1)[:, :kept]
        values = np.take_along_axis(found, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        cosines[rows, :kept] = np.take_along_axis(values, order, axis=1)
        places[rows, :kept] = np.take_along_axis(best, order, axis=1)
    return cosines, places


def surprise(vectors: np.ndarray, pool: Pool, days: np.ndarray | None = None) -> np.ndarray:
    """How much further each row lies from the pool than its neighbour there does from its own, in cosines.

    NaN where the pool has too few others to tell.
    """
    cosines, places = nearest(vectors, pool, days)
    if not len(pool.vectors):
        return np.full(len(vectors), np.nan)
    known, place = np.unique(places[:, -1], return_inverse=True)
    expected = nearest(pool.vectors[known], pool, pool.days[known])[0][place, -1]
    is_there = (cosines[:, -1] > NOWHERE) & (expected > NOWHERE)
    return np.where(is_there, expected - cosines[:, -1], np.nan)


def usual_surprise(pool: Pool, *, seed: int) -> float:
    """What all but NOVEL_SHARE of the pool's own conversations stay below; infinite where they are too few to tell."""
    drawn = np.random.default_rng([seed, 3]).permutation(len(pool.vectors))[:SAMPLE]
    usual = surprise(pool.vectors[drawn], pool, pool.days[drawn])
    usual = usual[~np.isnan(usual)]
    return float(np.quantile(usual, 1 - NOVEL_SHARE)) if len(usual) >= 1 / NOVEL_SHARE else np.inf


def is_novel(vectors: np.ndarray, pool: Pool, usual: float) -> np.ndarray:
    """Which of the unit rows are novel (Boolean), where `usual` comes from `usual_surprise`."""
    return np.nan_to_num(surprise(vectors, pool), nan=-np.inf) > usual


def is_told(vectors: np.ndarray, told: np.ndarray, pool: Pool) -> np.ndarray:
    """Which of the unit rows are what the rows of `told` are about (Boolean): nearer to them than to the pool, and as
    near as TOLD_SHARE of them are to one another."""
    apart = np.arange(len(told))
    others = Pool(told, apart)
    own = nearest(told, others, apart)[0][:, -1]
    own = own[own > NOWHERE]
    if not len(own):
        return np.zeros(len(vectors), dtype=bool)
    near = nearest(vectors, others)[0][:, -1]
    return (near > nearest(vectors, pool)[0][:, -1]) & (near >= np.quantile(own, 1 - TOLD_SHARE))


def accounts_of(rows: pl.DataFrame, marks: Iterable[str]) -> pl.DataFrame:
    """Accounts of each topic, and of how many of them each Boolean column holds: topic, accounts, and `marks`.

    `rows`: topic, conversation_id, account and the marks. A mark holds of an account where it does of most of its
    conversations.
    """
    names = list(marks)
    return (
        rows.group_by("topic", owner())
        .agg(pl.col(names).cast(pl.Float64).mean() >= MOST)
        .group_by("topic")
        .agg(pl.len().cast(pl.Int64).alias("accounts"), pl.col(names).sum().cast(pl.Int64))
        .sort("topic")
    )


def novelty(counts: pl.DataFrame) -> pl.DataFrame:
    """Each topic's novel accounts against one in twenty: topic, accounts, novel, p_value. One-sided.

    `counts`: topic, accounts and `novel`, from `accounts_of`.
    """
    from scipy.stats import binom

    chance = binom.sf(counts["novel"].to_numpy() - 1, counts["accounts"].to_numpy(), NOVEL_SHARE)
    return counts.select("topic", "accounts", "novel", pl.Series("p_value", chance, dtype=pl.Float64))
