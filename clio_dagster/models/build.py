"""Builds a model: a view over all dates, or the rows of one date's slice of a table.

The warehouse is whatever has the few methods of `SqlWarehouse`; this module opens nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Protocol

import polars as pl

from clio_dagster.models.loader import SCHEMA, Model, ModelError
from clio_dagster.tables import Table


class SqlWarehouse(Protocol):
    """What building and testing a model needs of a warehouse."""

    def create_missing(self, tables: Iterable[Table]) -> None: ...

    def replace_view(self, name: str, select: str) -> None: ...

    def query(self, select: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame: ...


def build_view(warehouse: SqlWarehouse, model: Model) -> None:
    """Create or replace the model's view, over all dates. A table that was never written is created empty.

    Raises ModelError where its columns are not those of models.yml.
    """
    warehouse.create_missing(model.input_tables)
    warehouse.replace_view(model.name, model.select)
    _check_columns(model, warehouse.query(f"select * from {SCHEMA}.{model.name} limit 0"))


def select_rows(
    warehouse: SqlWarehouse,
    model: Model,
    day: date,
    *,
    window_days: int,
    account_cap: int = 5,
    noise_variance: float = 0.0,
) -> pl.DataFrame:
    """The day's rows of a table model, ready to be written as a slice of `model.table`.

    `noise_variance`: of the noise on one published cell (privacy/noise.py).
    Views that it reads must have been built. Raises ModelError where its columns are not those of models.yml.
    """
    warehouse.create_missing(model.input_tables)
    given: dict[str, object] = {
        "date": day,
        "window_days": window_days,
        "account_cap": account_cap,
        "noise_variance": noise_variance,
    }
    frame = warehouse.query(model.select, {name: given[name] for name in sorted(model.parameters)})
    _check_columns(model, frame)
    return frame


def _check_columns(model: Model, frame: pl.DataFrame) -> None:
    declared = model.table.schema
    if list(frame.columns) != list(declared):
        raise ModelError(
            f"{model.path}: selects {', '.join(frame.columns)}; models.yml describes {', '.join(declared)}"
        )
    for name, dtype in frame.schema.items():
        if dtype != declared[name]:
            raise ModelError(f"{model.path}: {name} is {dtype}, models.yml says {declared[name]}")
