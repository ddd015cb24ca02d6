"""What has been landed: where it lies, and how the next stage reads it.

A slice file counts only while its source's receipt names it: `landing` writes files first and the receipt
last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date as Date
from functools import lru_cache
from pathlib import Path

import orjson
import polars as pl
import pyarrow.parquet as pq

from clio_dagster.tables import RAW_CONVERSATIONS

HASH_KEY = b"content_hash"
"""Under which a slice's file carries the hash of its rows, in its footer."""


def slice_path(root: Path, date: Date | str, language: str, key: str) -> Path:
    """The file of one source's slice below `root`, which is HOME/landing or a folder laid out like it."""
    return root / f"date={date}" / f"language={language}" / f"{key}.parquet"


def receipt_path(home: Path, key: str) -> Path:
    """The file that says what a source landed."""
    return home / "landing" / "receipts" / f"{key}.json"


def receipt_slices(home: Path, key: str) -> frozenset[tuple[str, str]]:
    """The (date, language) slices that a source landed; none where it has no receipt."""
    path = receipt_path(home, key)
    try:
        stat = path.stat()
    except FileNotFoundError:
        return frozenset()
    return _receipt(path, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _receipt(path: Path, _modified: int, _inode: int) -> frozenset[tuple[str, str]]:
    return frozenset((row["date"], row["language"]) for row in orjson.loads(path.read_bytes())["slices"])


def read_landed(
    home: Path, date: Date | str, language: str, *, columns: Iterable[str] | None = None
) -> pl.DataFrame:
    """Conversations landed for a day and language over all sources, sorted by id (tables.RAW_CONVERSATIONS).

    Where several sources hold the same conversation, the longest wins (most turns), then the one that began
    last, then the first source by key. `columns` narrows what is read. Where nothing landed the frame is
    empty and has its schema.
    """
    schema = RAW_CONVERSATIONS.schema
    wanted = list(schema if columns is None else columns)
    files = _files(home, date, language)
    if not files:
        return RAW_CONVERSATIONS.empty().select(wanted)
    if len(files) == 1:  # ids are unique within a source
        return _read(files[0], wanted).select(wanted)
    ranked = list(dict.fromkeys((*wanted, "conversation_id", "turns", "started_at")))
    frames = [_read(file, ranked).with_columns(source=pl.lit(file.stem)) for file in files]
    return (
        pl.concat(frames)
        .sort("conversation_id", "turns", "started_at", "source", descending=[False, True, True, False])
        .unique("conversation_id", keep="first", maintain_order=True)
        .select(wanted)
    )


def slice_hash(home: Path, date: Date | str, language: str) -> str:
    """Hash of what is landed for a day and language (64 hex digits), from the footers of its files.

    The same conversations landed from two copies of a file hash like one. Nothing landed has a hash, too.
    """
    hashes = sorted({_file_hash(file) for file in _files(home, date, language)})
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _files(home: Path, date: Date | str, language: str) -> list[Path]:
    folder = slice_path(home / "landing", date, language, "any").parent
    return [
        file
        for file in sorted(folder.glob("*.parquet"))
        if (str(date), language) in receipt_slices(home, file.stem)
    ]


def _read(file: Path, columns: list[str]) -> pl.DataFrame:
    frame = pl.read_parquet(file, columns=columns, hive_partitioning=False, glob=False)
    return frame.cast({name: RAW_CONVERSATIONS.schema[name] for name in columns})


def _file_hash(file: Path) -> str:
    stored = (pq.read_metadata(file).metadata or {}).get(HASH_KEY)
    if stored is not None:
        return str(stored, "ascii")
    with file.open("rb") as opened:  # rewritten by something that keeps no footer of ours
        return hashlib.file_digest(opened, "sha256").hexdigest()
