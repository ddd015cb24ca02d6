"""Files that come to CLIO_INBOX, a folder or a prefix of a bucket: registered, and asked for as runs of `land`.

A file is known by eight bytes of its place and its etag (in a folder: size, time of modification to the nanosecond,
inode). Those that were taken are the cursor, so nothing hangs on the order in which files come or on what their
clocks say, and a file that is written over is another. One whose run fails or dies is registered all the same: the
reconcile sensor asks for it again.
"""

import base64
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from assets.partitions import SETTINGS
from assets.partitions import SOURCES as SOURCES_PARTITIONS
from clio_dagster.conversations.files import FORMATS
from clio_dagster.conversations.landing import etag_key, source_key
from clio_dagster.settings import Settings
from resources.freshness import unlanded_sources
from resources.s3_objects import Objects
from resources.s3_options import options_of
from resources.s3_sources import S3
from resources.site import Site
from resources.sources import Found, register
from sensors.jobs import land
from sensors.paused import unless_paused
from sensors.reconcile import UNFINISHED
from sensors.runs import ASKED_BY
from sensors.sources import sources_range, together

FILES_A_TICK = 50
"""Files taken at one look; the rest wait for the next."""

UNFINISHED_RUNS = 4
"""Runs of `land` that are queued or under way, from which on no file is taken: where files come faster than runs
begin, more of them come to one run."""

HASHING_SECONDS = 20.0
"""After which a look takes no further file: Dagster ends a sensor's evaluation after a minute."""

MARK_BYTES = 8

TEMPORARY = (".", "_", "~")
"""How names of files and folders begin that are not, or not yet, anybody's data: .x, _SUCCESS, ~$x."""


class NoInbox(ValueError):
    """The inbox cannot be looked at. The message says what to set or to make."""


@dataclass(frozen=True)
class Arrival:
    """A file of the inbox as it is now, and its bytes. `etag` is an object's; a file of a folder has one of `_etag`."""

    path: str
    etag: str
    size: int = field(compare=False, default=0)

    @property
    def mark(self) -> bytes:
        return hashlib.blake2b(f"{self.path}\0{self.etag}".encode(), digest_size=MARK_BYTES).digest()

    @property
    def is_object(self) -> bool:
        return self.path.startswith(S3)

    def key(self) -> str | None:
        """The source's key; None where the file has gone, has changed meanwhile or cannot be read."""
        if self.is_object:
            return etag_key(PurePosixPath(self.path).name, self.etag)
        try:
            key = source_key(Path(self.path))
            return key if _etag(Path(self.path).stat()) == self.etag else None
        except OSError:
            return None


@dataclass(frozen=True)
class Cursor:
    """Marks of the files that were taken, and of those that were seen once or wait: eleven characters a file.

    `count` is of all files ever taken: a file that comes back is asked for anew, a tick that is repeated is not.
    """

    taken: Set[bytes] = frozenset()
    waiting: Set[bytes] = frozenset()
    count: int = 0

    @classmethod
    def read(cls, text: str | None) -> Self:
        stored = json.loads(text) if text else {}
        taken, waiting = (_unpacked(stored.get(name, "")) for name in ("taken", "waiting"))
        return cls(taken, waiting, stored.get("count", 0))

    def text(self) -> str:
        marks = {"taken": _packed(self.taken), "waiting": _packed(self.waiting)}
        return json.dumps(marks | {"count": self.count})


@sensor(
    name="arrivals",
    job=land,
    minimum_interval_seconds=SETTINGS.tick_seconds,
    default_status=DefaultSensorStatus.RUNNING if SETTINGS.inbox else DefaultSensorStatus.STOPPED,
)
@unless_paused
def arrivals(context: SensorEvaluationContext, site: Site) -> SensorResult:
    """Land the files of CLIO_INBOX as they come, are replaced, or come back; one that goes leaves what it landed.

    A file of a folder is taken once it has stopped changing: it is the same at two looks in a row, and not empty.
    Hidden and temporary names and other kinds of files are passed over. `clio unland` takes back what one landed.
    """
    try:
        seen = {arrival.mark: arrival for arrival in look(site.settings)}
    except NoInbox as why:
        return SensorResult(skip_reason=str(why), cursor=context.cursor)
    before = Cursor.read(context.cursor)
    new = [arrival for mark, arrival in sorted(seen.items()) if mark not in before.taken]
    ready = [arrival for arrival in new if arrival.is_object or arrival.mark in before.waiting]
    keys = _taken(ready, room=_room(context.instance))
    register(site, [Found(key, arrival.path) for arrival, key in keys.items()])
    unlanded = unlanded_sources(site.warehouse, site.settings, sorted(set(keys.values())))
    taken = (before.taken & seen.keys()) | {arrival.mark for arrival in keys}
    asked = {key: arrival for arrival, key in keys.items() if key in unlanded}
    known = context.instance.get_dynamic_partitions(str(SOURCES_PARTITIONS.name))
    order = list(dict.fromkeys([*known, *asked]))
    requests = [
        RunRequest(
            run_key=_run_key([(key, asked[key]) for key in each], before.count),
            partition_key=each[0] if len(each) == 1 else None,
            tags={ASKED_BY: "arrivals"} | sources_range(each),
        )
        for each in together({key: arrival.size for key, arrival in asked.items()}, order)
    ]
    waiting = len(seen) - len(taken)
    said = f"{len(seen)} files in the inbox, {len(taken)} taken; {waiting} wait to be whole or for their turn"
    if requests:
        context.log.info(said)
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else said,
        dynamic_partitions_requests=[SOURCES_PARTITIONS.build_add_request(list(asked))] if asked else [],
        cursor=Cursor(taken, seen.keys() - taken, before.count + len(keys)).text(),
    )


def look(settings: Settings) -> Iterator[Arrival]:
    """Every file of the inbox that could hold conversations. Raises NoInbox, or WarehouseError where S3 fails."""
    if not settings.inbox:
        raise NoInbox("no inbox: set CLIO_INBOX to a folder or to s3://BUCKET/PREFIX")
    if settings.inbox.startswith(S3):
        bucket, _, prefix = settings.inbox.removeprefix(S3).partition("/")
        objects = Objects(bucket, prefix, settings.s3_endpoint, options_of(settings))
        return (
            Arrival(f"{S3}{bucket}/{objects.root}{entry.name}", entry.etag, entry.size)
            for entry in objects.listed("")
            if entry.size and _is_data(entry.name)
        )
    folder = Path(settings.inbox).expanduser()
    if not folder.is_absolute():
        raise NoInbox(f"CLIO_INBOX is {settings.inbox}: give the folder's absolute path")
    if not folder.is_dir():
        raise NoInbox(f"CLIO_INBOX is {folder}, and there is no such folder: make it, or set another")
    return _files(str(folder))


def _files(folder: str) -> Iterator[Arrival]:
    """Files below a folder. What goes while it is looked at, and folders that may not be read, are passed over."""
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError:
        return
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(TEMPORARY):
                yield from _files(entry.path)
        elif _is_data(entry.name):
            try:
                status = entry.stat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size:
                yield Arrival(entry.path, _etag(status), status.st_size)


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _is_data(name: str) -> bool:
    """Whether a file of this name, below the inbox, is of a known kind and not a temporary one."""
    parts = name.split("/")
    kind = PurePosixPath(parts[-1].lower().removesuffix(".gz")).suffix
    return kind in FORMATS and not any(part.startswith(TEMPORARY) for part in parts)


def _room(instance: DagsterInstance) -> int:
    """How many files may be taken now."""
    unfinished = instance.get_runs_count(RunsFilter(job_name=land.name, statuses=UNFINISHED))
    return FILES_A_TICK if unfinished < UNFINISHED_RUNS else 0


def _taken(ready: list[Arrival], room: int) -> dict[Arrival, str]:
    """Keys of the files for which there is room and time, by file."""
    keys: dict[Arrival, str] = {}
    ends_at = time.monotonic() + HASHING_SECONDS
    for arrival in ready:
        if len(keys) == room or (keys and time.monotonic() > ends_at):
            break
        if key := arrival.key():
            keys[arrival] = key
    return keys


def _run_key(files: list[tuple[str, Arrival]], count: int) -> str:
    texts = [f"{key} {arrival.mark.hex()} {count}" for key, arrival in files]
    return texts[0] if len(texts) == 1 else hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _packed(marks: Set[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(marks))).decode()


def _unpacked(text: str) -> frozenset[bytes]:
    marks = base64.b64decode(text)
    return frozenset(marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES))
