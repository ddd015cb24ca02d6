"""What may befall any command, in a sentence that says what to do: a damaged file, a full disk, a lost database.

Other errors are the program's own, and end in a traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from clio_dagster.conversations.landed import DamagedFile
from clio_dagster.privacy.silence import EngineError
from clio_dagster.settings import SettingsError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

MAKE_ROOM = "the disk has no room: make some (`clio storage` says what takes it), and run it again"


def told(error: BaseException) -> str | None:
    """What happened and what to do; None for an error of another kind."""
    for each in _causes(error):
        if said := _told(each):
            return said
    return None


def _told(error: BaseException) -> str | None:
    from resources.slices import WarehouseError

    if isinstance(error, (WarehouseError, DamagedFile, EngineError, SettingsError)):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return MAKE_ROOM
    if _is_of(error, "sqlalchemy", "DBAPIError") or _is_of(error, "sqlite3", "Error"):
        return _of_database(str(error).split("\n", 1)[0].lower())
    return None


def _of_database(text: str) -> str:
    """SQLite's and PostgreSQL's first lines quote no value; ours do not quote them."""
    if "disk is full" in text or "no space left" in text or "disk i/o error" in text:
        return MAKE_ROOM
    if "not a database" in text or "malformed" in text:
        return "a database of the home is damaged: `clio verify` says which, and what to do"
    if "locked" in text:
        return "a database of the home has been locked for long: end what hangs, and run it again"
    return "the ledger's or Dagster's database does not answer: see that it is up, and run it again"


def _is_of(error: BaseException, package: str, name: str) -> bool:
    return any(
        each.__name__ == name and each.__module__.split(".")[0] == package for each in type(error).__mro__
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of, the outermost first."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__
