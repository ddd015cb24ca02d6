"""Every table's contract, those of the SQL models included, by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from clio_dagster.models.loader import Model, load_models
from clio_dagster.safety.tables import SAFETY_RECORDS, SAFETY_TABLES
from clio_dagster.tables import RECORDS, TABLES, Table

MODELS_FOLDER = Path(__file__).parents[1] / "dbt_like_sql"


@cache
def models() -> tuple[Model, ...]:
    """The SQL models, each after those it refers to."""
    return tuple(load_models(MODELS_FOLDER))


@cache
def contracts() -> dict[str, Table]:
    return TABLES | SAFETY_TABLES | RECORDS | SAFETY_RECORDS | {model.name: model.table for model in models()}
