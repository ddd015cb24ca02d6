"""The authority on what is to be made: every stage's fingerprint compared with what is stored, and the rest asked for.

Stateless: what has been asked for is known by the run keys of the runs themselves, made from the difference that a
run was to mend. A tick that is repeated, after a restart of the daemon at whatever moment, asks for the same and is
answered with the run that is there.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from assets.partitions import ASKS_CLAUDE, SETTINGS, window
from assets.staleness import Day, is_closed, landed_days, standings
from assets.status import summary
from clio_dagster.tables import SOURCES
from resources.erasure import due_dates, settle
from resources.freshness import landing_fingerprint, unlanded_sources
from resources.site import Site
from resources.sources import paths_of
from sensors.jobs import inspect, jobs, land, publish, read, submit
from sensors.paused import unless_paused
from sensors.pipeline import is_at_work
from sensors.runs import (
    ASKED_BY,
    UNFINISHED,
    contiguous,
    date_range,
    dates_of,
    days_between,
    free_slots,
    partition_range,
)
from sensors.sources import sources_of, sources_range, together

DIFFERENCE = "clio/difference"
"""Run tag: a hash of what the run was to mend. Never asked for again, unless the run's process died."""

ATTEMPTS = 3
"""Runs for one difference whose process dies before it is left to a person."""

DAYS_A_RUN = 14
"""Dates made by one run: what a killed run can hold up."""

RUNS_A_TICK = 25
"""Runs asked for at once; the rest follow at the next looks."""


@dataclass(frozen=True)
class Ask:
    """Partitions to be made by one run of a job, and a hash of what it is to mend."""

    job: str
    tags: dict[str, str]
    difference: str
    partition: str | None = None
    parts: tuple["Ask", ...] = ()


@sensor(
    name="reconcile",
    jobs=jobs,
    minimum_interval_seconds=SETTINGS.tick_seconds,
    default_status=DefaultSensorStatus.RUNNING,
)
@unless_paused
def reconcile(context: SensorEvaluationContext, site: Site) -> SensorResult:
    """Ask for what is stale among the closed days of CLIO_RECONCILE_DAYS: files, then slices, then dates, in order.

    Leaves alone what a run is at work on, and everything while `clio run` is.
    """
    instance = context.instance
    end_orphans(instance, site)
    if is_at_work(site):
        return SensorResult(skip_reason="`clio run` is at work on this home")
    running = instance.get_runs(RunsFilter(statuses=UNFINISHED))
    now = datetime.now(UTC)
    days = standings(site, horizon(site, now), instance)
    settle(site, (day.date for day in days if day.is_fresh and not day.is_held))
    asks = [
        *sources_to_land(site, instance, running),
        *slices_to_read(days, running, instance),
        *dates_to_publish(days, running, instance, now),
        *dates_to_inspect(days, running, instance, now),
    ]
    requests = [request for ask in asks for request in requests_for(ask, instance)][:RUNS_A_TICK]
    report = summary(days)
    news = f"{_hash(str(report.metadata))} {now:%Y-%m-%d %H}"
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else _why_nothing(days, running),
        asset_events=[report] if news != context.cursor else [],
        cursor=news,
    )


def horizon(site: Site, now: datetime) -> list[date]:
    """Landed days within CLIO_RECONCILE_DAYS of today, and those that are due for a batch of erasures."""
    today = now.astimezone(SETTINGS.tz).date()
    first = today - timedelta(days=SETTINGS.reconcile_days)
    due = due_dates(site)
    return [day for day in landed_days(site) if first <= day <= today or day in due]


def sources_to_land(site: Site, instance: DagsterInstance, running: Sequence[DagsterRun]) -> Iterator[Ask]:
    """Registered files that have not landed as they would now, many small ones in a run."""
    keys = instance.get_dynamic_partitions("sources")
    busy = set().union(*(sources_of(run.tags, keys) for run in running if run.job_name == land.name))
    unlanded = [key for key in unlanded_sources(site.warehouse, site.settings, keys) if key not in busy]
    if not unlanded:
        return
    stored = site.warehouse.slices(SOURCES, unlanded)
    fingerprint = landing_fingerprint(site.settings)
    asks = {}
    for key in unlanded:
        known = stored[key].written_at.isoformat() if key in stored else ""
        asks[key] = Ask(land.name, {}, _hash([key, fingerprint, known]), partition=key)
    sizes = {key: _size(path) for key, path in paths_of(site, unlanded).items()}
    for stretch in together(sizes, keys):
        parts = tuple(asks[key] for key in stretch)
        if len(parts) == 1:
            yield parts[0]
        else:
            difference = _hash([part.difference for part in parts])
            yield Ask(land.name, sources_range(stretch), difference, parts=parts)


def slices_to_read(
    days: Sequence[Day], running: Sequence[DagsterRun], instance: DagsterInstance
) -> Iterator[Ask]:
    """Slices of which a stage is not fresh, of days that no run is at work on: whole days of them together.

    In batch mode a day's conversations are submitted first, and it is read once all its batches have ended.
    """
    busy = busy_dates(running)
    for job in (submit, read):
        stale = {
            day.date: day
            for day in days
            if (day.unsubmitted_slices if job is submit else _is_readable(day))
            and day.date not in busy
            and not _has_failed(job.name, day, instance)
        }
        for first, last in contiguous(stale, at_most=DAYS_A_RUN):
            yield _together(job.name, [stale[day] for day in days_between(first, last)])


def _is_readable(day: Day) -> bool:
    return bool(day.stale_slices) and not day.unsubmitted_slices and not day.is_in_batches


def dates_to_publish(
    days: Sequence[Day], running: Sequence[DagsterRun], instance: DagsterInstance, now: datetime
) -> Iterator[Ask]:
    """Closed dates of which a stage is not fresh, once nothing in their window is about to change.

    A day whose slices could not be read is not waited for: dates whose window holds it are made without, and again
    when it has been mended.
    """
    busy = busy_dates(running)
    pending = {
        day.date
        for day in days
        if day.is_in_batches or (day.stale_slices and not _has_failed(_first_job(day), day, instance))
    }
    changing = busy | pending
    ready: dict[date, Day] = {}
    for day in days:
        if not is_closed(day.date, now) or day.is_published or day.stale_slices or day.is_in_batches:
            continue
        if _has_failed(publish.name, day, instance):
            continue
        if changing.isdisjoint(map(date.fromisoformat, window(day.date.isoformat()))):
            ready[day.date] = day
        else:
            changing.add(day.date)
    for first, last in contiguous(ready, at_most=DAYS_A_RUN):
        yield _together(publish.name, [ready[day] for day in days_between(first, last)])


def dates_to_inspect(
    days: Sequence[Day], running: Sequence[DagsterRun], instance: DagsterInstance, now: datetime
) -> Iterator[Ask]:
    """Closed dates whose release stands and that Trust & Safety has not all of."""
    busy = busy_dates(running)
    ready = {
        day.date: day
        for day in days
        if is_closed(day.date, now)
        and not day.is_inspected
        and day.date not in busy
        and not _has_failed(inspect.name, day, instance)
    }
    for first, last in contiguous(ready, at_most=DAYS_A_RUN):
        yield _together(inspect.name, [ready[day] for day in days_between(first, last)])


def requests_for(ask: Ask, instance: DagsterInstance) -> Iterator[RunRequest]:
    """The run to ask for; none where it has been asked for; its parts one by one where the whole has failed."""
    before = instance.get_runs(RunsFilter(tags={DIFFERENCE: ask.difference}), limit=ATTEMPTS + 1)
    if any(run.status != DagsterRunStatus.FAILURE for run in before):
        return
    died = [run for run in before if run.tags.get("dagster/failure_reason") != "STEP_FAILURE"]
    if len(died) == len(before) < ATTEMPTS:
        yield RunRequest(
            run_key=f"{ask.difference}:{len(before)}",
            job_name=ask.job,
            partition_key=ask.partition,
            tags=ask.tags | {DIFFERENCE: ask.difference, ASKED_BY: "reconcile"},
        )
    elif before:
        for part in ask.parts:
            yield from requests_for(part, instance)


def busy_dates(running: Sequence[DagsterRun]) -> set[date]:
    """Dates that some run is at work on, or is about to be."""
    return {day for run in running for day in dates_of(run.tags)}


def end_orphans(instance: DagsterInstance, site: Site) -> None:
    """Say of runs that their process is gone, where it took with it whoever should have said so."""
    alive = site.ledger.living_runs()
    free_slots(instance, alive)
    since = datetime.now(UTC) - timedelta(seconds=2 * SETTINGS.lease_seconds)
    started = RunsFilter(statuses=[DagsterRunStatus.STARTED], updated_before=since)
    for run in instance.get_runs(started):
        if run.run_id not in alive:
            instance.report_run_failed(run, "The process that ran it is gone. What it had written stays.")


def _together(job: str, days: Sequence[Day]) -> Ask:
    """One run over consecutive days, and the same day by day, should one of them spoil it."""
    if job in (submit.name, read.name):
        languages = [key.split("|")[1] for day in days for key in _slices(job, day)]
        tags = partition_range(f"{days[0].date}|{min(languages)}", f"{days[-1].date}|{max(languages)}")
    else:
        tags = date_range(days[0].date, days[-1].date)
    parts = () if len(days) == 1 else tuple(_together(job, [day]) for day in days)
    return Ask(job, tags, _hash([_differences(job, day) for day in days] + _budget()), parts=parts)


def _differences(job: str, day: Day) -> list[Any]:
    if job in (submit.name, read.name):
        return [each.difference for each in day.read if each.partition in _slices(job, day)]
    return [each.difference for each in (day.inspect if job == inspect.name else day.publish)]


def _slices(job: str, day: Day) -> list[str]:
    return day.unsubmitted_slices if job == submit.name else day.stale_slices


def _first_job(day: Day) -> str:
    return submit.name if day.unsubmitted_slices else read.name


def _budget() -> list[Any]:
    """Where a budget stops runs, what stopped is asked for again under another budget, and once a day."""
    if SETTINGS.budget_usd is None or not ASKS_CLAUDE:
        return []
    return [SETTINGS.budget_usd, SETTINGS.budget_days, datetime.now(UTC).date().isoformat()]


def _has_failed(job: str, day: Day, instance: DagsterInstance) -> bool:
    """Whether a run for this day alone has ended, and it is as it was: it is not asked for again like this."""
    alone = _together(job, [day])
    asked = instance.get_runs(RunsFilter(tags={DIFFERENCE: alone.difference}), limit=1)
    return bool(asked) and not list(requests_for(alone, instance)) and asked[0].is_finished


def _why_nothing(days: Sequence[Day], running: Sequence[DagsterRun]) -> str:
    stale = sum(not day.is_fresh for day in days)
    if not stale:
        return f"{len(days)} landed days, all fresh"
    return f"{stale} of {len(days)} landed days are not fresh; {len(running)} runs are at work. See `clio status`"


def _size(path: str) -> int:
    """Bytes of a file of this machine; an object's are not asked for."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]
