"""The I/O manager: slices into the warehouse, each in one transaction; readers out of it, which load on demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl
from dagster import ConfigurableIOManager, InputContext, OutputContext

from clio_dagster.key_ranges import EVERY_KEY, KeyRange
from clio_dagster.own_columns import tables_of
from clio_dagster.tables import Table
from resources.contracts import contracts
from resources.site import Site
from resources.stage import Slices, Written, partition_values, write
from resources.warehouse import Warehouse


@dataclass(frozen=True)
class Reader:
    """An upstream table as an asset sees it: nothing is loaded until a slice is asked for."""

    warehouse: Warehouse
    table: Table

    def read(
        self, partition: str, columns: Sequence[str] | None = None, *, within: KeyRange = EVERY_KEY
    ) -> pl.DataFrame:
        """Rows of one slice, `2026-11-01|es` or `2026-11-01`; of those of some conversations alone, some columns."""
        where: dict[str, object] = dict(partition_values(self.table, partition))
        if within != EVERY_KEY:
            where["conversation_id"] = within
        return self.warehouse.read(self.table, where, columns)

    def read_days(self, days: Iterable[str], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Rows of all slices of the given dates."""
        return self.warehouse.read(self.table, {"date": list(days)}, columns)


class WarehouseIOManager(ConfigurableIOManager):
    """Writes what Slices make, slice by slice, and hands readers to those downstream."""

    site: Site

    def load_input(self, context: InputContext) -> Reader:
        name = context.asset_key.path[-1]
        own = tables_of(self.site.settings.facets)
        return Reader(self.site.warehouse, own.get(name) or contracts()[name])

    def handle_output(self, context: OutputContext, obj: Slices | Written | None) -> None:
        if obj is None:
            return
        written = obj if isinstance(obj, Written) else write(obj)
        for record in written.records:
            written.slices.context.add_asset_metadata(
                record.metadata(context.asset_key.path[-1]),
                asset_key=context.asset_key,
                partition_key=record.made.partition,
            )
