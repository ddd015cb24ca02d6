"""Dagster's PostgreSQL storage with its connections kept open, and waited for when the server restarts.

Dagster opens a connection for every event, which takes longer than the event (benchmarks/postgres_events.py).
Tables and migrations are Dagster's own. Needs the extra `postgres`.
"""

from collections.abc import Sequence
from typing import Any, Self

from dagster import EventLogEntry, Field, StringSource
from dagster._serdes import ConfigurableClassData

from clio_dagster.postgres_url import with_driver
from resources.transactions import again, wait_for_connections

try:
    from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
except ImportError as error:
    raise ImportError(
        "CLIO_HISTORY_URL needs dagster-postgres and psycopg2: pip install 'clio-dagster[postgres]'"
    ) from error

OPEN_CONNECTIONS, BRIEF_CONNECTIONS = 1, 20
"""Of each of a process's three storages: kept open, and opened beside it while threads need more."""

RECYCLE_SECONDS = 1800
"""A connection is not used for longer: firewalls and poolers forget those that they take for idle."""


class LastingPostgresEventLogStorage(PostgresEventLogStorage):
    """The event log. An event whose connection is lost is stored again, and then may stand there twice: that a step
    ended or a partition was made is no less true for it."""

    @again
    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(event)

    @again
    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        super().store_event_batch(events)


class PooledPostgresStorage(DagsterPostgresStorage):
    """Runs, schedules and the event log in one database, by a URL of PostgreSQL in any of its spellings."""

    def __init__(self, url: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Dagster's own notifications and SQLAlchemy's default are of different drivers.
        super().__init__(with_driver(url, "psycopg2"), inst_data=inst_data)
        self._event_log_storage = LastingPostgresEventLogStorage(self.postgres_url)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine.dispose()
            storage._engine = _pooled(self.postgres_url)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"url": Field(StringSource, description="URL of PostgreSQL.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(config_value["url"], inst_data=inst_data)


def _pooled(url: str) -> Any:
    from dagster._core.storage.sql import create_engine

    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=OPEN_CONNECTIONS,
        max_overflow=BRIEF_CONNECTIONS,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_SECONDS,
        hide_parameters=True,
    )
    wait_for_connections(engine)
    return engine
