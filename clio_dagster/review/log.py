"""The log of Review: one JSON line a look or refusal, only ever appended, each chained to the one before.

A line's hash is an HMAC-SHA256, under a key derived from the site's, over the line and the hash before it. The last
line's number and hash, the head, lie in a second place outside CLIO_HOME, so that a tail that was cut off is missed.
Answers who can write to CLIO_HOME, also with a whole new log: without the key no line can be made, and without the
head none be taken away unseen. Whoever holds the key and both places is out of its reach.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

ALLOWED, REFUSED = "allowed", "refused"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_BLOCK = 65_536


class LogError(Exception):
    """The log cannot be written, or its end is not as it was left. Nothing may be shown."""


@dataclass(frozen=True)
class Line:
    """One line. `accounts` are the pseudonyms shown; `repeated` counts refusals like it that have no line."""

    who: str
    role: str
    action: str
    outcome: str
    client: str
    subject: str = ""
    reason: str = ""
    why: str = ""
    accounts: tuple[str, ...] = ()
    repeated: int = 0
    time: str = ""
    seq: int = 0
    previous: str = ""
    hash: str = ""

    @property
    def at(self) -> datetime:
        """When it was written."""
        return datetime.strptime(self.time, _TIME).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Head:
    """The last line's number and hash; 0 and nothing before the first."""

    seq: int = 0
    hash: str = ""


class ReviewLog:
    """The log at `path`, its head at `head`, its lines made under `key` (derived: `log_key`)."""

    def __init__(self, path: Path, head: Path, key: bytes) -> None:
        self.path = path
        self.head = head
        self._key = key

    @contextmanager
    def held(self) -> Iterator[Held]:
        """The log for one process and thread alone, at its end. Raises LogError where the end is not as it was left."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogError(f"{self.path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield Held(self, handle)
        finally:
            os.close(handle)

    def lines(self) -> list[bytes]:
        """All lines as they are stored, without their ends; a last one that has none is there, too."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        lines = content.split(b"\n")
        return lines if lines[-1] else lines[:-1]

    def line(self, stored: bytes) -> Line | None:
        """A line as it was written under the key; None where it is not."""
        try:
            values = json.loads(stored)
            line = Line(**(values | {"accounts": tuple(values["accounts"])}))
            whole = values.keys() == {each.name for each in fields(Line)}
            return line if whole and hmac.compare_digest(self._mac(line), line.hash) else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def sealed(self, line: Line) -> Line:
        """The line with its hash."""
        return replace(line, hash=self._mac(line))

    def anchored(self) -> Head:
        """The head as it lies in the second place. Raises LogError where that is no head."""
        try:
            values = json.loads(self.head.read_bytes())
            return Head(int(values["seq"]), str(values["hash"]))
        except FileNotFoundError:
            return Head()
        except (OSError, ValueError, TypeError, KeyError):
            raise LogError(f"{self.head} cannot be read as the head of the log") from None

    def anchor(self, head: Head) -> None:
        """Put the head in the second place."""
        beside = self.head.with_name(f".{self.head.name}.{secrets.token_hex(8)}")
        try:
            self.head.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(json.dumps(asdict(head)).encode())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.head)
        except OSError as error:
            raise LogError(f"{self.head} cannot be written: {error.strerror}") from None

    def _mac(self, line: Line) -> str:
        values = {name: value for name, value in asdict(line).items() if name != "hash"}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
        return hmac.digest(self._key, canonical, "sha256").hex()


class Held:
    """The log while one holds it."""

    def __init__(self, log: ReviewLog, handle: int) -> None:
        self._log = log
        self._handle = handle
        self._head = self._checked_head()

    def append(self, line: Line, now: datetime) -> Line:
        """Write a line through to the disk, and its head; returns it. Raises LogError."""
        sealed = self._log.sealed(
            replace(
                line, time=f"{now.astimezone(UTC):{_TIME}}", seq=self._head.seq + 1, previous=self._head.hash
            )
        )
        stored = json.dumps(asdict(sealed), separators=(",", ":")).encode() + b"\n"
        try:
            if os.write(self._handle, stored) != len(stored):
                raise LogError(f"{self._log.path} took only part of a line")
            os.fsync(self._handle)
        except OSError as error:
            raise LogError(f"{self._log.path} cannot be written: {error.strerror}") from None
        self._head = Head(sealed.seq, sealed.hash)
        self._log.anchor(self._head)
        return sealed

    def since(self, start: datetime) -> Iterator[Line]:
        """Lines from `start` on, the last first, each checked against the one after it. Raises LogError."""
        expected = self._head
        for stored in self._backwards():
            line = self._log.line(stored)
            if line is None or (line.seq, line.hash) != (expected.seq, expected.hash):
                raise self._broken()
            if line.at < start:
                return
            yield line
            expected = Head(line.seq - 1, line.previous)

    def _checked_head(self) -> Head:
        """The last line, once it is the one that the second place knows, or the one that a crash left without head."""
        anchored = self._log.anchored()
        self._mend_torn_end(anchored)
        stored = next(self._backwards(), None)
        last = self._log.line(stored) if stored is not None else None
        if stored is None and anchored == Head():
            return Head()
        if last is None or anchored not in (Head(last.seq, last.hash), Head(last.seq - 1, last.previous)):
            raise self._broken()
        return Head(last.seq, last.hash)

    def _mend_torn_end(self, anchored: Head) -> None:
        """Take away the part of a line that a crash left: nothing was shown for it. Only what the head did not know."""
        size = os.fstat(self._handle).st_size
        if not size or os.pread(self._handle, 1, size - 1) == b"\n":
            return
        stored = self._backwards()
        torn, before = next(stored), next(stored, None)
        last = self._log.line(before) if before is not None else None
        if anchored != (Head(last.seq, last.hash) if last else Head()):
            raise self._broken()
        os.ftruncate(self._handle, size - len(torn))

    def _backwards(self) -> Iterator[bytes]:
        """Stored lines from the last to the first."""
        at, rest = os.fstat(self._handle).st_size, b""
        at = at - 1 if at and os.pread(self._handle, 1, at - 1) == b"\n" else at
        if not at:
            return
        while at:
            size = min(_BLOCK, at)
            at -= size
            first, *whole = (os.pread(self._handle, size, at) + rest).split(b"\n")
            yield from reversed(whole)
            rest = first
        yield rest

    def _broken(self) -> LogError:
        return LogError("the end of the log is not as it was left: `clio review verify` says where")


def log_key(key: bytes) -> bytes:
    """The key of the log's lines, derived from the site's."""
    return hmac.digest(key, b"review log", hashlib.sha256)


def log_of(home: Path, key_file: Path, key: bytes) -> ReviewLog:
    """The log of a home. Its head lies beside the key file, under a name made of the home's path."""
    place = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    head = key_file.with_name(f"review-head-{place}")
    return ReviewLog(home / "review" / "log.jsonl", head, log_key(key))
