"""The DuckDB profile of the restricted zone: one file, one table an asset, slices replaced whole.

The file admits one writing process, so it is opened late, for the milliseconds of one transaction, in turn
(file_queue.py), and let go whatever happens (duckdb_engine.py). What a slice may hold is decided in slices.py,
before the file is opened; how a table's columns follow, in columns.py. DuckDB's own messages quote values: none
leaves here.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import astuple
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from clio_dagster.tables import TABLES, Table
from resources.columns import (
    SCHEMA,
    SESSION,
    column_types,
    fit_table,
    in_order,
    naming_no_value,
    quoted,
    select_where,
)
from resources.duckdb_engine import Engine
from resources.duckdb_errors import told
from resources.file_queue import FileQueue
from resources.slices import (
    Pending,
    Slice,
    WarehouseError,
    WriteItem,
    as_text,
    as_thinned,
    partition_text,
    place_of,
    prepare,
    slice_values,
)
from resources.spool import Rows, Spool

WAIT_SECONDS = 0.5
"""Between two tries to open the file while another program has it."""

STREAMING_MEMORY = "1GB"
"""What DuckDB may hold of a slice that comes in chunks. Of what it has written it keeps as much as it may: 2 GB of a
million vectors. A row group of vectors takes 250 MB, and each thread fills one."""

RECORDS_TABLE = "slices"
_SLICES = f"{SCHEMA}.{RECORDS_TABLE}"
SETUP = f"""
    create schema {SCHEMA};
    create table {_SLICES} (
        table_name varchar, partition varchar, rows bigint, content_hash varchar, fingerprint varchar,
        written_at timestamptz
    );
"""


class DuckDBWarehouse:
    """`home/clio.duckdb`, or another `file`: tables in the schema `restricted`, for many processes and threads.

    memory_limit (DuckDB's notation, `4GB`) and threads bound what DuckDB takes; None leaves its defaults.
    patience_seconds is how long a program that does not queue, such as the duckdb shell, is waited for.
    """

    def __init__(
        self,
        home: Path,
        *,
        file: str = "clio.duckdb",
        memory_limit: str | None = None,
        threads: int | None = None,
        patience_seconds: float = 30,
    ) -> None:
        self.path = home / file
        self.patience_seconds = patience_seconds
        self._queue = FileQueue(self.path)
        config: dict[str, Any] = {"autoinstall_known_extensions": False}
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        if threads is not None:
            config["threads"] = threads
        self._engine = Engine(_spilled(self.path), config)

    # Writing

    def write(
        self, table: Table, slice: Mapping[str, object], frame: pl.DataFrame, *, fingerprint: str = ""
    ) -> Slice:
        """Replace one slice of a table in one transaction, creating and widening the table as needed.

        `slice` has a value for each column of `table.partitioned_by`. Columns that the contract does not name
        are kept; those that the table has and the frame lacks become null. Raises WarehouseError.
        """
        return self.write_many([(table, slice, frame, fingerprint)])[0]

    def write_many(
        self, items: Iterable[WriteItem], *, fence: Callable[[], None] | None = None
    ) -> list[Slice]:
        """Replace slices that belong together, all or none: (table, slice, frame, fingerprint) each.

        `fence` is asked while nobody else can write: where it raises, nothing is written.
        """
        pending = [prepare(*item) for item in items]
        with self._transaction("writing " + ", ".join(each.table.name for each in pending)) as connection:
            if fence:
                fence()
            for each in pending:
                _replace_slice(connection, each)
        return [each.record for each in pending]

    def create_missing(self, tables: Iterable[Table]) -> None:
        """Create, empty, those of the tables that the file does not have, so that SQL can name them."""
        tables = list(tables)
        have = self._existing()
        if missing := [table for table in tables if table.name not in have]:
            with self._transaction("creating tables") as connection:
                for table in missing:
                    fit_table(connection, table, table.empty())

    def replace_view(self, name: str, select: str) -> None:
        """Create or replace the view `restricted.NAME`; WarehouseError where DuckDB refuses the SELECT."""
        with self._transaction(f"creating the view {name}") as connection:
            connection.execute(f"create or replace view {SCHEMA}.{quoted(name)} as {select}")

    # Reading

    def read(
        self,
        table: Table | str,
        where: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Rows whose columns equal the given values (or are among them, for a list), sorted by the key.

        A table of the contract that was never written is an empty frame of its schema. A name that is not in
        TABLES reads a SQL model's table or view, and must exist. Vectors come back as pl.Array. Raises
        WarehouseError for an unknown table or column, and for vectors of several widths.
        """
        contract = table if isinstance(table, Table) else TABLES.get(table) or Table(table, "", (), key=())
        with self._reading(f"reading {place_of(contract, where or {})}") as connection:
            frame, wanted = select_where(connection, contract, where or {}, columns)
        return in_order(contract, frame, wanted)

    def query(self, select: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        """The rows of one SELECT over tables and views of `restricted`, its $parameters bound by name."""
        with self._reading("a query") as connection:
            if connection is None:
                raise WarehouseError(f"{self.path} does not exist yet: nothing was written")
            return connection.sql(select, params=dict(parameters or {})).pl()

    def slices(self, table: Table | str, partitions: Sequence[str] | None = None) -> dict[str, Slice]:
        """What is recorded of a table's slices, by partition text (`2026-11-01|es`); by default of all."""
        name = table.name if isinstance(table, Table) else table
        chosen = "table_name = $name"
        parameters: dict[str, object] = {"name": name}
        if partitions is not None:
            chosen += " and list_contains($partitions, partition)"
            parameters["partitions"] = list(partitions)
        return self._recorded(chosen, parameters).get(name, {})

    def slices_on(self, dates: Sequence[str]) -> dict[str, dict[str, Slice]]:
        """What is recorded of every table's slices of the given dates, by table and partition text."""
        return self._recorded("list_contains($dates, split_part(partition, '|', 1))", {"dates": list(dates)})

    def _recorded(self, chosen: str, parameters: dict[str, object]) -> dict[str, dict[str, Slice]]:
        """The records that a condition chooses, by table and partition, in order."""
        found: dict[str, dict[str, Slice]] = {}
        with self._reading("reading what is recorded of slices") as connection:
            rows = (
                connection.execute(
                    f"""
                select table_name, partition, rows, content_hash, fingerprint, written_at from {_SLICES}
                where {chosen} order by table_name, partition
                """,
                    parameters,
                ).fetchall()
                if connection
                else []
            )
        for name, partition, count, content, fingerprint, written_at in rows:
            found.setdefault(name, {})[partition] = Slice(
                name, partition, count, content, fingerprint, written_at.astimezone(UTC)
            )
        return found

    def slice_of(self, table: Table, slice: Mapping[str, object]) -> Slice | None:
        """What is recorded of one slice; None if it was never written."""
        partition = partition_text(table, slice)
        return self.slices(table, [partition]).get(partition)

    def unrecorded(self, table: Table) -> list[str]:
        """Partitions of which there are rows, and no record."""
        names = sorted(table.partitioned_by)
        with self._reading(f"reading {table.name}") as connection:
            if not connection or not column_types(connection, table.name):
                return []
            rows = connection.execute(
                f"select distinct {', '.join(map(quoted, names))} from {SCHEMA}.{quoted(table.name)}"
            ).fetchall()
        held = {"|".join(map(as_text, row)) for row in rows}
        return sorted(held - self.slices(table).keys())

    def forget(self, slices: Iterable[tuple[Table, Mapping[str, object]]]) -> None:
        """Remove slices with their records, all in one transaction: they were never made."""
        with self._transaction("forgetting slices") as connection:
            for table, slice in slices:
                _forget(connection, table, slice_values(table, slice), partition_text(table, slice))

    def alone(self) -> AbstractContextManager[None]:
        """While it lasts nobody else reads or writes the file: for who puts another in its place."""
        return self._queue.exclusive()

    # Erasing

    def erase(
        self,
        slices: Iterable[tuple[Table, Mapping[str, object]]],
        keep: Callable[[Table, pl.DataFrame], pl.DataFrame],
    ) -> list[Slice]:
        """Leave of each slice the rows that `keep` gives back, all in one transaction; returns those that lost some.

        A slice's record follows (rows, content hash), and says of what and when it was made as before. The bytes stay
        in free blocks of the file until `compact`.
        """
        changed: list[Slice] = []
        with self._transaction("erasing rows") as connection:
            for table, slice in slices:
                values = slice_values(table, slice)
                frame, wanted = select_where(connection, table, values, None)
                frame = in_order(table, frame, wanted)
                left = keep(table, frame)
                if left.height < frame.height:
                    fit_table(connection, table, left)
                    _delete_slice(connection, table, values)
                    _insert(connection, table, left)
                    changed += _thin(connection, partition_text(table, values), table, frame, left)
        return changed

    def compact(self) -> None:
        """Rewrite the file, so that nothing is left of rows that are gone: neither free blocks nor a log of changes.

        Everything in it is copied into a new file, which is flushed and then renamed over it: whoever is killed
        leaves the old file or the new one, and the next call removes what else is left. It needs as much room again.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new")
        with self._queue.exclusive():
            for leftover in (fresh, _log_of(fresh)):
                leftover.unlink(missing_ok=True)
            for path in (self.path, fresh):
                shutil.rmtree(_spilled(path), ignore_errors=True)
            if not self.path.exists():
                return
            # A killed writer's log belongs to the old file alone: it must not lie beside the new one.
            with self._open("compacting", self.path, read_only=False) as connection:
                connection.execute("checkpoint")
            if _log_of(self.path).exists():
                raise WarehouseError(
                    f"compacting: {self.path} has a log that DuckDB did not take up; try again"
                )
            before = str(self.path).replace("'", "''")
            with self._open("compacting", fresh, read_only=False) as connection:
                connection.execute(f"attach '{before}' as before (read_only)")
                (name,) = connection.execute("select current_database()").fetchall()[0]
                connection.execute(f"copy from database before to {quoted(name)}")
                connection.execute("detach before")
                connection.execute("checkpoint")
            shutil.copymode(self.path, fresh)
            _flush(fresh)
            fresh.rename(self.path)
            _flush(self.path.parent)

    # The file

    def _existing(self) -> set[str]:
        with self._reading("listing tables") as connection:
            if connection is None:
                return set()
            rows = connection.execute(
                "select table_name from duckdb_tables() where schema_name = $schema", {"schema": SCHEMA}
            ).fetchall()
        return {row[0] for row in rows}

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._queue.exclusive():
            if not self.path.exists():
                self._create()
            with self._open(doing, self.path, read_only=False) as connection:
                connection.execute("begin")
                yield connection
                connection.execute("commit")

    def _create(self) -> None:
        """Make the file beside its place: DuckDB refuses for ever one that a killed process had half made."""
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)
        with self._open("creating the warehouse", fresh, read_only=False) as connection:
            connection.execute(SETUP)
        fresh.rename(self.path)

    @contextmanager
    def _reading(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A connection that cannot write; None while there is no file."""
        if not self.path.exists():
            yield None
            return
        with self._queue.shared(), self._open(doing, self.path, read_only=True) as connection:
            yield connection

    @contextmanager
    def _open(self, doing: str, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with ExitStack() as stack:
            connection = self._entered(stack, doing, path, read_only=read_only)
            stack.enter_context(naming_no_value(doing, path.name))
            connection.execute(SESSION)
            yield connection

    def _entered(
        self, stack: ExitStack, doing: str, path: Path, *, read_only: bool
    ) -> duckdb.DuckDBPyConnection:
        """The file opened; one that a program outside the queue has open is waited for, for a while."""
        patience = time.monotonic() + self.patience_seconds
        while True:
            try:
                return stack.enter_context(self._engine.attached(path, read_only=read_only))
            except duckdb.Error as error:
                if known := told(doing, error, path.name):
                    raise known from None
                if not isinstance(error, duckdb.IOException):
                    raise WarehouseError(f"{doing}: {path} does not open: {error}") from None
                if time.monotonic() > patience:
                    raise WarehouseError(
                        f"{doing}: {path} does not open. If another program has it open, such as the duckdb "
                        "shell, close it there; else see whether the file can be read and the disk has room"
                    ) from None
                time.sleep(WAIT_SECONDS)


def _replace_slice(connection: duckdb.DuckDBPyConnection, pending: Pending) -> None:
    rows, record = pending.rows, pending.record
    fit_table(connection, pending.table, rows if isinstance(rows, pl.DataFrame) else rows.empty)
    _forget(connection, pending.table, pending.values, record.partition)
    _insert(connection, pending.table, rows)
    connection.execute(f"insert into {_SLICES} values (?, ?, ?, ?, ?, ?)", list(astuple(record)))


def _forget(
    connection: duckdb.DuckDBPyConnection, table: Table, values: dict[str, object], partition: str
) -> None:
    _delete_slice(connection, table, values)
    connection.execute(
        f"delete from {_SLICES} where table_name = $table and partition = $partition",
        {"table": table.name, "partition": partition},
    )


def _delete_slice(connection: duckdb.DuckDBPyConnection, table: Table, values: dict[str, object]) -> None:
    tests = " and ".join(f"{quoted(name)} = ${name}" for name in values)
    connection.execute(f"delete from {SCHEMA}.{quoted(table.name)} where {tests}", values)


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Rows) -> None:
    if rows.height:
        if isinstance(rows, pl.DataFrame):
            connection.register("incoming", rows)
        else:
            # Who writes is alone in DuckDB; where this fails, DuckDB ends, and its limit with it.
            limit = connection.execute("select current_setting('memory_limit')").fetchall()[0][0]
            connection.execute(f"set memory_limit = '{STREAMING_MEMORY}'")
            connection.register("incoming", _streamed(rows))
        connection.execute(f"insert into {SCHEMA}.{quoted(table.name)} by name select * from incoming")
        connection.unregister("incoming")
        if not isinstance(rows, pl.DataFrame):
            connection.execute(f"set memory_limit = '{limit}'")


def _streamed(spool: Spool) -> Any:
    from pyarrow import RecordBatchReader

    return RecordBatchReader.from_batches(spool.arrow_schema, spool.batches())


def _thin(
    connection: duckdb.DuckDBPyConnection,
    partition: str,
    table: Table,
    frame: pl.DataFrame,
    left: pl.DataFrame,
) -> list[Slice]:
    """Let a slice's record say what is left; returns it, if there is one."""
    which = "where table_name = $table and partition = $partition"
    names = {"table": table.name, "partition": partition}
    rows = connection.execute(
        f"select rows, content_hash, fingerprint, written_at from {_SLICES} {which}", names
    ).fetchall()
    records = [as_thinned(table, Slice(table.name, partition, *row), frame, left) for row in rows]
    for record in records:
        connection.execute(
            f"update {_SLICES} set rows = $rows, content_hash = $content_hash {which}",
            names | {"rows": record.rows, "content_hash": record.content_hash},
        )
    return records


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _spilled(path: Path) -> Path:
    """Where DuckDB puts what a file's rows need beyond memory."""
    return path.with_name(path.name + ".tmp")


def _flush(path: Path) -> None:
    """Have the disk hold a file, or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
