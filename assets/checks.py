"""Great Expectations suites as asset checks: one run a table, one result a family and partition, no row value.

A range run validates its partitions together, and one by one only where something failed, so that the verdict
still falls on the partition that earned it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import polars as pl
from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    Output,
    PartitionsDefinition,
    multi_asset_check,
)

from assets.partitions import DATE_LANGUAGES, DATES
from clio_dagster.clock import engine_time
from clio_dagster.quality.suites import FAMILIES, Result, checked_columns, validate
from clio_dagster.tables import TABLES, Table
from resources.site import Site
from resources.stage import partition_values

MEANING = {
    "contract": "Every column of the contract is there, none null that may not be, values within bounds and lists.",
    "keys": "The key is unique within the partition.",
}

ROWS_AT_ONCE = 200_000
"""Rows validated together: what bounds the memory of a check."""

Verdict = tuple[str, AssetCheckKey, bool, dict[str, Any]]


def suite_check(table: Table, partitions_def: PartitionsDefinition[Any]) -> AssetChecksDefinition:
    """The blocking checks of one table."""

    @multi_asset_check(
        name=f"{table.name}_suite",
        specs=[
            AssetCheckSpec(
                family,
                asset=table.name,
                description=MEANING[family],
                blocking=True,
                partitions_def=partitions_def,
            )
            for family in FAMILIES
        ],
        can_subset=True,
    )
    def suite(context: AssetCheckExecutionContext, site: Site) -> Iterator[Any]:
        selected = context.selected_asset_check_keys
        verdicts = [
            (partition, AssetCheckKey(AssetKey(table.name), result.family), result.passed, _metadata(result))
            for partition, result in _validated(table, list(context.partition_keys), site)
        ]
        yield from report(verdict for verdict in verdicts if verdict[1] in selected)

    return suite


def report(verdicts: Iterable[Verdict], blocking: bool = True) -> Iterator[Any]:
    """Check evaluations that carry their partition, in a range run too, and then the outputs that stand for them.

    Dagster's own AssetCheckResult leaves the partition out of a range run, so that one pass would clear every
    failure before it.
    """
    done: set[AssetCheckKey] = set()
    for partition, key, passed, metadata in verdicts:
        done.add(key)
        yield AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=passed,
            metadata=metadata,
            severity=AssetCheckSeverity.ERROR if blocking else AssetCheckSeverity.WARN,
            blocking=blocking,
            partition=partition,
        )
    for key in sorted(done, key=lambda each: each.name):
        yield Output(None, output_name=f"{key.asset_key.to_python_identifier()}_{key.name}")


def _validated(table: Table, partitions: Sequence[str], site: Site) -> Iterator[tuple[str, Result]]:
    stored = site.warehouse.slices(table, partitions)
    for group in _groups(partitions, {key: found.rows for key, found in stored.items()}):
        with engine_time("checks"):
            together = validate(table, _read_all(table, group, site))
        if all(result.passed for result in together):
            yield from ((key, result) for key in group for result in together)
        else:
            yield from ((key, result) for key in group for result in validate(table, _read(table, key, site)))


def _groups(partitions: Sequence[str], rows: dict[str, int]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for key in partitions:
        if group and size + rows.get(key, 0) > ROWS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(key)
        size += rows.get(key, 0)
    if group:
        yield group


def _read(table: Table, partition: str, site: Site) -> pl.DataFrame:
    return site.warehouse.read(table, partition_values(table, partition), checked_columns(table))


def _read_all(table: Table, partitions: Sequence[str], site: Site) -> pl.DataFrame:
    """Rows of several partitions by one query: columns among their values, then the pairs that are meant."""
    values = [partition_values(table, key) for key in partitions]
    where = {name: sorted({each[name] for each in values}) for name in table.partitioned_by}
    frame = site.warehouse.read(table, where, checked_columns(table))
    meant = pl.DataFrame(values).with_columns(pl.col("date").str.to_date())
    return frame.join(meant, on=list(table.partitioned_by), how="semi")


def _metadata(result: Result) -> dict[str, Any]:
    return {
        "expectations": result.expectations,
        "unexpected_rows": result.unexpected_rows,
        "failed": ", ".join(result.failed),
    }


_UNPARTITIONED = {"quarantine", "sources", "releases"}

suites = [
    suite_check(table, DATE_LANGUAGES if "language" in table.partitioned_by else DATES)
    for name, table in TABLES.items()
    if name not in _UNPARTITIONED
]
