"""What a release says of languages drawn anew, over many draws, against the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from clio_dagster.evaluation.marts import LanguageMart
from clio_dagster.evaluation.pipeline import DAY, Made, Site
from clio_dagster.evaluation.planted import Crowd, even, permuted, planned, planted
from clio_dagster.privacy.cells import added_cells, published_topics

SIGNIFICANT = 0.05
"""Below it the explorer calls a corrected p-value beyond chance (release/page/js/detail.js)."""

SHOWN = ("language", "conversations", "lift", "lift_low", "lift_high", "p_value")
"""Columns of the mart that a reader judges by."""

Drawn = tuple[pl.DataFrame, pl.DataFrame]
"""Conversations with their languages, and planted.TRUTH with `planted`: the lift, null beside it."""


def rows_of(
    crowd: Crowd,
    made: Made,
    site: Site,
    purposes: Sequence[str],
    draw: Callable[[np.random.Generator], Drawn],
) -> pl.DataFrame:
    """Every topic and language of a draw for each of `purposes`, as it was published, beside the truth.

    draw, topic, language, true, expected, planted, size (of the topic), conversations, lift, lift_low, lift_high,
    p_value, is_discovery, covers. What is not shown has neither of conversations, lift, interval and p-value. A
    purpose decides the draw's languages and its noise.
    """
    topics = published_topics(made.audited)
    mart = LanguageMart(made.audited, site.settings)
    named = made.published.select("node_id", "topic")
    sizes = pl.DataFrame({"topic": crowd.topics, "size": crowd.weights.sum(axis=1).astype(np.int64)})
    found = []
    for purpose in purposes:
        digest = hashlib.sha256(purpose.encode()).digest()
        counted, truth = draw(np.random.default_rng(list(digest)))
        key = hashlib.sha256(site.key + digest).digest()
        cells = added_cells(counted, topics, DAY, part=1, settings=site.settings, key=key)
        shown = mart.of(cells).join(named, on="node_id").select("topic", *SHOWN)
        rows = truth.rename({"lift": "true"}).join(sizes, on="topic").join(named.select("topic"), on="topic")
        found.append(
            rows.join(shown, on=["topic", "language"], how="left").with_columns(pl.lit(purpose).alias("draw"))
        )
    return pl.concat(found).with_columns(
        (pl.col("p_value") < SIGNIFICANT).fill_null(value=False).alias("is_discovery"),
        pl.col("true").is_between("lift_low", "lift_high").alias("covers"),
    )


def nulls(crowd: Crowd, made: Made, site: Site, draws: int, purpose: str) -> pl.DataFrame:
    """`rows_of` draws in which accounts exchanged their languages: every lift is 1."""
    truth = even(crowd).with_columns(pl.lit(None, pl.Float64).alias("planted"))
    purposes = [f"{purpose} exchanged {number}" for number in range(draws)]
    return rows_of(crowd, made, site, purposes, lambda rng: (permuted(crowd, rng), truth))


def effects(
    crowd: Crowd, made: Made, site: Site, lifts: Sequence[float], draws: int, purpose: str
) -> pl.DataFrame:
    """`rows_of` draws with an effect of each of `lifts` planted, as far as the crowd bears them."""

    def draw(rng: np.random.Generator) -> Drawn:
        plants = planned(crowd, lifts, rng)
        counted, truth = planted(crowd, plants, rng)
        marks = pl.DataFrame(
            [(plant.topic, plant.language, plant.lift) for plant in plants],
            schema={"topic": pl.String, "language": pl.String, "planted": pl.Float64},
            orient="row",
        )
        return counted, truth.join(marks, on=["topic", "language"], how="left")

    return rows_of(crowd, made, site, [f"{purpose} planted {number}" for number in range(draws)], draw)


def by_draw(rows: pl.DataFrame) -> pl.DataFrame:
    """draw, shown, discoveries, false, coverage.

    `false`: share of discoveries whose true lift is 1 or lies on its other side; 0 where nothing is discovered.
    `coverage`: of the intervals that show, null where none does.
    """
    side = (pl.col("lift") - 1).sign() * (pl.col("true") - 1).round(9).sign()
    is_false = pl.col("is_discovery") & (side <= 0)
    return (
        rows.group_by("draw", maintain_order=True)
        .agg(
            pl.col("conversations").count().alias("shown"),
            pl.col("is_discovery").sum().alias("discoveries"),
            is_false.sum().alias("false"),
            pl.col("covers").mean().alias("coverage"),
        )
        .with_columns(pl.col("false") / pl.max_horizontal("discoveries", 1))
    )
