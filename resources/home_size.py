"""How much room a site takes and what for, and SQLite files given back what was deleted from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from clio_dagster.postgres_url import database_of, is_postgres, with_driver
from clio_dagster.settings import Settings

INDEX, RUN_LOGS = Path("dagster/history/runs/index.db"), Path("dagster/history/runs")
RUNS, TICKS, OUTPUT = (
    Path("dagster/history/runs.db"),
    Path("dagster/schedules/schedules.db"),
    Path("dagster/logs"),
)
"""Where dagster.yaml has Dagster keep its own, below a home."""

ASIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database while it is open, and after a process that died."""

WORTH_BYTES, WORTH_SHARE = 1_000_000, 0.2
"""A file is rewritten where so much of it, in bytes and as a share, is empty."""

BUSY_SECONDS = 5.0


@dataclass(frozen=True)
class Part:
    """A part of a home: what it is, where it lies, how many files and bytes it has."""

    what: str
    where: str
    files: int
    size: int


def parts(home: Path) -> list[Part]:
    """What a home is made of, as far as it is there; the last is what no other part is.

    A file that goes while it is looked at counts as nothing.
    """
    logs = [path for path in _files(home / RUN_LOGS) if not path.name.startswith("index.db")]
    known = {
        ("conversations and topics", "clio.duckdb"): _with_aside(home / "clio.duckdb"),
        ("Trust & Safety", "safety.duckdb"): _with_aside(home / "safety.duckdb"),
        ("landed files", "landing/"): list(_files(home / "landing")),
        ("releases", "releases/"): list(_files(home / "releases")),
        ("the ledger", "ledger.sqlite"): _with_aside(home / "ledger.sqlite"),
        ("logs of runs", f"{RUN_LOGS}/"): logs,
        ("materializations and checks", str(INDEX)): _with_aside(home / INDEX),
        ("runs", str(RUNS)): _with_aside(home / RUNS),
        ("ticks", str(TICKS)): _with_aside(home / TICKS),
        ("output of runs", f"{OUTPUT}/"): list(_files(home / OUTPUT)),
    }
    others = set(_files(home)) - {path for paths in known.values() for path in paths}
    known["other", ""] = sorted(others)
    told = (Part(what, where, len(paths), _size(paths)) for (what, where), paths in known.items())
    return [part for part in told if part.files]


def databases(settings: Settings) -> list[Part]:
    """What lies in PostgreSQL instead, by database, where settings say so; as files, its tables."""
    import sqlalchemy as sa

    urls = {"the ledger": settings.ledger_url, "Dagster's own storage": settings.history_url}
    found = []
    for what, url in urls.items():
        if url is None or not is_postgres(url.get_secret_value()):
            continue
        engine = sa.create_engine(with_driver(url.get_secret_value(), "psycopg"), hide_parameters=True)
        host, _, name = database_of(url.get_secret_value())
        with closing(engine.connect()) as connection:
            size = connection.scalar(sa.text("select pg_database_size(current_database())"))
            tables = connection.scalar(sa.text("select count(*) from pg_stat_user_tables"))
        engine.dispose()
        found.append(Part(what, f"{name} on {host or 'this machine'}", int(tables or 0), int(size or 0)))
    return found


def compact(home: Path) -> int:
    """Rewrite Dagster's databases where much of them is empty, and empty what lies beside them; returns the bytes that
    were given back. A database that is in use just then is left for another time."""
    files = [home / name for name in (INDEX, RUNS, TICKS)]
    before = _size(path for file in files for path in _with_aside(file))
    for file in files:
        if file.exists():
            _rewrite(file)
    return before - _size(path for file in files for path in _with_aside(file))


def _rewrite(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        empty, pages, page = (
            connection.execute(f"pragma {name}").fetchone()[0]
            for name in ("freelist_count", "page_count", "page_size")
        )
        try:
            if empty * page >= WORTH_BYTES and empty >= WORTH_SHARE * pages:
                connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
        except sqlite3.OperationalError:
            return


def _with_aside(file: Path) -> list[Path]:
    return [path for path in (file, *(Path(f"{file}{end}") for end in ASIDE)) if path.exists()]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _size(paths: Iterable[Path]) -> int:
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
