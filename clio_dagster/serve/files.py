"""The releases as they may be served: whole, of one revision, each file as its manifest signs it.

A path is never made of what was asked for: a date is parsed, a name is looked up among those that a release has.
Below the folder of the releases no link is followed. A release's folder is opened once and its files are read
through it, so that a release which is exchanged meanwhile is read as it was, or again.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from clio_dagster.release.contract import RELEASE_TABLES, ReleaseError
from clio_dagster.release.manifest import Manifest, parse_manifest
from clio_dagster.release.read import EXPLORER, MANIFEST, Release

FILES = (EXPLORER, *(f"{name}.parquet" for name in RELEASE_TABLES))
"""What a whole release holds beside its manifest."""

ATTEMPTS = 5
"""Times that a release is read, since it may be replaced between two of its files."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make the reader wait

T = TypeVar("T")


class NoRelease(Exception):
    """There is no release of that date."""


class NotWhole(Exception):
    """The release of a date may not be served. The message names the date and the file, nothing of its content."""


class Replaced(Exception):
    """The release was replaced between two looks at it: look again."""


@dataclass(frozen=True)
class Opened:
    """A release's folder while it is read."""

    day: date
    folder: int
    manifest: Manifest
    manifest_bytes: bytes

    def sha256(self, name: str) -> str:
        """SHA-256 of a file of the release, in hex."""
        if name == MANIFEST:
            return hashlib.sha256(self.manifest_bytes).hexdigest()
        return self.manifest.files[name]

    def read(self, name: str) -> bytes:
        """A file of the release, whole and as signed."""
        if name == MANIFEST:
            return self.manifest_bytes
        content = _read(self.folder, name)
        if hashlib.sha256(content).hexdigest() != self.manifest.files[name]:
            raise NotWhole(f"release {self.day}: {name} differs from what {MANIFEST} signs")
        return content


class Releases:
    """The releases under a folder, looked up anew for every question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def dates(self) -> list[date]:
        """Dates that have a release, newest first."""
        found = []
        try:
            entries = list(os.scandir(self._folder))
        except OSError:
            return []
        for entry in entries:
            day = parse_date(entry.name)
            if day and entry.is_dir(follow_symlinks=False) and _is_file(Path(entry.path) / MANIFEST):
                found.append(day)
        return sorted(found, reverse=True)

    def use(self, day: date, work: Callable[[Opened], T]) -> T:
        """What `work` makes of a date's release; it may be called again where the release is replaced meanwhile.

        Raises NoRelease, or NotWhole where a file is missing, a link, not signed or not as signed.
        """
        problem = NotWhole(f"release {day}: its folder cannot be read")
        for _ in range(ATTEMPTS):
            try:
                with self._opened(day) as opened:
                    return work(opened)
            except NotWhole as error:
                problem = error
            except NoRelease:
                raise
            except OSError:
                problem = NotWhole(f"release {day}: a file is missing or is no plain file")
        raise problem

    def tables(self, day: date, names: tuple[str, ...]) -> Release:
        """Some tables of a date's release."""

        def read(opened: Opened) -> Release:
            contents = {name: opened.read(f"{name}.parquet") for name in names}
            tables = {name: pl.read_parquet(io.BytesIO(content)) for name, content in contents.items()}
            return Release(opened.manifest, tables)

        return self.use(day, read)

    @contextmanager
    def _opened(self, day: date) -> Iterator[Opened]:
        path = self._folder / day.isoformat()
        try:
            folder = os.open(path, _FOLDER)
        except OSError:
            raise NoRelease(f"no release of {day}") from None
        try:
            try:
                content = _read(folder, MANIFEST)
            except FileNotFoundError:
                if _is_same(folder, path):
                    raise NoRelease(f"no release of {day}") from None
                raise
            try:
                manifest = parse_manifest(content)
            except ReleaseError:
                raise NotWhole(f"release {day}: {MANIFEST} is not one") from None
            if manifest.date != day:
                raise NotWhole(f"release {day}: {MANIFEST} is of another day")
            for name in FILES:
                if name not in manifest.files:
                    raise NotWhole(f"release {day}: {name} is not signed")
                os.close(_open(folder, name))
            yield Opened(day, folder, manifest, content)
        finally:
            os.close(folder)


def parse_date(text: str) -> date | None:
    """The date that `text` writes as YYYY-MM-DD, and in no other way."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def _open(folder: int, name: str) -> int:
    """A plain file below an open folder; OSError where a part of its path is a link."""
    *above, last = name.split("/")
    opened: list[int] = []
    try:
        for part in above:
            opened.append(os.open(part, _FOLDER, dir_fd=opened[-1] if opened else folder))
        file = os.open(last, _FILE, dir_fd=opened[-1] if opened else folder)
    finally:
        for each in opened:
            os.close(each)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{name} is no plain file")
    return file


def _read(folder: int, name: str) -> bytes:
    with open(_open(folder, name), "rb") as file:
        return file.read()


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_same(folder: int, path: Path) -> bool:
    """Whether an open folder is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(folder), path.lstat())
    except OSError:
        return False
