"""A paused site coming to a standstill: what is still at work, what is pending, and waiting for the former to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from assets.staleness import State, landed_days, standings
from resources.site import Site
from sensors.pipeline import is_at_work
from sensors.reconcile import end_orphans
from sensors.runs import UNFINISHED
from sensors.status import Row, rows

QUEUE = "QUEUED_RUN_COORDINATOR"
"""Dagster's daemon that begins queued runs."""

WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class AtWork:
    """Runs that have begun, runs that are queued while a daemon lives that will begin them, and whether `clio run`, or
    another command that makes or removes something, is at work."""

    begun: int
    queued: int
    is_by_hand: bool

    @property
    def is_nothing(self) -> bool:
        return not (self.begun or self.queued or self.is_by_hand)

    def __str__(self) -> str:
        told = [f"{self.begun} runs are at work"] if self.begun else []
        told += [f"{self.queued} are queued"] if self.queued else []
        told += ["`clio run` or another command is"] if self.is_by_hand and not self.begun else []
        return ", ".join(told) or "nothing is at work"


def at_work(site: Site, instance: DagsterInstance) -> AtWork:
    """What has not ended. Runs whose process is gone are ended first, as the reconcile sensor does."""
    end_orphans(instance, site)
    by_hand = is_at_work(site)
    runs = instance.get_runs(RunsFilter(statuses=UNFINISHED))
    queued = [run for run in runs if run.status == DagsterRunStatus.QUEUED]
    is_begun_by_somebody = bool(queued) and instance.get_daemon_statuses([QUEUE])[QUEUE].healthy
    return AtWork(len(runs) - len(queued), len(queued) if is_begun_by_somebody else 0, by_hand)


def wait_for_standstill(site: Site, instance: DagsterInstance, say: Callable[[str], None]) -> None:
    """Return once nothing is at work, saying what is when that changes. Runs that are queued while no daemon lives are
    not waited for."""
    before = ""
    while not (found := at_work(site, instance)).is_nothing:
        if str(found) != before:
            before = str(found)
            say(f"{before}: waiting")
        time.sleep(WAIT_SECONDS)


def pending(site: Site, instance: DagsterInstance, days: int) -> list[Row]:
    """Rows of `clio status` for those of the last landed days on which something would be made or is being made."""
    told = rows(site, instance, standings(site, landed_days(site)[-days:], instance))
    done = (State.FRESH.value, State.TOMBSTONED.value)
    unfinished = {row.date for row in told if row.state not in done}
    return [row for row in told if row.date in unfinished]
