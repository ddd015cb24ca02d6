"""Sources: where they lie, which came after which at one path, which were withdrawn; and their content at hand.

Every change of the table `sources` is made here, in turn: a row is read, changed and written whole. What a source
landed is `clio_dagster.conversations`' to know.
"""

import difflib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetMaterialization, DagsterInstance
from filelock import FileLock

from clio_dagster.conversations.landed import touched_days
from clio_dagster.conversations.landing import (
    Landing,
    etag_key,
    find_sources,
    slice_hash,
    source_key,
    source_lock,
    unland,
)
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE, SOURCES
from resources.freshness import landing_fingerprint
from resources.s3_errors import Gone
from resources.s3_objects import Objects
from resources.s3_options import options_of
from resources.s3_sources import S3, objects_at
from resources.site import Site

_BLOCK_BYTES = 8_000_000
"""Of an object, asked for at once."""


class MissingSource(ValueError):
    """A source was asked for that is not registered, or is not at its path as it was."""


class UnknownSource(ValueError):
    """No source of that key or path is registered. The message names those that are called alike."""


@dataclass(frozen=True)
class Found:
    """A source's content, by its key, and where it was seen: an absolute path, or s3://BUCKET/KEY."""

    key: str
    path: str


def paths_of(site: Site, keys: Sequence[str]) -> dict[str, str]:
    """Where sources were registered, by key; those that are not registered are left out."""
    return dict(site.warehouse.read(SOURCES, {"source": list(keys)}, ["source", "path"]).iter_rows())


@dataclass(frozen=True)
class Versions:
    """The sources that came before one at its path, and those that came after."""

    older: Sequence[str]
    newer: Sequence[str]


def files_at(path: Path) -> list[Found]:
    """The source files at a path (see `find_sources`), their content hashed."""
    return [Found(source_key(file), str(file.absolute())) for file in find_sources(path)]


def sources_at(settings: Settings, source: Path | str) -> list[Found]:
    """The same for a path, or for s3://BUCKET/KEY: one object, or those below it, known by their ETags."""
    if not str(source).startswith(S3):
        return files_at(Path(source))
    return [Found(etag_key(seen.name, seen.etag), seen.path) for seen in objects_at(settings, str(source))]


def register(site: Site, found: Iterable[Found]) -> None:
    """Note where sources lie. At a path that held another before, that one is replaced and this one is to land.

    A source that was withdrawn stays so (see `bring_back`).
    """
    found = list(found)
    with _changing(site):
        rows = _rows(site, "source", [each.key for each in found])
        rows |= _rows(site, "path", [each.path for each in found])
        before = {key: dict(row) for key, row in rows.items()}
        standing: dict[str, set[str]] = {}
        for key, row in rows.items():
            standing.setdefault(row["path"], set()).add(key)
        for each in found:
            row = rows.setdefault(each.key, dict.fromkeys(SOURCES.schema) | {"source": each.key})
            if row["withdrawn_at"]:
                continue
            replaced = [
                other
                for other in map(rows.__getitem__, standing.get(each.path, set()) - {each.key})
                if other["path"] == each.path and not other["replaced_by"] and not other["is_copied"]
            ]
            for other in replaced:
                other["replaced_by"] = each.key
            if replaced or row["replaced_by"]:
                row |= {"replaced_by": None, "landed_at": None, "purged_at": None}
            elif row["path"] not in (None, each.path):
                row["is_copied"] = row["is_copied"] or is_there(row["path"])
            row["path"] = each.path
            standing.setdefault(each.path, set()).add(each.key)
        _write(site, [row for key, row in rows.items() if row["path"] and row != before.get(key)])


def forget_landing(site: Site, key: str) -> str | None:
    """Let a source count as not landed, so that it is landed anew; its path, or None where it is there no more.

    What it landed counts meanwhile as it did.
    """
    with _changing(site):
        row = _rows(site, "source", [key]).get(key)
        if row is None or row["withdrawn_at"] or row["replaced_by"] or row["purged_at"]:
            return None
        if not row["path"].startswith(S3) and (
            not Path(row["path"]).is_file() or source_key(Path(row["path"])) != key
        ):
            return None
        _write(site, [row | {"landed_at": None}])
    return str(row["path"])


def bring_back(site: Site, keys: Sequence[str]) -> None:
    """Let sources land that were withdrawn."""
    with _changing(site):
        rows = _rows(site, "source", keys).values()
        _write(site, [row | {"withdrawn_at": None} for row in rows if row["withdrawn_at"]])


def versions(site: Site, key: str) -> Versions:
    """What came before and after a source at its path."""
    path = site.warehouse.read(SOURCES, {"source": key}, ["path"])["path"].item()
    rows = site.warehouse.read(SOURCES, {"path": path}, ["source", "replaced_by"])
    replaced = dict(rows.drop_nulls().rows())

    def after(each: str) -> list[str]:
        found = []
        while each in replaced:
            each = replaced[each]
            found.append(each)
        return found

    return Versions([each for each in replaced if key in after(each)], after(key))


def note_landed(site: Site, landing: Landing) -> None:
    """Say what came of a source's landing; from now on it counts as landed."""
    dates = landing.slices["date"]
    with _changing(site):
        for row in _rows(site, "source", [landing.source]).values():
            landed = {
                "records": landing.records,
                "landed": landing.landed,
                "quarantined": landing.quarantined.height,
                "first_date": dates.min(),
                "last_date": dates.max(),
                "landed_at": datetime.now(UTC),
                "purged_at": None,
            }
            _write(site, [row | landed], fingerprint=landing_fingerprint(site.settings))


def note_purged(site: Site, keys: Sequence[str]) -> None:
    """Say that the text of sources' landings is going: from now on none of them is landed again as it is."""
    with _changing(site):
        rows = _rows(site, "source", keys).values()
        _write(site, [row | {"purged_at": datetime.now(UTC)} for row in rows if not row["purged_at"]])


@contextmanager
def at_hand(settings: Settings, key: str, path: str) -> Iterator[Path]:
    """The source's content as a file on this machine; an object of S3 is fetched, and removed at the end.

    Raises MissingSource where it is gone or holds something else, and WarehouseError where S3 does not give it.
    """
    moved = f"source {key} is no longer where it was registered: run `clio run FILE` where it is now"
    changed = f"source {key} has changed since it was registered: `clio run FILE` lands it as it is now"
    if not path.startswith(S3):
        if not Path(path).is_file():
            raise MissingSource(moved)
        if source_key(Path(path)) != key:
            raise MissingSource(changed)
        yield Path(path)
        return
    bucket, _, name = path.removeprefix(S3).partition("/")
    objects = Objects(bucket, "", settings.s3_endpoint, options_of(settings))
    entry = next((each for each in objects.listed(name) if each.name == name), None)
    if entry is None:
        raise MissingSource(f"source {key} is no longer in its bucket")
    file = name.rsplit("/", 1)[-1]
    if etag_key(file, entry.etag) != key:
        raise MissingSource(changed)
    folder = settings.home / "landing" / ".staging" / f"{key}.fetched"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        with objects.open(entry) as remote, (folder / file).open("wb") as local:
            shutil.copyfileobj(remote, local, _BLOCK_BYTES)
        yield folder / file
    except Gone:
        raise MissingSource(changed) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def registered_as(site: Site, names: Iterable[str]) -> list[str]:
    """Keys of the sources of these names: keys, or paths with every version that was registered there.

    Raises UnknownSource.
    """
    rows = site.warehouse.read(SOURCES, None, ["source", "path"])
    keys: dict[str, None] = {}
    for name in names:
        path = name if name.startswith(S3) else str(Path(name).absolute())
        matches = rows.filter((pl.col("source") == name) | (pl.col("path") == path))["source"].to_list()
        if not matches:
            raise UnknownSource(_unknown(name, rows))
        keys |= dict.fromkeys(matches)
    return list(keys)


def withdraw_source(site: Site, instance: DagsterInstance, key: str) -> list[date]:
    """Take back all that a source landed, tell Dagster of the slices, and return their days.

    It is noted first: from then on nobody lands it but `clio run`. Killed at any moment, calling it again ends it.
    """
    home = site.settings.home
    with source_lock(home, key):
        with _changing(site):
            row = _rows(site, "source", [key])[key]
            kept = {"source": key, "path": row["path"], "replaced_by": row["replaced_by"]}
            kept["withdrawn_at"] = row["withdrawn_at"] or datetime.now(UTC)
            _write(site, [dict.fromkeys(SOURCES.schema) | kept])
        site.warehouse.write(QUARANTINE, {"source": key}, QUARANTINE.empty())
        slices = unland(home, key)
        shutil.rmtree(home / "landing" / ".staging" / f"{key}.fetched", ignore_errors=True)
    for day, language in sorted(slices):
        if language in site.settings.partition_languages:
            tags = {"dagster/data_version": slice_hash(home, day, language)}
            instance.report_runless_asset_event(
                AssetMaterialization("landed", partition=f"{day}|{language}", tags=tags)
            )
    return touched_days(home, [key])


def _changing(site: Site) -> FileLock:
    """Held while rows of the table are read, changed and written."""
    site.settings.home.mkdir(parents=True, exist_ok=True)
    return FileLock(site.settings.home / "sources.lock")


def _rows(site: Site, column: str, values: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = site.warehouse.read(SOURCES, {column: list(values)}, list(SOURCES.schema))
    return {row["source"]: row for row in rows.to_dicts()}


def _write(site: Site, rows: Sequence[dict[str, Any]], fingerprint: str | None = None) -> None:
    """Write rows whole; each keeps its fingerprint if none is given and it stands as landed."""
    stored = site.warehouse.slices(SOURCES, [row["source"] for row in rows])

    def kept(row: dict[str, Any]) -> str:
        return stored[row["source"]].fingerprint if row["landed_at"] and row["source"] in stored else ""

    if rows:
        site.warehouse.write_many(
            (
                SOURCES,
                {"source": row["source"]},
                pl.DataFrame([row], SOURCES.schema),
                kept(row) if fingerprint is None else fingerprint,
            )
            for row in rows
        )


def is_there(path: str) -> bool:
    """Whether a source lies where it was registered, as far as can be said without asking S3."""
    return path.startswith(S3) or Path(path).is_file()


def _unknown(name: str, rows: pl.DataFrame) -> str:
    known = [*rows["source"], *rows["path"].str.split("/").list.last()]
    near = difflib.get_close_matches(name.rsplit("/", 1)[-1], list(dict.fromkeys(known)), n=5, cutoff=0.5)
    keys = rows.filter(pl.col("source").is_in(near) | pl.col("path").str.split("/").list.last().is_in(near))
    listed = ", ".join(keys["source"].head(5)) or "none is called alike"
    return f"no source {name}, by key or path; near: {listed}"
