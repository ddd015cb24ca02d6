"""Whether each stage has all that the one before it gave: nothing lost, nothing invented, nothing twice.

Both sides are frames with the columns that name a slice, those that name an item in it, and `rows`, how many times
it is there. What comes out counts and names no item.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clio_dagster.tables import CLUSTERED_BY


def unaccounted(given: pl.DataFrame, found: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Slices in which the two sides differ: [*by, missing, extra], sorted; an item found twice is extra once."""
    items = [column for column in given.columns if column != "rows"]
    sides = [given.select(*items, "rows"), found.select(*items, -pl.col("rows"))]
    return (
        pl.concat(sides)
        .group_by(items)
        .agg(pl.col("rows").sum().alias("left"))
        .filter(pl.col("left") != 0)
        .group_by(by)
        .agg(
            pl.col("left").clip(lower_bound=0).sum().alias("missing"),
            (-pl.col("left")).clip(lower_bound=0).sum().alias("extra"),
        )
        .sort(by)
    )


def each_once(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """These columns of every row, counted once."""
    return frame.select(*columns, pl.lit(1, pl.Int64).alias("rows"))


def to_keep(
    needed: pl.DataFrame, allowed: pl.DataFrame, found: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    """What a table must hold whose text has left: all that is `needed`, and of what is `allowed` what is `found`."""
    names = list(columns)
    standing = allowed.select(names).join(found.select(names), on=names, how="semi")
    return pl.concat([needed.select(names), standing.join(needed, on=names, how="anti")])


def to_embed(facets: pl.DataFrame, clusterings: Sequence[str] = (CLUSTERED_BY,)) -> pl.DataFrame:
    """What embeddings must hold: the conversations that have a text (facets: with the columns `clusterings`)."""
    return pl.concat(
        each_once(
            facets.filter(pl.col(by).is_not_null()).with_columns(pl.lit(by).alias("clustered_by")),
            "date",
            "language",
            "conversation_id",
            "clustered_by",
        )
        for by in clusterings
    )


def to_cluster(embeddings: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """What cluster_members must hold: every conversation with a vector in the window, on the last of its days.

    `windows` [date, day]: a row a day of it.
    """
    return each_once(
        windows.join(embeddings.rename({"date": "day"}), on="day")
        .sort("day", "language")
        .unique(["date", "clustered_by", "conversation_id"], keep="last", maintain_order=True),
        "date",
        "day",
        "language",
        "conversation_id",
        "clustered_by",
    )


def to_cover(facets: pl.DataFrame, coverage: pl.DataFrame) -> pl.DataFrame:
    """What exact_coverage must count: `in` as many as there are facets, and below it as many as came in.

    `facets` [date, language, conversations]: how many there are.
    """
    return pl.concat(
        [
            facets.select(
                "date",
                "language",
                pl.lit("in").alias("what"),
                pl.col("conversations").cast(pl.Int64).alias("rows"),
            ),
            coverage.filter(stage="in").select(
                "date", "language", pl.lit("below").alias("what"), pl.col("conversations").alias("rows")
            ),
        ]
    )


def covered(coverage: pl.DataFrame) -> pl.DataFrame:
    """What exact_coverage does count: `in`, and the sum of the stages below it. Quarantined records never came in."""
    return (
        coverage.filter(pl.col("stage") != "quarantined")
        .with_columns(
            pl.when(pl.col("stage") == "in").then(pl.lit("in")).otherwise(pl.lit("below")).alias("what")
        )
        .group_by("date", "language", "what")
        .agg(pl.col("conversations").sum().alias("rows"))
    )
