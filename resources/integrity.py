"""What of a site is not as it was written: found by the hashes that everything carries, and named.

Slices are compared with the content hash of their records, landed files with their receipts, releases with what their
manifests sign; SQLite looks at its own. Nothing is changed here, and nothing is locked: what is replaced while it is
looked at is looked at again. What can be done about it is mending.py's.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import polars as pl

from clio_dagster.conversations.integrity import damage_of, receipts
from clio_dagster.progress import track
from clio_dagster.release.read import MANIFEST, verify
from clio_dagster.safety.tables import SAFETY_RECORDS
from clio_dagster.settings import Settings
from clio_dagster.tables import (
    COUNTED_CONVERSATIONS,
    ERASURES,
    FACETS,
    FROZEN_PARTS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    RELEASES,
    SOURCES,
    TOMBSTONES,
    Table,
)
from resources.contracts import contracts, models
from resources.slices import Damaged, Slice, partition_values, stored_hash
from resources.warehouse import Warehouse

LEDGER = "ledger.sqlite"

_LOOKS = 3
"""Times that a slice is looked at which is replaced meanwhile."""

DRAWN_ONCE = {
    table.name for table in (PUBLISHED_CELLS, PUBLISHED_COVERAGE, COUNTED_CONVERSATIONS, FROZEN_PARTS)
}
"""Of a date that was shown: drawn anew, they would tell what the difference is."""

KEPT_ALONE = {table.name for table in (SOURCES, ERASURES, TOMBSTONES, *SAFETY_RECORDS.values())}
"""Tables that are made from nothing: what they say stands nowhere else."""


class Cure(StrEnum):
    """What is to be done about a problem."""

    AGAIN = "again"
    """It is forgotten, and the next run makes it again."""
    LAND = "land"
    """Its source is landed again."""
    BACKUP = "backup"
    """It stands nowhere else: a backup must give it."""
    ASIDE = "aside"
    """It is set aside: a new one begins empty."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written: where, of which table or source and which partition, and what is wrong.

    `is_unreadable` where not even its rows can be read: its file is to be written anew.
    """

    where: str
    table: str
    partition: str
    what: str
    cure: Cure
    is_unreadable: bool = False

    def __str__(self) -> str:
        place = " ".join(part for part in (self.where, self.table, self.partition) if part)
        return f"{place}: {self.what}"


def problems(settings: Settings, warehouse: Warehouse) -> Iterator[Problem]:
    """Everything that is wrong, as it is found."""
    yield from of_databases(settings.home)
    yield from of_slices(settings, warehouse)
    yield from of_landed(settings.home)
    yield from of_releases(settings, warehouse)


def stored_tables() -> list[Table]:
    """Every table that has slices."""
    views = {model.name for model in models() if model.materialized != "table"}
    return [table for name, table in contracts().items() if name not in views]


def of_slices(settings: Settings, warehouse: Warehouse) -> Iterator[Problem]:
    """Slices that are not as they were written, and rows that no record names."""
    cures = Cures(settings, warehouse)
    closed: set[str] = set()
    for table in stored_tables():
        where = place_of_table(settings, table)
        if where in closed:
            continue
        try:
            records = warehouse.slices(table)
        except Damaged:  # the file itself, or its records: nothing of it can be told
            closed.add(where)
            yield Problem(where, "", "", "it cannot be read", Cure.BACKUP, is_unreadable=True)
            continue
        try:
            strays = warehouse.unrecorded(table)
        except Damaged:  # as its slices will say
            strays = []
        with track(f"verifying {table.name}", len(records), unit="slice") as advance:
            for partition, record in records.items():
                if found := _of_slice(warehouse, table, record):
                    what, is_unreadable = found
                    cure = cures.of(table, partition)
                    yield Problem(where, table.name, partition, what, cure, is_unreadable)
                advance(1)
        for partition in strays:
            yield Problem(where, table.name, partition, "it has no record", cures.of(table, partition))


def _of_slice(warehouse: Warehouse, table: Table, record: Slice) -> tuple[str, bool] | None:
    """What is wrong with a slice, and whether it cannot even be read."""
    values = partition_values(table, record.partition)
    for _ in range(_LOOKS):
        found: tuple[str, bool] | None
        try:
            frame = warehouse.read(table, values)
        except Damaged:
            found = "it cannot be read", True
        else:
            found = None
            if frame.height != record.rows or stored_hash(table, frame) != record.content_hash:
                found = "its rows are not those that were written", False
        if found is None:
            return None
        now = warehouse.slices(table, [record.partition]).get(record.partition)
        if now == record or now is None:
            return found if now else None
        record = now
    return None


class Cures:
    """What is to be done about a slice, by what else the site knows of its day."""

    def __init__(self, settings: Settings, warehouse: Warehouse) -> None:
        self._window = settings.window_days
        self._purged: dict[str, set[str]] = {}
        self._closed: set[str] = set()
        self._shown = {path.name for path in (settings.home / "releases").glob("????-??-??")}
        try:
            self._shown |= warehouse.slices(FROZEN_PARTS).keys()
            stones = warehouse.read(TOMBSTONES, None, ["table_name", "date", "language"])
        except Damaged:  # nothing is known of it: whatever may be purged or shown counts as such
            self._is_known = False
            return
        self._is_known = True
        for name, day, language in stones.iter_rows():
            partition = f"{day}|{language}" if language else f"{day}"
            self._purged.setdefault(name, set()).add(partition)
            if name == FACETS.name:
                self._closed.add(f"{day}")

    def of(self, table: Table, partition: str) -> Cure:
        if table.name == "quarantine":
            return Cure.LAND
        if table.name in KEPT_ALONE or not self._is_known:
            return Cure.BACKUP
        day = partition.split("|")[0]
        if partition in self._purged.get(table.name, ()) or self._is_closed(day, "|" in partition):
            return Cure.BACKUP
        if table.name in DRAWN_ONCE and any(shown >= day for shown in self._shown):
            return Cure.BACKUP
        return Cure.AGAIN

    def _is_closed(self, day: str, is_slice: bool) -> bool:
        """Whether a day, or for a date one of its window, is past retention."""
        try:
            last = date.fromisoformat(day)
        except ValueError:
            return False
        reach = 1 if is_slice else self._window
        return any(0 <= (last - date.fromisoformat(each)).days < reach for each in self._closed)


def place_of_table(settings: Settings, table: Table) -> str:
    """The file, or the prefix of the bucket, in which a table is kept."""
    if settings.storage == "s3":
        return f"s3://{settings.s3_bucket}/{settings.s3_prefix.strip('/')}/{table.zone}"
    return "clio.duckdb" if table.zone == "restricted" else "safety.duckdb"


def of_landed(home: Path) -> Iterator[Problem]:
    """Landed files that are not what their receipts name, and receipts that cannot be read."""
    found, damaged = receipts(home)
    for key in damaged:
        yield Problem("landing", key, "", "its receipt cannot be read", Cure.LAND)
    rows = [(key, row, is_purged) for key, (rows, is_purged) in found.items() for row in rows]
    with track("verifying landed files", len(rows), unit="file") as advance:
        for key, row, is_purged in rows:
            if what := damage_of(home, key, row, is_purged=is_purged):
                again, _ = receipts(home)
                if row in again.get(key, ([], False))[0]:
                    cure = Cure.BACKUP if is_purged else Cure.LAND
                    yield Problem("landing", key, f"{row['date']}|{row['language']}", what, cure)
            advance(1)


def of_releases(settings: Settings, warehouse: Warehouse) -> Iterator[Problem]:
    """Releases that are not whole, or not the ones that were recorded."""
    releases = settings.home / "releases"
    folders = sorted(path for path in releases.glob("????-??-??") if path.is_dir())
    try:
        recorded = dict(
            warehouse.read(RELEASES, None, ["date", "manifest_sha256"])
            .with_columns(date=_day_as_text())
            .iter_rows()
        )
        cures = Cures(settings, warehouse)
    except Damaged:
        recorded, cures = {}, None
    with track("verifying releases", len(folders), unit="release") as advance:
        for folder in folders:
            wrong = verify(folder)
            if not wrong and recorded.get(folder.name) not in (None, digest_of(folder / MANIFEST)):
                wrong = ["it is not the one that was recorded: its writer was killed, or somebody changed it"]
            if wrong:
                cure = cures.of(RELEASES, folder.name) if cures else Cure.BACKUP
                yield Problem("releases", folder.name, "", "; ".join(wrong), cure)
            advance(1)


def _day_as_text() -> pl.Expr:
    return pl.col("date").dt.to_string("%Y-%m-%d")


def digest_of(path: Path) -> str:
    """SHA-256 of a file, as records have it; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def of_databases(home: Path) -> Iterator[Problem]:
    """SQLite files that SQLite says are damaged: the ledger, and Dagster's own."""
    files = [home / LEDGER, *sorted((home / "dagster").rglob("*.db"))]
    present = [path for path in files if path.exists()]
    with track("verifying databases", len(present), unit="file") as advance:
        for path in present:
            if not _is_sound(path):
                where = path.relative_to(home).as_posix()
                cure = Cure.ASIDE if path.name == LEDGER else Cure.BACKUP
                yield Problem(where, "", "", "SQLite finds it damaged", cure)
            advance(1)


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            return bool(connection.execute("pragma quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.OperationalError as error:
        # Gone meanwhile, or held for very long: that is no damage.
        return "unable to open" in str(error) or "locked" in str(error)
    except sqlite3.DatabaseError:
        return False
