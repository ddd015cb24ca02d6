"""A PostgreSQL of the tests' own, where its server is installed: a fresh cluster on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

PG_CTL = shutil.which("pg_ctl") or next(
    (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))), None
)
"""Debian keeps it out of the path."""

RUNUSER = shutil.which("runuser", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))

IS_THERE = PG_CTL is not None and (os.getuid() != 0 or RUNUSER is not None)
"""Whether a server can be started here: not as root, unless as another user."""


@dataclass(frozen=True)
class Server:
    """A server that listens on a socket in its folder."""

    folder: Path

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://clio@/{database}?host={self.folder}"

    def new_database(self, name: str) -> str:
        """Make a database; its URL."""
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(f'create database "{name}"'))
        return self.url(name)

    def restart(self) -> None:
        """End every connection without a word, as a crash does, and start again."""
        self.stop()
        self.start()

    def start(self) -> None:
        settings = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.control("-w", "-l", str(self.folder / "log"), "-o", settings, "start")

    def stop(self) -> None:
        self.control("-m", "immediate", "stop")

    def control(self, *arguments: str) -> None:
        as_user = [str(RUNUSER), "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*as_user, str(PG_CTL), "-D", str(self.folder / "data"), "-s", *arguments]
        subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A running server, for the block. It refuses to run as root: then as `postgres`."""
    folder.mkdir()
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        for above in folder.parents:
            if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
    made = Server(folder)
    made.control("initdb", "-o", "-A trust -N -U clio")
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, for the block."""
    with server(folder) as made:
        yield made.url()
