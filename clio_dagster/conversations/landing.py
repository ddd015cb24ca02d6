"""Landing: one pass over a source file, after which nothing of its account ids is left.

The file is streamed in bounded batches: recognised, validated, accounts replaced by pseudonyms, languages
identified; of a large file by several processes. What lands of a batch, a chunk, waits as Parquet in a folder beside
the landed files. Chunks are then read in the order of date, language and id, and each slice is written as one file.
Files are renamed into place and only then named in the source's receipt. What no receipt names does not exist for a
reader, so a landing that was killed leaves nothing behind that counts, and landing again ends the same.

    landing/date=2026-11-01/language=es/KEY.parquet    a slice of one source
    landing/receipts/KEY.json                          what the source landed
    landing/.staging/KEY/                              a landing that is under way
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path

import polars as pl
from filelock import FileLock

from clio_dagster.conversations.chunks import Chunks
from clio_dagster.conversations.files import NotConversations, Part, find_sources, read_entries, read_parts
from clio_dagster.conversations.helpers import Helpers, chunk_path, helpers_for
from clio_dagster.conversations.landed import Slice, read_landed, read_receipt, slice_hash, slice_path
from clio_dagster.conversations.languages import READ_CHARACTERS
from clio_dagster.conversations.layouts import EXPECTED, recognise
from clio_dagster.conversations.messages import Malformed
from clio_dagster.conversations.records import ValidRecord, validate
from clio_dagster.conversations.slices import SLICES_SCHEMA, commit, cut_slices, withdraw
from clio_dagster.conversations.staging import Rules, Staged, batches, stage
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


@contextmanager
def staging_folder(home: Path, key: str) -> Iterator[Path]:
    """Where a source is staged under its lock: a folder with `chunks`, `slices` and `scratch`, gone at the end."""
    with source_lock(home, key):
        below = home / "landing" / ".staging" / key
        shutil.rmtree(below, ignore_errors=True)
        below.mkdir(parents=True, mode=0o700)
        try:
            # A folder that no other landing has: what outlives a killed one for a moment cannot write into the next.
            folder = Path(tempfile.mkdtemp(dir=below))
            for name in ("chunks", "slices", "scratch"):
                (folder / name).mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(below, ignore_errors=True)


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
    with staging_folder(settings.home, key) as folder:
        rules = Rules(settings, datetime.now(UTC), erased or {}, frozenset(closed))
        return _Pass(path, key, folder, rules).run(on_progress)


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
    """One landing of one file, staged in `folder`."""

    path: Path
    key: str
    folder: Path
    rules: Rules
    staged: Staged = field(default_factory=Staged)

    def run(self, on_progress: Callable[[int, int], None] | None) -> Landing:
        self._stage(on_progress)
        slices = self._write_slices() if self.staged.characters else pl.DataFrame(schema=SLICES_SCHEMA)
        home = self.rules.settings.home
        commit(home, self.key, self.folder / "slices", slices)
        return Landing(
            source=self.key,
            records=self.staged.records,
            landed=int(slices["conversations"].sum()),
            quarantined=self._quarantined(),
            slices=slices,
            removed=tuple(
                sorted({Date.fromisoformat(day) for day, _ in read_receipt(home, self.key).removed})
            ),
        )

    def _stage(self, on_progress: Callable[[int, int], None] | None) -> None:
        """Stage the file batch by batch, with the help of other processes where it is large."""
        parts = read_parts(
            self.path,
            max_record_bytes=self.rules.settings.max_record_bytes,
            scratch=self.folder / "scratch",
            on_progress=on_progress,
        )
        helpers = helpers_for(self.path.stat().st_size, self.rules.settings.threads)
        with Helpers(helpers, self.key, self.rules, self.folder / "chunks") as others:
            for number, batch in enumerate(batches(parts)):
                if not self.staged.recognised:
                    self._stage_first(number, batch)
                elif not others.take(number, batch):
                    self._stage_here(number, batch)
            for number, batch in others.left():
                self._stage_here(number, batch)
            for staged in others.done():
                self.staged.add(staged)
        if not self.staged.recognised:
            raise NotConversations(self._nothing())

    def _stage_first(self, number: int, batch: list[Part]) -> None:
        """Stage a batch before which nothing is of a known layout: the file may be something else."""
        self._stage_here(number, batch, unrecognised_limit=_UNRECOGNISED_LIMIT - self.staged.records)
        if not self.staged.recognised and self.staged.records >= _UNRECOGNISED_LIMIT:
            raise NotConversations(self._nothing())

    def _stage_here(self, number: int, batch: list[Part], *, unrecognised_limit: int | None = None) -> None:
        path = chunk_path(self.folder / "chunks", number)
        self.staged.add(stage(batch, self.rules, path, unrecognised_limit=unrecognised_limit))

    def _nothing(self) -> str:
        if not self.staged.records:
            return f"{self.path.name} holds no record: expected {EXPECTED}"
        place, reason = self.staged.refused[0]
        return f"{self.path.name} holds no conversation (record {place}: {reason}): expected {EXPECTED}"

    def _write_slices(self) -> pl.DataFrame:
        """One file a slice, of the rows in order; of an id that occurs twice the first record is kept."""
        threads, characters = self.rules.settings.threads, self.staged.characters
        chunks = Chunks(self.folder / "chunks", self.folder / "scratch", threads, characters)
        repeats, parts = chunks.in_order([*RAW_CONVERSATIONS.schema, "row_hash"])
        self.staged.refused += [
            (place, f"conversation_id already at record {first}") for place, first in repeats
        ]
        return cut_slices(parts, self.folder / "slices", self.key)

    def _quarantined(self) -> pl.DataFrame:
        refused = sorted(self.staged.refused)
        now = self.rules.now
        return pl.DataFrame(
            {
                "source": pl.repeat(self.key, len(refused), dtype=pl.String, eager=True),
                "record": [place for place, _ in refused],
                "reason": [reason for _, reason in refused],
                "landed_at": pl.repeat(now, len(refused), dtype=pl.Datetime("us", "UTC"), eager=True),
            },
            schema=QUARANTINE.schema,
        )
