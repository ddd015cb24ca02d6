"""A PostgreSQL of the tests' own, where its server is installed: a fresh cluster on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PG_CTL = shutil.which("pg_ctl") or next(
    (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))), None
)
"""Debian keeps it out of the path."""

RUNUSER = shutil.which("runuser", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))

IS_THERE = PG_CTL is not None and (os.getuid() != 0 or RUNUSER is not None)
"""Whether a server can be started here: not as root, unless as another user."""


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, for the block. The server refuses to run as root: then as `postgres`."""
    folder.mkdir()
    data = folder / "data"
    as_user = [str(RUNUSER), "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
        for above in folder.parents:
            if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)

    def control(*arguments: str) -> None:
        command = [*as_user, str(PG_CTL), "-D", str(data), "-s", *arguments]
        subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL, cwd="/")

    control("initdb", "-o", "-A trust -N -U clio")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control("-w", "-l", str(folder / "log"), "-o", settings, "start")
    try:
        yield f"postgresql+psycopg://clio@/postgres?host={folder}"
    finally:
        control("-m", "immediate", "stop")
