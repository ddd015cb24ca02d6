"""How a landing's slices are written, how they come to count, and how they stop.

Files are renamed into place first, the receipt that names them last; taking them back goes the other way round
(see `landed` for the layout).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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


def row_hashes(
    ids: Iterable[str],
    accounts: Iterable[str | None],
    started_at: Iterable[Any],
    messages: Iterable[Sequence[Sequence[str]]],
    flagged: Iterable[bool | None],
) -> list[bytes]:
    """SHA-256 of each conversation, of which a slice's content hash is made; a message is its role and text."""
    # orjson asks for a default where a tuple has names.
    said = zip(started_at, (list(map(list, listed)) for listed in messages), flagged, strict=True)
    rows = zip(ids, accounts, said, strict=True)
    return [hashlib.sha256(orjson.dumps(row)).digest() for row in rows]


def hashes_of(columns: Mapping[str, Sequence[Any]]) -> list[bytes]:
    """`row_hashes` of rows as they are landed, by the columns of tables.RAW_CONVERSATIONS; a message has two fields."""
    messages = ([(each["role"], each["text"]) for each in listed] for listed in columns["messages"])
    return row_hashes(
        columns["conversation_id"], columns["account"], columns["started_at"], messages, columns["flagged"]
    )


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
            writer = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
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
        _replace_receipt(home, key, rows, is_purged=False)


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


def accounts_in(home: Path, accounts: Collection[str]) -> pl.DataFrame:
    """On which days the accounts (pseudonyms) have landed conversations [account, date], in files that count no more,
    too."""
    found = [pl.DataFrame(schema={"account": pl.String, "date": pl.Date})]
    for file in (home / "landing").glob("date=*/language=*/*.parquet"):
        columns = pl.read_parquet(file, columns=["account", "date"], hive_partitioning=False, glob=False)
        found.append(columns.filter(pl.col("account").is_in(list(accounts))).unique())
    return pl.concat(found).unique()


def erase(home: Path, key: str, accounts: Collection[str]) -> frozenset[Slice]:
    """Remove the accounts' (pseudonyms') conversations from what a source landed; returns the slices that changed.

    To be called under the source's lock. What is left hashes as if the file had been landed without them. A slice of
    which nothing is left counts no more. Files that no receipt names are removed. Killed at any moment, calling it
    again ends it.
    """
    staged = home / "landing" / ".staging" / f"{key}.erasing"
    changed: set[Slice] = set()
    rows: list[dict[str, Any]] = []
    try:
        with _receipts_lock(home):
            receipt = read_receipt(home, key)
            for row in receipt.slices:
                path = slice_path(home / "landing", row["date"], row["language"], key)
                if not path.is_file():
                    rows.append(row)
                    continue
                left = _without(path, accounts, staged, row["content_hash"])
                if left != (row["conversations"], row["content_hash"]):
                    changed.add((row["date"], row["language"]))
                if left[0]:
                    rows.append({**row, "conversations": left[0], "content_hash": left[1]})
            if changed:
                _replace_receipt(home, key, rows)
            counting = read_receipt(home, key).named
            for date, language in _slices_of_files(home, key) - counting:
                slice_path(home / "landing", date, language, key).unlink(missing_ok=True)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return frozenset(changed)


def _without(path: Path, accounts: Collection[str], staged: Path, known: str) -> tuple[int, str]:
    """Rewrite a slice's file without the accounts' rows, beside its place and renamed; rows left and their hash, which
    is the one `known` where the file carries none.

    A file without such rows stays; so does one of which nothing would be left, which its receipt then drops.
    """
    with pq.ParquetFile(path) as file:
        table = file.read()
        stored = str((file.metadata.metadata or {}).get(HASH_KEY, known.encode()), "ascii")
    is_theirs = pl.Series(table.column("account").to_pylist(), dtype=pl.String).is_in(list(accounts))
    left = table.filter((~is_theirs.fill_null(False)).to_arrow())
    if left.num_rows == table.num_rows or not left.num_rows:
        return left.num_rows, stored
    content_hash = hashlib.sha256(b"".join(hashes_of(left.to_pydict()))).hexdigest()
    staged.mkdir(parents=True, exist_ok=True, mode=0o700)
    with pq.ParquetWriter(
        staged / path.name, left.schema, compression="zstd", write_page_checksum=True
    ) as writer:
        writer.write_table(left)
        writer.add_key_value_metadata({HASH_KEY: content_hash})
    (staged / path.name).replace(path)
    return left.num_rows, content_hash


def _slices_of_files(home: Path, key: str) -> frozenset[Slice]:
    folders = [path.parent for path in (home / "landing").glob(f"date=*/language=*/{key}.parquet")]
    return frozenset(
        (folder.parent.name.removeprefix("date="), folder.name.removeprefix("language="))
        for folder in folders
    )


def drop_text(home: Path, key: str) -> None:
    """Rewrite what a source landed without a word of it: its rows stay, with no messages, and hash as before.

    So they still say which conversations count, and whose. To be called under the source's lock. The receipt says so
    last: killed at any moment, calling it again ends it.
    """
    staged = home / "landing" / ".staging" / f"{key}.purging"
    staged.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _receipts_lock(home):
            receipt = read_receipt(home, key)
            for date, language in sorted(receipt.named):
                path = slice_path(home / "landing", date, language, key)
                if path.is_file():
                    _drop_messages(path, staged / path.name)
            _replace_receipt(home, key, list(receipt.slices), is_purged=True)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _drop_messages(path: Path, fresh: Path) -> None:
    schema = RAW_CONVERSATIONS.empty().to_arrow().schema
    names = [name for name in RAW_CONVERSATIONS.schema if name != "messages"]
    rows = pl.read_parquet(path, columns=names, hive_partitioning=False, glob=False)
    nothing = pl.Series("messages", [[]] * rows.height, dtype=RAW_CONVERSATIONS.schema["messages"])
    silent = rows.with_columns(nothing)
    stored = (pq.read_metadata(path).metadata or {}).get(HASH_KEY)
    with pq.ParquetWriter(fresh, schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(silent.select(*RAW_CONVERSATIONS.schema).to_arrow().cast(schema))
        if stored is not None:
            writer.add_key_value_metadata({HASH_KEY: stored})
    fresh.replace(path)


def _replace_receipt(
    home: Path, key: str, rows: list[dict[str, Any]], *, is_purged: bool | None = None
) -> None:
    """Write the receipt beside its place and rename it; then drop the files of slices that it names no more.

    Whether its text was purged stays as it was, unless it is said.
    """
    before = read_receipt(home, key)
    if is_purged is None:
        is_purged = before.is_purged
    removed = (before.removed | before.named).difference((row["date"], row["language"]) for row in rows)
    receipt = receipt_path(home, key)
    receipt.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = receipt.with_suffix(".new")
    content = {"slices": rows, "removed": sorted(removed)} | ({"is_purged": True} if is_purged else {})
    fresh.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
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
