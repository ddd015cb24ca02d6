"""What is fresh, what is stale and why: every stage's fingerprint compared with what its slices were made from.

One answer for the reconcile sensor, `clio run` and `clio status`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import chain

from dagster import DagsterInstance

from assets.audit import STAGE as AUDIT
from assets.classifier import STAGE as CLASSIFIER
from assets.clusters import STAGE as CLUSTERS
from assets.conversations import STAGE as CONVERSATIONS
from assets.coordination import STAGE as COORDINATION
from assets.day import STAGE as DAY
from assets.embeddings import STAGE as EMBEDDINGS
from assets.facet_batches import STAGE as FACET_BATCHES
from assets.facets import STAGE as FACETS
from assets.hierarchy import STAGE as HIERARCHY
from assets.lineage import STAGE as LINEAGE
from assets.models import SAFETY_STAGES
from assets.models import STAGES as MARTS
from assets.partitions import IN_BATCHES, SETTINGS, slices_of, window
from assets.publishing import POSITIONS_STAGE as POSITIONS
from assets.publishing import STAGE as CELLS
from assets.release import STAGE as RELEASE
from assets.summaries import STAGE as SUMMARIES
from assets.verdicts import of_slices
from clio_dagster.analyst.memory import Batch
from clio_dagster.tables import RELEASES
from resources.erasure import due_dates, held_dates, settle
from resources.fingerprints import Look, Slicemap, Stage, changes
from resources.retention import purged_days, why_closed
from resources.site import Site
from resources.warehouse import Slice

READ = (CONVERSATIONS, *([FACET_BATCHES] if IN_BATCHES else []), FACETS, EMBEDDINGS)
"""Stages of a date and language, in order."""

PUBLISH = (DAY, CLUSTERS, LINEAGE, SUMMARIES, HIERARCHY, AUDIT, CELLS, POSITIONS, *MARTS, RELEASE)
"""Stages of a date, in order."""

INSPECT = (*SAFETY_STAGES, CLASSIFIER, COORDINATION) if SETTINGS.safety else ()
"""Stages of a date for Trust & Safety, made once it is published: no release waits for them."""


class State(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    MISSING = "never made"
    WAITING = "waiting"
    BATCHED = "in a batch"
    UNCHECKED = "not checked"
    HELD = "held"
    TOMBSTONED = "tombstoned"


@dataclass(frozen=True)
class Standing:
    """One stage's partition: its state and why, the fingerprint that it would get now, and what is stored."""

    stage: str
    partition: str
    state: State
    why: tuple[str, ...] = ()
    wanted: str | None = None
    stored: tuple[Slice | None, ...] = ()

    @property
    def difference(self) -> list[object]:
        """What tells this moment's need from every other: what is wanted, and what is there since when."""
        return [
            self.stage,
            self.partition,
            self.state,
            self.wanted,
            [[each.fingerprint, each.written_at.isoformat()] if each else None for each in self.stored],
        ]


DONE = (State.FRESH, State.BATCHED, State.HELD, State.TOMBSTONED)
"""States in which there is nothing to be made, at least for now."""


@dataclass(frozen=True)
class Day:
    """Every stage of one date."""

    date: date
    read: tuple[Standing, ...]
    publish: tuple[Standing, ...]
    inspect: tuple[Standing, ...] = ()

    @cached_property
    def stale_slices(self) -> list[str]:
        """Slices (`2026-11-01|es`) of which some stage is to be made, in order."""
        return list(dict.fromkeys(each.partition for each in self.read if each.state not in DONE))

    @cached_property
    def unsubmitted_slices(self) -> list[str]:
        """Those whose conversations are to be given to Claude in batches first; none out of batch mode."""
        return [
            each.partition
            for each in self.read
            if each.stage == FACET_BATCHES.name and each.state not in DONE
        ]

    @cached_property
    def is_in_batches(self) -> bool:
        """Whether some slice waits for a batch to end: nothing is made of the date meanwhile."""
        return any(each.state == State.BATCHED for each in self.read)

    @cached_property
    def is_published(self) -> bool:
        """Whether no stage of the date is to be made, the release included."""
        return all(each.state in DONE for each in self.publish)

    @cached_property
    def is_inspected(self) -> bool:
        """Whether nothing is to be made of it for Trust & Safety; True while the release is not there yet."""
        return not self.is_fresh or all(each.state in DONE for each in self.inspect)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing of the date is to be made that a release waits for."""
        return not self.stale_slices and not self.is_in_batches and self.is_published

    @property
    def is_held(self) -> bool:
        """Whether something of it would be made and waits for a batch of erasures."""
        return any(each.state == State.HELD for each in (*self.read, *self.publish))


def landed_days(site: Site) -> list[date]:
    """Days of which something has been landed, if only to be withdrawn since, in order."""
    folders = (site.settings.home / "landing").glob("date=*")
    return sorted(date.fromisoformat(folder.name.removeprefix("date=")) for folder in folders)


def standings(site: Site, days: Sequence[date], instance: DagsterInstance) -> list[Day]:
    """How every stage of the given days stands now, from one reading of what is stored.

    A slice of a date that is not published must have been checked since it was written, or the release is refused.
    What is not fresh of a date that waits for a batch of erasures is held; what would be made from facets that were
    purged is tombstoned.
    """
    keys = [each.isoformat() for each in days]
    around = sorted({each for key in keys for each in window(key)})
    stored = site.warehouse.slices_on(around)
    slices = [key for each in keys for key in slices_of(each)]
    read = {stage.name: stage.look(site, slices, stored) for stage in READ}
    of_dates = {stage.name: stage.look(site, keys, stored) for stage in (*PUBLISH, *INSPECT)}
    found = [
        Day(
            each,
            tuple(
                _standing(stage, key, read[stage.name], site)
                for stage in READ
                for key in slices_of(each.isoformat())
            ),
            *(
                tuple(_standing(stage, each.isoformat(), of_dates[stage.name], site) for stage in stages)
                for stages in (PUBLISH, INSPECT)
            ),
        )
        for each in days
    ]
    if IN_BATCHES:
        batches = site.answers.unsettled()
        found = [_with_batches(day, batches) for day in found]
    purged = purged_days(site)
    found = [_as_closed(day, purged) for day in found] if purged else found
    held = held_dates(site)
    return [
        _as_held(day, held[day.date])
        if day.date in held
        else day
        if day.is_published
        else _with_unchecked(day, instance, stored)
        for day in found
    ]


def _with_batches(day: Day, batches: Mapping[str, Sequence[Batch]]) -> Day:
    """Facets are made of what was submitted, once nothing of it is in an open batch; where they are there as they would
    be made now, nothing is submitted."""
    by_stage = {(each.stage, each.partition): each for each in day.read}
    for key in slices_of(day.date.isoformat()):
        submitted, facets = by_stage[FACET_BATCHES.name, key], by_stage[FACETS.name, key]
        if facets.state == State.FRESH:
            by_stage[FACET_BATCHES.name, key] = replace(submitted, state=State.FRESH, why=())
            continue
        open_ = [each for each in batches.get(key, ()) if each.is_open]
        if submitted.state not in DONE:
            waiting, why = State.WAITING, f"waits for {FACET_BATCHES.name}"
        elif open_:
            waiting, why = State.BATCHED, "; ".join(map(in_words, open_))
        else:
            continue
        for stage in (FACETS.name, EMBEDDINGS.name):
            by_stage[stage, key] = replace(by_stage[stage, key], state=waiting, why=(why,))
    return replace(day, read=tuple(by_stage.values()))


def in_words(batch: Batch) -> str:
    """How far a batch is, for whoever waits for it."""
    done = batch.requests - batch.counts.get("processing", batch.requests)
    name = batch.remote or "a batch that is being submitted"
    return f"{name}: {done:,} of {batch.requests:,} done since {batch.submitted_at:%Y-%m-%d %H:%M} UTC"


def _as_closed(day: Day, purged: Collection[date]) -> Day:
    """What its retention has closed is made no more, however it stands."""

    def closed(standings: Sequence[Standing]) -> tuple[Standing, ...]:
        return tuple(
            replace(each, state=State.TOMBSTONED, why=(why,), wanted=None)
            if (why := why_closed(each.partition, purged, SETTINGS.window_days))
            else each
            for each in standings
        )

    return replace(day, read=closed(day.read), publish=closed(day.publish), inspect=closed(day.inspect))


def _as_held(day: Day, why: str) -> Day:
    """Made again for one erased account, a date would show what that account had been: nothing of it is made."""

    def held(standings: Sequence[Standing]) -> tuple[Standing, ...]:
        return tuple(
            each
            if each.state in (State.FRESH, State.TOMBSTONED)
            else replace(each, state=State.HELD, why=(why,))
            for each in standings
        )

    return replace(day, read=held(day.read), publish=held(day.publish))


def _with_unchecked(day: Day, instance: DagsterInstance, stored: Slicemap) -> Day:
    if any(standing.state != State.FRESH for standing in day.read):
        return day
    lacking = {
        (verdict.spec.asset_key.to_user_string(), verdict.partition): verdict.spec.name
        for verdict in of_slices(instance, day.date.isoformat(), stored)
        if verdict.passed is None
    }
    read = tuple(
        replace(
            each, state=State.UNCHECKED, why=(f"{lacking[each.stage, each.partition]} has not looked at it",)
        )
        if (each.stage, each.partition) in lacking
        else each
        for each in day.read
    )
    return replace(day, read=read)


def settle_made(site: Site, instance: DagsterInstance) -> list[date]:
    """Note which of the dates that are due for a batch of erasures have been made again; returns the others."""
    due = due_dates(site)
    left = [day for day in standings(site, due, instance) if not day.is_fresh] if due else []
    waiting = [day.date for day in left]
    settle(site, {*due}.difference(waiting))
    return waiting


def is_closed(day: date, now: datetime) -> bool:
    """Whether a day is over, and its hour of grace with it: CLIO_DAILY_HOUR of the next, in CLIO_TIMEZONE."""
    local = now.astimezone(SETTINGS.tz)
    closed = local.date() - timedelta(days=1 if local.hour >= SETTINGS.daily_hour else 2)
    return day <= closed


def _standing(stage: Stage, key: str, look: Look, site: Site) -> Standing:
    found = tuple(look.stored.get(table.name, {}).get(key) for table in stage.tables)
    wanted = stage.fingerprint(key, look)
    if wanted is None:
        missing = ", ".join(stage.missing(key, look))
        return Standing(stage.name, key, State.WAITING, (f"waits for {missing}",), None, found)
    if any(each is None for each in found):
        return Standing(stage.name, key, State.MISSING, (), wanted, found)
    prints = {each.fingerprint for each in found if each}
    if prints == {wanted}:
        if stage.tables == (RELEASES,) and not (site.settings.home / "releases" / key).is_dir():
            return Standing(stage.name, key, State.STALE, ("its folder is gone",), wanted, found)
        return Standing(stage.name, key, State.FRESH, (), wanted, found)
    why = chain.from_iterable(changes(each, wanted) for each in sorted(prints - {wanted}))
    return Standing(stage.name, key, State.STALE, tuple(dict.fromkeys(why)), wanted, found)


def reach(days: Sequence[date]) -> set[date]:
    """The dates whose window holds one of the given days."""
    return {each + timedelta(days=ahead) for each in days for ahead in range(SETTINGS.window_days)}
