"""A slice as an object: Parquet, with its record in the footer, so that rows and record are replaced as one, and with a
checksum in each page.

The footer comes with one request for the object's end. S3's own metadata would hold 2 KB of ASCII, too little for
a fingerprint in full.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl

from clio_dagster.key_ranges import KeyRange
from clio_dagster.tables import VECTOR_TYPE, Table
from resources.s3_layout import Found
from resources.s3_objects import Objects
from resources.slices import Damaged, Pending, Slice, WarehouseError
from resources.spool import Rows

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_RECORD = "clio"
"""Key of the record among the file's metadata."""

TAIL_BYTES = 16_384
"""End of an object that nearly always holds the footer whole: 2 to 9 KB, with a fingerprint of 2 KB."""

WHOLE_BYTES = 1_000_000
"""Objects up to this size are read whole: a second request takes longer than the rest of the bytes."""


@dataclass(frozen=True)
class Footer:
    """What an object's end says: its record, if it has one, and its columns with their types; and its ETag."""

    record: Slice | None
    schema: dict[str, pl.DataType]
    etag: str


@contextmanager
def encoded(pending: Pending) -> Iterator[BinaryIO]:
    """The slice as the content of its object: a file, in memory where the slice is."""
    record = pending.record
    text = json.dumps(
        {
            "rows": record.rows,
            "content_hash": record.content_hash,
            "fingerprint": record.fingerprint,
            "written_at": record.written_at.isoformat(),
        }
    )
    rows = pending.rows
    with io.BytesIO() if isinstance(rows, pl.DataFrame) else rows.beside() as content:
        with _naming_no_value(f"writing {record.table}"):
            _write(rows, content, {_RECORD: text})
        content.seek(0)
        yield content


def _write(rows: Rows, content: BinaryIO, metadata: Mapping[str, str]) -> None:
    """As Parquet that is to be kept: a row group of what is held, or of each chunk of what waits."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    if isinstance(rows, pl.DataFrame):
        held = rows.to_arrow()
        schema, tables = held.schema, iter([held])
    else:
        schema = rows.arrow_schema
        tables = (pa.Table.from_batches([batch], schema) for batch in rows.batches())
    with ParquetWriter(content, schema, compression="zstd", write_page_checksum=True) as writer:
        writer.add_key_value_metadata(metadata)
        for table in tables:
            writer.write_table(table)


@contextmanager
def forgotten(table: Table) -> Iterator[BinaryIO]:
    """The content of an object that counts as never written: no row, no record."""
    with io.BytesIO() as content:
        table.empty().write_parquet(content)
        content.seek(0)
        yield content


def is_forgotten(objects: Objects, found: Found) -> bool:
    """Whether an object without a record is such a one. Raises Gone."""
    try:
        return pl.read_parquet(io.BytesIO(objects.get(found.entry.name)), n_rows=1).is_empty()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return False


def read_footer(objects: Objects, found: Found) -> Footer:
    """The footer of a slice's object as it is now. Raises Gone."""
    tail, etag = objects.get_tail(found.entry.name, TAIL_BYTES)
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) == TAIL_BYTES < length <= found.entry.size:
        tail, etag = objects.get_tail(found.entry.name, length)
    try:
        schema = dict(pl.read_parquet_schema(io.BytesIO(tail)))
        record = json.loads(pl.read_parquet_metadata(io.BytesIO(tail)).get(_RECORD, "null"))
    # Another program's object, or none of Parquet: as if the slice had never been written, so that it is made anew.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return Footer(None, {}, etag)
    return Footer(_slice(found, record), schema, etag)


def _slice(found: Found, record: Any) -> Slice | None:
    try:
        return Slice(
            found.table,
            found.partition,
            record["rows"],
            record["content_hash"],
            record["fingerprint"],
            datetime.fromisoformat(record["written_at"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def read_rows(
    objects: Objects,
    found: Found,
    columns: Collection[str] | None,
    choose: Callable[[pl.DataFrame], pl.DataFrame],
    ranges: Mapping[str, KeyRange] | None = None,
) -> tuple[pl.DataFrame, dict[str, pl.DataType]]:
    """The rows that `choose` keeps of a slice's object, in those of the columns that it has; and its schema.

    Of a large object only the columns asked for are fetched, and the row groups in which a column may be in its
    range. Raises Gone, and Damaged where a page differs from its checksum.
    """
    with (
        _naming_no_value(f"reading {found.table} {found.partition}"),
        _opened(objects, found, whole=columns is None or found.entry.size <= WHOLE_BYTES) as file,
    ):
        schema = dict(pl.DataFrame(file.schema_arrow.empty_table()).schema)
        groups = [group for group in range(file.num_row_groups) if _meets(file, group, ranges or {})]
        frame = pl.DataFrame(file.read_row_groups(groups, _present(schema, columns)))
        return choose(frame), schema


@contextmanager
def _opened(objects: Objects, found: Found, *, whole: bool) -> Iterator[ParquetFile]:
    from pyarrow.parquet import ParquetFile

    with (
        io.BytesIO(objects.get(found.entry.name)) if whole else objects.open(found.entry) as source,
        ParquetFile(source, pre_buffer=True, page_checksum_verification=True) as file,
    ):
        yield file


def check_pages(name: str, content: bytes) -> None:
    """Raises Damaged where a page of an object differs from its checksum: DuckDB does not look at them."""
    from pyarrow.parquet import ParquetFile

    with (
        _naming_no_value(f"reading {name}"),
        ParquetFile(io.BytesIO(content), page_checksum_verification=True) as file,
    ):
        for group in range(file.num_row_groups):
            file.read_row_group(group)


def _meets(file: ParquetFile, group: int, ranges: Mapping[str, KeyRange]) -> bool:
    """Whether a row group may hold rows of which each column is in its range."""
    described = file.metadata.row_group(group)
    columns = [described.column(place) for place in range(described.num_columns)]
    known = {
        column.path_in_schema: column.statistics
        for column in columns
        if column.path_in_schema in ranges and column.is_stats_set and column.statistics.has_min_max
    }
    return all(ranges[name].meets(found.min, found.max) for name, found in known.items())


def _present(schema: dict[str, pl.DataType], columns: Collection[str] | None) -> list[str]:
    """The columns to read. There is always one, which keeps the number of rows."""
    present = [name for name in schema if columns is None or name in columns]
    return present or list(schema)[:1]


def union(table: Table, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows of several slices by name, null where a slice has no such column, in the contract's types.

    Vectors stay arrays where all have one width. Raises WarehouseError for an own column of several types.
    """
    types: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            types.setdefault(name, set()).add(dtype)
    common: dict[str, Any] = {}
    for name, found in types.items():
        contracted = table.schema.get(name)
        if contracted is None and len(found) > 1:
            raise WarehouseError(
                f"{table.name}.{name} has several types ({', '.join(sorted(map(str, found)))}): "
                "make the older slices anew"
            )
        if contracted is not None and (contracted != VECTOR_TYPE or len(found) > 1):
            common[name] = contracted
    with _naming_no_value(f"reading {table.name}"):
        return pl.concat(
            (
                frame.with_columns(
                    pl.col(name).cast(dtype, strict=name not in table.own)
                    for name, dtype in common.items()
                    if name in frame.columns
                )
                for frame in frames
            ),
            how="diagonal",
        )


@contextmanager
def _naming_no_value(doing: str) -> Iterator[None]:
    """Errors of Polars and of Arrow as WarehouseError: their messages quote values."""
    from pyarrow import ArrowException

    try:
        yield
    except WarehouseError:
        raise
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        ArrowException,
        OSError,
        OverflowError,
        TypeError,
        ValueError,
    ) as error:
        raise Damaged(
            f"{doing} failed ({type(error).__name__}): the contract has other types, or an object is not as Clio "
            "wrote it: `clio verify` says which, and what to do"
        ) from None
