"""Sites as their owners run them: homes filled by the command line, and what can be read from them afterwards.

Settings are read once a process, so every run here is a process of its own. The key is the same for all: noise
and pseudonyms are then the same whenever the tests run.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from resources.duckdb_warehouse import DuckDBWarehouse
from resources.zones import Zones

CLIO = Path(sys.executable).with_name("clio")
DAGSTER = Path(sys.executable).with_name("dagster")
KEY = bytes(range(32))

RESTRICTED = ("clio.duckdb", "landing", "demo", "ledger.sqlite")
"""What in a home may hold conversations, or facets of them; nothing else may."""

TIMED = {"quarantine", "sources", "releases", "frozen_parts"}
"""Tables that say when something was done, which no two runs agree on."""

SMALL = {"languages": "en,es", "min_conversations": "8", "min_accounts": "4", "cluster_size": "30"}
"""Settings under which some hundred conversations have topics."""


@dataclass
class Site:
    """One home, its key outside it, and its settings (names as in `Settings`)."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key_file.parent.mkdir(parents=True)
        self.key_file.write_bytes(KEY)
        self.key_file.chmod(0o600)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def key_file(self) -> Path:
        return self.folder / "key" / "key"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def warehouse(self) -> Zones:
        return Zones(DuckDBWarehouse(self.home), DuckDBWarehouse(self.home, file="safety.duckdb"))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run: nothing of the site that runs the tests."""
        own = {"home": str(self.home), "key_file": str(self.key_file), "safety": "false"} | self.settings
        foreign = ("CLIO_", "DAGSTER_")
        return (
            {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
            | {f"CLIO_{name.upper()}": value for name, value in own.items()}
            | {"DAGSTER_HOME": str(self.home), "COLUMNS": "200"}
        )

    def start(self, *arguments: str | Path, program: Path = CLIO) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [program, *arguments],
            env=self.environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def clio(self, *arguments: str | Path, program: Path = CLIO) -> subprocess.CompletedProcess[str]:
        """A run to its end: exit code and what it printed."""
        process = self.start(*arguments, program=program)
        out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def killed(self, after: float, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A run that is killed after so many seconds, with all that it started, unless it has ended by then."""
        process = self.start(*arguments)
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        with suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def release_alone(self, day: str) -> subprocess.CompletedProcess[str]:
        """Ask Dagster for a date's release and nothing before it."""
        asked = ("asset", "materialize", "-m", "clio_dagster.definitions")
        return self.clio(*asked, "--select", "release", "--partition", day, program=DAGSTER)

    def slice_hashes(self, *tables: str) -> dict[tuple[str, str], str]:
        """Content hash by table and partition."""
        return {
            (table, partition): stored.content_hash
            for table in tables
            for partition, stored in self.warehouse.slices(table).items()
        }

    def released(self) -> dict[str, bytes]:
        """Every file of every release."""
        return {
            path.relative_to(self.releases).as_posix(): path.read_bytes()
            for path in sorted(self.releases.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def open_texts(self) -> Iterator[tuple[str, str]]:
        """Everything outside the restricted stores as text, with the file's name.

        Files byte for byte (in UTF-8 and UTF-16), and once more as a reader opens them: Parquet's values, every
        value of Dagster's databases, inflated where it is deflated.
        """
        for path in sorted(self.home.rglob("*")):
            name = path.relative_to(self.home).as_posix()
            if not path.is_file() or name.split("/")[0].startswith(RESTRICTED):
                continue
            content = path.read_bytes()
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                yield name, content.decode(encoding, "ignore")
            if path.suffix == ".parquet":
                yield name, "\n".join(strings_of(pl.read_parquet(path)))
            if path.suffix == ".db":
                yield name, "\n".join(_database_values(path))


def strings_of(frame: pl.DataFrame) -> Iterator[str]:
    """Every value of every column that can hold text, as text."""
    for series in frame:
        if isinstance(series.dtype, pl.String):
            yield from series.drop_nulls().unique()
        elif series.dtype.is_nested():
            yield from (repr(value) for value in series.to_list())


def _database_values(path: Path) -> Iterator[str]:
    connection = sqlite3.connect(path)
    try:
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in names:
            for row in connection.execute(f'select * from "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield _inflated(value).decode("utf-8", "replace")
                    elif isinstance(value, str):
                        yield value
    finally:
        connection.close()


def _inflated(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def words_of(text: str) -> list[str]:
    """Lower-case words; every Chinese, Japanese or Thai character is one, as no space parts them."""
    return re.findall(r"[぀-ヿ一-鿿฀-๿]|[^\W_]+", text.casefold())


def shingles(text: str, size: int) -> set[tuple[str, ...]]:
    """Every run of `size` words."""
    words = words_of(text)
    return set(zip(*(words[start:] for start in range(size)), strict=False))
