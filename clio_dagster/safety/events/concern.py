"""Whether a topic's accounts are more concerning than before: a permutation test over accounts.

An account counts once, with the mean of its conversations, however many it sent. Concern is mostly 1 and rarely more,
far from normal: so the accounts of both sides are dealt out anew at random, and the p-value is the part of the deals in
which the day's mean comes out as high.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from clio_dagster.privacy.accounts import owner

DEALS = 19_999
"""Deals of a test: no p-value is below one in twenty thousand."""

LEAST_RISE = 0.5
"""How much the mean must rise, of the four that the scale allows, for anybody to be told."""

LEAST_BEFORE = 10
"""Accounts that a topic must have had before for it to be compared with itself."""

STEPS = 4
"""Parts of a level to which an account's mean is rounded: then accounts of one value can be dealt out together."""


def by_account(conversations: pl.DataFrame) -> pl.DataFrame:
    """Mean concern of each account within each topic: topic, owner, concern.

    `conversations`: topic, conversation_id, account, concerning (null where it was not read: left out).
    """
    return (
        conversations.drop_nulls("concerning")
        .group_by("topic", owner())
        .agg((pl.col("concerning").mean() * STEPS).round() / STEPS)
        .rename({"concerning": "concern"})
    )


def rise(today: pl.DataFrame, before: pl.DataFrame, everything: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Each topic's day against what came before: topic, rise, concern, before, p_value. One-sided.

    All from `by_account`: of the day, of the baseline within the topics' reach, and of the whole baseline (whose
    `topic` is not looked at). A topic is compared with itself where it had LEAST_BEFORE accounts, else with the whole
    baseline.
    """
    random = np.random.default_rng([seed, 1])
    rest = everything["concern"].to_numpy()
    found = []
    for (topic,), rows in sorted(today.group_by("topic"), key=lambda group: str(group[0][0])):
        ours = rows["concern"].to_numpy()
        own = before.filter(pl.col("topic") == topic)["concern"].to_numpy()
        others = own if len(own) >= LEAST_BEFORE else rest
        if len(ours) and len(others):
            found.append(
                (
                    topic,
                    ours.mean() - others.mean(),
                    ours.mean(),
                    others.mean(),
                    _chance(ours, others, random),
                )
            )
    schema = {"topic": pl.String, "rise": pl.Float64, "concern": pl.Float64, "before": pl.Float64}
    return pl.DataFrame(found, schema=schema | {"p_value": pl.Float64}, orient="row")


def _chance(ours: np.ndarray, others: np.ndarray, random: np.random.Generator) -> float:
    """The part of the deals, the real one among them, in which as many accounts drawn at random have as high a sum."""
    values, counts = np.unique(np.concatenate([ours, others]), return_counts=True)
    dealt = random.multivariate_hypergeometric(counts, len(ours), size=DEALS, method="marginals") @ values
    return float((1 + (dealt >= ours.sum() - 1e-9).sum()) / (DEALS + 1))
