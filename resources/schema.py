"""The version of the ledger's tables, noted in the ledger itself, and the steps from one version to the next.

Columns and tables that are only added need no step and no version: ledger.py adds them. A step is for what an older
version would read or write wrongly. All steps of one opening are one transaction under the lock that is held while
tables are made: a process that is killed has changed nothing, and the next one begins again. A ledger from before
versions were noted counts as version 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from clio_dagster import __version__
from clio_dagster.settings import SettingsError

_noted = sa.Table(
    "schema_version",
    sa.MetaData(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("written_by", sa.String, nullable=False),
)
"""One row: the version, and the release of clio_dagster that first wrote it."""

Step = Callable[[sa.Connection], None]


def _as_it_is(_connection: sa.Connection) -> None:
    """What was written before versions were noted is read as it is."""


STEPS: Mapping[int, Step] = {1: _as_it_is}
"""By the version that a step leads to, without a gap from 1 on; the last is the one that this code writes."""


def version_of(connection: sa.Connection, steps: Mapping[int, Step] = STEPS) -> int:
    """The version of what is there, 0 where none is noted. Writes nothing.

    Raises SettingsError where a newer version of clio_dagster has written it.
    """
    if not sa.inspect(connection).has_table(_noted.name):
        return 0
    row = connection.execute(sa.select(_noted.c.version, _noted.c.written_by)).one_or_none()
    if row is None:
        return 0
    if row.version > max(steps):
        raise SettingsError(
            f"the ledger was written by clio_dagster {row.written_by} (its tables are of version {row.version}, this "
            f"is {__version__} and knows {max(steps)}): upgrade to that, or restore a backup from before. "
            "Nothing in it was changed"
        )
    return int(row.version)


def upgrade(connection: sa.Connection, before: int, steps: Mapping[int, Step] = STEPS) -> None:
    """Take every step after version `before`, in order, and note the last, in the caller's transaction."""
    wanted = max(steps)
    if before == wanted:
        return
    for version in range(before + 1, wanted + 1):
        steps[version](connection)
    _noted.create(connection, checkfirst=True)
    connection.execute(sa.delete(_noted))
    connection.execute(sa.insert(_noted).values(version=wanted, written_by=__version__))
