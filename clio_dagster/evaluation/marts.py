"""A release's SQL model in memory: what topic_languages says of published cells, as a site would read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from clio_dagster.evaluation.pipeline import DAY
from clio_dagster.models.build import build_view, select_rows
from clio_dagster.models.loader import SCHEMA, Model, load_models
from clio_dagster.privacy.noise import variance
from clio_dagster.settings import Settings
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED_CELLS, Table

FOLDER = Path(__file__).parents[2] / "dbt_like_sql"
MART = "topic_languages"


class Memory:
    """A models.build.SqlWarehouse that is gone with the object."""

    def __init__(self, threads: int) -> None:
        import duckdb

        self._connection = duckdb.connect(":memory:", config={"threads": threads})
        self._connection.execute(f"create schema {SCHEMA}")

    def write(self, table: Table, rows: pl.DataFrame) -> None:
        """`rows` are all there is of the table."""
        self._connection.register("given", rows.select(*table.schema))
        self._connection.execute(f"create or replace table {SCHEMA}.{table.name} as select * from given")
        self._connection.unregister("given")

    def create_missing(self, tables: Iterable[Table]) -> None:
        known = {
            name for (name,) in self._connection.execute("select table_name from duckdb_tables()").fetchall()
        }
        for table in tables:
            if table.name not in known:
                self.write(table, table.empty())

    def replace_view(self, name: str, select: str) -> None:
        self._connection.execute(f"create or replace view {SCHEMA}.{name} as {select}")

    def query(self, select: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        found = self._connection.sql(select, params=dict(parameters or {}))
        return pl.DataFrame(found.to_arrow_table())


class LanguageMart:
    """topic_languages of one tree (tables.AUDITED_SUMMARIES of DAY), for one set of cells after another."""

    def __init__(self, audited: pl.DataFrame, settings: Settings) -> None:
        self._settings = settings
        self._memory = Memory(settings.threads or 1)
        self._memory.write(AUDITED_SUMMARIES, audited)
        models = {model.name: model for model in load_models(FOLDER)}
        self._model: Model = models[MART]
        for name in self._model.refs:
            build_view(self._memory, models[name])

    def of(self, cells: pl.DataFrame) -> pl.DataFrame:
        """The mart's rows, as models.yml describes them, of tables.PUBLISHED_CELLS of DAY."""
        settings = self._settings
        self._memory.write(PUBLISHED_CELLS, cells)
        return select_rows(
            self._memory,
            self._model,
            DAY,
            window_days=settings.window_days,
            account_cap=settings.account_cap,
            noise_variance=variance(settings.epsilon_of("cell"), settings.account_cap),
        )
