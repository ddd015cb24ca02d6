"""Languages that are over-represented in topics: planted effects found again, and nothing found where nothing is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from clio_dagster.evaluation.corpora.bank import KINDS
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.intervals import LEVEL, Share
from clio_dagster.evaluation.lifts import SIGNIFICANT, by_draw, effects, nulls
from clio_dagster.evaluation.planted import crowd_of
from clio_dagster.evaluation.section import Bar, Section

SEEDS = 50
"""Draws without an effect, of each corpus."""

LIFTS = (4.0, 2.0, 1.5, 1.0)
"""Of each draw with effects, one in a topic and a language of its own; where languages are few, the first alone."""

DRAWS = {1: 25, 10: 15}
"""How often effects are planted in each corpus, by how many times its accounts are there."""

LARGE = 400
"""Conversations of a topic from which the strongest effect has to be found."""

POWER = 0.9
"""Share of the strongest effects in large topics that have to be found."""

SIZES = (0, 100, LARGE, 1_600)
"""Least conversations of a topic in each row of the table."""

COUNTS = (0, 20, 30, 50)
"""Least published conversations of a cell in each row of the table of intervals."""

ABOUT = f"""
Which topics are asked about more in one language than in others (Clio, section 3.3 and Figure 7; the paper gives
neither intervals nor a test). What accounts asked stays as the engine clustered, capped and counted it. Only which
language an account speaks is drawn, for whole accounts, so that their heavy tails stay; the window is counted as one
day. Then a release is made as ever: cells with noise, of another key for each draw, and
`dbt_like_sql/marts/topic_languages.sql` over them. Nothing is read but what that says. No analyst is asked.

- *Nothing planted.* Accounts exchange their languages, {SEEDS} times in each corpus. Every lift is 1, so whatever has
  a corrected p-value below {SIGNIFICANT}, at which the explorer calls it beyond chance, is false, and the false
  discovery rate is the share of draws with any. The bar is on that share itself, not on an end of its interval.
- *Planted.* In each draw four languages have {", ".join(f"{lift:g}" for lift in sorted(LIFTS))} times their share of
  everything in a topic, in expectation exactly. `shown`: the cell is published at all. `found`: p is below
  {SIGNIFICANT}, and the lift above 1. `covers`: of those that show, the interval holds the true lift. `ratio`: median
  of the published lift over the true one, above 1 where only what noise lifted shows. A discovery is false whose true
  lift is 1 or lies on its other side.
- *Coverage* is the mean over draws of the share of intervals that hold the true lift; the release promises
  {LEVEL:.0%} of those that it shows. It is no promise for each: in a small topic, the larger a cell is that shows, the
  more of it is luck.

A day ten times as large has every account ten times, each with a language of its own. An account has one language here
and nothing but its topics hangs on it; in real traffic languages differ in more than that.
""".strip()


_IS_FOUND = (pl.col("is_discovery") & (pl.col("lift") > 1)).alias("found")


def section(given: Given) -> Section:
    """False discoveries, power and coverage over redrawn languages of both corpora."""
    exchanged, planted = [], []
    for kind in KINDS:
        done = given.analysed(kind)
        crowd = crowd_of(done.made, done.everything, given.site)
        if len(crowd.languages) < 2:
            continue
        purpose, corpus = f"{given.seed} {kind}", pl.lit(kind).alias("corpus")
        exchanged.append(nulls(crowd, done.made, given.site, SEEDS, purpose).with_columns(corpus))
        for times, draws in DRAWS.items():
            rows = effects(crowd.times(times), done.made, given.site, LIFTS, draws, f"{purpose} {times}")
            planted.append(rows.with_columns(corpus, pl.lit(times).alias("times")))
    tables = {}
    if exchanged:
        tables = {
            "Nothing planted": _nothing_planted(pl.concat(exchanged)),
            "Planted effects, by how large the day and the topic are": _planted(pl.concat(planted)),
            "Intervals where nothing is planted, by how large the topic and its cell are": _intervals(
                pl.concat(exchanged)
            ),
        }
    bars = _bars(exchanged, planted)
    return Section("over_representation", "Languages in topics", ABOUT, bars, tables)


def _bars(exchanged: Sequence[pl.DataFrame], planted: Sequence[pl.DataFrame]) -> list[Bar]:
    by_chance = pl.concat(by_draw(rows) for rows in exchanged) if exchanged else None
    by_effect = pl.concat(by_draw(rows) for rows in planted) if planted else None
    false, strong = Share(0, 0), Share(0, 0)
    if by_chance is not None:
        false = Share(int((by_chance["discoveries"] > 0).sum()), by_chance.height)
        tried = pl.concat(planted).filter(pl.col("size") >= LARGE, pl.col("planted") == max(LIFTS))
        strong = Share(int(tried.select(_IS_FOUND)["found"].sum()), tried.height)
    return [
        Bar(
            "false discovery rate, nothing planted",
            false.value,
            at_most=SIGNIFICANT,
            n=false.n,
            interval=false.interval(),
        ),
        _mean("false discovery rate, beside planted effects", by_effect, "false", at_most=SIGNIFICANT),
        _mean("coverage, nothing planted", by_chance, "coverage", at_least=LEVEL),
        _mean("coverage, beside planted effects", by_effect, "coverage", at_least=LEVEL),
        Bar(
            f"found of {max(LIFTS):g} times, topics of {LARGE} and more",
            strong.value,
            at_least=POWER,
            n=strong.n,
            interval=strong.interval(),
        ),
    ]


def _mean(
    what: str,
    draws: pl.DataFrame | None,
    column: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Bar:
    """The mean over draws, with its normal interval; draws that show nothing have no part in it."""
    values = np.zeros(0) if draws is None else draws[column].drop_nulls().to_numpy()
    if len(values) < 2:
        return Bar(what, math.nan, at_least, at_most)
    reach = 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return Bar(what, mean, at_least, at_most, len(values), (mean - reach, mean + reach))


def _nothing_planted(rows: pl.DataFrame) -> pl.DataFrame:
    tables = []
    for (corpus,), of_corpus in rows.partition_by("corpus", as_dict=True, maintain_order=True).items():
        draws = by_draw(of_corpus)
        tables.append(
            draws.select(
                pl.lit(corpus).alias("corpus"),
                pl.len().alias("draws"),
                pl.lit(of_corpus.height // draws.height).alias("compared"),
                pl.col("shown").mean(),
                (pl.col("discoveries") > 0).sum().alias("draws_with_a_false_discovery"),
                pl.col("discoveries").sum().alias("false_discoveries"),
                pl.col("coverage").mean(),
            )
        )
    return pl.concat(tables)


def _planted(rows: pl.DataFrame) -> pl.DataFrame:
    """Over both corpora."""
    return (
        rows.drop_nulls("planted")
        .group_by("times", _least("size", SIZES).alias("topic_from"), "planted")
        .agg(
            pl.len().alias("effects"),
            pl.col("expected").mean(),
            pl.col("conversations").is_not_null().mean().alias("shown"),
            _IS_FOUND.mean(),
            pl.col("covers").mean(),
            (pl.col("lift") / pl.col("true")).median().alias("ratio"),
        )
        .sort("times", "topic_from", "planted")
    )


def _intervals(rows: pl.DataFrame) -> pl.DataFrame:
    """Over both corpora."""
    return (
        rows.drop_nulls("covers")
        .group_by(
            _least("size", SIZES).alias("topic_from"), _least("conversations", COUNTS).alias("published_from")
        )
        .agg(pl.len().alias("intervals"), pl.col("covers").mean())
        .sort("topic_from", "published_from")
    )


def _least(column: str, edges: Sequence[int]) -> pl.Expr:
    """The greatest of `edges` that a value reaches."""
    return pl.max_horizontal(pl.when(pl.col(column) >= edge).then(edge) for edge in edges)
