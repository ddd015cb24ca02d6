"""A source landed again from what it landed before: its file is gone, and days or languages are other ones now.

What a conversation says of its language is not landed, so that one which has a partition of its own stays there;
`other` is looked through, and so is what lay in a language that has no partition any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from clio_dagster.conversations.chunks import Chunks, SliceKey, write_chunk
from clio_dagster.conversations.helpers import chunk_path
from clio_dagster.conversations.landed import read_receipt, slice_path
from clio_dagster.conversations.landing import Landing, staging_folder
from clio_dagster.conversations.languages import READ_CHARACTERS, identify
from clio_dagster.conversations.messages import USER
from clio_dagster.conversations.slices import commit, cut_slices, hashes_of
from clio_dagster.retention import PAST_RETENTION
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE, RAW_CONVERSATIONS

_ROWS = 4_096

BEFORE_START = "before CLIO_START_DATE"


def can_land_again(home: Path, key: str) -> bool:
    """Whether all that the source landed is there, with its text."""
    receipt = read_receipt(home, key)
    files = (slice_path(home / "landing", *each, key) for each in receipt.named)
    return bool(receipt.named) and not receipt.is_purged and all(file.is_file() for file in files)


def land_again(
    key: str, settings: Settings, *, records: int, quarantined: pl.DataFrame, closed: Collection[Date] = ()
) -> Landing:
    """Cut what `key` landed before into the slices of the settings as they are now, in its place.

    `records` and `quarantined` (tables.QUARANTINE) are those of its landing. Conversations that come to lie before the
    first day, or on a day of `closed` (see retention), are quarantined, too: record 0, as their place is not known any
    more. To be called where `can_land_again`.
    """
    home = settings.home
    with staging_folder(home, key) as folder:
        characters, refused = Counter[SliceKey](), Counter[str]()
        for number, frame in enumerate(_rows(home, key)):
            placed = _placed(frame, settings)
            early, late = placed["date"] < settings.start_date, placed["date"].is_in(list(closed))
            refused.update({BEFORE_START: int(early.sum()), PAST_RETENTION: int((late & ~early).sum())})
            kept = placed.filter(~early & ~late)
            if not kept.is_empty():
                characters.update(write_chunk(_staged(kept), chunk_path(folder / "chunks", number)))
        slices = _cut(folder, key, settings.threads, characters)
        commit(home, key, folder / "slices", slices)
    return Landing(
        source=key,
        records=records,
        landed=int(slices["conversations"].sum()),
        quarantined=_with_refused(quarantined, key, refused),
        slices=slices,
        removed=tuple(sorted({Date.fromisoformat(day) for day, _ in read_receipt(home, key).removed})),
    )


def _rows(home: Path, key: str) -> Iterator[pl.DataFrame]:
    for date, language in sorted(read_receipt(home, key).named):
        with pq.ParquetFile(slice_path(home / "landing", date, language, key)) as file:
            for batch in file.iter_batches(_ROWS):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame.select(
                    pl.col(name).cast(dtype) for name, dtype in RAW_CONVERSATIONS.schema.items()
                )


def _placed(frame: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The rows on the days and in the languages of the settings."""
    is_placed = frame["language"].is_in(list(settings.languages))
    text = frame["messages"].list.eval(
        pl.element().struct.field("text").filter(pl.element().struct.field("role") == USER)
    )
    written = text.list.join("\n").str.slice(0, READ_CHARACTERS).filter(~is_placed)
    found = pl.Series("found", identify(written, settings.languages), dtype=pl.String)
    looked_at = frame.select("conversation_id").filter(~is_placed).with_columns(found)
    return (
        frame.join(looked_at, on="conversation_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("started_at").dt.convert_time_zone(settings.timezone).dt.date().alias("date"),
            pl.coalesce("found", "language").alias("language"),
        )
        .drop("found")
    )


def _staged(rows: pl.DataFrame) -> pl.DataFrame:
    """With what a landing stages beside the rows: their place, hash and length."""
    hashes = hashes_of(rows.to_dict(as_series=False))
    return rows.with_columns(
        pl.lit(0, pl.Int64).alias("place"),
        pl.Series("row_hash", hashes, dtype=pl.Binary),
        pl.col("messages")
        .list.eval(pl.element().struct.field("text").str.len_chars())
        .list.sum()
        .cast(pl.Int64)
        .alias("characters"),
    )


def _cut(folder: Path, key: str, threads: int, characters: Counter[SliceKey]) -> pl.DataFrame:
    chunks = Chunks(folder / "chunks", folder / "scratch", threads, characters)
    if not characters:
        return cut_slices(iter(()), folder / "slices", key)
    _, parts = chunks.in_order([*RAW_CONVERSATIONS.schema, "row_hash"])
    return cut_slices(parts, folder / "slices", key)


def _with_refused(quarantined: pl.DataFrame, key: str, refused: Counter[str]) -> pl.DataFrame:
    """The source's quarantine with what was refused now, as its record 0."""
    is_ours = pl.col("record") == 0
    before = quarantined.filter(is_ours)["reason"].to_list()
    reasons = [*before, *(f"{reason}: {count} conversations" for reason, count in refused.items() if count)]
    if len(reasons) == len(before):
        return quarantined
    row = {"source": key, "record": 0, "reason": "; ".join(reasons), "landed_at": datetime.now(UTC)}
    return pl.concat([pl.DataFrame([row], schema=QUARANTINE.schema), quarantined.filter(~is_ours)])
