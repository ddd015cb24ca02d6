"""The chunks of a landing under way: staged as Parquet in any order, given back in order, in bounded memory.

An external sort holds more the more there is to sort. Instead each chunk is written sorted, in small row
groups; it is then read range by range, each small enough to sort at once, and Parquet's statistics pass over
the row groups outside it.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date as Date
from pathlib import Path

import duckdb
import polars as pl

RANGE_CHARACTERS = 64_000_000
"""How much text is sorted at once. A row group is read once for each range that it has rows of: at half of this it took
1.6 times as long for 400,000 conversations, at twice as much it took 220 MB more."""

_ROW_GROUP_ROWS = 256
_READ_ROWS = 2_048
_MEMORY = "384MB"
_THREADS = 4
"""DuckDB's threads each hold memory of their own: more would not fit."""

_ORDER = ("date", "language", "conversation_id")


SliceKey = tuple[Date, str]
"""A date and a language."""


def write_chunk(frame: pl.DataFrame, path: Path) -> dict[SliceKey, int]:
    """Stage a chunk: `place`, the columns of `_ORDER`, and `characters`, the length of each row's text, which is not
    staged but summed by slice."""
    sums = frame.group_by("date", "language").agg(pl.col("characters").sum())
    frame.drop("characters").sort(_ORDER).write_parquet(
        path, compression="lz4", row_group_size=_ROW_GROUP_ROWS
    )
    return {(date, language): count for date, language, count in sums.iter_rows()}


@dataclass(frozen=True)
class _Range:
    """Slices from `first` to `last`; of a single one, perhaps only ids from `id_from` to before `id_to`."""

    first: SliceKey
    last: SliceKey
    id_from: str | None = None
    id_to: str | None = None

    def where(self) -> tuple[str, dict[str, object]]:
        """The range as a condition; only its comparisons with constants pass over row groups."""
        condition = (
            "date >= $date_from and date <= $date_to and (date > $date_from or language >= $language_from) "
            "and (date < $date_to or language <= $language_to)"
        )
        values: dict[str, object] = {
            "date_from": self.first[0],
            "language_from": self.first[1],
            "date_to": self.last[0],
            "language_to": self.last[1],
        }
        if self.id_from is not None:
            condition += " and conversation_id >= $id_from"
            values["id_from"] = self.id_from
        if self.id_to is not None:
            condition += " and conversation_id < $id_to"
            values["id_to"] = self.id_to
        return condition, values


@dataclass
class Chunks:
    """Chunks in `folder`, which hold as many `characters` of each slice; DuckDB may spill to `scratch`."""

    folder: Path
    scratch: Path
    threads: int
    characters: Mapping[SliceKey, int]

    def in_order(self, columns: list[str]) -> tuple[list[tuple[int, int]], Iterator[pl.DataFrame]]:
        """Repeats, as (place, place of the first record with that id); and the other rows in order, in parts.

        The parts are ordered by date, language and conversation_id, within and between them.
        """
        connection = duckdb.connect()
        connection.execute(
            f"set threads = {min(self.threads, _THREADS)}; set memory_limit = '{_MEMORY}'; "
            "set timezone = 'UTC'; set parquet_metadata_cache = true"
        )
        connection.execute("set temp_directory = $folder", {"folder": str(self.scratch)})
        files = f"{glob.escape(self.folder.as_posix())}/*.parquet".replace("'", "''")
        connection.execute(f"create view chunks as select * from read_parquet('{files}')")
        connection.execute(
            """
            create temp table repeats as
            select place, first_place
            from chunks
            join (
                select conversation_id, min(place) as first_place
                from chunks
                group by conversation_id
                having count(*) > 1
            ) using (conversation_id)
            where place > first_place
            """
        )
        repeats = connection.execute("select place, first_place from repeats order by place").fetchall()
        return repeats, self._parts(connection, columns)

    def _parts(self, connection: duckdb.DuckDBPyConnection, columns: list[str]) -> Iterator[pl.DataFrame]:
        with connection:
            for span in self._ranges(connection):
                condition, values = span.where()
                reader = connection.sql(
                    f"""
                    select {", ".join(columns)}
                    from chunks
                    where {condition} and place not in (select place from repeats)
                    order by {", ".join(_ORDER)}
                    """,
                    params=values,
                ).to_arrow_reader(_READ_ROWS)
                for batch in reader:
                    part = pl.from_arrow(batch)
                    assert isinstance(part, pl.DataFrame)
                    yield part

    def _ranges(self, connection: duckdb.DuckDBPyConnection) -> Iterator[_Range]:
        """Ranges of at most about RANGE_CHARACTERS: neighbouring slices together, a large one in pieces."""
        together: list[SliceKey] = []
        size = 0
        for key in sorted(self.characters):
            if together and size + self.characters[key] > RANGE_CHARACTERS:
                yield _Range(together[0], together[-1])
                together, size = [], 0
            if self.characters[key] > RANGE_CHARACTERS:
                yield from self._pieces(connection, key)
            else:
                together.append(key)
                size += self.characters[key]
        if together:
            yield _Range(together[0], together[-1])

    def _pieces(self, connection: duckdb.DuckDBPyConnection, key: SliceKey) -> Iterator[_Range]:
        """One slice in ranges of ids, cut at quantiles of a sample."""
        count = 1 + self.characters[key] // RANGE_CHARACTERS
        sample = connection.execute(
            """
            select conversation_id
            from (select conversation_id from chunks where date = $date and language = $language)
            using sample reservoir(20000 rows) repeatable (0)
            order by conversation_id
            """,
            {"date": key[0], "language": key[1]},
        ).fetchall()
        cuts = sorted({sample[len(sample) * number // count][0] for number in range(1, count)})
        for id_from, id_to in zip([None, *cuts], [*cuts, None], strict=True):
            yield _Range(key, key, id_from, id_to)
