"""Event windows: events.toml read, and each event's days asked for while its window lasts.

What is known of an event lies in the table `events`: the definition that was read last without an error, which stands
while the file is broken. An event that is taken out of the file keeps its partitions and what was found, and is asked
for no more. What was asked for is the cursor.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    MultiPartitionKey,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from assets.partitions import EVENTS as EVENT_PARTITIONS
from assets.partitions import SETTINGS, slices_of
from assets.staleness import Day, State, is_closed, landed_days, standings
from clio_dagster.safety.events.definitions import Event, now_utc, read_events, stored_event
from clio_dagster.safety.events.ticks import LATE, Ask, Known, Seen, decide
from clio_dagster.safety.events.windows import days_of
from clio_dagster.safety.tables import EVENT_ALERTS, EVENTS
from clio_dagster.tables import EMBEDDINGS, FACETS, RAW_CONVERSATIONS
from resources.site import Site
from sensors.jobs import watch
from sensors.paused import unless_paused
from sensors.pipeline import is_at_work
from sensors.runs import ASKED_BY, partition_range


@dataclass(frozen=True)
class Watched:
    """The events that are watched, those that were taken out of events.toml, and what is to be said of the file."""

    events: tuple[Event, ...]
    removed: tuple[Event, ...]
    problems: tuple[str, ...]


@sensor(
    name="event_windows",
    job=watch,
    minimum_interval_seconds=SETTINGS.tick_seconds,
    default_status=DefaultSensorStatus.RUNNING,
)
@unless_paused
def event_windows(context: SensorEvaluationContext, site: Site) -> SensorResult:
    """Ask for today's partition of every event whose window is open: at its cadence, and when something has landed.

    A broken events.toml stops no event that was valid before: it goes on as it was, and the tick says what is wrong.
    """
    result, problems = tick(site, context.instance, context.cursor, now_utc())
    for problem in problems:
        context.log.error(problem)
    return result


def tick(
    site: Site, instance: DagsterInstance, cursor: str | None, now: datetime
) -> tuple[SensorResult, Sequence[str]]:
    """What a tick at `now` (UTC) asks for, and what is wrong with events.toml, in words."""
    if is_at_work(site):
        return SensorResult(skip_reason="`clio run` is at work on this home", cursor=cursor), ()
    watched = refresh(site, now)
    seen = {name: Seen.read(stored) for name, stored in json.loads(cursor or "{}").items()}
    requests, said = [], list(watched.problems)
    for event in watched.events:
        decision = decide(
            event, now, known(site, instance, event, now), seen.get(event.name, Seen()), SETTINGS
        )
        seen[event.name] = decision.seen
        if decision.ask:
            requests.append(request_for(decision.ask))
        else:
            said.append(decision.why)
    said += [
        f"{event.name} was taken out of events.toml: its partitions stay, and nothing is asked for"
        for event in watched.removed
        if now < event.ends_at + LATE
    ]
    new = {event.name for event in watched.events}.difference(instance.get_dynamic_partitions("events"))
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(said) or "no event is watched: see docs/events.md",
        dynamic_partitions_requests=[EVENT_PARTITIONS.build_add_request(sorted(new))] if new else [],
        cursor=json.dumps({name: each.as_json() for name, each in sorted(seen.items())}),
    ), watched.problems


def refresh(site: Site, now: datetime) -> Watched:
    """Read events.toml and bring the table `events` up to it."""
    path = site.settings.events_path
    try:
        text = path.read_text("utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError):
        text = "unreadable"  # no TOML: an error like any, and what was read before stands
    found = read_events(text, site.settings)
    stored = {row["event"]: row for row in site.warehouse.read(EVENTS).to_dicts()}
    wrong = {each.event for each in found.wrong}
    rows = {}
    for event in found.valid:
        before = stored.get(event.name)
        definition = event.model_dump_json()
        is_same = before is not None and before["definition"] == definition
        rows[event.name] = {
            "event": event.name,
            "definition": definition,
            "registered_at": before["registered_at"] if before else now,
            "changed_at": before["changed_at"] if before and is_same else now,
            "removed_at": None,
        }
    for name, before in stored.items():
        if name not in rows:
            stands = name in wrong or not found.names_all
            rows[name] = before if stands else before | {"removed_at": before["removed_at"] or now}
    for name, row in rows.items():
        if row != stored.get(name):
            site.warehouse.write(EVENTS, {"event": name}, pl.DataFrame([row], EVENTS.schema))
    events = {
        name: (stored_event(str(row["definition"])), row["removed_at"]) for name, row in sorted(rows.items())
    }
    standing = {name for name, (_, removed_at) in events.items() if removed_at is None}
    kept = (
        sorted(standing & wrong - {None})
        if found.names_all
        else sorted(standing - {e.name for e in found.valid})
    )
    return Watched(
        tuple(event for name, (event, _) in events.items() if name in standing),
        tuple(event for name, (event, _) in events.items() if name not in standing),
        (
            *(each.why for each in found.wrong),
            *(f"{name} goes on as it was read before" for name in kept),
        ),
    )


def known(site: Site, instance: DagsterInstance, event: Event, now: datetime) -> Known:
    """What is known of the window's days so far; nothing outside the window, when nothing is asked for."""
    if not event.starts_at <= now < event.ends_at + LATE:
        return Known()
    today = now.astimezone(SETTINGS.tz).date()
    window = {day for day in days_of(event, SETTINGS.tz) if SETTINGS.start_date <= day <= today}
    days = standings(site, sorted(window.intersection(landed_days(site))), instance)
    kept = [day for day in days if not any(each.state == State.TOMBSTONED for each in day.read)]
    stored = site.warehouse.slices_on([day.date.isoformat() for day in kept])
    content = {day.date: told for day in kept if (told := _content(stored, event, day, now)) is not None}
    made = stored.get(EVENT_ALERTS.name, {})
    return Known(
        content,
        unread=frozenset(day.date for day in kept if _is_unread(day, event)),
        unmade=frozenset(day.date for day in kept if f"{day.date}|{event.name}" not in made),
    )


def _content(stored: dict, event: Event, day: Day, now: datetime) -> str | None:
    """What a day would be made from: None while one of its slices has never been read."""
    slices = slices_of(day.date.isoformat())
    tables = [stored.get(table.name, {}) for table in (RAW_CONVERSATIONS, FACETS, EMBEDDINGS)]
    if not all(key in table for table in tables for key in slices):
        return None
    ours = [key for key in slices if key.split("|")[1] in event.languages]
    parts = [
        event.digest,
        is_closed(day.date, now),
        [table[key].content_hash for table in tables for key in ours],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _is_unread(day: Day, event: Event) -> bool:
    return day.is_in_batches or any(key.split("|")[1] in event.languages for key in day.stale_slices)


def request_for(ask: Ask) -> RunRequest:
    """One run over the days that are asked for."""
    tags = {ASKED_BY: "event_windows"}
    if ask.first == ask.last:
        key = MultiPartitionKey({"date": ask.first.isoformat(), "event": ask.event})
        return RunRequest(run_key=ask.run_key, partition_key=key, tags=tags)
    both = partition_range(f"{ask.first}|{ask.event}", f"{ask.last}|{ask.event}")
    return RunRequest(run_key=ask.run_key, tags=tags | both)
