"""What a release says of languages drawn anew, over many draws, against the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from clio_dagster.evaluation.marts import LanguageMart
from clio_dagster.evaluation.pipeline import DAY, Made, Site
from clio_dagster.evaluation.planted import Crowd, permuted, planned, planted
from clio_dagster.privacy.cells import added_cells, published_topics

SIGNIFICANT = 0.05
"""Below it the explorer calls a corrected p-value beyond chance (release/page/js/detail.js)."""

Drawn = tuple[pl.DataFrame, pl.DataFrame]
"""Conversations with their languages, and the truth (planted.planted), with `planted`: the lift, null beside it."""


def rows_of(crowd: Crowd, made: Made, site: Site, draws: Sequence[int], draw: Callable[[int], Drawn]) -> pl.DataFrame:
    """Every topic and language of each draw, as it was published, beside the truth.

    draw, topic, language, true, expected, planted, size (of the topic), conversations, lift, lift_low, lift_high,
    p_value; the last five null where it is not shown. Each draw has noise of its own.
    """
    topics = published_topics(made.audited)
    mart = LanguageMart(made.audited, site.settings)
    named = made.published.select("node_id", "topic")
    sizes = pl.DataFrame({"topic": crowd.topics, "size": crowd.weights.sum(axis=1).astype(np.int64)})
    found = []
    for number in draws:
        counted, truth = draw(number)
        key = hashlib.sha256(b"%s languages %d" % (site.key, number)).digest()
        cells = added_cells(counted, topics, DAY, part=1, settings=site.settings, key=key)
        shown = mart.of(cells).join(named, on="node_id")
        rows = truth.rename({"lift": "true"}).join(sizes, on="topic").join(named, on="topic").join(
            shown.select("topic", "language", "conversations", "lift", "lift_low", "lift_high", "p_value"),
            on=["topic", "language"],
            how="left",
        )
        found.append(rows.drop("node_id").with_columns(pl.lit(number).alias("draw")))
    return pl.concat(found).with_columns(
        (pl.col("p_value") < SIGNIFICANT).fill_null(value=False).alias("is_discovery"),
        pl.col("true").is_between("lift_low", "lift_high").alias("covers"),
    )


def nulls(crowd: Crowd, made: Made, site: Site, draws: int, seed: int) -> pl.DataFrame:
    """`rows_of` draws in which accounts exchanged their languages: every lift is 1."""

    def draw(number: int) -> Drawn:
        counted = permuted(crowd, np.random.default_rng([seed, number, 0]))
        _, truth = planted(crowd, [], np.random.default_rng(0))
        return counted, truth.with_columns(pl.lit(None, pl.Float64).alias("planted"))

    return rows_of(crowd, made, site, range(draws), draw)


def effects(
    crowd: Crowd, made: Made, site: Site, lifts: Sequence[float], draws: int, seed: int
) -> pl.DataFrame:
    """`rows_of` draws with an effect of each of `lifts` planted."""

    def draw(number: int) -> Drawn:
        rng = np.random.default_rng([seed, number, 1])
        plants = planned(crowd, lifts, rng)
        counted, truth = planted(crowd, plants, rng)
        marks = pl.DataFrame(
            [(plant.topic, plant.language, plant.lift) for plant in plants],
            schema={"topic": pl.String, "language": pl.String, "planted": pl.Float64},
            orient="row",
        )
        return counted, truth.join(marks, on=["topic", "language"], how="left")

    return rows_of(crowd, made, site, range(1000, 1000 + draws), draw)


def by_draw(rows: pl.DataFrame) -> pl.DataFrame:
    """draw, shown, discoveries, false (share of discoveries that are: the truth lies on the other side of 1, or is 1;
    0 where there is none), coverage (of intervals shown, null where there is none)."""
    side = (pl.col("lift") - 1).sign() * (pl.col("true") - 1).round(9).sign()
    wrong = pl.col("is_discovery") & (side <= 0)
    return rows.group_by("draw").agg(
        pl.col("conversations").count().alias("shown"),
        pl.col("is_discovery").sum().alias("discoveries"),
        (wrong.sum() / pl.max_horizontal(pl.col("is_discovery").sum(), 1)).alias("false"),
        pl.col("covers").mean().alias("coverage"),
    ).sort("draw")
