"""The SQL models of dbt_like_sql/ as assets: lineage from ref(), descriptions and column tests from models.yml."""

import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import polars as pl
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    asset,
    multi_asset_check,
)

from assets.checks import report
from assets.common import about
from assets.partitions import DATES, settings_used, window
from clio_dagster.clock import engine_time
from clio_dagster.models import column_tests
from clio_dagster.models.build import build_view, select_rows
from clio_dagster.models.loader import RESTRICTED, SCHEMA, Model
from clio_dagster.privacy.noise import variance as noise_variance
from clio_dagster.privacy.silence import quiet
from clio_dagster.tables import DAY, FACETS, PUBLISHED_CELLS, TABLES
from resources.contracts import contracts, models
from resources.fingerprints import Input, Stage
from resources.site import Site
from resources.stage import Slices, asked_for

GROUPS = {RESTRICTED: "safety"}
"""Groups in the UI, of folders that are not called like theirs."""

NOISE = ("epsilon", "epsilon_cell", "account_cap")
"""Settings that decide how much noise a published cell has."""


def model_asset(model: Model) -> AssetsDefinition:
    """A staging view or a mart as an asset partitioned by date."""
    described = about(
        model.table,
        group=GROUPS.get(model.group, model.group),
        kinds={"sql", "duckdb"},
        code_version=model.code_version,
    )

    @asset(
        **described,
        partitions_def=DATES,
        # A date's facets are those that its day knows of.
        deps=[DAY.name if ref == FACETS.name else ref for ref in model.refs],
    )
    def build(context: AssetExecutionContext, site: Site) -> Slices | None:
        if model.materialized == "view":
            _build_view(context, model, site)
            return None

        def make(key: str) -> Mapping[str, pl.DataFrame]:
            settings = site.settings
            rows = select_rows(
                site.warehouse,
                model,
                date.fromisoformat(key),
                window_days=settings.window_days,
                account_cap=settings.account_cap,
                noise_variance=noise_variance(settings.epsilon_of("cell"), settings.account_cap),
            )
            return {model.name: rows}

        return Slices(context, stage_of(model), site, make)

    return build


def stage_of(model: Model) -> Stage:
    """What decides a mart's rows. A view has none of its own: what reads it names the tables behind it.

    Published cells are summed over the window, and so are facets, whose content the days know. The trees of earlier
    dates decide nothing: a late file would go on to the windows of the windows that it re-makes.
    """
    return Stage(
        (model.table,),
        tuple(_input(name) for name in sorted(_tables_behind(model))),
        uses=lambda _: settings_used("window_days", *_settings_of(model)),
        sql_version=model.code_version,
    )


def _settings_of(model: Model) -> tuple[str, ...]:
    if "noise_variance" in model.parameters:
        return NOISE
    return ("account_cap",) if "account_cap" in model.parameters else ()


def _input(name: str) -> Input:
    if name in (FACETS.name, PUBLISHED_CELLS.name):
        return Input(DAY if name == FACETS.name else PUBLISHED_CELLS, window, others_may_lack=True)
    return Input(contracts()[name])


def _build_view(context: AssetExecutionContext, model: Model, site: Site) -> None:
    """The view is one for all dates; each partition says how many rows it has there."""
    started = time.perf_counter()
    with engine_time(model.name), quiet(model.name, "view"):
        build_view(site.warehouse, model)
        rows = dict(
            site.warehouse.query(
                f"select date, count(*) from {SCHEMA}.{model.name} group by date"
            ).iter_rows()
        )
    seconds = round(time.perf_counter() - started, 3)
    for key in asked_for(context, model.name):
        context.add_asset_metadata(
            {"rows": rows.get(date.fromisoformat(key), 0), "seconds": seconds},
            asset_key=context.asset_key,
            partition_key=key,
        )


def model_check(model: Model) -> AssetChecksDefinition:
    """The model's column tests: one query a date, one result a test."""
    names = _check_names(model)

    @multi_asset_check(
        name=f"{model.name}_tests",
        specs=[
            AssetCheckSpec(
                name, asset=model.name, description=description, blocking=True, partitions_def=DATES
            )
            for name, description in names.items()
        ],
        can_subset=True,
    )
    def tests(context: AssetCheckExecutionContext, site: Site) -> Iterator[Any]:
        selected = context.selected_asset_check_keys
        with engine_time("checks"):
            stored = site.warehouse.slices(model.name, context.partition_keys)
            verdicts = [
                (
                    key,
                    AssetCheckKey(AssetKey(model.name), name),
                    result.passed,
                    {"failing_rows": result.failing_rows},
                )
                for key in context.partition_keys
                for name, result in zip(
                    names,
                    column_tests.run(site.warehouse.of(model.table), model, date.fromisoformat(key)),
                    strict=True,
                )
            ]
        yield from report((verdict for verdict in verdicts if verdict[1] in selected), stored)

    return tests


def _check_names(model: Model) -> dict[str, str]:
    return {
        f"{test.name}_{'_'.join(test.columns)}": f"models.yml: {test.name} of {', '.join(test.columns)}"
        for test in model.tests
    }


def _tables_behind(model: Model) -> set[str]:
    """Tables that a model reads, through views too: what its rows are made from."""
    upstream = {each.name: each for each in model.upstream}
    found: set[str] = set()
    for ref in model.refs:
        if ref in TABLES or upstream[ref].materialized == "table":
            found.add(ref)
        else:
            found |= _tables_behind(upstream[ref])
    return found


sql_models = [model_asset(model) for model in models()]
_tables = [model for model in models() if model.materialized == "table"]
STAGES = tuple(stage_of(model) for model in _tables if model.group != RESTRICTED)
SAFETY_STAGES = tuple(stage_of(model) for model in _tables if model.group == RESTRICTED)

sql_checks = [model_check(model) for model in models() if model.tests and model.group != RESTRICTED]

safety_sql_checks = [model_check(model) for model in models() if model.tests and model.group == RESTRICTED]
"""No release waits for these."""
