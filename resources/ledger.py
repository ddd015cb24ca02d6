"""The ledger: which run is making which partition, and which runs are alive.

A lease is a row with an end: whoever makes a partition renews it from a thread of its own, and one whose process
died is free when it ends, at once where the dead process was of this machine, or this container. SQLite in CLIO_HOME,
or PostgreSQL by CLIO_LEDGER_URL, whose restart is waited for; restricted. What models answered is answers.py's, in the
same database.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clio_dagster.postgres_url import FORM, database_of, is_postgres, with_driver
from clio_dagster.settings import SettingsError
from resources import processes
from resources.transactions import again, is_lost, transaction, wait_for_connections

RENEWALS = 4
"""How often a lease is renewed in its lifetime: three may fail."""

WAIT_SECONDS = 0.2
"""Between two looks at a partition that somebody else holds."""

BUSY_TIMEOUT_SECONDS = 60

_OF_A_HOLDER = ("holder", "host", "process", "began", "ends_at", "usd")

RUN, WAITING_RUN = "run", "waiting run"
"""Subjects of the leases by which a run's processes say that they live, and whether they wait for an ALONE to end."""

ALONE, EVERYTHING = "alone", "*"
"""The lease of whoever works while no run does: runs that begin wait until it is given back."""

SCHEMA_LOCK = 0x636C696F
"""PostgreSQL's advisory lock that is held while tables are made: "clio" in ASCII."""

metadata = sa.MetaData()
leases_table = sa.Table(
    "leases",
    metadata,
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("partition", sa.String, primary_key=True),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("began", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("ends_at", sa.Float, nullable=False),
    sa.Column("usd", sa.Float, nullable=False, server_default="0"),
)
"""`host`, `process` and `began` say which process holds it (processes.py). `usd` is what the holder may be about to
spend under a lease: it counts against the budget while the lease lives."""


@dataclass(frozen=True)
class Lease:
    """A partition of a subject (a stage, `run`) that somebody (a run's id) is at work on."""

    subject: str
    partition: str
    holder: str


class LeaseLost(RuntimeError):
    """A run was stopped for longer than its lease, and somebody else has taken its partitions over."""


def new_holder(run: str) -> str:
    """A name for one step of a run: two steps, or two attempts at one, are two holders."""
    return f"{run}:{uuid4().hex[:8]}"


@lru_cache(maxsize=4)
def open_ledger(home: Path, lease_seconds: float, url: str | None = None) -> Ledger:
    """The ledger of a home, or of the database that several share; one a process."""
    return Ledger(home, lease_seconds=lease_seconds, url=url)


class Ledger:
    """`home/ledger.sqlite`, or the database at `url`. Safe to use from many processes and threads."""

    def __init__(self, home: Path, *, lease_seconds: float, url: str | None = None) -> None:
        self._seconds = lease_seconds
        self._alive: set[str] = set()
        self.engine = _engine(home, url)
        try:
            self._make_tables()
        except sa.exc.DBAPIError as error:
            if url and is_lost(error):
                raise SettingsError(_unreachable(url, error)) from None
            raise

    def _make_tables(self) -> None:
        with self.engine.begin() as connection:
            _be_alone(connection)
            metadata.create_all(connection)
            _add_missing_columns(connection)

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that either was written or fails; what holds nothing else may be repeated (transactions.py)."""
        return transaction(self.engine)

    @again
    def take(self, subject: str, partitions: Sequence[str], holder: str) -> set[str]:
        """Take those of the partitions that nobody else holds; returns them, those held already included."""
        if not partitions:
            return set()
        with self.begin() as connection:
            self.drop_dead(connection)
            return self.take_within(connection, subject, dict.fromkeys(partitions, 0.0), holder)

    def take_within(
        self, connection: sa.Connection, subject: str, dollars: Mapping[str, float], holder: str
    ) -> set[str]:
        """The same in a transaction of the caller's, which has dropped the dead; each at what it may cost."""
        statement = upsert(connection, leases_table)
        mine = {name: statement.excluded[name] for name in _OF_A_HOLDER}
        rows = [
            {
                "subject": subject,
                "partition": partition,
                "holder": holder,
                "host": processes.here(),
                "process": os.getpid(),
                "began": processes.began(os.getpid()),
                "ends_at": time.time() + self._seconds,
                "usd": usd,
            }
            for partition, usd in dollars.items()
        ]
        if rows:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["subject", "partition"], set_=mine, where=leases_table.c.holder == holder
                ),
                rows,
            )
        return self._held(connection, subject, holder) & dollars.keys()

    @again
    def give(self, subject: str, partitions: Iterable[str], holder: str) -> None:
        """Give partitions back; one that is not held (any more) is passed over."""
        with self.begin() as connection:
            for partition in partitions:
                connection.execute(
                    sa.delete(leases_table).where(
                        leases_table.c.subject == subject,
                        leases_table.c.partition == partition,
                        leases_table.c.holder == holder,
                    )
                )

    @again
    def check(self, subject: str, partitions: Iterable[str], holder: str) -> None:
        """Raise LeaseLost where one of the partitions is not held any more."""
        with self.begin() as connection:
            lost = set(partitions) - self._held(connection, subject, holder)
        if lost:
            raise LeaseLost(
                f"{subject}: {len(lost)} partitions were taken over by another run while this one stood still; "
                "nothing of them was written here"
            )

    @again
    def leases(self) -> list[Lease]:
        """What is held now, by whoever lives."""
        with self.begin() as connection:
            self.drop_dead(connection)
            columns = (leases_table.c.subject, leases_table.c.partition, leases_table.c.holder)
            return [Lease(*row) for row in connection.execute(sa.select(*columns).order_by(*columns))]

    @contextmanager
    def renewing(self, holder: str) -> Iterator[None]:
        """Renew whatever `holder` holds until the end, and then give it back."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew, args=(holder, ended), daemon=True, name="clio-leases")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._give_all(holder)

    @contextmanager
    def living(self, run: str) -> Iterator[None]:
        """Say that a process of this run lives, until the end; where somebody works alone, wait for that to end first.

        Calls nest; the outermost says it.
        """
        if run in self._alive:
            yield
            return
        self._alive.add(run)
        try:
            holder = new_holder(run)
            with self.renewing(holder):
                self.take(WAITING_RUN, [holder], holder)
                self.take(RUN, [holder], holder)
                # Both take their own before they look for the other's: one of them sees the other.
                while any(lease.subject == ALONE for lease in self.leases()):
                    self.give(RUN, [holder], holder)
                    time.sleep(WAIT_SECONDS)
                    self.take(RUN, [holder], holder)
                self.give(WAITING_RUN, [holder], holder)
                yield
        finally:
            self._alive.discard(run)

    def living_runs(self) -> set[str]:
        """Runs of which some process lives."""
        return self._runs(RUN, WAITING_RUN)

    def working_runs(self) -> set[str]:
        """Those of them that do not wait for somebody who works alone."""
        return self._runs(RUN)

    def _runs(self, *subjects: str) -> set[str]:
        return {lease.holder.split(":")[0] for lease in self.leases() if lease.subject in subjects}

    def erase(self, among: Mapping[str, Collection[str]]) -> None:
        """Remove, from every table that has a column of one of these names, the rows that hold one of its values;
        then rewrite the file, so that nothing is left of them.
        """
        stored = sa.MetaData()
        stored.reflect(self.engine)
        with self.begin() as connection:
            for table in stored.tables.values():
                for name, values in among.items():
                    if name in table.c and values:
                        gone = sa.delete(table).where(table.c[name] == sa.bindparam("value"))
                        connection.execute(gone, [{"value": value} for value in values])
        self.rewrite()

    def rewrite(self) -> None:
        """Rewrite the database's files, so that nothing is left of rows that were deleted."""
        is_file = self.engine.dialect.name == "sqlite"
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("vacuum" if is_file else "vacuum full"))
            if is_file:
                connection.execute(sa.text("pragma wal_checkpoint(truncate)"))

    @contextmanager
    def holding(self, subject: str, partition: str, run: str) -> Iterator[None]:
        """Hold one partition, once nobody else does."""
        holder = new_holder(run)
        with self.renewing(holder):
            while not self.take(subject, [partition], holder):
                time.sleep(WAIT_SECONDS)
            yield

    @again
    def _give_all(self, holder: str) -> None:
        with self.begin() as connection:
            connection.execute(sa.delete(leases_table).where(leases_table.c.holder == holder))

    def _renew(self, holder: str, ended: threading.Event) -> None:
        while not ended.wait(self._seconds / RENEWALS):
            # One that fails is not the last: whether the lease was kept is asked before anything is written.
            with suppress(sa.exc.DBAPIError), self.engine.begin() as connection:
                connection.execute(
                    sa.update(leases_table)
                    .where(leases_table.c.holder == holder)
                    .values(ends_at=time.time() + self._seconds)
                )

    def _held(self, connection: sa.Connection, subject: str, holder: str) -> set[str]:
        held = sa.select(leases_table.c.partition).where(
            leases_table.c.subject == subject, leases_table.c.holder == holder
        )
        return set(connection.execute(held).scalars())

    def drop_dead(self, connection: sa.Connection) -> None:
        """Leases that have ended, and those of processes of this machine that are gone."""
        connection.execute(sa.delete(leases_table).where(leases_table.c.ends_at < time.time()))
        of = leases_table.c
        is_here = of.host == processes.here()
        found = connection.execute(sa.select(of.process, of.began).where(is_here).distinct())
        for process, began in [row for row in found if not processes.is_alive(*row)]:
            connection.execute(
                sa.delete(leases_table).where(is_here, of.process == process, of.began == began)
            )


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that can say what happens to rows that are there."""
    of = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    return of.insert(table)


def _engine(home: Path, url: str | None) -> sa.Engine:
    if url:
        try:
            made = sa.create_engine(
                with_driver(url, "psycopg") if is_postgres(url) else url,
                pool_pre_ping=True,
                hide_parameters=True,
            )
            wait_for_connections(made)
            return made
        except (sa.exc.ArgumentError, ImportError) as error:
            raise SettingsError(
                f"CLIO_LEDGER_URL: use a SQLAlchemy URL such as {FORM}, with its driver installed "
                f"(extra `postgres`); this one failed with {type(error).__name__}"
            ) from None
    home.mkdir(parents=True, exist_ok=True)
    path = home / "ledger.sqlite"
    path.touch(0o600)
    path.chmod(0o600)
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, hide_parameters=True
    )
    sa.event.listen(engine, "connect", _set_up)
    return engine


def _unreachable(url: str, error: sa.exc.DBAPIError) -> str:
    host, port, database = database_of(url)
    return (
        f"CLIO_LEDGER_URL: the database {database!r} on {host or 'this machine'}, port {port}, cannot be opened "
        f"({type(error.orig).__name__}): see that it runs, and that user and password are right"
    )


def _be_alone(connection: sa.Connection) -> None:
    """Until the transaction ends: of processes that open a new ledger at once, one makes its tables."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("begin immediate")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))


def _add_missing_columns(connection: sa.Connection) -> None:
    """Columns that a ledger of an earlier version lacks."""
    found = sa.inspect(connection)
    for table in metadata.tables.values():
        known = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(connection.dialect)
                default = " not null default 0" if column.server_default is not None else ""
                connection.execute(
                    sa.text(f"alter table {table.name} add column {column.name} {kind}{default}")
                )


def _set_up(connection: Any, _record: Any) -> None:
    until = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            break
        except (
            sqlite3.OperationalError
        ):  # SQLite does not wait while another makes a new ledger's mode the same
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("pragma synchronous = normal")
