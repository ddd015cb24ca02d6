"""The S3 profile of the restricted zone: one object a slice, replaced whole, with its record in it.

What a slice may hold is decided in slices.py, before anything is sent. Each object is atomic; several are not: who
reads while others write may see one slice new and another old, as fingerprints say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import polars as pl

from clio_dagster.key_ranges import KeyRange
from clio_dagster.models.loader import SCHEMA
from clio_dagster.tables import TABLES, Table, Zone
from resources.columns import check_known, in_order, quoted, select_where
from resources.contracts import contracts
from resources.s3_errors import Gone
from resources.s3_layout import VIEWS, Found, find_slices, object_name
from resources.s3_objects import Entry, Objects, concurrently
from resources.s3_options import Options
from resources.s3_slices import encoded, forgotten, is_forgotten, read_footer, read_rows, union
from resources.s3_sql import Sql
from resources.slices import (
    Pending,
    Slice,
    WarehouseError,
    WriteItem,
    as_column_values,
    as_text,
    as_thinned,
    partition_text,
    prepare,
    slice_values,
)

_LOOKS = 4
"""Times that a question is asked anew because objects were replaced under it."""

_Answer = TypeVar("_Answer")


class S3Warehouse:
    """`s3://BUCKET/PREFIX/restricted/`, or another `zone`: safe to use from many machines, processes and threads.

    Records are remembered by object and ETag, so that asking again costs the listing alone.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        endpoint: str | None = None,
        *,
        zone: Zone = "restricted",
        options: Options | None = None,
    ) -> None:
        self._objects = Objects(bucket, f"{prefix.strip('/')}/{zone}", endpoint, options)

        self._records: dict[str, tuple[str, Slice | None]] = {}
        self._created: dict[str, Table] = {}
        self._sql = Sql(self._objects, self._contract, self._entries)

    # Writing

    def write(
        self, table: Table, slice: Mapping[str, object], frame: pl.DataFrame, *, fingerprint: str = ""
    ) -> Slice:
        """Replace one slice of a table. Of two who write it at once, the later wins whole. Raises WarehouseError.

        `slice` has a value for each column of `table.partitioned_by`. Columns that the contract does not name
        are kept; a slice that lacks them reads null there.
        """
        return self.write_many([(table, slice, frame, fingerprint)])[0]

    def write_many(
        self, items: Iterable[WriteItem], *, fence: Callable[[], None] | None = None
    ) -> list[Slice]:
        """Replace slices in the order given, none before all are known to keep their contracts.

        With a `fence`, which raises once the writer may write no more, a slice that somebody else has replaced since
        it was asked is left as it is (Objects.put_fenced).
        A writer that is killed leaves the first of them new and the others old. Who writes several tables as one
        step gives their slices one fingerprint: slices that disagree are not whole, and stage.py makes them again.
        """
        pending = [prepare(*item) for item in items]
        for each in pending:
            name = object_name(each.table, each.values)
            with encoded(each) as content:
                if fence:
                    seen, _ = self._records.get(name, (None, None))
                    etag = self._objects.put_fenced(name, content, seen, fence)
                else:
                    etag = self._objects.put(name, content)
            self._records[name] = (etag, each.record)
        return [each.record for each in pending]

    def create_missing(self, tables: Iterable[Table]) -> None:
        """Let SQL name the tables: one without objects is an empty one of its contract, so nothing is written."""
        self._created.update({table.name: table for table in tables})

    def replace_view(self, name: str, select: str) -> None:
        """Create or replace the view `restricted.NAME`; WarehouseError where DuckDB refuses the SELECT."""
        self._steadily(f"creating the view {name}", lambda: self._sql.replace_view(name, select))

    # Reading

    def read(
        self,
        table: Table | str,
        where: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Rows whose columns equal the given values (or are among a list, or in a KeyRange), sorted by the key.

        Only objects of the slices that `where` admits are fetched, of large ones only the columns needed, and of those
        the row groups that a KeyRange meets. A table of the contract that was never written is an empty frame of its
        schema. A name that is not in TABLES reads a SQL model's table or view, and must exist. Vectors come back as
        pl.Array. Raises WarehouseError for an unknown table or column, for vectors of several widths, and for an own
        column of several types.
        """
        contract = table if isinstance(table, Table) else TABLES.get(table)
        if contract is None:
            # Without the contract's key, as a model that is named is read from DuckDB.
            contract = replace(self._contract(str(table)), key=())
        read = partial(self._read, contract, where or {}, columns)
        frame, wanted = self._steadily(f"reading {contract.name}", read)
        return in_order(contract, frame, wanted)

    def query(self, select: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        """The rows of one SELECT over tables and views of `restricted`, its $parameters bound by name.

        Every object of the tables that it refers to is copied here first, once as long as it is the same.
        """

        def answer() -> pl.DataFrame:
            with self._sql.connected("a query", select) as connection:
                return connection.sql(select, params=dict(parameters or {})).pl()

        return self._steadily("a query", answer)

    def slices(self, table: Table | str, partitions: Sequence[str] | None = None) -> dict[str, Slice]:
        """What is recorded of a table's slices, by partition text (`2026-11-01|es`); by default of all."""
        contract = table if isinstance(table, Table) else self._contract(table)
        if partitions is None:
            found = find_slices(self._objects, [(contract, {})])
        else:
            asked = set(partitions)
            found = [each for each in self._beginning([contract], asked) if each.partition in asked]
        return self._recorded(found).get(contract.name, {})

    def slices_on(self, dates: Sequence[str]) -> dict[str, dict[str, Slice]]:
        """What is recorded of every table's slices of the given dates, by table and partition text."""
        tables = [self._contract(name) for name in self._objects.folders() if name != VIEWS]
        found = self._beginning(tables, dates)
        return self._recorded(each for each in found if each.partition.split("|")[0] in dates)

    def slice_of(self, table: Table, slice: Mapping[str, object]) -> Slice | None:
        """What is recorded of one slice; None if it was never written."""
        partition = partition_text(table, slice)
        return self.slices(table, [partition]).get(partition)

    def unrecorded(self, table: Table) -> list[str]:
        """Partitions whose object has no record that can be read, and holds something or cannot be read either."""
        lacking = [found for found in find_slices(self._objects, [(table, {})]) if not self._record(found)]
        return [found.partition for found in lacking if not is_forgotten(self._objects, found)]

    def forget(self, slices: Iterable[tuple[Table, Mapping[str, object]]]) -> None:
        """Put an object without rows and without a record in the place of each: nobody need be allowed to remove."""
        for table, slice in slices:
            name = object_name(table, slice_values(table, slice))
            with forgotten(table) as content:
                self._records[name] = (self._objects.put(name, content), None)

    # Erasing

    def erase(
        self,
        slices: Iterable[tuple[Table, Mapping[str, object]]],
        keep: Callable[[Table, pl.DataFrame], pl.DataFrame],
    ) -> list[Slice]:
        """Leave of each slice the rows that `keep` gives back, in the order given; returns those that lost some.

        A slice's record follows (rows, content hash), and says of what and when it was made as before. An object is
        replaced whole: a bucket that keeps old versions keeps them, until a rule of its own removes them.
        """
        changed: list[Slice] = []
        for table, slice in slices:
            values = slice_values(table, slice)
            texts = {column: {as_text(value)} for column, value in values.items()}
            for found in find_slices(self._objects, [(table, texts)]):
                frame, _ = read_rows(self._objects, found, None, lambda whole: whole)
                left = keep(table, frame)
                if left.height == frame.height:
                    continue
                # One without a record is not whole, and made anew: it has no fingerprint.
                record = self._record(found) or Slice(
                    table.name, found.partition, frame.height, "", "", datetime.now(UTC)
                )
                thinned = as_thinned(table, record, frame, left)
                with encoded(Pending(table, values, left, thinned)) as content:
                    etag = self._objects.put(found.entry.name, content)
                self._records[found.entry.name] = (etag, thinned)
                changed.append(thinned)
        return changed

    def compact(self) -> None:
        """Nothing: an object holds its rows and no more."""

    # The objects

    def _contract(self, name: str) -> Table:
        """The contract of a table or model; one without columns where none is known."""
        return (
            self._created.get(name) or contracts().get(name) or Table(name, "", (), key=(), partitioned_by=())
        )

    def _entries(self, table: Table) -> list[Entry]:
        return [each.entry for each in find_slices(self._objects, [(table, {})])]

    def _beginning(self, tables: Sequence[Table], partitions: Iterable[str]) -> list[Found]:
        """The slices whose first value is that of one of the partitions, or one of the values given."""
        whole = set(partitions)
        first = {partition.split("|")[0] for partition in whole}
        firsts = [whole if len(table.partitioned_by) == 1 else first for table in tables]
        return find_slices(
            self._objects,
            [
                (table, {column: texts for column in sorted(table.partitioned_by)[:1]})
                for table, texts in zip(tables, firsts, strict=True)
            ],
        )

    def _read(
        self, contract: Table, where: Mapping[str, object], columns: Sequence[str] | None
    ) -> tuple[pl.DataFrame, list[str]]:
        """The rows, for in_order(), and the columns wanted. Raises Gone."""
        name = contract.name
        if name not in TABLES and name in self._sql.views():
            whole = f"select * from {SCHEMA}.{quoted(name)}"
            with self._sql.connected(f"reading {name}", whole) as connection:
                return select_where(connection, contract, where, columns)
        values = {column: as_column_values(contract, column, value) for column, value in where.items()}
        within = {column: values.pop(column) for column in where if column in contract.partitioned_by}
        wanted_slices = {column: _texts(value) for column, value in within.items()}
        found = find_slices(self._objects, [(contract, wanted_slices)])
        if not found and not contract.columns:
            raise WarehouseError(f"there is no table {name} in {self._objects}")
        ranges = {column: value for column, value in values.items() if isinstance(value, KeyRange)}
        needed = None if columns is None else {*columns, *contract.key, *values}
        parts = concurrently(
            lambda each: read_rows(self._objects, each, needed, partial(_among, values), ranges), found
        )
        stored = {column: dtype for _, schema in parts for column, dtype in schema.items()}
        used = [*(columns or ()), *where]
        if any(column not in contract.schema and column not in stored for column in used):
            stored |= self._stored_columns(contract)
        known = [*contract.schema, *sorted(stored.keys() - contract.schema.keys())]
        check_known(name, known, used)
        wanted = list(columns) if columns is not None else known
        frame = union(contract, [frame for frame, _ in parts]) if parts else contract.empty()
        lacking = [column for column in wanted if column not in frame.columns and column in stored]
        return frame.with_columns(pl.lit(None, stored[column]).alias(column) for column in lacking), wanted

    def _stored_columns(self, table: Table) -> dict[str, pl.DataType]:
        """Every column of every slice: for one that none of the slices read has. Raises Gone."""
        found = find_slices(self._objects, [(table, {})])
        footers = concurrently(lambda each: read_footer(self._objects, each), found)
        return {column: dtype for footer in footers for column, dtype in footer.schema.items()}

    def _recorded(self, found: Iterable[Found]) -> dict[str, dict[str, Slice]]:
        """Records by table and partition; an object that has none is as if it were not there."""
        recorded: dict[str, dict[str, Slice]] = {}
        for record in concurrently(self._record, found):
            if record:
                recorded.setdefault(record.table, {})[record.partition] = record
        return {table: dict(sorted(slices.items())) for table, slices in sorted(recorded.items())}

    def _record(self, found: Found) -> Slice | None:
        """An object's record, remembered as long as its ETag is the same; None where it has none or is gone."""
        known = self._records.get(found.entry.name)
        if known is None or known[0] != found.entry.etag:
            try:
                footer = read_footer(self._objects, found)
            except Gone:
                return None
            known = (footer.etag, footer.record)
            self._records[found.entry.name] = known
        return known[1]

    def _steadily(self, doing: str, answer: Callable[[], _Answer]) -> _Answer:
        """The answer, sought again where an object was replaced between its listing and its reading."""
        for _ in range(_LOOKS):
            with suppress(Gone):
                return answer()
        raise WarehouseError(f"{doing}: its objects are being replaced all the time; run it again later")


def _texts(value: object) -> set[str]:
    """The values that a slice's name may have; none is null."""
    return {as_text(each) for each in (value if isinstance(value, list) else [value]) if each is not None}


def _among(values: Mapping[str, object], frame: pl.DataFrame) -> pl.DataFrame:
    """The rows whose columns equal the given values, or are among them."""
    for column, value in values.items():
        if column not in frame.columns or value == []:
            return frame.clear()
        if isinstance(value, KeyRange):
            frame = frame.filter(value.holds(column))
            continue
        test = pl.col(column)
        frame = frame.filter(test.is_in(value) if isinstance(value, list) else test == pl.lit(value))
    return frame
