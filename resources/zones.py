"""The zones behind one warehouse: a table is kept where its contract says, in its zone's file or prefix.

SQL runs over the restricted zone: no model reads what Trust & Safety alone looks at, though one may fill a table of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import polars as pl

from clio_dagster.tables import Table, Zone
from resources.contracts import contracts
from resources.slices import Slice, WriteItem
from resources.warehouse import Warehouse


class Zones:
    """A Warehouse over several, one a zone. Slices of one zone are written together, zones one after the other."""

    def __init__(self, restricted: Warehouse, safety: Warehouse) -> None:
        self._zones: dict[Zone, Warehouse] = {"restricted": restricted, "safety": safety}

    def write(
        self, table: Table, slice: Mapping[str, object], frame: pl.DataFrame, *, fingerprint: str = ""
    ) -> Slice:
        return self.of(table).write(table, slice, frame, fingerprint=fingerprint)

    def write_many(
        self, items: Iterable[WriteItem], *, fence: Callable[[], None] | None = None
    ) -> list[Slice]:
        placed = list(enumerate(items))
        written: dict[int, Slice] = {}
        for zone, warehouse in self._zones.items():
            here = {place: item for place, item in placed if item[0].zone == zone}
            if here:
                written |= zip(here, warehouse.write_many(here.values(), fence=fence), strict=True)
        return [written[place] for place, _ in placed]

    def create_missing(self, tables: Iterable[Table]) -> None:
        self._zones["restricted"].create_missing(tables)

    def replace_view(self, name: str, select: str) -> None:
        self._zones["restricted"].replace_view(name, select)

    def read(
        self,
        table: Table | str,
        where: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        return self.of(table).read(table, where, columns)

    def query(self, select: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        return self._zones["restricted"].query(select, parameters)

    def slices(self, table: Table | str, partitions: Sequence[str] | None = None) -> dict[str, Slice]:
        return self.of(table).slices(table, partitions)

    def slices_on(self, dates: Sequence[str]) -> dict[str, dict[str, Slice]]:
        return {
            name: found
            for warehouse in self._zones.values()
            for name, found in warehouse.slices_on(dates).items()
        }

    def slice_of(self, table: Table, slice: Mapping[str, object]) -> Slice | None:
        return self.of(table).slice_of(table, slice)

    def unrecorded(self, table: Table) -> list[str]:
        return self.of(table).unrecorded(table)

    def forget(self, slices: Iterable[tuple[Table, Mapping[str, object]]]) -> None:
        asked = list(slices)
        for zone, warehouse in self._zones.items():
            if here := [each for each in asked if each[0].zone == zone]:
                warehouse.forget(here)

    def erase(
        self,
        slices: Iterable[tuple[Table, Mapping[str, object]]],
        keep: Callable[[Table, pl.DataFrame], pl.DataFrame],
    ) -> list[Slice]:
        asked = list(slices)
        return [
            changed
            for zone, warehouse in self._zones.items()
            if (here := [each for each in asked if each[0].zone == zone])
            for changed in warehouse.erase(here, keep)
        ]

    def compact(self) -> None:
        for warehouse in self._zones.values():
            warehouse.compact()

    def of(self, table: Table | str) -> Warehouse:
        """The warehouse that keeps a table; for one that no contract names, the restricted zone's."""
        contract = table if isinstance(table, Table) else contracts().get(table)
        return self._zones[contract.zone if contract else "restricted"]
