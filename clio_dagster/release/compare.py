"""What changed between two releases, topic by topic, from their published tables alone.

A published share lies within bounds that follow from the noise which its manifest states. A topic has grown or
shrunk where the bounds of the two days do not meet; a topic that one of the two does not publish has no share
there, which is not a share of 0.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import polars as pl

from clio_dagster.release.contract import BORN
from clio_dagster.release.read import Release

COMPARED = ("topics", "topic_trends")
"""The tables that a comparison reads."""

_KEY = ("clustered_by", "topic")


class Change(StrEnum):
    """What two releases say of a topic."""

    GREW = "grew"
    SHRANK = "shrank"
    NEW = "new"
    APPEARED = "appeared"
    GONE = "gone"
    WITHIN = "within the noise"
    UNKNOWN = "not comparable"


MEANINGS = {
    Change.GREW: "The share rose by more than the noise of both counts explains.",
    Change.SHRANK: "The share fell by more than the noise of both counts explains.",
    Change.NEW: "Not published on the earlier date, and since then new beyond chance.",
    Change.APPEARED: "Not published on the earlier date; nothing says that it is new.",
    Change.GONE: "Not published on the later date.",
    Change.WITHIN: "The difference may be noise alone.",
    Change.UNKNOWN: "Published on both dates, with too few conversations on one of them to show a share.",
}


def compare(before: Release, after: Release) -> pl.DataFrame:
    """One row a topic of either release: clustered_by, topic, name (the later one), level, before and after (shares
    of the two days, null where none is shown), in_before and in_after, difference, change.
    """
    later = _bounded(after).with_columns(in_after=True)
    earlier = _bounded(before).with_columns(in_before=True)
    born = _born(before, after)
    both = (
        later.join(earlier, on=_KEY, how="full", coalesce=True, suffix="_before")
        .join(born, on=[name for name in _KEY if name in born.columns], how="left")
        .with_columns(pl.col("in_after", "in_before", "is_born").fill_null(False))
    )
    difference = (pl.col("share") - pl.col("share_before")).round(9)
    change = (
        pl.when(~pl.col("in_after"))
        .then(pl.lit(Change.GONE.value))
        .when(~pl.col("in_before") & pl.col("is_born"))
        .then(pl.lit(Change.NEW.value))
        .when(~pl.col("in_before"))
        .then(pl.lit(Change.APPEARED.value))
        .when(difference.is_null())
        .then(pl.lit(Change.UNKNOWN.value))
        .when(pl.col("low") > pl.col("high_before"))
        .then(pl.lit(Change.GREW.value))
        .when(pl.col("high") < pl.col("low_before"))
        .then(pl.lit(Change.SHRANK.value))
        .otherwise(pl.lit(Change.WITHIN.value))
    )
    return both.select(
        *_KEY,
        pl.coalesce("name", "name_before"),
        pl.coalesce("level", "level_before"),
        "in_before",
        "in_after",
        before="share_before",
        after="share",
        difference=difference,
        change=change,
    ).sort(_KEY)


def _bounded(release: Release) -> pl.DataFrame:
    """The topics with their day's share and its bounds `low` and `high`."""
    topics = release.tables["topics"].unique(_KEY, keep="first", maintain_order=True)
    noise = release.manifest.noise.within or 0
    totals = [_total(*of, noise) for of in topics.group_by("clustered_by", maintain_order=True)]
    schema = {"clustered_by": pl.String, "least": pl.Float64, "most": pl.Float64}
    count = pl.col("conversations")
    return topics.join(
        pl.DataFrame(totals, schema=schema, orient="row"), on="clustered_by", how="left"
    ).select(
        *_KEY,
        "name",
        "level",
        share=pl.when(count.is_not_null()).then("share"),
        low=(count - noise).clip(0) / pl.col("most"),
        high=pl.min_horizontal((count + noise) / pl.col("least"), 1.0),
    )


def _total(of: tuple[Any, ...], topics: pl.DataFrame, noise: int) -> tuple[Any, float, float]:
    """Bounds of the conversations of the whole day, from the largest topic's count and rounded share.

    Without a topic whose share says it, the bounds exclude nothing.
    """
    telling = topics.filter(pl.col("conversations") > 0, pl.col("share") > 0, pl.col("share") < 1).sort(
        "conversations", "share"
    )
    if telling.is_empty():
        return of[0], 1.0, math.inf
    count, share = telling.select("conversations", "share").row(-1)
    half = 0.5 * 10.0 ** -max(1, math.floor(math.log10(count / share)))
    most = count / (share - half) if share > half else math.inf
    return of[0], max(1.0, count / (share + half) - noise), most + noise


def _born(before: Release, after: Release) -> pl.DataFrame:
    """Topics that became new beyond chance after the earlier date and no later than the later one, by the columns
    that tell topics apart there."""
    trends = after.tables["topic_trends"]
    born = trends.filter(
        pl.col("event") == BORN,
        pl.col("date") > before.manifest.date,
        pl.col("date") <= after.manifest.date,
    )
    return born.select(*(name for name in _KEY if name in trends.columns), is_born=True).unique()
