"""The tables that are not published, as every stage sees them, whichever store keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from clio_dagster.models.loader import SCHEMA
from clio_dagster.settings import Settings
from clio_dagster.tables import Table
from resources.slices import Slice, WarehouseError, WriteItem

if TYPE_CHECKING:
    from resources.s3_options import Options
    from resources.zones import Zones

__all__ = ["SCHEMA", "Slice", "Warehouse", "WarehouseError", "open_warehouse"]


class Warehouse(Protocol):
    """One table an asset, replaced slice by slice. Safe to use from many processes and threads.

    Every method raises WarehouseError, whose message names tables and columns and never a value.
    """

    def write(
        self, table: Table, slice: Mapping[str, object], frame: pl.DataFrame, *, fingerprint: str = ""
    ) -> Slice:
        """Replace one slice of a table, all or nothing.

        `slice` has a value for each column of `table.partitioned_by`. Columns that the contract does not name
        are kept; those that the table has and the frame lacks become null.
        """
        ...

    def write_many(
        self, items: Iterable[WriteItem], *, fence: Callable[[], None] | None = None
    ) -> list[Slice]:
        """Replace slices that belong together, in the order given.

        `fence` is asked before anything is replaced, and raises once the writer may write no more: nobody who came
        after it is overwritten.
        """
        ...

    def create_missing(self, tables: Iterable[Table]) -> None:
        """Create, empty, those of the tables that are not there, so that SQL can name them."""
        ...

    def replace_view(self, name: str, select: str) -> None:
        """Create or replace the view `restricted.NAME`."""
        ...

    def read(
        self,
        table: Table | str,
        where: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Rows whose columns equal the given values (or are among a list, or in a KeyRange), sorted by the key.

        Of a KeyRange only its part of a slice is held, and little more. A table of the contract that was never written
        is an empty frame of its schema. A name that is not in TABLES reads a SQL model's table or view, and must exist.
        Vectors come back as pl.Array.
        """
        ...

    def query(self, select: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        """The rows of one SELECT over tables and views of `restricted`, its $parameters bound by name."""
        ...

    def slices(self, table: Table | str, partitions: Sequence[str] | None = None) -> dict[str, Slice]:
        """What is recorded of a table's slices, by partition text (`2026-11-01|es`); by default of all."""
        ...

    def slices_on(self, dates: Sequence[str]) -> dict[str, dict[str, Slice]]:
        """What is recorded of every table's slices of the given dates, by table and partition text."""
        ...

    def slice_of(self, table: Table, slice: Mapping[str, object]) -> Slice | None:
        """What is recorded of one slice; None if it was never written."""
        ...

    def unrecorded(self, table: Table) -> list[str]:
        """Partitions of which something is there, and no record: they count as never made."""
        ...

    def forget(self, slices: Iterable[tuple[Table, Mapping[str, object]]]) -> None:
        """Leave nothing of slices, neither rows nor records, so that they are made again. Of a slice that is damaged,
        too, if it is its own file or object."""
        ...

    def erase(
        self,
        slices: Iterable[tuple[Table, Mapping[str, object]]],
        keep: Callable[[Table, pl.DataFrame], pl.DataFrame],
    ) -> list[Slice]:
        """Leave of each slice the rows that `keep` gives back, in the order given; returns those that lost some.

        A slice's record follows (rows, content hash), and says of what and when it was made as before. One that was
        not as its stage wrote it stays known as such. Bytes on disk are gone after `compact`.
        """
        ...

    def compact(self) -> None:
        """Rewrite what is stored, so that nothing is left of rows that are gone."""
        ...


def open_warehouse(settings: Settings) -> Zones:
    """The warehouse that CLIO_STORAGE names."""
    if settings.storage == "s3":
        from resources.s3_options import options_of

        place = (str(settings.s3_bucket), settings.s3_prefix, settings.s3_endpoint)
        return _bucket(*place, options_of(settings))
    return _files(settings.home)


@lru_cache(maxsize=2)
def _files(home: Path) -> Zones:
    """One a process, for the DuckDB that it keeps."""
    from resources.duckdb_warehouse import DuckDBWarehouse
    from resources.zones import Zones

    return Zones(DuckDBWarehouse(home), DuckDBWarehouse(home, file="safety.duckdb"))


@cache
def _bucket(bucket: str, prefix: str, endpoint: str | None, options: Options) -> Zones:
    """One a process, for its connections, and what it remembers of objects that are still the same."""
    from resources.s3_warehouse import S3Warehouse
    from resources.zones import Zones

    return Zones(
        S3Warehouse(bucket, prefix, endpoint, options=options),
        S3Warehouse(bucket, prefix, endpoint, zone="safety", options=options),
    )
