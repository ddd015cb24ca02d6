"""Retention in its turn: `clio purge`, and the job and the schedule that do the same every day.

Whoever purges is alone on the home as `clio run` is, and holds the lease of every partition that loses rows, of every
stage that reads them: it waits for a run that is at work on one, and such a run for it. All of them are taken at once
or none, so that nobody waits in a circle.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock

from dagster import (
    DefaultScheduleStatus,
    OpExecutionContext,
    RunRequest,
    ScheduleEvaluationContext,
    SkipReason,
    job,
    op,
    schedule,
)

from assets.conversations import STAGE as CONVERSATIONS
from assets.partitions import SETTINGS
from assets.staleness import PUBLISH, READ
from clio_dagster.privacy.silence import quiet
from clio_dagster.retention import Due, closed_dates, due
from clio_dagster.tables import RAW_CONVERSATIONS
from resources.home_size import compact
from resources.ledger import WAIT_SECONDS, new_holder
from resources.retention import holdings, purge
from resources.site import Site
from sensors.history import past_their_time, trim_history
from sensors.paused import unless_paused
from sensors.pipeline import alone
from sensors.runs import ASKED_BY, spans

PURGE_HOUR = (SETTINGS.daily_hour + 1) % 24
"""Once the day before is read and published."""


@dataclass(frozen=True)
class Item:
    """What of one kind is due, in words: `what` goes from `where`, for these days."""

    where: str
    what: str
    days: str


def due_on(site: Site, today: date) -> Due:
    """What is due on a day."""
    return due(holdings(site, lambda keys: _read(site, keys)), site.settings, today)


def purge_due(site: Site, run: str, today: date | None, say: Callable[[str], None]) -> Due:
    """Purge what is due, today if no day is given; returns what it was. `run` names who holds the leases."""
    with alone(site):
        now = datetime.now(UTC)
        if today is not None:
            now = datetime.combine(today, clock(12), SETTINGS.tz).astimezone(UTC)
        found = due_on(site, now.astimezone(SETTINGS.tz).date())
        if not found.is_nothing:
            with _holding(site, found, new_holder(run), say), quiet("purge", f"{now.date()}"):
                purge(site, found, now)
        return found


def items(found: Due) -> list[Item]:
    """What is due, in the order in which it is done."""
    told = []
    if found.landing:
        what = f"text of {len(found.landing)} files"
        told.append(Item("landing", what, spans(found.landing_days)))
    if found.staged:
        told.append(Item("landing", f"left of {len(found.staged)} killed landings", ""))
    if found.raw.height:
        told.append(
            Item(
                "raw_conversations", f"text of {found.raw.height} slices", spans(found.raw["date"].to_list())
            )
        )
    if found.days:
        what = f"facets and all that names a conversation of {len(found.days)} days"
        told.append(Item("every table", what, spans(found.days)))
    return told


def _read(site: Site, keys: Sequence[str]) -> set[str]:
    """Slices whose raw_conversations are made from what is landed now."""
    look = CONVERSATIONS.look(site, keys)
    stored = site.warehouse.slices(RAW_CONVERSATIONS, keys)
    return {
        key
        for key in keys
        if key in stored and stored[key].fingerprint == CONVERSATIONS.fingerprint(key, look)
    }


@contextmanager
def _holding(site: Site, found: Due, holder: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold every partition that loses rows, in every stage that makes or reads them."""
    days = {day.isoformat() for day in found.days}
    keys = {f"{day}|{language}" for day, language, *_ in found.raw.iter_rows()}
    keys |= {f"{day}|{language}" for day in days for language in SETTINGS.partition_languages}
    dates = {day.isoformat() for day in closed_dates(found.days, SETTINGS.window_days)}
    wanted = {stage.name: sorted(keys) for stage in READ} | {stage.name: sorted(dates) for stage in PUBLISH}
    ledger = site.ledger
    is_told = False
    with ledger.renewing(holder):
        while any(ledger.take(stage, each, holder) != set(each) for stage, each in wanted.items() if each):
            for stage, each in wanted.items():
                ledger.give(stage, each, holder)
            if not is_told:
                say("a run is at work on what is to be purged: waiting for it")
                is_told = True
            time.sleep(WAIT_SECONDS)
        yield


@op(name="remove_past_its_time", description="Purge what is past its time: landed text, raw text, facets.")
def purge_op(context: OpExecutionContext, site: Site) -> None:
    found = purge_due(site, context.run_id, None, context.log.info)
    trimmed = trim_history(context.instance, site.settings, datetime.now(UTC))
    context.add_output_metadata(
        {
            "landed_files": len(found.landing),
            "raw_slices": found.raw.height,
            "days": len(found.days),
            "waiting_files": len(found.waiting),
            "runs": trimmed.runs,
            "bytes_given_back": compact(site.settings.home),
        }
    )


@job(
    name="purge",
    description="Purge what is past its time (CLIO_LANDING_DAYS, CLIO_RAW_DAYS, CLIO_FACET_DAYS, CLIO_HISTORY_DAYS).",
)
def purge_job() -> None:
    purge_op()


@schedule(
    job=purge_job,
    cron_schedule=f"0 {PURGE_HOUR} * * *",
    execution_timezone=SETTINGS.timezone,
    default_status=DefaultScheduleStatus.RUNNING,
)
@unless_paused
def purge_daily(context: ScheduleEvaluationContext, site: Site) -> RunRequest | SkipReason:
    """What has had its time leaves: landed text, raw text, facets, finished runs."""
    today = context.scheduled_execution_time.astimezone(SETTINGS.tz).date()
    runs = past_their_time(context.instance, site.settings, context.scheduled_execution_time)
    if due_on(site, today).is_nothing and not runs:
        return SkipReason(f"nothing is past its time on {today}")
    return RunRequest(run_key=f"purge {today}", tags={ASKED_BY: "schedule"})
