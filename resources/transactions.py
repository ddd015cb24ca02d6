"""Transactions that outlive a restart of the database: waited for, asked after, and repeated where they were lost.

A connection that dies in the middle of a transaction takes the transaction with it; one that dies while it commits
leaves open whether it did. PostgreSQL remembers that by the transaction's number (`pg_xact_status`, since 13), so that
here an error means: nothing was written, and the same may be done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa

SECONDS = 60.0
"""A database that was there is waited for as long: a restart, or the change to another server, takes less."""

PAUSE_SECONDS = 0.2

P = ParamSpec("P")
T = TypeVar("T")


class Unanswered(RuntimeError):
    """The database went away and did not come back in time. What is known to be written stays."""


def wait_for_connections(engine: sa.Engine) -> None:
    """Have an engine that was connected once wait, up to SECONDS, for a database that does not answer any more.

    The first connection is not waited for: there, a wrong host or password is the likelier cause. Nor is one after it
    was waited for in vain.
    """
    was_connected = False

    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal was_connected
        until = time.monotonic() + SECONDS
        while True:
            try:
                made = dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError:
                if not was_connected or time.monotonic() > until:
                    was_connected = False
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                was_connected = True
                return made

    sa.event.listen(engine, "do_connect", connect)


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction, committed at the end of the block. Where it fails, nothing of it was written.

    Raises Unanswered where the connection was lost while it committed, and PostgreSQL does not come back to say
    whether it did.
    """
    with engine.connect() as connection:
        begun = connection.begin()
        try:
            number = _number(connection)
            yield connection
        except BaseException:
            begun.rollback()
            raise
        try:
            begun.commit()
        except sa.exc.DBAPIError as error:
            if number is None or not is_lost(error) or not _was_committed(engine, number):
                raise


def again(method: Callable[P, T]) -> Callable[P, T]:
    """Repeat what lost its connection, for up to SECONDS. For what is one `transaction`, or may be done twice.

    Raises Unanswered after that.
    """

    @wraps(method)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        until = time.monotonic() + SECONDS
        while True:
            try:
                return method(*args, **kwargs)
            except sa.exc.DBAPIError as error:
                if not is_lost(error):
                    raise
                if time.monotonic() > until:
                    raise _unanswered(error) from None
            time.sleep(PAUSE_SECONDS)

    return repeated


def is_lost(error: sa.exc.DBAPIError) -> bool:
    """Whether the connection is gone, or could not be made: PostgreSQL's own errors have a code, other than these."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
    is_postgres = type(error.orig).__module__.startswith("psycopg")
    is_connecting = isinstance(error, sa.exc.OperationalError) and (not code or code.startswith("57P"))
    return error.connection_invalidated or (is_postgres and is_connecting)


def _number(connection: sa.Connection) -> str | None:
    """The number of this transaction, where the database can be asked about it afterwards."""
    if connection.dialect.name != "postgresql":
        return None
    return str(connection.exec_driver_sql("select pg_current_xact_id()::text").scalar_one())


def _was_committed(engine: sa.Engine, number: str) -> bool:
    until = time.monotonic() + SECONDS
    asked = sa.text("select pg_xact_status(cast(:number as xid8))")
    try:
        while True:
            with engine.connect() as connection:
                state = connection.execute(asked, {"number": number}).scalar()
            if state != "in progress":
                return bool(state == "committed")
            if time.monotonic() > until:
                raise Unanswered("a transaction of the ledger whose connection was lost does not end")
            time.sleep(PAUSE_SECONDS)
    except sa.exc.DBAPIError as error:
        raise _unanswered(error) from None


def _unanswered(error: sa.exc.DBAPIError) -> Unanswered:
    return Unanswered(
        f"PostgreSQL went away and did not answer for {SECONDS:.0f} s ({type(error.orig).__name__}): "
        "run it again once it is back; what was made and answered before is kept"
    )
