"""Whether a topic has more accounts on a day than the baseline days let one expect: one exact test a topic.

Given how many account-days a topic has in all, the day's part is binomial where nothing has changed, with the day's
share of all account-days (the conditional test of two Poisson rates, Przyborowski and Wilenski 1940). Days of one topic
stray more than chance alone: counts are divided by the baseline's own dispersion (Pearson's chi-square over its degrees
of freedom, never less than 1), which makes the test as much more careful.
"""

from __future__ import annotations

import numpy as np
import polars as pl


def growth(counts: pl.DataFrame, today: pl.DataFrame) -> pl.DataFrame:
    """Each topic's day against its baseline: topic, today, expected, factor, baseline_conversations, p_value.

    `counts` are the baseline days and `today` the day, both from `counts_within`. `today` and `expected` are accounts,
    `expected` the baseline's share of the accounts of today; `factor` is how many times it came, the baseline
    counted half an account more than it had, so that nothing is divided by zero. One-sided.
    """
    from scipy.special import betainc

    spread = counts.group_by("topic").agg(
        pl.col("accounts").sum().alias("before"),
        pl.col("conversations").sum().alias("baseline_conversations"),
        pl.col("all_accounts").sum().alias("all_before"),
        _dispersion().alias("dispersion"),
    )
    rows = today.join(spread, on="topic", how="left").with_columns(
        pl.col("before", "baseline_conversations", "all_before").fill_null(0),
        pl.col("dispersion").fill_null(1.0),
    )
    ours, before = rows["accounts"].to_numpy(), rows["before"].to_numpy()
    all_today, all_before = rows["all_accounts"].to_numpy(), rows["all_before"].to_numpy()
    dispersion = rows["dispersion"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        part = all_today / (all_today + all_before)
        expected = before * all_today / all_before
        factor = ours / ((before + 0.5) * all_today / all_before)
        # The chance of as many or more, which the incomplete beta function gives for counts that are no integers too.
        chance = betainc(ours / dispersion, before / dispersion + 1, part)
    is_tested = (ours > 0) & (all_before > 0)
    return rows.select(
        "topic",
        pl.col("accounts").alias("today"),
        pl.Series("expected", np.where(all_before > 0, expected, 0.0)),
        pl.Series("factor", np.where(is_tested, factor, 0.0)),
        "baseline_conversations",
        pl.Series("p_value", np.where(is_tested, chance, 1.0)),
    ).sort("topic")


def _dispersion() -> pl.Expr:
    """Pearson's chi-square of a topic's days over its degrees of freedom, at least 1; 1 where the topic has no day."""
    mean = pl.col("accounts").sum() * pl.col("all_accounts") / pl.col("all_accounts").sum()
    square = ((pl.col("accounts") - mean) ** 2 / mean).sum() / (pl.len() - 1)
    return (
        pl.when(pl.col("accounts").sum() > 0, pl.len() > 1)
        .then(pl.max_horizontal(square, 1.0))
        .otherwise(1.0)
    )


def holm(p_values: pl.Series) -> pl.Series:
    """p-values after Holm's correction (1979): the chance of any false alert is bounded, whatever hangs on what.

    Holm and not Benjamini and Hochberg: a few dozen tests at most, of topics that overlap, and a person is called for
    each alert.
    """
    values = p_values.to_numpy()
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(values) else steps
    return pl.Series("adjusted_p", adjusted, dtype=pl.Float64)
