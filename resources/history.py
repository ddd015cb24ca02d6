"""Dagster's own history kept in bounds: runs past their time leave, and the last word on every partition stays.

`DagsterInstance.delete_run` alone would not do (tests/test_storage_bounds.py pins what it does): it takes a run's
materializations out of the index, so that what the run made last shows as never made; it leaves the database of the
run's log where it lies, emptied and as large as before; and it leaves every row of the table of checks, for ever.

So a run goes as a row, with its log and its output. What it wrote to the index goes, too, except the newest
materialization and observation of each partition, and the newest record of each check on each partition, which the
UI and our verdicts read: of a check also the newest that has a verdict, should a later one have died before it said
anything.

Every step looks at what is there, and not at what a step before it did: one that was killed is gone on with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from resources.dagster_storage import PooledSqliteEventLogStorage

events = SqlEventLogStorageTable.c
checks = AssetCheckExecutionsTable.c

LASTING = (DagsterEventType.ASSET_MATERIALIZATION.value, DagsterEventType.ASSET_OBSERVATION.value)
"""Events of which the newest of a partition says how it stands."""

RUNLESS = ""
"""The run id of events that no run wrote: what sensors report, and freshness."""

AT_ONCE = 500
"""Ids in one statement: what it may bind."""


@dataclass(frozen=True)
class Trimmed:
    """What left: runs, logs of runs, rows of the index (events and records of checks)."""

    runs: int = 0
    logs: int = 0
    rows: int = 0

    @property
    def is_nothing(self) -> bool:
        return not (self.runs or self.logs or self.rows)


def trim(instance: DagsterInstance, runs: Collection[str], before: datetime) -> Trimmed:
    """Remove these runs, whatever is left of runs that are no more, and what no run wrote before a moment.

    Raises TypeError where Dagster's storage is no SQL database.
    """
    log, stored = instance.event_log_storage, instance.run_storage
    if not isinstance(log, SqlEventLogStorage) or not isinstance(stored, SqlRunStorage):
        raise TypeError("Dagster's storage is no SQL database: its history is not trimmed")
    for run in runs:
        instance.compute_log_manager.delete_logs(prefix=[run])
        stored.delete_run(run)
    logs = _remove_logs(log, stored)
    rows = _remove_events(log, stored) + _remove_checks(log, stored) + _remove_runless(log, before)
    return Trimmed(len(runs), logs, rows)


def _remove_logs(log: SqlEventLogStorage, stored: SqlRunStorage) -> int:
    """Databases of logs of runs that are no more. Another storage has all logs in the index."""
    if not isinstance(log, PooledSqliteEventLogStorage):
        return 0
    gone = _gone(log.get_all_run_ids(), stored)
    for run in gone:
        log.remove_log(run)
    return len(gone)


def _remove_events(log: SqlEventLogStorage, stored: SqlRunStorage) -> int:
    """Events in the index, of runs that are no more, but for the newest of each partition."""
    with log.index_connection() as connection:
        found = set(connection.execute(sa.select(events.run_id).distinct()).scalars())
    gone = _gone(found, stored)
    with log.index_connection() as connection:
        newest = _newest_events(connection, events.dagster_event_type.in_(LASTING))
        wanted = (sa.select(events.id).where(events.run_id.in_(part)) for part in _parts(gone))
        doomed = [each for query in wanted for each in connection.execute(query).scalars()]
        return _delete_events(connection, [each for each in doomed if each not in newest])


def _remove_checks(log: SqlEventLogStorage, stored: SqlRunStorage) -> int:
    """Records of checks by runs that are no more, but for the newest on each partition."""
    with log.index_connection() as connection:
        found = set(connection.execute(sa.select(checks.run_id).distinct()).scalars())
    gone = _gone(found, stored)
    newest = sa.select(sa.func.max(checks.id)).group_by(checks.asset_key, checks.check_name, checks.partition)
    is_said = checks.execution_status != AssetCheckExecutionRecordStatus.PLANNED.value
    removed = 0
    with log.index_connection() as connection:
        kept = {
            each for query in (newest, newest.where(is_said)) for each in connection.execute(query).scalars()
        }
        for part in _parts(gone):
            of_runs = connection.execute(sa.select(checks.id).where(checks.run_id.in_(part))).scalars()
            doomed = [each for each in of_runs if each not in kept]
            for ids in _parts(doomed):
                connection.execute(sa.delete(AssetCheckExecutionsTable).where(checks.id.in_(ids)))
            removed += len(doomed)
    return removed


def _remove_runless(log: SqlEventLogStorage, before: datetime) -> int:
    """Events that no run wrote, from before a moment, but for the newest of each kind and partition."""
    moment = before.astimezone(UTC).replace(tzinfo=None)
    removed = 0
    for connect in (log.index_connection, lambda: log.run_connection(RUNLESS)):
        with connect() as connection:
            newest = _newest_events(connection, events.run_id == RUNLESS)
            old = sa.select(events.id).where(events.run_id == RUNLESS, events.timestamp < moment)
            doomed = [each for each in connection.execute(old).scalars() if each not in newest]
            removed += _delete_events(connection, doomed)
    return removed


def _newest_events(connection: Any, among: sa.ColumnElement[bool]) -> set[int]:
    last = sa.select(sa.func.max(events.id)).where(among)
    each = last.group_by(events.asset_key, events.dagster_event_type, events.partition)
    return set(connection.execute(each).scalars())


def _delete_events(connection: Any, doomed: Collection[int]) -> int:
    for ids in _parts(doomed):
        connection.execute(sa.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(ids)))
        connection.execute(sa.delete(SqlEventLogStorageTable).where(events.id.in_(ids)))
    return len(doomed)


def _gone(found: Iterable[str | None], stored: SqlRunStorage) -> list[str]:
    """Those of the runs of which there is no row. `found` was looked for first: a run that begins has its row before
    it writes anything."""
    return sorted({run for run in found if run} - {*stored.get_run_ids()})


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while part := list(islice(rest, AT_ONCE)):
        yield part
