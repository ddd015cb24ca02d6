"""The published zone in a bucket: what CLIO_HOME/releases holds, copied to CLIO_RELEASES once it is whole.

Each revision has a folder of its own, `DATE/REVISION-HASH/`, whose objects are written once: the manifest last, so
that who sees it sees all that it signs. `latest.json` says which revision of a date stands; then what no longer
stands is removed, its manifest first. Nobody ever reads a file that is not the one its manifest signs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from clio_dagster.release.contract import ReleaseError
from clio_dagster.release.folder import locked
from clio_dagster.release.manifest import parse_manifest
from clio_dagster.release.read import MANIFEST, release_dates, verify
from clio_dagster.settings import Settings
from resources.s3_errors import Gone
from resources.s3_objects import Objects, concurrently
from resources.s3_options import Options, release_options_of

LATEST = "latest.json"
"""The pointer: which dates there are, and where the revision of each lies that stands."""

SENT = ".sent.json"
"""Beside the releases: dates that were copied from here. One of them that is gone was withdrawn."""

HASH_DIGITS = 12
"""Of the manifest's SHA-256, in the name of a revision's folder: revisions begin anew where a home was lost."""

_SCHEMA_VERSION = 1

_MEDIA_TYPES = {
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True)
class Sent:
    """What a copy changed: dates that were sent, and dates that were withdrawn."""

    sent: tuple[date, ...]
    withdrawn: tuple[date, ...]


def copy_releases(settings: Settings) -> Sent:
    """Make CLIO_RELEASES hold what CLIO_HOME/releases does; does nothing where it is not set.

    A date that another home put there, and that this one never sent, stays. Killed at any moment, or failed, calling
    it again ends it. Raises WarehouseError where S3 fails, and ReleaseError for a release that is not as signed.
    """
    if not settings.releases:
        return Sent((), ())
    endpoint = settings.releases_endpoint or settings.s3_endpoint
    objects = _opened(settings.releases, endpoint, release_options_of(settings))
    releases = settings.home / "releases"
    with locked(releases):
        return _copy(objects, releases)


@lru_cache(maxsize=2)
def _opened(place: str, endpoint: str | None, options: Options) -> Objects:
    """One a process, for its connections."""
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    return Objects(bucket, prefix, endpoint, options)


def _copy(objects: Objects, releases: Path) -> Sent:
    there = {entry.name for entry in objects.listed("")}
    pointed = _pointed(objects) if LATEST in there else {}
    before = _sent(releases)
    here = {day.isoformat() for day in release_dates(releases)}
    standing = {day: row for day, row in pointed.items() if day in here or day not in before}
    broken: dict[str, list[str]] = {}
    changed = []
    for day in sorted(here):
        row = _described(releases / day)
        if row and pointed.get(day) == row and row["path"] + MANIFEST in there:
            continue
        if problems := verify(releases / day):
            broken[day] = problems
        elif row:
            _send(objects, releases / day, row["path"])
            standing[day] = row
            changed.append(day)
    ours = before | set(changed)
    _note_sent(releases, ours)
    if standing != pointed:
        objects.put(LATEST, _pointer(standing), _MEDIA_TYPES[".json"])
    _remove(objects, there, standing, ours)
    _note_sent(releases, ours & here)
    if broken:
        said = "; ".join(f"{day}: {', '.join(problems)}" for day, problems in broken.items())
        raise ReleaseError(
            f"releases that are not as signed were not copied ({said}): materialize them again"
        )
    withdrawn = sorted(pointed.keys() - standing.keys())
    return Sent(*(tuple(map(date.fromisoformat, days)) for days in (changed, withdrawn)))


def _described(folder: Path) -> dict[str, Any] | None:
    """A release's row in the pointer; None where its manifest is none."""
    try:
        signed = (folder / MANIFEST).read_bytes()
        revision = parse_manifest(signed).revision
    except (OSError, ReleaseError):
        return None
    digest = hashlib.sha256(signed).hexdigest()
    path = f"{folder.name}/{revision}-{digest[:HASH_DIGITS]}/"
    return {"revision": revision, "path": path, "manifest_sha256": digest}


def _send(objects: Objects, folder: Path, path: str) -> None:
    """Write a release's objects, and then its manifest."""

    def put(name: str) -> None:
        objects.put(path + name, (folder / name).read_bytes(), _MEDIA_TYPES.get(Path(name).suffix))

    concurrently(put, sorted(parse_manifest((folder / MANIFEST).read_bytes()).files))
    put(MANIFEST)


def _pointed(objects: Objects) -> dict[str, Any]:
    """The releases of the pointer, by date; none where it is not one of ours."""
    try:
        content = json.loads(objects.get(LATEST))
        return dict(content["releases"]) if content["schema_version"] == _SCHEMA_VERSION else {}
    except (Gone, ValueError, KeyError, TypeError):
        return {}


def _pointer(standing: dict[str, Any]) -> bytes:
    content = {
        "schema_version": _SCHEMA_VERSION,
        "latest": max(standing, default=None),
        "releases": dict(sorted(standing.items())),
    }
    return json.dumps(content, indent=1).encode()


def _remove(objects: Objects, there: Iterable[str], standing: dict[str, Any], ours: Iterable[str]) -> None:
    """Remove what does not stand, of dates that were sent from here: manifests, and then all that they signed."""
    kept = tuple(row["path"] for row in standing.values())
    dates = set(ours)
    gone = [name for name in there if name.partition("/")[0] in dates and not name.startswith(kept)]
    concurrently(objects.remove, [name for name in gone if name.endswith(f"/{MANIFEST}")])
    concurrently(objects.remove, [name for name in gone if not name.endswith(f"/{MANIFEST}")])


def _sent(releases: Path) -> set[str]:
    try:
        return set(json.loads((releases / SENT).read_text("utf-8")))
    except (OSError, ValueError):
        return set()


def _note_sent(releases: Path, dates: Iterable[str]) -> None:
    staged = releases / f"{SENT}.new"
    staged.write_text(json.dumps(sorted(dates)), "utf-8")
    staged.replace(releases / SENT)
