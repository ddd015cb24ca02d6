"""events.toml: which events are watched, when, for what, and when to alert. Read strictly, one event at a time.

An event that is wrong is an error that names it, and stops no other: the caller goes on with the definition that was
valid before.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clio_dagster.analyst.protocol import Watch
from clio_dagster.safety.events.windows import instant_of
from clio_dagster.safety.tables import GROWTH, NEW_TOPIC, RISING_CONCERN
from clio_dagster.settings import Settings

ANY = "any"
"""The language of keywords that are looked for in every language."""

Kind = Literal["new topic", "growth", "rising concern"]

KINDS: tuple[Kind, ...] = (NEW_TOPIC, GROWTH, RISING_CONCERN)

LONGEST_DAYS = 366
"""Days of a window at most. What retention has purged of a longer one than it keeps is in no topic any more."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WatchQuestion(_Strict):
    """What a conversation is screened for: a question that is answered with yes or no, and what helps plain code."""

    question: str
    keywords: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    examples: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_watch(self) -> Self:
        _ = self.watch
        return self

    @cached_property
    def watch(self) -> Watch:
        """As an analyst is asked it. Raises ValueError for what nothing can be screened for."""
        return Watch(self.question, self.keywords, self.examples)


class Alerts(_Strict):
    """Which alerts are raised: by kind, the chance of a false one in the whole window, and the least growth."""

    kinds: tuple[Kind, ...] = KINDS
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    min_growth: Annotated[float, Field(ge=1.2, le=100)] = 2.0


class Event(_Strict):
    """One watched event. `start` and `end` are local times of `timezone`; thresholds left out are the site's own."""

    name: str
    start: datetime
    end: datetime
    timezone: str
    languages: tuple[str, ...]
    watch: Annotated[tuple[WatchQuestion, ...], Field(min_length=1)]
    baseline_days: int = Field(14, ge=7, le=60)
    cadence_minutes: int = Field(60, ge=5, le=1440)
    min_conversations: int | None = Field(None, ge=5)
    min_accounts: int | None = Field(None, ge=3)
    max_account_share: float | None = Field(None, gt=0, le=1)
    cluster_size: int | None = Field(None, ge=5)
    alerts: Alerts = Alerts()

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value) or len(value) > 60:
            raise ValueError("use lower-case letters, digits and hyphens, such as election-2026")
        return value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _check_time(cls, value: Any) -> datetime:
        try:
            read = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value
        except ValueError:
            read = None
        if not isinstance(read, datetime) or read.tzinfo is not None:
            raise ValueError("write a local time without an offset, such as 2026-11-03T06:00:00")
        return read.replace(microsecond=0)

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("use an IANA time zone such as America/New_York") from None
        return value

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("end must come after start: correct one of them")
        if (self.ends_at - self.starts_at).days >= LONGEST_DAYS:
            raise ValueError(
                f"a window lasts at most {LONGEST_DAYS} days: bring end forward, or make two events"
            )
        return self

    @cached_property
    def starts_at(self) -> datetime:
        """The first moment of the window, in UTC."""
        return instant_of(self.start, ZoneInfo(self.timezone), later=False)

    @cached_property
    def ends_at(self) -> datetime:
        """The first moment after the window, in UTC."""
        return instant_of(self.end, ZoneInfo(self.timezone), later=True)

    @cached_property
    def digest(self) -> str:
        """What tells this definition from every other of its name."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def settings(self, site: Settings) -> Settings:
        """The site's settings under the event's own thresholds; everything about words and noise stays the site's."""
        own = {
            name: value
            for name in ("min_conversations", "min_accounts", "max_account_share")
            if (value := getattr(self, name)) is not None
        }
        size = self.cluster_size or 4 * own.get("min_conversations", site.min_conversations)
        return site.model_copy(update=own | {"cluster_size": int(size)})


@dataclass(frozen=True)
class Wrong:
    """An event that cannot be read, and why. Its name is None where none could be made out."""

    event: str | None
    why: str


@dataclass(frozen=True)
class Events:
    """What events.toml holds: the events that can be read, in order, and what is wrong with the others."""

    valid: tuple[Event, ...] = ()
    wrong: tuple[Wrong, ...] = ()

    @property
    def names_all(self) -> bool:
        """Whether it is known which events the file is about: else none can be said to be missing from it."""
        return all(each.event is not None for each in self.wrong)


def read_events(text: str, settings: Settings) -> Events:
    """The events of events.toml. Never raises: what is wrong is told, event by event and field by field."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Events(wrong=(Wrong(None, f"events.toml is not valid TOML: {error}"),))
    listed = table.pop("events", [])
    wrong = [
        Wrong(None, f"events.toml: unknown key {name}: events are written as [[events]]") for name in table
    ]
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        return Events(wrong=(Wrong(None, "events.toml: events are written as [[events]], each a table"),))
    names = Counter(each.get("name") for each in listed if isinstance(each.get("name"), str))
    valid: list[Event] = []
    for place, each in enumerate(listed, 1):
        name = each.get("name") if isinstance(each.get("name"), str) else None
        if name and names[name] > 1:
            wrong.append(Wrong(name, f"events.toml: event {name}: the name is used twice: give each its own"))
            continue
        found = _event(each, settings)
        if isinstance(found, Event):
            valid.append(found)
        else:
            about = name or f"number {place}"
            wrong += [Wrong(name, f"events.toml: event {about}, {why}") for why in found]
    return Events(tuple(valid), tuple(wrong))


def stored_event(definition: str) -> Event:
    """An event from what `Event.model_dump_json` gave."""
    return Event.model_validate_json(definition)


def _event(table: dict[str, Any], settings: Settings) -> Event | list[str]:
    known = settings.partition_languages
    filled = {"timezone": settings.timezone, "languages": known} | table
    try:
        event = Event.model_validate(filled)
    except ValidationError as error:
        return [_explained(each) for each in error.errors(include_url=False)]
    problems = _foreign("languages", event.languages, known)
    if not event.languages:
        problems.append("field languages: is empty: name some, or leave it out for all")
    for number, watch in enumerate(event.watch, 1):
        problems += _foreign(f"watch {number} keywords", watch.keywords, (*known, ANY))
    return problems or event


def _foreign(field: str, given: Collection[str], known: Sequence[str]) -> list[str]:
    foreign = sorted({*given} - {*known})
    if not foreign:
        return []
    return [f"field {field}: {', '.join(foreign)} is no language of this site: it has {', '.join(known)}"]


def _explained(error: Any) -> str:
    """One of pydantic's errors in words that name the field and say what to do."""
    parts = [str(part + 1) if isinstance(part, int) else part for part in error["loc"]]
    field = " ".join(parts)
    if error["type"] == "missing":
        return f"field {field}: is missing: add it"
    if error["type"] == "extra_forbidden":
        return f"field {field}: is unknown: correct its spelling or take it out"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"field {field}: {message}" if field else message


def now_utc() -> datetime:
    """The clock that windows are read against."""
    return datetime.now(UTC)
