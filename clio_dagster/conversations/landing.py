"""Landing: one pass over a source file, after which nothing of its account ids is left.

The file is streamed in bounded chunks: recognised, validated, accounts replaced by pseudonyms, languages
identified. Chunks wait as Parquet in a folder beside the landed files; they are then read in the order of
date, language and id, and each slice is written as one file. Files are renamed into place and only then named
in the source's receipt. What no receipt names does not exist for a reader, so a landing
that was killed leaves nothing behind that counts, and landing again ends the same.

    landing/date=2026-11-01/language=es/KEY.parquet    a slice of one source
    landing/receipts/KEY.json                          what the source landed
    landing/.staging/KEY/                              a landing that is under way
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from clio_dagster.conversations.chunks import Chunks
from clio_dagster.conversations.files import NotConversations, find_sources, read_entries
from clio_dagster.conversations.landed import Slice, read_landed, read_receipt, slice_hash, slice_path
from clio_dagster.conversations.languages import READ_CHARACTERS, identify
from clio_dagster.conversations.layouts import EXPECTED, recognise
from clio_dagster.conversations.messages import Malformed, Message
from clio_dagster.conversations.records import ValidRecord, validate
from clio_dagster.conversations.slices import SLICES_SCHEMA, commit, cut_slices, row_hashes, withdraw
from clio_dagster.erasure import ERASED, erased_digest
from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.retention import PAST_RETENTION
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE, RAW_CONVERSATIONS

__all__ = [
    "Landing",
    "NotConversations",
    "etag_key",
    "find_sources",
    "land",
    "landed_before",
    "read_landed",
    "readable",
    "slice_hash",
    "source_key",
    "source_lock",
    "unland",
]

_CHUNK_ROWS = 4_096
_CHUNK_CHARACTERS = 8_000_000
"""A chunk is closed by whichever comes first: some 50 MB with its objects and its frame."""

_UNRECOGNISED_LIMIT = 1_000
"""Records without one of a known layout after which a file is taken for something else."""


@dataclass(frozen=True)
class Landing:
    """What came of a source file.

    `records` were read, of which `landed` landed; `quarantined` (tables.QUARANTINE) says why the others did
    not. `slices` [date, language, conversations, content_hash] are those that the file now contributes to; on the
    days `removed` it once had others. `is_reused` where it had landed before and was not read again.
    """

    source: str
    records: int
    landed: int
    quarantined: pl.DataFrame
    slices: pl.DataFrame
    removed: tuple[Date, ...] = ()
    is_reused: bool = False


def source_key(path: Path) -> str:
    """A source file's name in the pipeline: its file name, simplified, and 12 hex digits of its SHA-256."""
    with path.open("rb") as file:
        return _key(path.name, hashlib.file_digest(file, "sha256").hexdigest())


def etag_key(name: str, etag: str) -> str:
    """The same for an object of a store, whose ETag changes with its content."""
    return _key(name, hashlib.sha256(etag.encode()).hexdigest())


def _key(name: str, digest: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"{slug or 'source'}-{digest[:12]}"


def source_lock(home: Path, key: str) -> FileLock:
    """Held while a source lands or is taken back; whoever holds it may call `land` and `unland`."""
    staging = home / "landing" / ".staging"
    staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(staging / f"{key}.lock", is_singleton=True)


def land(
    path: Path,
    *,
    key: str,
    settings: Settings,
    erased: Mapping[str, datetime] | None = None,
    closed: Collection[Date] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Landing:
    """Land the file at `path` under `key` (see `source_key`), in place of what that key landed before.

    `erased` says, by erasure.erased_digest, when an account was erased: its conversations that began by then go to
    the quarantine. So do those of the days `closed`, whose facets were purged (see retention).

    `on_progress` is called with the bytes of the file read so far and its size. Raises NotConversations where
    the file holds no conversations at all; whatever else is wrong with it becomes a row of the quarantine.
    """
    with source_lock(settings.home, key):
        folder = settings.home / "landing" / ".staging" / key
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("chunks", "slices", "scratch"):
            (folder / name).mkdir(parents=True, mode=0o700)
        try:
            chunks = Chunks(folder / "chunks", folder / "scratch", settings.threads)
            now = datetime.now(UTC)
            return _Pass(path, key, settings, folder, now, chunks, erased or {}, closed).run(on_progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def readable(path: Path, settings: Settings, now: datetime) -> Iterator[ValidRecord]:
    """The records of a file that would land, without landing them; the others are passed over."""
    with tempfile.TemporaryDirectory(prefix="clio-") as scratch:
        for entry in read_entries(
            path, max_record_bytes=settings.max_record_bytes, scratch=Path(scratch) / "scratch"
        ):
            if entry.record is None:
                continue
            try:
                conversation = recognise(entry.record)
                if conversation is not None:
                    yield validate(conversation, settings, now=now, user_characters=READ_CHARACTERS)
            except Malformed:
                continue


def landed_before(home: Path, key: str, *, records: int, quarantined: pl.DataFrame) -> Landing | None:
    """What `key` landed before, for a file that would land the same; None where a slice's file is gone."""
    receipt = read_receipt(home, key)
    if not all(slice_path(home / "landing", *each, key).is_file() for each in receipt.named):
        return None
    slices = pl.DataFrame(receipt.slices, schema={**SLICES_SCHEMA, "date": pl.String})
    return Landing(
        source=key,
        records=records,
        landed=int(slices["conversations"].sum()),
        quarantined=quarantined,
        slices=slices.with_columns(pl.col("date").str.to_date()),
        is_reused=True,
    )


def unland(home: Path, key: str) -> frozenset[Slice]:
    """Take back all that `key` landed; returns every slice (date, language) that it ever had.

    It counts no more from the first rename on. Called again after it was killed, it ends the same.
    """
    with source_lock(home, key):
        withdraw(home, key)
        shutil.rmtree(home / "landing" / ".staging" / key, ignore_errors=True)
        for orphan in (home / "landing").glob(f"date=*/language=*/{key}.parquet"):
            orphan.unlink(missing_ok=True)
        return read_receipt(home, key).removed


@dataclass
class _Pass:
    """One landing of one file."""

    path: Path
    key: str
    settings: Settings
    folder: Path
    now: datetime
    chunks: Chunks
    erased: Mapping[str, datetime]
    closed: Collection[Date]
    refused: list[tuple[int, str]] = field(default_factory=list)

    def run(self, on_progress: Callable[[int, int], None] | None) -> Landing:
        records = recognised = 0
        chunk: list[ValidRecord] = []
        places: list[int] = []
        characters = 0
        entries = read_entries(
            self.path,
            max_record_bytes=self.settings.max_record_bytes,
            scratch=self.folder / "scratch",
            on_progress=on_progress,
        )
        for entry in entries:
            records += 1
            record, is_recognised = self._judge(entry.place, entry.record, entry.reason)
            recognised += is_recognised
            if not recognised and records >= _UNRECOGNISED_LIMIT:
                break
            if record is None:
                continue
            chunk.append(record)
            places.append(entry.place)
            characters += sum(len(message.text) for message in record.messages)
            if len(chunk) >= _CHUNK_ROWS or characters >= _CHUNK_CHARACTERS:
                self._stage(chunk, places)
                chunk, places, characters = [], [], 0
        if not recognised:
            raise NotConversations(self._nothing(records))
        if chunk:
            self._stage(chunk, places)
        slices = self._write_slices() if self.chunks.written else pl.DataFrame(schema=SLICES_SCHEMA)
        commit(self.settings.home, self.key, self.folder / "slices", slices)
        receipt = read_receipt(self.settings.home, self.key)
        return Landing(
            source=self.key,
            records=records,
            landed=int(slices["conversations"].sum()),
            quarantined=self._quarantined(),
            slices=slices,
            removed=tuple(sorted({Date.fromisoformat(day) for day, _ in receipt.removed})),
        )

    def _judge(
        self, place: int, record: dict[str, Any] | None, reason: str
    ) -> tuple[ValidRecord | None, bool]:
        """The valid record, if it is one, and whether it is of a known layout; notes why it is refused."""
        if record is None:
            self.refused.append((place, reason))
            return None, False
        try:
            conversation = recognise(record)
        except Malformed as malformed:
            self.refused.append((place, str(malformed)))
            return None, True
        if conversation is None:
            self.refused.append((place, "no fields of a conversation"))
            return None, False
        try:
            valid = validate(conversation, self.settings, now=self.now, user_characters=READ_CHARACTERS)
            if self._is_erased(valid):
                raise Malformed(ERASED)
            if valid.date in self.closed:
                raise Malformed(PAST_RETENTION)
            return valid, True
        except Malformed as malformed:
            self.refused.append((place, str(malformed)))
            return None, True

    def _is_erased(self, record: ValidRecord) -> bool:
        if not self.erased or record.account is None:
            return False
        asked_at = self.erased.get(erased_digest(record.account, self.settings.key))
        return asked_at is not None and record.started_at <= asked_at

    def _nothing(self, records: int) -> str:
        if not records:
            return f"{self.path.name} holds no record: expected {EXPECTED}"
        place, reason = self.refused[0]
        return f"{self.path.name} holds no conversation (record {place}: {reason}): expected {EXPECTED}"

    def _stage(self, chunk: list[ValidRecord], places: list[int]) -> None:
        """Stage a chunk: what is landed, the place in the file, and a hash of each row."""
        columns = dict(zip(ValidRecord._fields, zip(*chunk, strict=True), strict=True))
        frame = pl.DataFrame(
            {
                "place": pl.Series(places, dtype=pl.Int64),
                "conversation_id": pl.Series(columns["conversation_id"], dtype=pl.String),
                "account": pseudonyms(pl.Series(columns["account"], dtype=pl.String), self.settings.key),
                "started_at": pl.Series(columns["started_at"], dtype=pl.Datetime("us", "UTC")),
                "date": pl.Series(columns["date"], dtype=pl.Date),
                "language": identify(
                    pl.Series(columns["user_text"], dtype=pl.String),
                    self.settings.languages,
                    hints=pl.Series(columns["language"], dtype=pl.String),
                ),
                "turns": pl.Series(columns["turns"], dtype=pl.Int32),
                "messages": _message_lists(columns["messages"]),
                "flagged": pl.Series(columns["flagged"], dtype=pl.Boolean),
            }
        )
        hashes = row_hashes(
            frame["conversation_id"],
            frame["account"],
            columns["started_at"],
            columns["messages"],
            columns["flagged"],
        )
        self.chunks.write(
            frame.with_columns(
                row_hash=pl.Series(hashes, dtype=pl.Binary),
                characters=pl.Series(
                    [sum(len(message.text) for message in listed) for listed in columns["messages"]],
                    dtype=pl.Int64,
                ),
            )
        )

    def _write_slices(self) -> pl.DataFrame:
        """One file a slice, of the rows in order; of an id that occurs twice the first record is kept."""
        repeats, parts = self.chunks.in_order([*RAW_CONVERSATIONS.schema, "row_hash"])
        self.refused += [(place, f"conversation_id already at record {first}") for place, first in repeats]
        return cut_slices(parts, self.folder / "slices", self.key)

    def _quarantined(self) -> pl.DataFrame:
        self.refused.sort()
        places = [place for place, _ in self.refused]
        return pl.DataFrame(
            {
                "source": pl.repeat(self.key, len(places), dtype=pl.String, eager=True),
                "record": places,
                "reason": [reason for _, reason in self.refused],
                "landed_at": pl.repeat(self.now, len(places), dtype=pl.Datetime("us", "UTC"), eager=True),
            },
            schema=QUARANTINE.schema,
        )


def _message_lists(messages: Sequence[list[Message]]) -> pl.Series:
    """Lists of messages, none empty, as a column (tables.MESSAGES_TYPE). Made flat: five times faster."""
    flat = pl.DataFrame(
        {
            "row": [row for row, listed in enumerate(messages) for _ in listed],
            "role": [message.role for listed in messages for message in listed],
            "text": [message.text for listed in messages for message in listed],
        }
    )
    return flat.group_by("row", maintain_order=True).agg(messages=pl.struct("role", "text"))["messages"]
