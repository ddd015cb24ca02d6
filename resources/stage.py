"""What an asset returns: its slices, each made when it is about to be written, and only if its inputs changed.

A range run holds a second's worth of slices in memory. A slice whose stored fingerprint (code version, settings and
content hashes of its inputs) is the one it would get again is kept as it is.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from dagster import AssetExecutionContext

from clio_dagster.clock import engine_time
from clio_dagster.privacy.silence import quiet
from clio_dagster.progress import track
from clio_dagster.tables import MESSAGES_TYPE, VECTOR_TYPE, Table
from resources.slices import content_hash
from resources.warehouse import Slice, Warehouse

HELD_SECONDS, HELD_SLICES = 1.0, 64
"""Work that a killed run may lose again: slices made and not yet written."""

Frames = Mapping[str, pl.DataFrame]
"""Frames by table name, all of one slice."""


class MissingInput(ValueError):
    """A partition was asked for before the one that it is made from."""


@dataclass(frozen=True)
class Made:
    """One slice, made or kept. `frames` is empty where the stored one still holds."""

    partition: str
    fingerprint: str
    frames: Frames
    seconds: float


@dataclass
class Slices:
    """The slices of one step over one or more tables that are written together.

    `inputs` gives the content hashes of what a partition is made from (None: not there), `make` its frames, one
    a table; `uses` names whatever else decides the result (settings, versions).
    """

    context: AssetExecutionContext
    tables: Sequence[Table]
    inputs: Callable[[str], object]
    make: Callable[[str], Frames]
    uses: Mapping[str, object]
    code_version: str = "1"

    def fingerprint(self, partition: str) -> str:
        """Hash of everything that decides what this partition's slice holds.

        Raises MissingInput where what it is made from is not there.
        """
        inputs = self.inputs(partition)
        if inputs is None:
            raise MissingInput(f"{self.tables[0].name} {partition}: materialize what it is made from first")
        parts = [
            [table.name for table in self.tables],
            self.code_version,
            {name: str(value) for name, value in sorted(self.uses.items())},
            inputs,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def made(self, stored: Callable[[str], str | None]) -> Iterator[Made]:
        """Each partition of the run in order; `stored` gives a partition's present fingerprint, if any."""
        partitions = list(self.context.partition_keys)
        name = self.tables[0].name
        with track(name, len(partitions), unit="partition") as advance:
            for partition in partitions:
                fingerprint = self.fingerprint(partition)
                if stored(partition) == fingerprint:
                    yield Made(partition, fingerprint, {}, 0.0)
                else:
                    started = time.perf_counter()
                    with engine_time(name), quiet(name, partition):
                        frames = self.make(partition)
                    yield Made(partition, fingerprint, frames, time.perf_counter() - started)
                advance(1)


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
            "fingerprint": self.made.fingerprint[:16],
            "content_hash": self.hashes[table][:16],
            **self.numbers,
        }


@dataclass(frozen=True)
class Written:
    """Slices after they are written: what several outputs of one step share."""

    slices: Slices
    records: list[Record] = field(default_factory=list)


def write(warehouse: Warehouse, slices: Slices) -> Written:
    """Make and write each slice, whole over all its tables; keep those whose inputs are unchanged.

    Slices that are made quickly are written together, some HELD_SECONDS of work in one transaction: opening the
    file costs more than most of them.
    """
    written = Written(slices)
    partitions = list(slices.context.partition_keys)
    known = {table.name: warehouse.slices(table, partitions) for table in slices.tables}
    held: list[Made] = []

    def stored(partition: str) -> str | None:
        prints = {found[partition].fingerprint if partition in found else None for found in known.values()}
        is_whole = all(
            _is_taken_as_it_is(table) or is_as_written(warehouse, table, known[table.name][partition])
            for table in slices.tables
            if partition in known[table.name]
        )
        return prints.pop() if len(prints) == 1 and is_whole else None

    def flush() -> None:
        fresh = [made for made in held if made.frames]
        results = iter(
            warehouse.write_many(
                (table, partition_values(table, made.partition), made.frames[table.name], made.fingerprint)
                for made in fresh
                for table in slices.tables
            )
            if fresh
            else ()
        )
        for made in held:
            by_table = {
                table.name: next(results) if made.frames else known[table.name][made.partition]
                for table in slices.tables
            }
            written.records.append(_record(made, by_table))
        held.clear()

    for made in slices.made(stored):
        held.append(made)
        if sum(each.seconds for each in held) > HELD_SECONDS or len(held) >= HELD_SLICES:
            flush()
    flush()
    return written


def is_as_written(warehouse: Warehouse, table: Table, stored: Slice) -> bool:
    """Whether a slice still holds what its stage wrote: what was edited since is neither kept nor released."""
    values = partition_values(table, stored.partition)
    return content_hash(warehouse.read(table, values)) == stored.content_hash


def _is_taken_as_it_is(table: Table) -> bool:
    """Conversations and vectors, which are too large to read for this; no release reads them."""
    return any(column.dtype in (VECTOR_TYPE, MESSAGES_TYPE) for column in table.columns)


def _record(made: Made, by_table: Mapping[str, Slice]) -> Record:
    return Record(
        made,
        rows={name: result.rows for name, result in by_table.items()},
        hashes={name: result.content_hash for name, result in by_table.items()},
        numbers=_numbers(made.frames),
    )


def partition_values(table: Table, partition: str) -> dict[str, str]:
    """`2026-11-01|es` as the values of the columns that the table is partitioned by."""
    return dict(zip(sorted(table.partitioned_by), partition.split("|"), strict=True))


def _numbers(frames: Frames) -> dict[str, float]:
    """Counts that are worth a plot and give nothing away: accounts, and what the slice withholds."""
    numbers: dict[str, float] = {}
    for frame in frames.values():
        if "account" in frame.columns:
            numbers["accounts"] = frame["account"].n_unique()
        if "status" in frame.columns:
            for status, count in frame["status"].value_counts().iter_rows():
                numbers[status.replace(" ", "_")] = count
        if "passes" in frame.columns:
            numbers["suppressed"] = int((~frame["passes"]).sum())
    return numbers
