"""How a home is laid out: the version of its files, and the settings that decide what its partitions are.

Both are noted in CLIO_HOME/layout.json when something is first made there. Partitions that were made under other
settings would be orphans: nothing is made until `clio migrate` has moved what they hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from clio_dagster.settings import OTHER, Settings, SettingsError

SCHEMA = 1
"""Version of the home's files. Counts up when a newer version writes what an older one would read wrongly."""

_migrating = False


@dataclass(frozen=True)
class Layout:
    """What decides the partitions: the languages that have one, the zone whose days they are, and the first day."""

    languages: tuple[str, ...]
    timezone: str
    start_date: str

    @classmethod
    def of(cls, settings: Settings) -> Layout:
        return cls(settings.languages, settings.timezone, settings.start_date.isoformat())

    def changes(self, to: Layout) -> list[str]:
        """What differs, in words, one setting each."""
        names = {"languages": "CLIO_LANGUAGES", "timezone": "CLIO_TIMEZONE", "start_date": "CLIO_START_DATE"}
        before, after = asdict(self), asdict(to)
        return [
            f"{setting} was {_text(before[name])} and is {_text(after[name])}"
            for name, setting in names.items()
            if before[name] != after[name]
        ]


def read_layout(settings: Settings) -> Layout | None:
    """The layout that the home has; None where nothing has landed that says so.

    Of a home from before layouts were noted, languages that landed and have no partition are taken for its own. Raises
    SettingsError for a home of a newer version.
    """
    stored = _stored(settings.home)
    if stored is not None:
        return Layout(tuple(stored["languages"]), stored["timezone"], stored["start_date"])
    folders = (settings.home / "landing").glob("date=*/language=*")
    landed = {folder.name.removeprefix("language=") for folder in folders}
    if landed <= {*settings.partition_languages}:
        return None
    return replace(Layout.of(settings), languages=tuple(sorted(landed - {OTHER})))


def write_layout(home: Path, layout: Layout, *, is_moving: bool = False) -> None:
    """Note the layout, whole or not at all; `is_moving` while what the home holds is on the way to it."""
    fresh = _path(home).with_suffix(f".{os.getpid()}.new")
    content = {"schema": SCHEMA, "is_moving": is_moving} | asdict(layout)
    with fresh.open("wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(_path(home))


def layout_problem(settings: Settings) -> str | None:
    """Why nothing may be made under these settings, in words for whoever set them; None where all may."""
    try:
        before = read_layout(settings)
        stored = _stored(settings.home) or {}
    except SettingsError as newer:
        return str(newer)
    if _migrating:
        return None
    if stored.get("is_moving"):
        return "a migration of this home was cut off: `clio migrate --apply` goes on with it"
    if before is None or not (changes := before.changes(Layout.of(settings))):
        return None
    return f"{'; '.join(changes)}. `clio migrate` says what that moves, `clio migrate --apply` does it"


def check_layout(settings: Settings) -> None:
    """Note the layout of a home that has none. Raises SettingsError where nothing may be made."""
    if problem := layout_problem(settings):
        raise SettingsError(problem)
    if not _migrating and settings.home.is_dir() and not _path(settings.home).exists():
        write_layout(settings.home, Layout.of(settings))


@contextmanager
def migrating() -> Iterator[None]:
    """Within the block this process moves a home from one layout to another, and may make things on it."""
    global _migrating
    _migrating = True
    try:
        yield
    finally:
        _migrating = False


def _stored(home: Path) -> dict[str, Any] | None:
    try:
        stored: dict[str, Any] = orjson.loads(_path(home).read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError:
        raise SettingsError(
            f"{_path(home)} is damaged: remove it once CLIO_LANGUAGES, CLIO_TIMEZONE and CLIO_START_DATE are those "
            "under which the home was filled, and it is written anew"
        ) from None
    if stored["schema"] > SCHEMA:
        raise SettingsError(
            f"{home} was written by a newer version of clio_dagster (its files are of version {stored['schema']}, "
            f"this one knows {SCHEMA}): upgrade, or restore a backup from before"
        )
    return stored


def _path(home: Path) -> Path:
    return home / "layout.json"


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)
