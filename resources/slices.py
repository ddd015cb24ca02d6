"""What every warehouse must agree on about a slice: its name, what may be written to it, its content hash.

Nothing here opens a file or a database; the DuckDB and S3 profiles both build on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from clio_dagster.tables import VECTOR_TYPE, Column, Table

if TYPE_CHECKING:
    from resources.spool import Rows


class WarehouseError(ValueError):
    """A table cannot be written or read. The message names table and column, and never a value."""


class Damaged(WarehouseError):
    """What is stored is not what was written, or cannot be read."""


VERIFY = "`clio verify` says what of it, and what to do"


@dataclass(frozen=True)
class Slice:
    """What the warehouse remembers of one partition of one table."""

    table: str
    partition: str
    rows: int
    content_hash: str
    fingerprint: str
    written_at: datetime


@dataclass(frozen=True)
class Pending:
    """A slice that is ready to be written."""

    table: Table
    values: dict[str, object]
    rows: Rows
    record: Slice


WriteItem = tuple[Table, Mapping[str, object], "Rows", str]
"""A slice to be written: table, values of the columns that it is partitioned by, rows, fingerprint."""


def slice_values(table: Table, values: Mapping[str, object]) -> dict[str, object]:
    """The slice's values, in the alphabetical order of their columns; ISO text for a date becomes a date.

    Raises WarehouseError when they are not exactly the columns that the table is partitioned by.
    """
    if set(values) != set(table.partitioned_by):
        raise WarehouseError(
            f"{table.name} is partitioned by {', '.join(sorted(table.partitioned_by))}; "
            f"the slice names {', '.join(sorted(values)) or 'nothing'}"
        )
    return {name: as_column_value(table, name, values[name]) for name in sorted(values)}


def as_column_value(table: Table, column: str, value: object) -> object:
    """`value`, with ISO text made a date where the column holds dates (partition keys are text)."""
    if table.schema.get(column) == pl.Date and isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise WarehouseError(f"{table.name}.{column} wants a date, written like 2026-11-01") from None
    return value


def as_column_values(table: Table, column: str, value: object) -> object:
    """`as_column_value` of a value, or of each of several, as a list."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_column_value(table, column, each) for each in value]
    return as_column_value(table, column, value)


def partition_text(table: Table, values: Mapping[str, object]) -> str:
    """`2026-11-01|es`: the slice's values in the alphabetical order of their columns, dates in ISO form."""
    return "|".join(map(as_text, slice_values(table, values).values()))


def partition_values(table: Table, partition: str) -> dict[str, str]:
    """`2026-11-01|es` as the values of the columns that the table is partitioned by."""
    return dict(zip(sorted(table.partitioned_by), partition.split("|"), strict=True))


def place_of(table: Table, where: Mapping[str, object]) -> str:
    """The table, and of what day and language where one is asked for: what an error may name."""
    said = [as_text(where[name]) for name in ("date", "language") if isinstance(where.get(name), (str, date))]
    return f"{table.name} {'|'.join(said)}".rstrip()


def as_text(value: object) -> str:
    """A slice's value as its name has it: dates in ISO form."""
    return value.isoformat() if isinstance(value, date) else str(value)


def prepare(table: Table, slice: Mapping[str, object], rows: Rows, fingerprint: str) -> Pending:
    """The slice as it is to be stored, with its record. Raises WarehouseError as `conforming` does."""
    values = slice_values(table, slice)
    if isinstance(rows, pl.DataFrame):
        rows = conforming(table, values, rows)
        content = stored_hash(table, rows)
    else:
        content = rows.content_hash()
    record = Slice(
        table.name, partition_text(table, values), rows.height, content, fingerprint, datetime.now(UTC)
    )
    return Pending(table, values, rows, record)


def as_thinned(table: Table, record: Slice, before: pl.DataFrame, left: pl.DataFrame) -> Slice:
    """The record of a slice of whose rows `before` these are `left`.

    One that did not hold what its stage wrote keeps its content hash, so that it still does not.
    """
    is_as_written = stored_hash(table, before) == record.content_hash
    return replace(
        record,
        rows=left.height,
        content_hash=stored_hash(table, left) if is_as_written else record.content_hash,
    )


def conforming(table: Table, values: Mapping[str, object], frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as it is stored: contract columns first, sorted by key, vectors of one width as arrays.

    Raises WarehouseError, naming table and column, for a contract column that is missing, of another type or
    null where it must not be; for vectors of several widths, rows that share a key, rows of another slice.
    """
    for column in table.columns:
        _check_column(table, column, frame)
    for name, dtype in frame.schema.items():
        if dtype == pl.Null:
            raise WarehouseError(f"{table.name}.{name} has no type: cast it before writing")
    contracted = [column for column in table.columns if not column.is_own]
    extra = set(frame.columns) - {column.name for column in contracted}
    frame = frame.select(
        *(_as_array(table, frame, column) for column in contracted),
        *(
            pl.col(name).cast(pl.String) if _is_categorical(frame.schema[name]) else pl.col(name)
            for name in sorted(extra)
        ),
    )
    for name, value in slice_values(table, values).items():
        strays = frame.select((pl.col(name) != pl.lit(value)).sum()).item()
        if strays:
            raise WarehouseError(f"{table.name}: {strays} rows have another {name} than the slice")
    duplicates = frame.height - frame.select(pl.struct(table.key).n_unique()).item() if frame.height else 0
    if duplicates:
        raise WarehouseError(f"{table.name}: {duplicates} rows repeat a key ({', '.join(table.key)})")
    return frame.sort(table.key)


def stored_hash(table: Table, frame: pl.DataFrame) -> str:
    """`content_hash` of a slice that is to be stored, or was read whole.

    A column that the contract does not fix, and that holds nothing, says nothing: it is there because another slice has
    it, or a facet of the site's own that nobody answered. It is left out.
    """
    fixed = [column.name for column in table.columns if not column.is_own and column.name in frame.columns]
    others = (name for name in sorted(set(frame.columns) - set(fixed)) if frame[name].count())
    return content_hash(frame.select(*fixed, *others))


def content_hash(frame: pl.DataFrame) -> str:
    """`content_hash_of` a conforming frame."""
    return content_hash_of((series.name, series.dtype, len(series), [series]) for series in frame)


def content_hash_of(columns: Iterable[tuple[str, pl.DataType, int, Iterable[pl.Series]]]) -> str:
    """SHA-256 of the names, types, lengths and values of columns, each given in pieces that may be gone through anew.

    Each column is hashed as nulls, lengths and values, not as memory lies, so neither chunks nor what a null
    hides nor the way text is buffered changes it. A vector hashes alike as a list and as an array.
    """
    digest = hashlib.sha256()
    for name, dtype, length, pieces in columns:
        digest.update(f"{name}\0{_type_name(dtype)}\0{length}\0".encode())
        _hash_values(digest, dtype, pieces)
    return digest.hexdigest()


def _check_column(table: Table, column: Column, frame: pl.DataFrame) -> None:
    where = f"{table.name}.{column.name}"
    if column.name not in frame.columns:
        raise WarehouseError(f"{where} is missing from the frame")
    dtype = frame.schema[column.name]
    is_vector = column.dtype == VECTOR_TYPE and isinstance(dtype, pl.Array) and dtype.inner == pl.Float32
    if dtype != column.dtype and not is_vector:
        raise WarehouseError(f"{where} must be {column.dtype}, the frame has {dtype}")
    if not column.nullable and (nulls := frame.get_column(column.name).null_count()):
        raise WarehouseError(f"{where} must not be null, {nulls} rows are")


def _as_array(table: Table, frame: pl.DataFrame, column: Column) -> pl.Expr:
    expression = pl.col(column.name)
    series = frame.get_column(column.name)
    if column.dtype != VECTOR_TYPE or not isinstance(series.dtype, pl.List) or series.is_empty():
        return expression
    widths = series.list.len().drop_nulls().unique()
    if len(widths) > 1:
        raise WarehouseError(f"{table.name}.{column.name} has vectors of {len(widths)} different widths")
    return expression.list.to_array(widths.item()) if len(widths) else expression


def _is_categorical(dtype: pl.DataType) -> bool:
    return isinstance(dtype, (pl.Categorical, pl.Enum))


def _type_name(dtype: pl.DataType) -> str:
    if isinstance(dtype, (pl.List, pl.Array)):
        return f"list[{_type_name(dtype.inner)}]"  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        fields = (f"{field.name}:{_type_name(field.dtype)}" for field in dtype.fields)  # type: ignore[arg-type]
        return f"struct[{','.join(fields)}]"
    return str(dtype)


class _Each:
    """A function of each piece of a column, as often as the column is gone through."""

    def __init__(self, function: Callable[[pl.Series], pl.Series], pieces: Iterable[pl.Series]) -> None:
        self._function, self._pieces = function, pieces

    def __iter__(self) -> Iterator[pl.Series]:
        return map(self._function, self._pieces)


def _each(function: Callable[[pl.Series], pl.Series], pieces: Iterable[pl.Series]) -> Iterable[pl.Series]:
    return list(map(function, pieces)) if isinstance(pieces, list) else _Each(function, pieces)


def _hash_values(digest: Any, dtype: pl.DataType, pieces: Iterable[pl.Series]) -> None:
    for series in pieces:
        digest.update(series.is_null().cast(pl.UInt8).to_numpy().tobytes())
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _hash_values(digest, field.dtype, _each(partial(_field, field.name), pieces))  # type: ignore[arg-type]
    elif isinstance(dtype, (pl.List, pl.Array)):
        for series in pieces:
            digest.update(_lengths(series).to_numpy().tobytes())
        _hash_values(digest, dtype.inner, _each(_items, pieces))  # type: ignore[arg-type]
    elif dtype == pl.String:
        for series in pieces:
            digest.update(series.str.len_bytes().fill_null(0).cast(pl.Int64).to_numpy().tobytes())
        for series in pieces:
            digest.update((series.str.join("").item() or "").encode())
    else:
        for series in pieces:
            plain = series.fill_null(False).cast(pl.UInt8) if dtype == pl.Boolean else series.to_physical()
            digest.update(plain.fill_null(0).to_numpy().tobytes())


def _field(name: str, series: pl.Series) -> pl.Series:
    return series.struct.field(name)


def _as_lists(series: pl.Series) -> pl.Series:
    return series.arr.to_list() if isinstance(series.dtype, pl.Array) else series


def _lengths(series: pl.Series) -> pl.Series:
    return _as_lists(series).list.len().fill_null(0).cast(pl.Int64)


def _items(series: pl.Series) -> pl.Series:
    # An empty list would leave a null behind when taken apart.
    return _as_lists(series).filter(_lengths(series) > 0).explode()
