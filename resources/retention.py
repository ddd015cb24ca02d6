"""Retention as it is done: landed files, tables and tombstones (see clio_dagster/retention.py for the rules).

Whatever is purged is said first: a source's row says so before its files change, a table's tombstone before its rows
go. A tombstone is finished when the bytes are gone, too. Killed at any moment, the next purge goes on: it finds what
is not finished, and doing it twice is doing it once. The caller sees to it that nobody makes the partitions meanwhile.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from filelock import Timeout

from clio_dagster.conversations.landed import SOURCE, read_landed, read_receipt
from clio_dagster.conversations.landing import slice_hash, source_lock
from clio_dagster.conversations.slices import drop_text, withdraw
from clio_dagster.progress import track
from clio_dagster.retention import (
    PURGED_SCHEMA,
    SLICES_SCHEMA,
    SOURCES_SCHEMA,
    STAGED_SCHEMA,
    STORED_SCHEMA,
    Due,
    Holdings,
    closed_dates,
    left_in_time,
)
from clio_dagster.safety.tables import SAFETY_TABLES
from clio_dagster.tables import (
    FACETS,
    FROZEN_PARTS,
    POSITIONS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    RAW_CONVERSATIONS,
    RELEASES,
    SOURCES,
    TABLES,
    TOMBSTONES,
    Table,
)
from resources.fingerprints import Slicemap
from resources.site import Site
from resources.slices import as_thinned
from resources.sources import note_purged

STAYING = {table.name for table in (PUBLISHED_CELLS, PUBLISHED_COVERAGE, POSITIONS, RELEASES, FROZEN_PARTS)}
"""Tables of a date that outlive it: what is published, and that it is never drawn again. They name nobody."""

LONGEST_WINDOW = 92
"""Days that a window may ever have had (Settings.window_days)."""

SLICES_AT_ONCE = 64
"""Slices whose rows go in one transaction."""


class PastRetention(ValueError):
    """A partition was asked for that is closed: what it would be made from was purged. What there is stays."""


@dataclass(frozen=True)
class Tombstone:
    """What was purged of one slice (tables.TOMBSTONES)."""

    rows_before: str | None
    rows_after: str | None
    landed: str | None


# What is known of it.


def purged_days(site: Site) -> set[date]:
    """Days whose facets were purged: closed for what comes late."""
    return set(_tombstones(site, FACETS)["date"])


def why_closed(partition: str, purged: Collection[date], window_days: int) -> str | None:
    """Why a slice (`2026-11-01|es`) or a date is not made again, in words; None where it may be.

    `purged` are the purged days; a slice is closed with its day, a date with any day of its window.
    """
    day, _, language = partition.partition("|")
    last = date.fromisoformat(day)
    length = 1 if language else window_days
    gone = [each for each in (last - timedelta(days=back) for back in range(length)) if each in purged]
    if not gone:
        return None
    return "past retention" if last in gone else f"{max(gone)}, in its window, is past retention"


def refuse_closed(site: Site, partitions: Iterable[str]) -> None:
    """Raise PastRetention, naming the partitions, where some are closed: they are kept as they are."""
    purged = purged_days(site)
    closed = (
        [key for key in partitions if why_closed(key, purged, site.settings.window_days)] if purged else []
    )
    if closed:
        shown = ", ".join(closed[:5]) + (f" and {len(closed) - 5} more" if len(closed) > 5 else "")
        raise PastRetention(
            f"{shown} cannot be made again: the facets of the day, or of one in its window, were purged "
            "(CLIO_FACET_DAYS). What there is stays as it is; leave them out"
        )


def as_before_purge(site: Site, keys: Sequence[str], stored: Slicemap) -> Slicemap:
    """What is recorded of raw_conversations as it was before rows of it were purged, where nothing has come since.

    So what was made of those rows is not stale because they are gone.
    """
    recorded = stored.get(RAW_CONVERSATIONS.name, {})
    standing = {
        key: replace(recorded[key], content_hash=stone.rows_before)
        for key, stone in _of_raw(site, keys).items()
        if key in recorded and stone.rows_before and recorded[key].content_hash == stone.rows_after
    }
    return {**stored, RAW_CONVERSATIONS.name: {**recorded, **standing}} if standing else stored


def landed_since_purge(site: Site, keys: Sequence[str]) -> dict[str, str]:
    """Hash of what is landed for slices of raw_conversations that were purged, where that has changed since.

    What was made of rows that are gone follows the landed files, which alone know of them.
    """
    stones = _of_raw(site, keys)
    hashes = {key: slice_hash(site.settings.home, *key.split("|")) for key in stones}
    return {key: each for key, each in hashes.items() if each != stones[key].landed}


def purged_partitions(site: Site, table: Table) -> dict[str, datetime]:
    """When rows of a table were purged, by partition."""
    stones = _tombstones(site, table)
    rows = stones.select("date", "language", "purged_at").iter_rows()
    return {f"{day}|{language}" if language else f"{day}": at for day, language, at in rows}


def _of_raw(site: Site, keys: Sequence[str]) -> dict[str, Tombstone]:
    wanted = set(keys)
    rows = _tombstones(site, RAW_CONVERSATIONS).iter_rows(named=True)
    return {
        key: Tombstone(row["rows_before"], row["rows_after"], row["landed"])
        for row in rows
        if (key := f"{row['date']}|{row['language']}") in wanted
    }


def _tombstones(site: Site, table: Table) -> pl.DataFrame:
    return site.warehouse.read(TOMBSTONES, {"table_name": table.name}, list(TOMBSTONES.schema))


# What is held.


def holdings(site: Site, is_read: Callable[[Sequence[str]], Collection[str]]) -> Holdings:
    """What retention looks at. `is_read`: which of these slices raw_conversations is made from as they are landed."""
    home = site.settings.home
    known = site.warehouse.read(SOURCES, None, ["source", "landed_at"]).drop_nulls("landed_at")
    receipts = {key: read_receipt(home, key) for key in known["source"]}
    sources = known.select(
        "source",
        pl.col("landed_at").dt.convert_time_zone(site.settings.timezone).dt.date().alias("landed_on"),
        pl.Series("is_purged", [receipts[key].is_purged for key in known["source"]], dtype=pl.Boolean),
    )
    slices = pl.DataFrame(
        [(*each, key) for key, receipt in receipts.items() for each in sorted(receipt.named)],
        schema={**SLICES_SCHEMA, "date": pl.String},
        orient="row",
    ).with_columns(pl.col("date").str.to_date())
    texts = {
        f"{day}|{language}"
        for each in receipts.values()
        if not each.is_purged
        for day, language in each.named
    }
    unread = sorted(texts - set(is_read(sorted(texts))))
    return Holdings(
        sources=sources.cast(pl.Schema(SOURCES_SCHEMA)),
        slices=slices,
        raw=_stored(site, RAW_CONVERSATIONS),
        facets=_stored(site, FACETS),
        raw_purged=_purged(site, RAW_CONVERSATIONS),
        facets_purged=_purged(site, FACETS),
        unread=_by_slice(unread),
        staged=_staged(site),
    )


def _by_slice(keys: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": pl.Series([date.fromisoformat(key.split("|")[0]) for key in keys], dtype=pl.Date),
            "language": pl.Series([key.split("|")[1] for key in keys], dtype=pl.String),
        }
    )


def _stored(site: Site, table: Table) -> pl.DataFrame:
    stored = site.warehouse.slices(table)
    found = list(stored.values())
    return (
        _by_slice(list(stored))
        .with_columns(
            pl.Series("written_on", [_day(site, each.written_at) for each in found], dtype=pl.Date),
            pl.Series("rows", [each.rows for each in found], dtype=pl.Int64),
        )
        .select(*STORED_SCHEMA)
    )


def _purged(site: Site, table: Table) -> pl.DataFrame:
    return (
        _tombstones(site, table)
        .with_columns(
            pl.col("purged_at").dt.convert_time_zone(site.settings.timezone).dt.date().alias("purged_on"),
            pl.col("finished_at").is_not_null().alias("is_finished"),
        )
        .select(*PURGED_SCHEMA)
    )


def _staged(site: Site) -> pl.DataFrame:
    root = site.settings.home / "landing" / ".staging"
    folders = sorted(each for each in root.iterdir() if each.is_dir()) if root.is_dir() else []
    changed = [_day(site, datetime.fromtimestamp(each.stat().st_mtime, UTC)) for each in folders]
    return pl.DataFrame(
        {"name": [each.name for each in folders], "changed_on": changed}, schema=STAGED_SCHEMA
    )


def _day(site: Site, moment: datetime) -> date:
    return moment.astimezone(site.settings.tz).date()


# Doing it.


def purge(site: Site, due: Due, now: datetime) -> None:
    """Purge what is due. `now` is what is written down as the time."""
    _purge_landing(site, due)
    raw = _purge_raw(site, due, now)
    days = _purge_days(site, due.days, now)
    if raw or days:
        with track("compacting", None):
            site.warehouse.compact()
    _finish(site, {*raw, *days}, now)


def _purge_landing(site: Site, due: Due) -> None:
    home = site.settings.home
    note_purged(site, due.landing)
    with track("landing", len(due.landing), unit="file") as advance:
        for key in due.landing:
            with source_lock(home, key):
                drop_text(home, key)
            advance(1)
    for name in due.staged:
        try:
            with source_lock(home, name.split(".")[0]).acquire(timeout=0):
                shutil.rmtree(home / "landing" / ".staging" / name, ignore_errors=True)
        except Timeout:  # it is landing now
            continue


def _purge_raw(site: Site, due: Due, now: datetime) -> list[str]:
    """Take the rows of the due sources from raw_conversations; names of the tables that were touched."""
    if due.raw.is_empty():
        return []
    wanted = {(row["date"], row["language"]): row for row in due.raw.iter_rows(named=True)}
    slices = [{"date": day, "language": language} for day, language in wanted]

    def left(frame: pl.DataFrame, row: Mapping[str, Any]) -> pl.DataFrame:
        landed = read_landed(
            site.settings.home, row["date"], row["language"], columns=["conversation_id", SOURCE]
        )
        return left_in_time(frame, landed, row["sources"], row["with_strays"])

    known = _of_raw(site, [f"{day}|{language}" for day, language in wanted])
    stones = [
        _raw_stone(site, row, left, known.get(f"{row['date']}|{row['language']}")) for row in wanted.values()
    ]
    _write_stones(site, {RAW_CONVERSATIONS.name: stones}, now)

    def keep(_: Table, frame: pl.DataFrame) -> pl.DataFrame:
        return frame if frame.is_empty() else left(frame, wanted[frame["date"][0], frame["language"][0]])

    _erase(site, [(RAW_CONVERSATIONS, values) for values in slices], keep)
    return [RAW_CONVERSATIONS.name]


def _raw_stone(
    site: Site,
    row: Mapping[str, Any],
    left: Callable[[pl.DataFrame, Mapping[str, Any]], pl.DataFrame],
    before: Tombstone | None,
) -> dict[str, Any]:
    """A slice's tombstone: what its rows hash as now, and as once they are gone."""
    values = {"date": row["date"], "language": row["language"]}
    record = site.warehouse.slice_of(RAW_CONVERSATIONS, values)
    hashes: dict[str, str | None] = {
        "rows_before": before.rows_before if before else None,
        "rows_after": before.rows_after if before else None,
    }
    if record is not None:
        frame = site.warehouse.read(RAW_CONVERSATIONS, values)
        remaining = left(frame, row)
        if remaining.height < frame.height:
            # What was made of rows that went earlier still stands for those.
            is_as_left = record.content_hash == hashes["rows_after"]
            hashes = {
                "rows_before": hashes["rows_before"] if is_as_left else record.content_hash,
                "rows_after": as_thinned(RAW_CONVERSATIONS, record, frame, remaining).content_hash,
            }
    landed = before.landed if before else slice_hash(site.settings.home, row["date"], row["language"])
    return values | hashes | {"landed": landed}


def _purge_days(site: Site, days: Sequence[date], now: datetime) -> list[str]:
    """Take all that names a conversation of these days from every table; names of the tables that were touched."""
    if not days:
        return []
    home = site.settings.home
    # The day is closed from the first on.
    going = sorted(
        filter(_goes, (TABLES | SAFETY_TABLES).values()), key=lambda table: table.name != FACETS.name
    )
    stones = {
        table.name: [
            {"date": day, "language": language}
            for day in days
            for language in (
                site.settings.partition_languages if "language" in table.partitioned_by else [None]
            )
        ]
        for table in going
    }
    _write_stones(site, stones, now)
    keys = site.warehouse.read(SOURCES, None, ["source"])["source"]
    with track("landing", len(keys), unit="file") as advance:
        for key in keys:
            with source_lock(home, key):
                withdraw(home, key, {f"{day}" for day in days})
            advance(1)

    def keep(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(~pl.col("day").is_in(list(days))) if "day" in table.schema else frame.clear()

    _erase(site, [(table, values) for table in going for values in _slices_with(site, table, days)], keep)
    site.answers.expire(days)
    return [table.name for table in going]


def _goes(table: Table) -> bool:
    return "date" in table.partitioned_by and table.name not in STAYING


def _slices_with(site: Site, table: Table, days: Sequence[date]) -> list[dict[str, str]]:
    """Slices of a table that may hold rows of these days: those of later dates, where a row has a day of its own."""
    wanted = closed_dates(days, LONGEST_WINDOW) if "day" in table.schema else set(days)
    keys = [key for key in site.warehouse.slices(table) if date.fromisoformat(key.split("|")[0]) in wanted]
    return [dict(zip(sorted(table.partitioned_by), key.split("|"), strict=True)) for key in keys]


def _erase(
    site: Site,
    slices: Sequence[tuple[Table, Mapping[str, object]]],
    keep: Callable[[Table, pl.DataFrame], pl.DataFrame],
) -> None:
    with track("tables", len(slices), unit="slice") as advance:
        for start in range(0, len(slices), SLICES_AT_ONCE):
            batch = slices[start : start + SLICES_AT_ONCE]
            site.warehouse.erase(batch, keep)
            advance(len(batch))


def _write_stones(site: Site, stones: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime) -> None:
    """Set up tombstones by table, unfinished, in place of those that the same slices have."""
    known = site.warehouse.read(TOMBSTONES, {"table_name": list(stones)})
    frames = []
    for name, rows in stones.items():
        same = {**dict.fromkeys(TOMBSTONES.schema), "table_name": name, "purged_at": now}
        fresh = pl.DataFrame([{**same, **row} for row in rows], TOMBSTONES.schema)
        standing = known.filter(pl.col("table_name") == name).join(
            fresh, on=["date", "language"], how="anti", nulls_equal=True
        )
        frames.append(pl.concat([standing, fresh]))
    site.warehouse.write_many(
        (TOMBSTONES, {"table_name": name}, frame, "") for name, frame in zip(stones, frames, strict=True)
    )


def _finish(site: Site, tables: Collection[str], now: datetime) -> None:
    stones = [site.warehouse.read(TOMBSTONES, {"table_name": name}) for name in sorted(tables)]
    moment = pl.lit(now, TOMBSTONES.schema["finished_at"])
    if stones:
        site.warehouse.write_many(
            (
                TOMBSTONES,
                {"table_name": each["table_name"][0]},
                each.with_columns(pl.col("finished_at").fill_null(moment)),
                "",
            )
            for each in stones
        )
