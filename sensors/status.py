"""What an engineer asks of the pipeline: how every date and stage stands, why, and what is being done about it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Any

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from rich.table import Table
from rich.text import Text

from assets.staleness import Day, Standing, State, settle_made
from assets.verdicts import of_date, of_slices
from clio_dagster.tables import RELEASES
from resources.erasure import unfinished
from resources.fingerprints import Slicemap
from resources.site import Site
from sensors.runs import UNFINISHED, dates_of, failure_of

LOOKED_AT = 50
"""Failed runs that are looked at for a reason, newest first."""


class Doing(StrEnum):
    """What a person is told beyond a stage's state."""

    RUNNING = "running"
    ASKED_FOR = "asked for"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True)
class Row:
    """One stage's partition as it is told: `state` is a State, or what is being done (Doing), `why` in words."""

    date: str
    stage: str
    partition: str
    state: str
    why: str = ""
    run: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a stage failed over some dates, and in which run."""

    stage: str
    dates: frozenset[date]
    reason: str
    run: str


def rows(site: Site, instance: DagsterInstance, days: Sequence[Day]) -> list[Row]:
    """Every stage's partition of the given days."""
    at_work = {(lease.subject, lease.partition): lease.holder for lease in site.ledger.leases()}
    asked = _asked(instance.get_runs(RunsFilter(statuses=UNFINISHED)))
    wants = [day.date for day in days if not day.is_fresh]
    failures = _failures(instance, set(wants)) if wants else []
    told = [
        _row(day, standing, at_work, asked, failures)
        for day in days
        for standing in (*day.read, *day.publish, *day.inspect)
    ]
    keys = [day.isoformat() for day in wants]
    stored = site.warehouse.slices_on(keys) if keys else {}
    held = {key: _closed(instance, key, stored) for key in keys}
    return [_held(row, held.get(row.date, "")) for row in told]


def table(told: Sequence[Row], *, every_stage: bool = False) -> Table:
    """A line for dates that are fresh throughout; for each other date what is not, and why."""
    shown = Table("date", "stage", "state", "why", box=None, pad_edge=False)
    by_day = {day: list(rows) for day, rows in groupby(told, key=lambda row: row.date)}
    for state, group in groupby(by_day, key=lambda day: "" if every_stage else _whole(by_day[day])):
        days = list(group)
        if state:
            which = days[0] if len(days) == 1 else f"{days[0]} … {days[-1]}"
            style = _STYLES.get(state, "yellow")
            shown.add_row(which, "", f"[{style}]{state}[/]", f"{len(days)} dates" if len(days) > 1 else "")
            continue
        for day in days:
            fresh = sum(row.state == State.FRESH for row in by_day[day])
            shown.add_row(day, "", "", f"{fresh} of {len(by_day[day])} partitions are fresh")
            for stage, state, why in _lines(by_day[day], every_stage):
                shown.add_row("", stage, f"[{_STYLES.get(state, 'yellow')}]{state}[/]", Text(why))
    return shown


_STYLES = {
    State.FRESH.value: "green",
    State.TOMBSTONED.value: "dim",
    Doing.FAILED.value: "red",
    Doing.HELD.value: "red",
    Doing.RUNNING.value: "cyan",
}


def _whole(told: Iterable[Row]) -> str:
    """What is said of a date as a whole: that all of it is fresh, or what retention left is; empty for no such."""
    states = {row.state for row in told}
    if not states <= {State.FRESH.value, State.TOMBSTONED.value}:
        return ""
    return State.TOMBSTONED.value if State.TOMBSTONED.value in states else State.FRESH.value


def _lines(told: Sequence[Row], every_stage: bool) -> Iterator[tuple[str, str, str]]:
    """Partitions of one date by what is said of them: stage and languages, state, why. Those that wait, together, and
    so those that are held or closed."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    waiting: dict[str, None] = {}
    held: dict[tuple[str, str], dict[str, None]] = {}
    for row in told:
        if row.state == State.WAITING:
            waiting[row.stage] = None
        elif row.state in (State.HELD, State.TOMBSTONED) and not row.run:
            held.setdefault((row.state, row.why), {})[row.stage] = None
        elif every_stage or row.state != State.FRESH:
            why = f"{row.why} (run {row.run})".strip() if row.run else row.why
            alike.setdefault((row.stage, row.state, why), []).append(row.partition.partition("|")[2])
    for (stage, state, why), languages in alike.items():
        yield f"{stage} ({', '.join(languages)})" if any(languages) else stage, state, why
    for (state, why), stages in held.items():
        yield ", ".join(stages), state, why
    if waiting:
        yield ", ".join(waiting), State.WAITING.value, "for what is above"


def erasures(site: Site, instance: DagsterInstance) -> Iterator[str]:
    """What is to be done about erasures, in sentences."""
    if unfinished(site):
        yield "An erasure was not finished: run `clio forget` again with the same accounts."
    if late := settle_made(site, instance):
        days = ", ".join(day.isoformat() for day in late)
        yield (
            f"The releases of these dates are from before an erasure and are to be made again: {days}. Where one is "
            "refused or fails, mend that, or remove its folder."
        )


def as_dicts(told: Iterable[Row]) -> list[dict[str, str]]:
    return [asdict(row) for row in told]


def _row(
    day: Day,
    standing: Standing,
    at_work: Mapping[tuple[str, str], str],
    asked: Mapping[date, str],
    failures: Sequence[Failure],
) -> Row:
    state, why, run = standing.state.value, ", ".join(standing.why), ""
    if holder := at_work.get((standing.stage, standing.partition)):
        state, run = Doing.RUNNING.value, holder.split(":")[0]
    elif standing.state not in (State.FRESH, State.TOMBSTONED):
        failed = next(
            (each for each in failures if each.stage == standing.stage and day.date in each.dates), None
        )
        if day.date in asked:
            state, run = Doing.ASKED_FOR.value, asked[day.date]
        elif failed:
            state, why, run = Doing.FAILED.value, failed.reason, failed.run
    return Row(day.date.isoformat(), standing.stage, standing.partition, state, why, run[:8])


def _closed(instance: DagsterInstance, key: str, stored: Slicemap) -> str:
    """Checks that keep a date from being published, in words."""
    failed = [
        f"{verdict.spec.asset_key.to_user_string()}: {verdict.spec.name}"
        for verdict in (*of_slices(instance, key, stored), *of_date(instance, key, stored))
        if verdict.passed is False and verdict.spec.blocking
    ]
    names = ", ".join(dict.fromkeys(failed))
    return f"the check {names} has not passed; the last good release stands" if failed else ""


def _held(row: Row, why: str) -> Row:
    """The release's row says what holds it, unless something is being done about it."""
    is_idle = row.state not in (State.FRESH, State.TOMBSTONED, Doing.RUNNING, Doing.ASKED_FOR)
    return (
        replace(row, state=Doing.HELD.value, why=why)
        if why and row.stage == RELEASES.name and is_idle
        else row
    )


def _asked(runs: Sequence[DagsterRun]) -> dict[date, str]:
    return {day: run.run_id for run in reversed(runs) for day in dates_of(run.tags)}


def _failures(instance: DagsterInstance, wants: set[date]) -> list[Failure]:
    """Failed steps of the last runs over dates that want something, unless a later run over them did better."""
    found: list[Failure] = []
    settled: set[tuple[str, date]] = set()
    finished = [DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS]
    for run in instance.get_runs(RunsFilter(statuses=finished), limit=LOOKED_AT):
        dates = dates_of(run.tags) & wants
        if not dates:
            continue
        if run.status == DagsterRunStatus.SUCCESS:
            settled |= {(run.job_name, day) for day in dates}
            continue
        open_dates = frozenset(day for day in dates if (run.job_name, day) not in settled)
        for record in instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE):
            event: Any = record.dagster_event
            if event and open_dates:
                found.append(Failure(event.step_key, open_dates, failure_of(event), run.run_id))
        settled |= {(run.job_name, day) for day in dates}
    return found
