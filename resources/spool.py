"""A slice that is too large to be held: made chunk by chunk, it waits on disk until it is written whole.

Its file has no name, so that it goes with the process, however that ends: what is in it may be raw text (P2).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from clio_dagster.tables import Table
from resources.slices import WarehouseError, conforming, content_hash_of, slice_values

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_READ = 8_192
"""Rows of a file that are decoded at once."""


class Spool:
    """The conforming rows of one slice, in the order of the key."""

    def __init__(self, table: Table, values: Mapping[str, object], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.table, self.values = table, slice_values(table, values)
        self.height = 0
        self.empty = pl.DataFrame()
        self._folder = folder
        self._file = self.beside()

    @property
    def columns(self) -> list[str]:
        return self.empty.columns

    @property
    def arrow_schema(self) -> pa.Schema:
        return self.empty.to_arrow().schema

    def fill(self, chunks: Iterable[pl.DataFrame]) -> None:
        """Write the chunks, each after those before it by its key. Raises WarehouseError as `conforming` does."""
        from pyarrow.parquet import ParquetWriter

        writer: ParquetWriter | None = None
        last: tuple[object, ...] = ()
        try:
            for chunk in chunks:
                frame = conforming(self.table, self.values, chunk)
                if writer is None:
                    self.empty = frame.clear()
                    writer = ParquetWriter(
                        self._file, self.arrow_schema, compression="lz4", use_dictionary=False
                    )
                if frame.schema != self.empty.schema:
                    raise WarehouseError(f"{self.table.name}: chunks of a slice have other columns or types")
                if frame.is_empty():
                    continue
                keys = frame.select(self.table.key)
                if last and keys.row(0) <= last:
                    raise WarehouseError(
                        f"{self.table.name}: chunks of a slice are out of order, or repeat a key "
                        f"({', '.join(self.table.key)})"
                    )
                last = keys.row(-1)
                writer.write_table(frame.to_arrow().cast(self.arrow_schema))
                self.height += frame.height
        finally:
            if writer is not None:
                writer.close()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows anew, in Arrow's types, of some columns or of all."""
        from pyarrow.parquet import ParquetFile

        self._file.seek(0)
        yield from ParquetFile(self._file, pre_buffer=False).iter_batches(ROWS_READ, columns=columns)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The rows anew, some at once; one reader at a time."""
        wanted = self.columns if columns is None else list(columns)
        for batch in self.batches(wanted):
            yield pl.DataFrame(batch).select(wanted)

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """All rows of some columns; of no columns no rows, as in a frame."""
        if not columns:
            return self.empty.select(columns)
        return pl.concat([self.empty.select(columns), *self.chunks(columns)])

    def beside(self) -> BinaryIO:
        """Another file like that of the spool, without a name and empty."""
        return tempfile.TemporaryFile(dir=self._folder)

    def content_hash(self) -> str:
        """As slices.stored_hash of the whole frame: a column at a time, and of each as much as is decoded at once."""
        fixed = [column.name for column in self.table.columns if not column.is_own]
        others = (name for name in sorted(set(self.columns) - set(fixed)) if self._holds_something(name))
        names = [*fixed, *others]
        return content_hash_of(
            (name, self.empty.schema[name], self.height, Column(self, name)) for name in names
        )

    def _holds_something(self, column: str) -> bool:
        return any(chunk.to_series().count() for chunk in self.chunks([column]))

    def close(self) -> None:
        self._file.close()


class Column:
    """One column of a spool, as often as it is gone through."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool, self._name = spool, name

    def __iter__(self) -> Iterator[pl.Series]:
        return (chunk.to_series() for chunk in self._spool.chunks([self._name]))


Rows = pl.DataFrame | Spool
"""A slice's rows: held, or waiting."""


def gathered(
    table: Table, values: Mapping[str, object], made: pl.DataFrame | Iterable[pl.DataFrame], folder: Path
) -> Rows:
    """What a stage makes, be it a frame or chunks of one: in `folder` where there is more than one chunk."""
    if isinstance(made, pl.DataFrame):
        return made
    chunks = iter(made)
    first = next(chunks)
    second = next(chunks, None)
    if second is None:
        return first
    spool = Spool(table, values, folder)
    spool.fill(chain((first, second), chunks))
    return spool


def columns_of(rows: Rows, columns: Sequence[str]) -> pl.DataFrame:
    """Those of the columns that the rows have."""
    present = [name for name in columns if name in rows.columns]
    return rows.select(present) if isinstance(rows, pl.DataFrame) else rows.read(present)
