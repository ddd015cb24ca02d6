"""What an asset returns: its slices, each made when it is about to be written, and only if its inputs changed.

A range run holds a second's worth of slices in memory. A slice whose stored fingerprint (code version, settings and
content hashes of its inputs) is the one it would get again is kept as it is.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl
from dagster import AssetExecutionContext
from dagster._core.errors import DagsterInvalidPropertyError

from clio_dagster.clock import engine_time
from clio_dagster.layout import check_layout
from clio_dagster.privacy.silence import quiet
from clio_dagster.progress import track
from clio_dagster.tables import MESSAGES_TYPE, PUBLISHED, READ, VECTOR_TYPE, Table
from clio_dagster.work import at_work
from resources.fingerprints import Slicemap, Stage
from resources.ledger import WAIT_SECONDS, new_holder
from resources.retention import refuse_closed
from resources.site import Site
from resources.slices import partition_values, stored_hash
from resources.spool import Rows, Spool, columns_of, gathered
from resources.warehouse import Slice, Warehouse

HELD_SECONDS, HELD_SLICES = 1.0, 64
"""Work that a killed run may lose again: slices made and not yet written."""

REMAKE = "clio/remake"
"""Run tag: make the partitions again although nothing that decides them has changed."""

Frames = Mapping[str, Rows]
"""Rows by table name, all of one slice."""

Making = Mapping[str, pl.DataFrame | Iterable[pl.DataFrame]]
"""The same as a stage makes it: a table's frame, or chunks of it in the order of its key, made one after the other."""


class NoPartitions(ValueError):
    """A run was asked for a range that has no partition: one that ends before it begins, or lies in the future."""


class MissingInput(ValueError):
    """A partition was asked for before the one that it is made from."""


@dataclass(frozen=True)
class Made:
    """One slice, made or kept. `frames` is empty where the stored one still holds."""

    partition: str
    fingerprint: str
    frames: Frames
    seconds: float
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Slices:
    """The slices of one step: what decides them, and how one partition's frames are made, one a table."""

    context: AssetExecutionContext
    stage: Stage
    site: Site
    make: Callable[[str], Making]

    @property
    def is_forced(self) -> bool:
        """Whether the run asks for its partitions to be made again, whatever is stored (its tag REMAKE)."""
        try:
            return REMAKE in self.context.op_execution_context.run.tags
        except DagsterInvalidPropertyError:  # called as a function, in no run
            return False


@dataclass(frozen=True)
class Record:
    """What one slice came to: rows and content hash by table, and what its stage counted."""

    made: Made
    rows: dict[str, int]
    hashes: dict[str, str]
    numbers: dict[str, float]

    def metadata(self, table: str) -> dict[str, Any]:
        return {
            "rows": self.rows[table],
            "seconds": round(self.made.seconds, 3),
            "reused": not self.made.frames,
            "fingerprint": hashlib.sha256(self.made.fingerprint.encode()).hexdigest()[:16],
            "made_from": json.loads(self.made.fingerprint),
            "content_hash": self.hashes[table][:16],
            **self.numbers,
        }


@dataclass(frozen=True)
class Written:
    """Slices after they are written: what several outputs of one step share."""

    slices: Slices
    records: list[Record] = field(default_factory=list)


def write(slices: Slices) -> Written:
    """Make and write each slice, whole over all its tables; keep those whose inputs are unchanged.

    A partition is made by one run at a time: what another run holds is waited for, and then mostly found made.
    Slices that are made quickly are written together, some HELD_SECONDS of work in one transaction: opening the
    file costs more than most of them. Raises SettingsError where the home is laid out otherwise, NoPartitions where the
    run's range is empty, MissingInput where what a partition is made from is not there, and PastRetention where it was
    purged.
    """
    check_layout(slices.site.settings)
    refuse_closed(slices.site, asked_for(slices.context, slices.stage.name))
    step = _Step(slices)
    with slices.site.ledger.renewing(step.holder):
        step.run()
    return step.written


def asked_for(context: AssetExecutionContext, name: str) -> list[str]:
    """Partitions that a run is to make. Raises NoPartitions where there is none, which Dagster would call done."""
    keys = [str(key) for key in context.partition_keys]
    if not keys:
        raise NoPartitions(
            f"{name}: the range has no partition; its end comes before its beginning, in "
            "the dates or in the languages, or it has not begun"
        )
    return keys


class _Step:
    """One step at work: its leases, what is stored, and what is made and not yet written."""

    def __init__(self, slices: Slices) -> None:
        self.slices = slices
        self.stage, self.site = slices.stage, slices.site
        self.keys = list(slices.context.partition_keys)
        self.holder = new_holder(slices.context.op_execution_context.run_id)
        self.written = Written(slices)
        self.held: list[Made] = []
        self.stored: Slicemap = {}

    def run(self) -> None:
        name, ledger = self.stage.name, self.site.ledger
        mine = ledger.take(name, self.keys, self.holder)
        self.look()
        with track(name, len(self.keys), unit="partition") as advance:
            for key in self.keys:
                if key not in mine:
                    # Whoever waits holds nothing that comes before: so nobody waits in a circle.
                    self.flush()
                    self.wait_for(key)
                    self.look()
                self.held.append(self.made(key))
                is_long = sum(each.seconds for each in self.held) > HELD_SECONDS
                # What goes on from the date before must find it written, however quickly that was made.
                if self.stage.goes_on or is_long or len(self.held) >= HELD_SLICES:
                    self.flush()
                advance(1)
        self.flush()

    def look(self) -> None:
        warehouse = self.site.warehouse
        self.stored = {table.name: warehouse.slices(table, self.keys) for table in self.stage.tables}
        self.inputs = self.stage.look(self.site, self.keys)

    def wait_for(self, key: str) -> None:
        self.slices.context.log.info(f"{self.stage.name} {key} is being made by another run: waiting for it")
        while key not in self.site.ledger.take(self.stage.name, [key], self.holder):
            time.sleep(WAIT_SECONDS)

    def made(self, key: str) -> Made:
        name = self.stage.name
        fingerprint = self.stage.fingerprint(key, self.inputs)
        if fingerprint is None:
            missing = ", ".join(self.stage.missing(key, self.inputs))
            raise MissingInput(f"{name} {key}: materialize {missing} first")
        if self.is_kept(key, fingerprint):
            return Made(key, fingerprint, {}, 0.0)
        started = time.perf_counter()
        run = self.slices.context.op_execution_context.run_id
        with engine_time(name), quiet(name, key), at_work(name, key, run) as work:
            frames = self.gathered(key)
        return Made(key, fingerprint, frames, time.perf_counter() - started, dict(work.numbers))

    def gathered(self, key: str) -> Frames:
        made, home = self.slices.make(key), self.site.settings.home
        return {
            table.name: gathered(table, partition_values(table, key), made[table.name], home)
            for table in self.stage.tables
        }

    def is_kept(self, key: str, fingerprint: str) -> bool:
        """Whether every table's slice was made from this, and still holds what was written."""
        found = [self.stored[table.name].get(key) for table in self.stage.tables]
        if self.slices.is_forced or any(each is None or each.fingerprint != fingerprint for each in found):
            return False
        return all(
            _is_taken_as_it_is(table) or is_as_written(self.site.warehouse, table, each)
            for table, each in zip(self.stage.tables, found, strict=True)
            if each is not None
        )

    def flush(self) -> None:
        """Write what is held, and give its partitions back."""
        warehouse, ledger, tables = self.site.warehouse, self.site.ledger, self.stage.tables
        fresh = [made for made in self.held if made.frames]
        fence = partial(ledger.check, self.stage.name, [made.partition for made in fresh], self.holder)
        results = iter(
            warehouse.write_many(
                (
                    (
                        table,
                        partition_values(table, made.partition),
                        made.frames[table.name],
                        made.fingerprint,
                    )
                    for made in fresh
                    for table in tables
                ),
                fence=fence,
            )
            if fresh
            else ()
        )
        for made in self.held:
            by_table = {
                table.name: next(results) if made.frames else self.stored[table.name][made.partition]
                for table in tables
            }
            self.written.records.append(_record(made, by_table, tables))
            for rows in made.frames.values():
                if isinstance(rows, Spool):
                    rows.close()
        ledger.give(self.stage.name, [made.partition for made in self.held], self.holder)
        self.held.clear()


def is_as_written(warehouse: Warehouse, table: Table, stored: Slice) -> bool:
    """Whether a slice still holds what its stage wrote: what was edited since is neither kept nor released."""
    values = partition_values(table, stored.partition)
    return stored_hash(table, warehouse.read(table, values)) == stored.content_hash


def _is_taken_as_it_is(table: Table) -> bool:
    """Conversations and vectors, which are too large to read for this; no release reads them."""
    return any(column.dtype in (VECTOR_TYPE, MESSAGES_TYPE) for column in table.columns)


def _record(made: Made, by_table: Mapping[str, Slice], tables: Sequence[Table]) -> Record:
    return Record(
        made,
        rows={name: result.rows for name, result in by_table.items()},
        hashes={name: result.content_hash for name, result in by_table.items()},
        numbers=_numbers(made.frames, tables) | dict(made.numbers),
    )


def _numbers(frames: Frames, tables: Sequence[Table]) -> dict[str, float]:
    """Counts that are worth a plot and give nothing away: accounts, and what the slice withholds or lacks.

    A status that no row has is counted as 0, so that no plot misses it. Of facets of the site's own it is counted in
    how many conversations that were read each is null.
    """
    own = sorted(name for table in tables for name in table.own)
    statuses = _statuses(tables)
    numbers: dict[str, float] = {}
    for rows in frames.values():
        frame = columns_of(rows, ("account", "status", "passes", *own))
        if "account" in frame.columns:
            numbers["accounts"] = frame["account"].n_unique()
        if "status" in frame.columns:
            counts = dict.fromkeys(statuses, 0) | dict(frame["status"].value_counts().iter_rows())
            numbers |= {status.replace(" ", "_"): count for status, count in counts.items()}
            numbers |= {
                f"share_{status}": round(counts[status] / frame.height, 3)
                for status in (READ, PUBLISHED)
                if status in statuses and frame.height
            }
            is_read = frame.filter(pl.col("status") == READ)
            numbers |= {f"{name}_null": is_read[name].null_count() for name in own}
        if "passes" in frame.columns:
            numbers["suppressed"] = int((~frame["passes"]).sum())
    return numbers


def _statuses(tables: Sequence[Table]) -> list[str]:
    columns = (column for table in tables for column in table.columns if column.name == "status")
    return [status for column in columns for status in column.accepted or ()]
