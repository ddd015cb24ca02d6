"""A damaged DuckDB file written anew from what of it can be read, the old one kept beside it.

A table whose blocks are whole is copied whole, another slice by slice. Where the records cannot be read, what can be is
recorded anew, made from nothing that is known: it is made again, and goes on from what it holds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from clio_dagster.models.loader import SCHEMA
from clio_dagster.progress import track
from clio_dagster.tables import Table
from resources.columns import SESSION, in_order, quoted, select_where
from resources.contracts import contracts
from resources.duckdb_warehouse import RECORDS_TABLE, SETUP, DuckDBWarehouse
from resources.slices import Slice, WarehouseError, as_text, partition_values, slice_values, stored_hash

Lost = tuple[str, str]
"""A table and a partition; an empty partition where it is not known which."""


@dataclass
class Salvaged:
    """What could not be read, with its record where that was; and whether the records could."""

    lost: dict[Lost, Slice | None] = field(default_factory=dict)
    has_records: bool = True


def rewrite(
    warehouse: DuckDBWarehouse,
    backup: DuckDBWarehouse | None,
    is_needed: Callable[[Table, str], bool],
) -> tuple[list[Lost], Path | None]:
    """Put what can be read of the file in its place; returns what is lost, and where the old file lies.

    What is lost and `is_needed` is taken from `backup`, where that has it with the same content. Where it has not, the
    file stays as it is (None), and what is lacking is returned. Raises WarehouseError where nothing can be read, or
    something is lacking and the records cannot be read.
    """
    path = warehouse.path
    fresh = path.with_name(path.name + ".new")
    with warehouse.alone():
        fresh.unlink(missing_ok=True)
        found = _salvaged(path, fresh)
        needed = [each for each in found.lost if is_needed(contracts()[each[0]], each[1])]
        lacking = [each for each in needed if not _restored(fresh, backup, each, found.lost[each])]
        if lacking:
            _remove(fresh)
            if not found.has_records:
                raise WarehouseError(f"the records of {path.name} cannot be read")
            return lacking, None
        return list(found.lost.keys() - set(needed)), _replace(path, fresh)


def restore(warehouse: DuckDBWarehouse, backup: DuckDBWarehouse) -> Path:
    """Put a copy of the backup in the place of a file of which nothing can be read; where the old file lies."""
    path = warehouse.path
    fresh = path.with_name(path.name + ".new")
    with warehouse.alone():
        shutil.copyfile(backup.path, fresh)
        return _replace(path, fresh)


@contextmanager
def without_log(path: Path) -> Iterator[DuckDBWarehouse | None]:
    """The file as it was before its log of changes, as a backup of itself; None where it has no log."""
    if not path.with_name(path.name + ".wal").exists():
        yield None
        return
    folder = path.with_name(path.name + ".unlogged")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.link(path, folder / path.name)
    try:
        yield DuckDBWarehouse(folder, file=path.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _salvaged(path: Path, fresh: Path) -> Salvaged:
    found = Salvaged()
    place = str(path).replace("'", "''")
    with closing(duckdb.connect(fresh)) as connection:
        connection.execute(SESSION)
        try:
            connection.execute(f"attach '{place}' as before (read_only)")
            records = _try_copy(connection, RECORDS_TABLE, SETUP)
        except duckdb.Error:
            connection.close()
            _remove(fresh)
            raise WarehouseError(f"nothing of {path.name} can be read") from None
        found.has_records = records
        names = [
            row[0]
            for row in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'before' and schema_name = $schema "
                "and table_name <> $records order by table_name",
                {"schema": SCHEMA, "records": RECORDS_TABLE},
            ).fetchall()
        ]
        with track(f"reading {path.name}", len(names), unit="table") as advance:
            for name in names:
                table = contracts().get(name)
                if not _try_copy(connection, name) and table is not None:
                    _copy_slices(connection, table, found)
                if not found.has_records and table is not None:
                    _record_anew(connection, table)
                advance(1)
        for (select,) in connection.execute(
            "select sql from duckdb_views() where database_name = 'before' and schema_name = $schema",
            {"schema": SCHEMA},
        ).fetchall():
            with suppress(duckdb.Error):  # the next run makes it again
                connection.execute(select)
        connection.execute("checkpoint")
    return found


def _try_copy(connection: duckdb.DuckDBPyConnection, name: str, setup: str | None = None) -> bool:
    """Copy a table whole; False where it cannot be read, and then it is there without rows."""
    table, before = f"{SCHEMA}.{quoted(name)}", f"before.{SCHEMA}.{quoted(name)}"
    connection.execute(setup or f"create table {table} as select * from {before} limit 0")
    try:
        connection.execute(f"insert into {table} by name select * from {before}")
    except duckdb.Error:
        return False
    return True


def _copy_slices(connection: duckdb.DuckDBPyConnection, table: Table, found: Salvaged) -> None:
    if not found.has_records:
        found.lost[table.name, ""] = None
        return
    name = f"{SCHEMA}.{quoted(table.name)}"
    for record in _records(connection, table):
        values = slice_values(table, partition_values(table, record.partition))
        tests = " and ".join(f"{quoted(column)} = ${column}" for column in values)
        try:
            connection.execute(f"insert into {name} select * from before.{name} where {tests}", values)
        except duckdb.Error:
            found.lost[table.name, record.partition] = record
            connection.execute(
                f"delete from {SCHEMA}.{RECORDS_TABLE} where table_name = ? and partition = ?",
                [table.name, record.partition],
            )


def _records(connection: duckdb.DuckDBPyConnection, table: Table) -> list[Slice]:
    rows = connection.execute(
        "select table_name, partition, rows, content_hash, fingerprint, written_at "
        f"from {SCHEMA}.{RECORDS_TABLE} where table_name = ? order by partition",
        [table.name],
    ).fetchall()
    return [Slice(*row) for row in rows]


def _record_anew(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Record what was copied of a table, of no fingerprint."""
    names = ", ".join(map(quoted, sorted(table.partitioned_by)))
    rows = connection.execute(f"select distinct {names} from {SCHEMA}.{quoted(table.name)}").fetchall()
    for row in rows:
        values = dict(zip(sorted(table.partitioned_by), row, strict=True))
        frame = in_order(table, *select_where(connection, table, values, None))
        connection.execute(
            f"insert into {SCHEMA}.{RECORDS_TABLE} values (?, ?, ?, ?, '', ?)",
            [
                table.name,
                "|".join(map(as_text, row)),
                frame.height,
                stored_hash(table, frame),
                datetime.now(UTC),
            ],
        )


def _restored(fresh: Path, backup: DuckDBWarehouse | None, lost: Lost, record: Slice | None) -> bool:
    """Write a lost slice from the backup, if that has it as it was."""
    if backup is None or record is None:
        return False
    beside = DuckDBWarehouse(fresh.parent, file=fresh.name)
    return copy_slices(backup, beside, [record]) == []


def copy_slices(backup: DuckDBWarehouse, into: DuckDBWarehouse, records: Iterable[Slice]) -> list[Slice]:
    """Write slices from the backup that it has with the content that their records say; returns the others."""
    lacking = []
    for record in records:
        table = contracts()[record.table]
        stored = backup.slices(table, [record.partition]).get(record.partition)
        values = partition_values(table, record.partition)
        if stored is None or stored.content_hash != record.content_hash:
            lacking.append(record)
            continue
        frame = backup.read(table, values)
        if stored_hash(table, frame) != record.content_hash:
            lacking.append(record)
            continue
        into.write(table, values, frame, fingerprint=record.fingerprint)
    return lacking


def _replace(path: Path, fresh: Path) -> Path:
    """Rename the fresh file over the old one, which stays whole under a name of its own; where that is."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    shutil.copymode(path, fresh)
    os.link(path, aside)
    log = path.with_name(path.name + ".wal")
    if log.exists():
        # First: DuckDB opens no file beside which another's log lies.
        log.rename(aside.with_name(aside.name + ".wal"))
    fresh.replace(path)
    _remove(fresh)
    return aside


def _remove(fresh: Path) -> None:
    """A file that was not put in place, and what lies beside it."""
    for end in ("", ".wal", ".lock", ".queue"):
        fresh.with_name(fresh.name + end).unlink(missing_ok=True)
