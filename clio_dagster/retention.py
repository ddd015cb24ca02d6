"""Retention (P2, P10): what has had its time on a day, and what stands where text was purged.

Answers the thief of the disk, who must find nothing that is older than the site says. Three times run, each from the
later of a conversation's own day and the day on which it was landed, so that a backfill of old files is not purged at
once; both days are whole ones, of CLIO_TIMEZONE.

- *Landing*: text leaves the landed files. Their rows stay without it: they say which conversations count, so that late,
  replaced and withdrawn files work as before, down to the facets.
- *Raw*: text leaves raw_conversations. Facets that were made from it stand as long as the landed rows do.
- *Facets*: all that names a conversation of the day goes, the landed rows included. The day is closed: nothing is
  landed for it any more, and no date whose window holds it is made again. What is published of it stays.

Everything here looks at frames and opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from clio_dagster.settings import Settings

PAST_RETENTION = "its day is past retention"
"""The reason for which a record is not landed."""

SOURCES_SCHEMA = {"source": pl.String, "landed_on": pl.Date, "is_purged": pl.Boolean}
"""Sources that have landed: on which day, and whether the text of their files is gone."""

SLICES_SCHEMA = {"date": pl.Date, "language": pl.String, "source": pl.String}
"""What counts as landed: a row a slice of a source."""

STORED_SCHEMA = {"date": pl.Date, "language": pl.String, "written_on": pl.Date, "rows": pl.Int64}
"""Slices of a table: rows, and on which day they were written."""

STAGED_SCHEMA = {"name": pl.String, "changed_on": pl.Date}
"""Folders of landings that are under way, or were killed, and the day on which one was last changed."""

PURGED_SCHEMA = {"date": pl.Date, "language": pl.String, "purged_on": pl.Date, "is_finished": pl.Boolean}
"""Slices of a table that were purged."""


@dataclass(frozen=True)
class Holdings:
    """What a site holds: frames of the schemas above. `unread` [date, language]: landed slices whose raw_conversations
    are not made from them yet; `raw` and `facets` what those tables hold, `raw_purged` and `facets_purged` what was
    purged of them."""

    sources: pl.DataFrame
    slices: pl.DataFrame
    raw: pl.DataFrame
    facets: pl.DataFrame
    raw_purged: pl.DataFrame
    facets_purged: pl.DataFrame
    unread: pl.DataFrame
    staged: pl.DataFrame


@dataclass(frozen=True)
class Due:
    """What is to be purged, in order: sources whose files lose their text; slices [date, language, sources,
    with_strays] of raw_conversations that lose the rows of these sources, and rows that no landed file names where
    `with_strays`; days that lose everything; folders that killed landings have left. `waiting`: sources whose text is
    past its time and not read yet. `landing_days`: days of what `landing` says."""

    landing: tuple[str, ...]
    raw: pl.DataFrame
    days: tuple[date, ...]
    staged: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    landing_days: tuple[date, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.landing or self.raw.height or self.days or self.staged)


def due(held: Holdings, settings: Settings, today: date) -> Due:
    """What is due on a day: what is older than its time, or was begun and not finished.

    Text leaves the landed files only once raw_conversations has it, or its own time is over, too: what nobody has
    read in CLIO_RAW_DAYS is lost.
    """
    aged = held.slices.join(held.sources, on="source").with_columns(
        pl.max_horizontal("date", "landed_on").alias("since")
    )
    landing, waiting = _landing(held, aged, settings, today)
    staged = held.staged.filter(_is_over(pl.col("changed_on"), settings.landing_days, today))["name"]
    days = _days(held, aged, settings, today)
    landing_days = aged.filter(pl.col("source").is_in(landing))["date"].unique().sort()
    return Due(
        landing, _raw(held, aged, settings, today), days, tuple(staged.sort()), waiting, tuple(landing_days)
    )


def _is_over(since: pl.Expr, days: int, today: date | pl.Expr) -> pl.Expr:
    """Whether more than `days` days have passed since a day was over."""
    return (pl.lit(today) if isinstance(today, date) else today) - since > pl.duration(days=days)


def _landing(
    held: Holdings, aged: pl.DataFrame, settings: Settings, today: date
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    unread = held.unread.select("date", "language", pl.lit(True).alias("is_unread"))
    by_source = (
        aged.filter(~pl.col("is_purged"))
        .join(unread, on=["date", "language"], how="left")
        .group_by("source")
        .agg(pl.col("since").max(), pl.col("is_unread").fill_null(False).any())
        .filter(_is_over(pl.col("since"), settings.landing_days, today))
        .sort("source")
    )
    waits = pl.col("is_unread") & ~_is_over(pl.col("since"), settings.raw_days, today)
    return tuple(by_source.filter(~waits)["source"]), tuple(by_source.filter(waits)["source"])


def _raw(held: Holdings, aged: pl.DataFrame, settings: Settings, today: date) -> pl.DataFrame:
    """Slices that hold rows of something that is over and that no earlier purge has seen to, and unfinished ones."""
    purged = held.raw_purged.select("date", "language", "purged_on", "is_finished")
    seen = pl.col("is_finished") & _is_over(pl.col("since"), settings.raw_days, pl.col("purged_on"))
    over = (
        pl.concat(
            [
                aged.select("date", "language", "source", "since"),
                # A row that no landed file names is as old as its slice was written.
                held.raw.select(
                    "date",
                    "language",
                    pl.lit(None, pl.String).alias("source"),
                    pl.max_horizontal("date", "written_on").alias("since"),
                ),
            ]
        )
        .filter(_is_over(pl.col("since"), settings.raw_days, today))
        .join(purged, on=["date", "language"], how="left")
        .with_columns(seen.fill_null(False).alias("is_seen"))
    )
    slices = over.group_by("date", "language").agg(
        pl.col("source").drop_nulls().sort().alias("sources"),
        pl.col("source").is_null().any().alias("with_strays"),
        (~pl.col("is_seen")).any().alias("is_new"),
    )
    begun = purged.filter(~pl.col("is_finished")).select("date", "language")
    filled = held.raw.filter(pl.col("rows") > 0).select("date", "language")
    wanted = (
        slices.filter("is_new").join(filled, on=["date", "language"], how="semi").select("date", "language")
    )
    return (
        pl.concat([wanted, begun])
        .unique()
        .join(slices.drop("is_new"), on=["date", "language"], how="left")
        .with_columns(pl.col("sources").fill_null([]), pl.col("with_strays").fill_null(False))
        .sort("date", "language")
    )


def _days(held: Holdings, aged: pl.DataFrame, settings: Settings, today: date) -> tuple[date, ...]:
    """Days of which the last that came is over; begun ones; none that is finished.

    How old what nobody landed is, the writing of its facets says.
    """
    landed = aged.group_by("date").agg(pl.col("since").max())
    written = held.facets.group_by("date").agg(pl.max_horizontal("date", "written_on").max().alias("since"))
    known = pl.concat([landed, written.join(landed, on="date", how="anti").select(landed.columns)])
    over = known.filter(_is_over(pl.col("since"), settings.facet_days, today))["date"]
    by_day = held.facets_purged.group_by("date").agg(pl.col("is_finished").all())
    finished, begun = (by_day.filter(pl.col("is_finished") == state)["date"] for state in (True, False))
    return tuple(sorted({*over, *begun} - set(finished)))


def closed_dates(purged: Collection[date], window_days: int) -> set[date]:
    """Dates whose window holds a day that was purged."""
    return {day + timedelta(days=ahead) for day in purged for ahead in range(window_days)}


def with_stored(landed: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """raw_conversations of a slice: what landed, and of what landed and has lost its text, the rows that are stored.

    `landed`, `stored`: tables.RAW_CONVERSATIONS. A stored row stands for the version that landed alone.
    """
    has_text = pl.col("messages").list.len() > 0
    silent = landed.filter(~has_text).select("conversation_id", "turns", "started_at")
    kept = stored.join(silent, on=silent.columns, how="semi")
    return pl.concat([landed.filter(has_text), kept.select(landed.columns)]).sort("conversation_id")


def with_standing(
    made: pl.DataFrame, stored: pl.DataFrame, landed: pl.DataFrame, version: Iterable[str]
) -> pl.DataFrame:
    """facets of a slice: those that were `made` now, and stored ones of conversations that have landed and whose text
    is gone. `landed` has the columns `version`, which tell a conversation's version."""
    standing = stored.join(landed, on=list(version), how="semi").join(made, on="conversation_id", how="anti")
    return pl.concat([made, standing.select(made.columns)]).sort("conversation_id")


def left_in_time(
    stored: pl.DataFrame, landed: pl.DataFrame, sources: Collection[str], with_strays: bool
) -> pl.DataFrame:
    """raw_conversations of a slice without the rows of these sources, and of none where `with_strays`.

    `landed` [conversation_id, source]: which source each landed conversation is taken from.
    """
    by_source = stored.select("conversation_id").join(landed, on="conversation_id", how="left")
    gone = by_source.filter(
        pl.col("source").is_in(list(sources)).fill_null(False)
        | (pl.col("source").is_null() & pl.lit(with_strays))
    )
    return stored.join(gone, on="conversation_id", how="anti", maintain_order="left")
