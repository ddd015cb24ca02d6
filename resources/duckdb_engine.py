"""One DuckDB a warehouse, to which a file is attached for as long as somebody uses it.

To start DuckDB takes 20 ms of a processor, to attach a file 4: a run opens the warehouse hundreds of times.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from resources.columns import quoted


class Engine:
    """DuckDB in memory, started when it is first used. Safe to use from many threads, not across a fork.

    What does not fit into memory goes to the folder `spilled`, and goes from there with the last that uses the file.
    """

    def __init__(self, spilled: Path, config: dict[str, Any]) -> None:
        self._spilled = spilled
        self._config = config | {"temp_directory": str(spilled)}
        self._turn = threading.Lock()
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._users = 0
        self._has_failed = False

    @contextmanager
    def attached(self, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose default database is the file, named by its stem as DuckDB names what it opens.

        Who writes must be alone, and all who read at once read the same file. Raises duckdb.Error where the file
        cannot be attached. Leaving rolls an unfinished transaction back.
        """
        connection = self._enter(path, read_only)
        try:
            yield connection
        except BaseException:
            self._has_failed = True
            raise
        finally:
            connection.close()
            self._leave(path)

    def _enter(self, path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
        name, mode = quoted(path.stem), "read_only" if read_only else "read_write"
        place = str(path).replace("'", "''")
        with self._turn:
            try:
                if self._instance is None:
                    self._instance = duckdb.connect(config=self._config)
                if not self._users:
                    self._instance.execute(f"attach '{place}' as {name} ({mode})")
                connection = self._instance.cursor().execute(f"use {name}")
            except BaseException:
                if not self._users:
                    self._end()
                raise
            self._users += 1
            return connection

    def _leave(self, path: Path) -> None:
        """With the last user the file is let go; and all of DuckDB, where something failed in it or spilled."""
        with self._turn:
            self._users -= 1
            if self._users:
                return
            if self._instance and not self._has_failed and not self._spilled.exists():
                with suppress(duckdb.Error):
                    self._instance.execute(f"detach {quoted(path.stem)}")
                    return
            self._end()

    def _end(self) -> None:
        if self._instance:
            self._instance.close()
        self._instance, self._has_failed = None, False
