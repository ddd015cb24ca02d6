"""What has been landed: where it lies, and how the next stage reads it.

A slice file counts only while its source's receipt names it: `landing` writes files first and the receipt
last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date as Date
from functools import cached_property, lru_cache
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

import orjson
import polars as pl
import pyarrow.parquet as pq
from pyarrow import ArrowException

from clio_dagster.key_ranges import EVERY_KEY, KeyRange
from clio_dagster.tables import RAW_CONVERSATIONS

HASH_KEY = b"content_hash"
"""Under which a slice's file carries the hash of its rows, in its footer."""

SOURCE = "source"
"""Column that says which source a landed conversation is taken from."""

VERSION = ("conversation_id", "turns")
"""Columns by which one version of a conversation is told from another."""

T = TypeVar("T")

_LOOKS = 10

REMEMBERED = 65_536
"""Receipts and footers whose little is kept by a process, 1 KB each: a month of a file a minute. Files do not change;
one that is landed anew is another."""

Slice = tuple[str, str]
"""A day, written 2026-11-01, and a language."""


def slice_path(root: Path, date: Date | str, language: str, key: str) -> Path:
    """The file of one source's slice below `root`, which is HOME/landing or a folder laid out like it."""
    return root / f"date={date}" / f"language={language}" / f"{key}.parquet"


def receipt_path(home: Path, key: str) -> Path:
    """The file that says what a source landed."""
    return home / "landing" / "receipts" / f"{key}.json"


class DamagedFile(ValueError):
    """A landed file, or a receipt, is not as landing wrote it. The message names it, and nothing that is in it."""

    def __init__(self, path: Path) -> None:
        place = path.as_posix().rpartition("/landing/")[2]
        super().__init__(f"landing/{place} is damaged: `clio verify` says what to do")


@dataclass(frozen=True)
class Receipt:
    """What a source landed: `slices`, one row each (slices.SLICES_SCHEMA), and those `removed` since: it once had
    them, and they count no more. `is_purged` where its files hold no text any more (slices.drop_text)."""

    slices: tuple[dict[str, Any], ...] = ()
    removed: frozenset[Slice] = frozenset()
    is_purged: bool = False

    @cached_property
    def named(self) -> frozenset[Slice]:
        """The slices that count, by date and language."""
        return frozenset((row["date"], row["language"]) for row in self.slices)


def read_receipt(home: Path, key: str) -> Receipt:
    """A source's receipt; an empty one where it has none."""
    path = receipt_path(home, key)
    try:
        return _receipt(path, _state(path))
    except FileNotFoundError:
        return Receipt()


def _state(path: Path) -> tuple[int, int, int]:
    """What tells a file from another that takes its place. Raises FileNotFoundError."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


@lru_cache(maxsize=256)
def _receipt(path: Path, _state: tuple[int, int, int]) -> Receipt:
    try:
        stored = orjson.loads(path.read_bytes())
        removed = frozenset((date, language) for date, language in stored.get("removed", ()))
        return Receipt(tuple(stored["slices"]), removed, stored.get("is_purged", False))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DamagedFile(path) from None


def receipt_slices(home: Path, key: str) -> frozenset[Slice]:
    """The (date, language) slices that a source landed; none where it has no receipt."""
    path = receipt_path(home, key)
    try:
        return _named(path, _state(path))
    except FileNotFoundError:
        return frozenset()


@lru_cache(maxsize=REMEMBERED)
def _named(path: Path, state: tuple[int, int, int]) -> frozenset[Slice]:
    return frozenset((intern(day), intern(language)) for day, language in _receipt(path, state).named)


def touched_days(home: Path, keys: Iterable[str]) -> list[Date]:
    """Days on which the sources have a slice, or had one, sorted."""
    receipts = [read_receipt(home, key) for key in keys]
    return sorted({Date.fromisoformat(day) for each in receipts for day, _ in each.named | each.removed})


def read_landed(
    home: Path,
    date: Date | str,
    language: str,
    *,
    columns: Iterable[str] | None = None,
    within: KeyRange = EVERY_KEY,
) -> pl.DataFrame:
    """Conversations landed for a day and language over all sources, sorted by id (tables.RAW_CONVERSATIONS).

    Where several sources hold the same conversation, the longest wins (most turns), then the one that began
    last, then the first source by key. `columns` narrows what is read, and may ask for SOURCE, too; `within` narrows it
    to conversations whose ids are in a range. Where nothing landed the frame is empty and has its schema. What a
    source landed whose text was purged has no messages.
    """
    schema = RAW_CONVERSATIONS.schema
    wanted = list(schema if columns is None else columns)
    ranked = [name for name in dict.fromkeys((*wanted, *VERSION, "started_at")) if name != SOURCE]
    frames = _of_files(
        home,
        date,
        language,
        lambda file: _read(file, ranked, within).with_columns(pl.lit(file.stem).alias(SOURCE)),
    )
    if len(frames) < 2:  # ids are unique within a source
        nothing = RAW_CONVERSATIONS.empty().with_columns(pl.lit(None, pl.String).alias(SOURCE))
        return (frames[0] if frames else nothing).select(wanted)
    return (
        pl.concat(frames)
        .sort("conversation_id", "turns", "started_at", SOURCE, descending=[False, True, True, False])
        .unique("conversation_id", keep="first", maintain_order=True)
        .select(wanted)
    )


def slice_hash(home: Path, date: Date | str, language: str) -> str:
    """Hash of what is landed for a day and language (64 hex digits), from the footers of its files.

    The same conversations landed from two copies of a file hash like one. Nothing landed has a hash, too.
    """
    hashes = sorted({footer.content_hash for footer in _of_files(home, date, language, _footer_of)})
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def slice_rows(home: Path, date: Date | str, language: str) -> int:
    """Rows of all that is landed for a day and language: at least as many as there are conversations."""
    return sum(footer.rows for footer in _of_files(home, date, language, _footer_of))


def _of_files(home: Path, date: Date | str, language: str, read: Callable[[Path], T]) -> list[T]:
    """`read` of each file of a slice, in order; from the start where one went meanwhile, its source taken back."""
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):
            return [read(file) for file in _files(home, date, language)]
    return [read(file) for file in _files(home, date, language)]


def _files(home: Path, date: Date | str, language: str) -> list[Path]:
    folder = slice_path(home / "landing", date, language, "any").parent
    return [
        file
        for file in sorted(folder.glob("*.parquet"))
        if (str(date), language) in receipt_slices(home, file.stem)
    ]


def _read(file: Path, columns: list[str], within: KeyRange) -> pl.DataFrame:
    schema = pl.Schema({name: RAW_CONVERSATIONS.schema[name] for name in columns})
    # Polars passes over the checksums of pages, and reads most of what has a wrong bit without a word.
    with _whole(file), pq.ParquetFile(file, page_checksum_verification=True) as parquet:
        frames = [
            pl.DataFrame(parquet.read_row_group(group, columns)).filter(within.holds("conversation_id"))
            for group in range(parquet.num_row_groups)
            if _meets(parquet, group, within)
        ]
        return pl.concat(
            [pl.DataFrame(schema=schema), *(frame.select(columns).cast(schema) for frame in frames)]
        )


def _meets(parquet: pq.ParquetFile, group: int, within: KeyRange) -> bool:
    """Whether a row group may hold rows whose ids are in the range."""
    described = parquet.metadata.row_group(group)
    for place in range(described.num_columns):
        column = described.column(place)
        if column.path_in_schema == "conversation_id" and column.is_stats_set:
            return not column.statistics.has_min_max or within.meets(
                column.statistics.min, column.statistics.max
            )
    return True


@contextmanager
def _whole(file: Path) -> Iterator[None]:
    """What Parquet's readers fail with as DamagedFile: their messages may quote values. One that has gone is none."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ArrowException, OSError, ValueError):
        raise DamagedFile(file) from None


@dataclass(frozen=True, slots=True)
class _Footer:
    """What a landed file says of itself."""

    content_hash: str
    rows: int


def _footer_of(file: Path) -> _Footer:
    return _footer(file, _state(file))


@lru_cache(maxsize=REMEMBERED)
def _footer(file: Path, _state: tuple[int, int, int]) -> _Footer:
    with _whole(file):
        read = pq.read_metadata(file)
    stored = (read.metadata or {}).get(HASH_KEY)
    if stored is not None:
        return _Footer(str(stored, "ascii"), read.num_rows)
    with file.open("rb") as opened:  # rewritten by something that keeps no footer of ours
        return _Footer(hashlib.file_digest(opened, "sha256").hexdigest(), read.num_rows)
