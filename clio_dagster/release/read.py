"""Open releases: which there are, what they hold, and whether they are whole."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from clio_dagster.release.contract import RELEASE_TABLES, ReleaseError
from clio_dagster.release.manifest import Manifest, parse_manifest

MANIFEST = "manifest.json"
EXPLORER = "explorer/index.html"

_ATTEMPTS = 5  # a release may be replaced between two of the files that are read


@dataclass(frozen=True)
class Release:
    """A whole release: its manifest, and its tables by name, all of one revision."""

    manifest: Manifest
    tables: dict[str, pl.DataFrame]


def release_dates(releases: Path) -> list[date]:
    """Dates that have a release under the folder `releases`, oldest first."""
    found = []
    for path in releases.iterdir() if releases.is_dir() else ():
        try:
            day = date.fromisoformat(path.name)
        except ValueError:
            continue
        if path.name == day.isoformat() and (path / MANIFEST).is_file():
            found.append(day)
    return sorted(found)


def latest_release(releases: Path) -> Path | None:
    """Folder of the newest date's release, or None."""
    dates = release_dates(releases)
    return releases / dates[-1].isoformat() if dates else None


def read_release(path: Path) -> Release:
    """Read a release's manifest and tables, all of one revision even while a writer replaces it.

    Raises ReleaseError where there is none, or where a file is not the one that the manifest signs.
    """
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            manifest = parse_manifest((path / MANIFEST).read_bytes())
            contents = {name: (path / f"{name}.parquet").read_bytes() for name in RELEASE_TABLES}
        except OSError as error:
            problem = f"{Path(str(error.filename)).name} cannot be read"
            continue
        changed = [n for n, c in contents.items() if _sha256(c) != manifest.files.get(f"{n}.parquet")]
        if not changed:
            return Release(manifest, {n: pl.read_parquet(io.BytesIO(c)) for n, c in contents.items()})
        problem = f"{', '.join(changed)} differ from what {MANIFEST} signs"
    raise ReleaseError(f"no whole release in {path}: {problem}")


def verify(path: Path) -> list[str]:
    """Problems of the release in `path`; an empty list where every file is there and as signed."""
    try:
        manifest = parse_manifest((path / MANIFEST).read_bytes())
    except OSError:
        return [f"{MANIFEST} is missing"]
    except ReleaseError as error:
        return [str(error)]
    problems = []
    if path.name != manifest.date.isoformat():
        problems.append(f"{MANIFEST} is of another day than its folder")
    wanted = {*(f"{name}.parquet" for name in RELEASE_TABLES), EXPLORER}
    problems += [f"{name} is not signed" for name in sorted(wanted - manifest.files.keys())]
    for name, signed in sorted(manifest.files.items()):
        try:
            content = (path / name).read_bytes()
        except OSError:
            problems.append(f"{name} is missing")
            continue
        if _sha256(content) != signed:
            problems.append(f"{name} differs from its SHA-256")
    found = {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()}
    problems += [
        f"{name} does not belong to it" for name in sorted(found - manifest.files.keys() - {MANIFEST})
    ]
    return problems


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
