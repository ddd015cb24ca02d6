"""Dagster's SQLite storage with its connections kept open.

Dagster opens and closes a database for every event, three times for a check: 15 ms an event where 4.5 ms do
(400 events of a range run, measured side by side). A range run over 112 slices writes thousands. Files, tables
and migrations are Dagster's own, so either storage reads what the other wrote; tests/test_upstream.py pins it.
"""

import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

OPEN_SHARDS = 8
"""Databases kept open: the index, and those of the runs last written or looked at."""

BUSY_TIMEOUT_SECONDS = 60


def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    """In WAL mode, which Dagster sets, a lost power supply may cost the last events, and never the file."""
    connection.execute("pragma synchronous = normal")


def _close(engines: OrderedDict[str, Engine]) -> None:
    while engines:
        engines.popitem()[1].dispose()


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """The event log, one open engine a database."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        # A process that ends with a database open leaves 4 MB of log beside it, which nobody opens again.
        weakref.finalize(self, _close, self._engines)
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None)
        if engine is None:
            timeout = {"timeout": BUSY_TIMEOUT_SECONDS}
            engine = create_engine(self.conn_string_for_shard(shard), connect_args=timeout)
            event.listen(engine, "connect", _without_waiting_for_the_disk)
        self._engines[shard] = engine
        while len(self._engines) > OPEN_SHARDS:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def has_table(self, table_name: str) -> bool:
        """Asked for before every event; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def remove_log(self, run_id: str) -> None:
        """Remove the database of a run's log. What other processes have open of it they may read to the end."""
        with self._db_lock:
            if engine := self._engines.pop(run_id, None):
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            for end in ("", "-wal", "-shm"):
                Path(f"{self.path_for_shard(run_id)}{end}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close every database; what is asked for next opens its own again."""
        with self._db_lock:
            _close(self._engines)

    def dispose(self) -> None:
        self.close()
        super().dispose()


class PooledSqliteStorage(DagsterSqliteStorage):
    """Runs, schedules and the event log under one folder, as Dagster lays them out."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = PooledSqliteEventLogStorage(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)
