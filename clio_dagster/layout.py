"""How a home is laid out: the version of its files, and the settings that decide what its partitions are.

Both are noted in CLIO_HOME/layout.json when something is made there. Partitions that were made under other
settings would be orphans: nothing is made until `clio migrate` has moved what they hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from clio_dagster.settings import Settings, SettingsError

SCHEMA = 1
"""Version of the home's files. Counts up when a newer version writes what an older one would read wrongly."""

_migrating = False


@dataclass(frozen=True)
class Layout:
    """What decides the partitions: the languages that have one, and the zone whose days they are."""

    languages: tuple[str, ...]
    timezone: str

    @classmethod
    def of(cls, settings: Settings) -> Layout:
        return cls(settings.languages, settings.timezone)

    def changes(self, to: Layout) -> list[str]:
        """What has to be migrated, in words: languages that are new, another zone."""
        found = []
        if not {*to.languages} <= {*self.languages}:
            found.append(f"CLIO_LANGUAGES was {','.join(self.languages)} and is {','.join(to.languages)}")
        if self.timezone != to.timezone:
            found.append(f"CLIO_TIMEZONE was {self.timezone} and is {to.timezone}")
        return found


def read_layout(settings: Settings) -> Layout | None:
    """The layout that the home has; None where none is noted, or nothing has landed. Raises SettingsError for a home of
    a newer version."""
    stored = _stored(settings.home)
    return _noted(stored) if stored and _has_landed(settings.home) else None


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
        stored = _stored(settings.home)
    except SettingsError as newer:
        return str(newer)
    return _problem(settings, stored)


def _problem(settings: Settings, stored: dict[str, Any] | None) -> str | None:
    layout = Layout.of(settings)
    if stored and _noted(stored) == layout and not stored.get("is_moving"):
        return None  # at every step and tick: nothing more is looked at
    if gone := sorted(_landed_languages(settings.home) - {*settings.partition_languages}):
        return (
            f"CLIO_LANGUAGES has no {','.join(gone)} any more, in which conversations have landed and figures may be "
            "published: a language stays in the list from then on"
        )
    if _migrating:
        return None
    if stored and stored.get("is_moving"):
        return "a migration of this home was cut off: `clio migrate --apply` goes on with it"
    if not (stored and _has_landed(settings.home) and (changes := _noted(stored).changes(layout))):
        return None
    return f"{'; '.join(changes)}. `clio migrate` says what that moves, `clio migrate --apply` does it"


def check_layout(settings: Settings) -> None:
    """Note the layout, where it is not the one that is noted. Raises SettingsError where nothing may be made."""
    stored = _stored(settings.home)
    if problem := _problem(settings, stored):
        raise SettingsError(problem)
    layout = Layout.of(settings)
    if not _migrating and settings.home.is_dir() and (stored is None or _noted(stored) != layout):
        write_layout(settings.home, layout)


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
            f"{_path(home)} is damaged: remove it once CLIO_LANGUAGES and CLIO_TIMEZONE are those under which the home "
            "was filled, and it is written anew"
        ) from None
    if stored["schema"] > SCHEMA:
        raise SettingsError(
            f"{home} was written by a newer version of clio_dagster (its files are of version {stored['schema']}, "
            f"this one knows {SCHEMA}): upgrade, or restore a backup from before"
        )
    return stored


def _noted(stored: dict[str, Any]) -> Layout:
    return Layout(tuple(stored["languages"]), stored["timezone"])


def _has_landed(home: Path) -> bool:
    return next((home / "landing").glob("date=*"), None) is not None


def _landed_languages(home: Path) -> set[str]:
    folders = (home / "landing").glob("date=*/language=*")
    return {folder.name.removeprefix("language=") for folder in folders if any(folder.iterdir())}


def _path(home: Path) -> Path:
    return home / "layout.json"
