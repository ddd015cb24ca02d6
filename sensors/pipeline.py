"""Files in, releases out, in this process: what `clio run` asks of Dagster, in order."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
from dagster import DagsterInstance, Definitions
from filelock import FileLock

from assets.partitions import IN_BATCHES
from assets.staleness import landed_days, reach, settle_made, standings
from clio_dagster.conversations.landed import touched_days
from clio_dagster.conversations.landing import NotConversations
from clio_dagster.tables import QUARANTINE
from clio_dagster.tables import SOURCES as SOURCES_TABLE
from resources.erasure import Forgotten, forget, held_dates
from resources.freshness import unlanded_sources
from resources.ledger import ALONE, EVERYTHING, WAIT_SECONDS
from resources.site import Site
from resources.sources import Found, bring_back, register, sources_at
from resources.stage import REMAKE
from resources.warehouse import WarehouseError
from sensors.runs import contiguous, date_range, free_slots, run_here, slice_range, slice_ranges

CLIO_RUN = "clio run"
"""The lease that `clio run` holds: while it does, nobody else asks for anything."""


@dataclass
class Outcome:
    """What a run came to: files and conversations landed, records refused and why, dates made, what failed."""

    files: int = 0
    landed: int = 0
    quarantined: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    dates: list[date] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_sources(
    definitions: Definitions,
    instance: DagsterInstance,
    site: Site,
    sources: Iterable[Path | str],
) -> Outcome:
    """Register and land the files (paths, or s3://BUCKET/KEY), then make every slice and date that they touch; without
    files, all that is stale.

    What is fresh is not asked for again. A file that cannot be landed is a failure of its own and stops no other. Of
    two calls on one home the second waits, and then finds done what the first did; a running daemon leaves to the
    call what it is about to make.
    """
    with alone(site):
        free_slots(instance, site.ledger.living_runs())
        return _run_sources(definitions, instance, site, list(sources))


@contextmanager
def alone(site: Site) -> Iterator[None]:
    """One call at a time on a home, though it stand still for longer than a lease; the lease tells the daemon."""
    with (
        FileLock(site.settings.home / "run.lock"),
        site.ledger.holding(CLIO_RUN, EVERYTHING, str(os.getpid())),
    ):
        yield


def is_at_work(site: Site) -> bool:
    """Whether such a call is at work on a home."""
    return any(lease.subject == CLIO_RUN for lease in site.ledger.leases())


@contextmanager
def undisturbed(site: Site, say: Callable[[str], None]) -> Iterator[None]:
    """Alone on a home while no run works on it, whoever asked for it: runs at work are waited for, others wait."""
    with alone(site), site.ledger.holding(ALONE, EVERYTHING, str(os.getpid())):
        if working := len(site.ledger.working_runs()):
            say(f"{working} runs are at work on this home: waiting for them to end")
        while site.ledger.working_runs():
            time.sleep(WAIT_SECONDS)
        yield


def _run_sources(
    definitions: Definitions, instance: DagsterInstance, site: Site, sources: Sequence[Path | str]
) -> Outcome:
    settings, warehouse = site.settings, site.warehouse
    outcome = Outcome()
    keys = _register(site, instance, sources, outcome)
    for key in unlanded_sources(warehouse, settings, keys):
        outcome.failures += run_here(definitions, "land", instance, tags={}, partition=key)
    landed = warehouse.read(SOURCES_TABLE, {"source": keys}).filter(pl.col("landed_at").is_not_null())
    outcome.files, outcome.landed = landed.height, int(landed["landed"].sum() or 0)
    quarantine = warehouse.read(QUARANTINE, {"source": keys}, ["reason"])
    outcome.quarantined = quarantine.height
    outcome.reasons = Counter(quarantine["reason"]).most_common(5)
    days = landed_days(site)
    outcome.dates = sorted({*days} & reach(touched_days(settings.home, keys))) if sources else days
    found = standings(site, outcome.dates, instance)
    stale = [day for day in found if not day.is_fresh]
    failures: list[str] = []
    for first, last in contiguous(day.date for day in stale if day.unsubmitted_slices):
        # All are submitted before the first is waited for.
        failures += run_here(definitions, "submit", instance, tags=slice_range(first, last))
    for first, last in contiguous(day.date for day in stale if day.stale_slices or day.is_in_batches):
        failures += run_here(definitions, "read", instance, tags=slice_range(first, last))
    if not failures:
        for first, last in contiguous(day.date for day in stale):
            failures += run_here(definitions, "publish", instance, tags=date_range(first, last))
    if not failures:
        # What was fresh stands as it was found; what was made is looked at once more.
        made = standings(site, [day.date for day in stale], instance) if stale else []
        known = {day.date: day for day in (*found, *made)}
        for first, last in contiguous(day for day in outcome.dates if not known[day].is_inspected):
            failures += run_here(definitions, "inspect", instance, tags=date_range(first, last))
    outcome.failures += failures
    settle_made(site, instance)
    return outcome


def forget_accounts(
    site: Site, instance: DagsterInstance, accounts: Sequence[str], say: Callable[[str], None]
) -> Forgotten:
    """Erase accounts, given by the source's ids (resources/erasure.py), while nothing else is at work."""
    with undisturbed(site, say):
        # What was made again since is no part of what waits from now on.
        settle_made(site, instance)
        return forget(site, instance, accounts)


def backfill(
    definitions: Definitions,
    instance: DagsterInstance,
    site: Site,
    dates: Sequence[date],
    slices: Sequence[str],
    *,
    again: bool = False,
) -> Outcome:
    """Make what is not fresh of the given slices, and of the given dates with all their slices, in date order.

    One that was interrupted goes on where it stopped when it is asked for again. `again` makes all of it anew. Dates
    that wait for a batch of erasures are left out, each a failure that says so.
    """
    tags = {REMAKE: "yes"} if again else {}
    with alone(site):
        free_slots(instance, site.ledger.living_runs())
        held = held_dates(site)
        asked = {*dates, *(date.fromisoformat(key.split("|")[0]) for key in slices)}
        dates = sorted({*dates} - held.keys())
        slices = [key for key in slices if date.fromisoformat(key.split("|")[0]) not in held]
        outcome = Outcome(dates=dates)
        # Told at the end: it keeps nothing else from being made.
        refused = [f"{day}: {held[day]}" for day in sorted(asked & held.keys())]
        if IN_BATCHES:
            for first, last in contiguous(dates):
                outcome.failures += run_here(
                    definitions, "submit", instance, tags=slice_range(first, last) | tags
                )
            for asked_for in slice_ranges(slices):
                outcome.failures += run_here(definitions, "submit", instance, tags=asked_for | tags)
        for first, last in contiguous(dates):
            outcome.failures += run_here(definitions, "read", instance, tags=slice_range(first, last) | tags)
        for asked_for in slice_ranges(slices):
            outcome.failures += run_here(definitions, "read", instance, tags=asked_for | tags)
        for first, last in contiguous(dates) if not outcome.failures else ():
            outcome.failures += run_here(
                definitions, "publish", instance, tags=date_range(first, last) | tags
            )
        for first, last in contiguous(dates) if not outcome.failures else ():
            outcome.failures += run_here(
                definitions, "inspect", instance, tags=date_range(first, last) | tags
            )
    outcome.failures += refused
    return outcome


def _register(
    site: Site, instance: DagsterInstance, sources: Iterable[Path | str], outcome: Outcome
) -> list[str]:
    found: list[Found] = []
    for source in sources:
        try:
            found += sources_at(site.settings, source)
        except (NotConversations, WarehouseError) as error:
            outcome.failures.append(str(error))
    keys = list(dict.fromkeys(each.key for each in found))
    bring_back(site, keys)
    register(site, found)
    if keys:
        instance.add_dynamic_partitions("sources", keys)
    return keys
