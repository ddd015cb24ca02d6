"""SQL over the bucket: DuckDB in memory, over local copies of the objects of those tables that a SELECT refers to.

Copies lie in a temporary folder of this process alone, are fetched once as long as an object is the same, and go
with the process. A table is a view over them: its contract's columns, then the site's own, by name.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

import duckdb

from clio_dagster.tables import TABLES, Table
from resources.columns import SCHEMA, SESSION, naming_no_value, quoted
from resources.s3_layout import VIEWS
from resources.s3_objects import Entry, Objects, concurrently
from resources.s3_slices import check_pages

_SUFFIX = ".sql"


class Sql:
    """Views and tables below `objects`; `contract_of` gives a table's contract, `entries_of` its objects."""

    def __init__(
        self,
        objects: Objects,
        contract_of: Callable[[str], Table],
        entries_of: Callable[[Table], list[Entry]],
    ) -> None:
        self._objects, self._contract_of, self._entries_of = objects, contract_of, entries_of
        self._selects: dict[str, tuple[str, str]] = {}
        self._turn = threading.Lock()

    @cached_property
    def _folder(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="clio-")

    def views(self) -> set[str]:
        """Names of the views that there are."""
        return set(self._view_entries())

    def replace_view(self, name: str, select: str) -> None:
        """Store a view's SELECT once DuckDB has taken it. Raises WarehouseError, and Gone."""
        with self.connected(f"creating the view {name}", select) as connection:
            connection.execute(f"create or replace view {SCHEMA}.{quoted(name)} as {select}")
        self._objects.put(f"{VIEWS}/{quote(name, safe='')}{_SUFFIX}", select.encode())

    @contextmanager
    def connected(self, doing: str, select: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that has whatever the SELECT refers to, through views too. Raises Gone.

        One at a time: a copy is removed only while nobody reads it.
        """
        with self._turn, naming_no_value(doing):
            views, tables = self._behind(select)
            files = self._copies([self._contract_of(name) for name in sorted(tables)])
            with duckdb.connect(config=self._config) as connection:
                connection.execute(f"{SESSION} create schema {SCHEMA};")
                for name, paths in files.items():
                    if paths:
                        connection.execute(f"create view {SCHEMA}.{quoted(name)} as {_rows_of(paths)}")
                for name, text in views.items():
                    connection.execute(f"create view {SCHEMA}.{quoted(name)} as {text}")
                yield connection

    @property
    def _config(self) -> dict[str, Any]:
        return {"autoinstall_known_extensions": False, "temp_directory": f"{self._folder.name}/spilled"}

    def _behind(self, select: str) -> tuple[dict[str, str], set[str]]:
        """The views that a SELECT reads, each after those that it reads itself, with their SELECTs; and the tables."""
        views: dict[str, str] = {}
        tables: set[str] = set()
        entries: dict[str, Entry] | None = None
        seen: set[str] = set()

        def visit(select: str) -> None:
            nonlocal entries
            for name in sorted(referred(select) - seen):
                seen.add(name)
                if name in TABLES:
                    tables.add(name)
                    continue
                entries = self._view_entries() if entries is None else entries
                if name in entries:
                    text = self._text(entries[name])
                    visit(text)
                    views[name] = text
                else:
                    tables.add(name)

        visit(select)
        return views, tables

    def _view_entries(self) -> dict[str, Entry]:
        return {
            unquote(entry.name.removeprefix(f"{VIEWS}/").removesuffix(_SUFFIX)): entry
            for entry in self._objects.listed(f"{VIEWS}/")
        }

    def _text(self, entry: Entry) -> str:
        known = self._selects.get(entry.name)
        if known is None or known[0] != entry.etag:
            known = (entry.etag, self._objects.get(entry.name).decode())
            self._selects[entry.name] = known
        return known[1]

    def _copies(self, tables: Collection[Table]) -> dict[str, list[Path]]:
        """Local copies of every object of the tables, by table, after an empty file of the contract's columns."""
        listed = concurrently(self._entries_of, tables)
        paths: dict[str, list[Path]] = {}
        missing: list[tuple[Entry, Path]] = []
        for table, entries in zip(tables, listed, strict=True):
            folder = Path(self._folder.name) / quote(table.name, safe="")
            folder.mkdir(exist_ok=True)
            copies = {folder / _copy_name(entry): entry for entry in entries}
            for path in set(folder.iterdir()) - copies.keys():
                path.unlink()
            missing += [(entry, path) for path, entry in copies.items() if not path.exists()]
            paths[table.name] = list(copies)
            if table.columns:
                contract = folder / "contract.parquet"
                table.empty().write_parquet(contract)
                paths[table.name].insert(0, contract)
        concurrently(self._fetch, missing)
        return paths

    def _fetch(self, wanted: tuple[Entry, Path]) -> None:
        entry, path = wanted
        content = self._objects.get(entry.name)
        check_pages(entry.name, content)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.rename(path)


@lru_cache(maxsize=1024)
def referred(select: str) -> frozenset[str]:
    """Names in the schema that a SELECT refers to; none where it cannot be parsed, which DuckDB says itself."""
    with duckdb.connect() as connection:
        row = connection.execute("select json_serialize_sql($select::varchar)", {"select": select}).fetchone()
    return frozenset(_tables_in(json.loads(row[0]))) if row else frozenset()


def _tables_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and node.get("schema_name") == SCHEMA:
            yield node["table_name"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _tables_in(each)


def _copy_name(entry: Entry) -> str:
    return hashlib.sha256(f"{entry.name}\0{entry.etag}".encode()).hexdigest() + ".parquet"


def _rows_of(paths: list[Path]) -> str:
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"select * from read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
