"""Whether what a topic's accounts write on a day is like anything that was written before: one exact test a topic.

A conversation is novel where the baseline has fewer than three that are as near to it as baseline conversations are to
one another: its third nearest lies further than that of all but one in twenty of the baseline's own, each looked up on
the baseline's other days (a conformal p-value of 0.05). On a day that brings nothing new one account in twenty is
novel, so the novel accounts of a topic are binomial. Nothing here hangs on a cluster's middle: a topic that has swept
up some old talk beside it is new all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from clio_dagster.clusters.vectors import ROWS_AT_ONCE
from clio_dagster.privacy.accounts import owner

NEIGHBOURS = 3
"""Which of the nearest counts: in two weeks, one or two may have had the same thought before."""

NOVEL_SHARE = 0.05
"""Part of the baseline's own conversations that are as far from the rest of it as a novel one."""

MOST = 0.5
"""Part of what is asked about from which on it is most of it."""

SAMPLE = 2_000
"""Baseline conversations, drawn at random, from which it is learned how near they lie to one another."""

NOWHERE = -1.0


class Neighbours:
    """The third largest cosine of each of some unit rows to all that has been shown so far, a part at a time."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors
        self._nearest = np.full((len(vectors), NEIGHBOURS), NOWHERE, dtype=np.float32)

    def show(self, others: np.ndarray, apart: np.ndarray | None = None) -> None:
        """`others` are unit rows; rows that are `apart` (Boolean) are not compared with them."""
        chosen = np.arange(len(self._vectors)) if apart is None else np.flatnonzero(~apart)
        for start in range(0, len(others), ROWS_AT_ONCE // 8):
            some = others[start : start + ROWS_AT_ONCE // 8]
            cosines = self._vectors[chosen] @ some.T
            if cosines.shape[1] > NEIGHBOURS:
                cosines = np.partition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
            both = np.concatenate([self._nearest[chosen], cosines], axis=1)
            self._nearest[chosen] = np.partition(both, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]

    @property
    def cosines(self) -> np.ndarray:
        """The third largest, float32; NOWHERE where fewer than three have been shown."""
        return self._nearest.min(axis=1)


def novel_below(own: np.ndarray) -> float:
    """The cosine below which a conversation's third neighbour makes it novel, from those of the baseline's own."""
    known = own[own > NOWHERE]
    return float(np.quantile(known, NOVEL_SHARE)) if len(known) else NOWHERE


def share_of_accounts(rows: pl.DataFrame, marks: Iterable[str]) -> pl.DataFrame:
    """Part of each topic's accounts of which a Boolean column holds: topic, accounts, and each of `marks` as a count.

    `rows`: topic, conversation_id, account and the marks. An account counts once, where most of its conversations do.
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

    `counts`: topic, accounts and `novel`, from `share_of_accounts`.
    """
    from scipy.stats import binom

    chance = binom.sf(counts["novel"].to_numpy() - 1, counts["accounts"].to_numpy(), NOVEL_SHARE)
    return counts.select("topic", "accounts", "novel", pl.Series("p_value", chance, dtype=pl.Float64))
