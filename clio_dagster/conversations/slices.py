"""How a landing's slices are written, how they come to count, and how they stop.

Files are renamed into place first, the receipt that names them last; taking them back goes the other way round
(see `landed` for the layout).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow.parquet as pq
from filelock import FileLock

from clio_dagster.conversations.landed import (
    HASH_KEY,
    Slice,
    read_receipt,
    receipt_path,
    receipt_slices,
    slice_path,
)
from clio_dagster.tables import RAW_CONVERSATIONS

SLICES_SCHEMA = {"date": pl.Date, "language": pl.String, "conversations": pl.Int64, "content_hash": pl.String}
"""One row a (date, language) that a source contributes to."""

_SLICE = ["date", "language"]


def cut_slices(parts: Iterator[pl.DataFrame], folder: Path, key: str) -> pl.DataFrame:
    """Write rows in order of date and language as one Parquet file a slice; return the slices.

    `parts` have the columns of tables.RAW_CONVERSATIONS and `row_hash`, which make a slice's content hash.
    """
    schema = RAW_CONVERSATIONS.empty().to_arrow().schema
    rows: list[dict[str, Any]] = []
    writer: pq.ParquetWriter | None = None
    digest = hashlib.sha256()
    for part in (piece for frame in parts for piece in frame.partition_by(_SLICE, maintain_order=True)):
        date, language = part["date"][0], part["language"][0]
        if not rows or (rows[-1]["date"], rows[-1]["language"]) != (date, language):
            _close(writer, rows, digest)
            digest = hashlib.sha256()
            path = slice_path(folder, date, language, key)
            path.parent.mkdir(parents=True, mode=0o700)
            writer = pq.ParquetWriter(path, schema, compression="zstd")
            rows.append({"date": date, "language": language, "conversations": 0, "content_hash": ""})
        assert writer is not None
        landed = part.select(pl.col(name).cast(dtype) for name, dtype in RAW_CONVERSATIONS.schema.items())
        writer.write_table(landed.to_arrow().cast(schema))
        digest.update(b"".join(part["row_hash"]))
        rows[-1]["conversations"] += part.height
    _close(writer, rows, digest)
    return pl.DataFrame(rows, schema=SLICES_SCHEMA)


def _close(writer: pq.ParquetWriter | None, rows: list[dict[str, Any]], digest: Any) -> None:
    """End a slice's file, its content hash inside, so that whoever finds the file can tell what it holds."""
    if writer is not None:
        rows[-1]["content_hash"] = digest.hexdigest()
        writer.add_key_value_metadata({HASH_KEY: rows[-1]["content_hash"]})
        writer.close()


def commit(home: Path, key: str, staged: Path, slices: pl.DataFrame) -> None:
    """Put the staged slices in place, then the receipt that makes them count; drop what it names no more."""
    with _receipts_lock(home):
        rows = [{**row, "date": str(row["date"])} for row in slices.iter_rows(named=True)]
        for row in rows:
            target = slice_path(home / "landing", row["date"], row["language"], key)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            slice_path(staged, row["date"], row["language"], key).replace(target)
        _replace_receipt(home, key, rows)


def withdraw(home: Path, key: str, days: Collection[str] | None = None) -> frozenset[Slice]:
    """Take back what a source landed, or only what it has on `days`; returns the slices that it lost.

    The receipt is rewritten first, so that they stop counting together; then their files go. Files that an earlier
    call was killed before are removed too.
    """
    with _receipts_lock(home):
        receipt = read_receipt(home, key)
        kept = [row for row in receipt.slices if days is not None and row["date"] not in days]
        lost = receipt.named.difference((row["date"], row["language"]) for row in kept)
        if lost:
            _replace_receipt(home, key, kept)
        else:
            _drop(home, key, receipt.removed)
    return lost


def give_way(home: Path, older: Iterable[str], newer: Iterable[str]) -> frozenset[Slice]:
    """Let earlier versions of a file lose the days that later ones have, whatever the language; returns the slices
    that they lost."""
    days = {day for key in newer for day, _ in receipt_slices(home, key)}
    return frozenset().union(*(withdraw(home, key, days) for key in older))


def _replace_receipt(home: Path, key: str, rows: list[dict[str, Any]]) -> None:
    """Write the receipt beside its place and rename it; then drop the files of slices that it names no more."""
    before = read_receipt(home, key)
    removed = (before.removed | before.named).difference((row["date"], row["language"]) for row in rows)
    receipt = receipt_path(home, key)
    receipt.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = receipt.with_suffix(".new")
    fresh.write_bytes(orjson.dumps({"slices": rows, "removed": sorted(removed)}, option=orjson.OPT_INDENT_2))
    fresh.replace(receipt)
    _drop(home, key, removed)


def _drop(home: Path, key: str, slices: Iterable[Slice]) -> None:
    for date, language in slices:
        slice_path(home / "landing", date, language, key).unlink(missing_ok=True)


def _receipts_lock(home: Path) -> FileLock:
    """Held for the milliseconds in which a receipt changes: a file's older version may give way while it lands."""
    staging = home / "landing" / ".staging"
    staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(staging / "receipts.lock")
