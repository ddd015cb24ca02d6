"""Great Expectations suites, and accounts of what the stage before gave, as asset checks: one step a table, one
result a family and partition, no row value.

A range run checks its partitions together, and validates them one by one only where something failed, so that the
verdict still falls on the partition that earned it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

from assets.accounting import ACCOUNTS, rows_of
from assets.contracts import TABLES
from assets.partitions import DATE_EVENTS, DATE_LANGUAGES, DATES, SOURCES, groups
from clio_dagster.clock import engine_time
from clio_dagster.key_ranges import EVERY_KEY, KeyRange, ranges_of
from clio_dagster.privacy.silence import quiet
from clio_dagster.quality.accounting import unaccounted
from clio_dagster.quality.suites import FAMILIES, Result, checked_columns, together, validate
from clio_dagster.safety.tables import SAFETY_TABLES
from clio_dagster.tables import FACETS, FROZEN_PARTS, QUARANTINE, READ, RELEASES, Table
from clio_dagster.tables import SOURCES as SOURCES_TABLE
from resources.retention import purged_partitions
from resources.site import Site
from resources.warehouse import Slice

MEANING = {
    "contract": (
        "Every column of the contract is there, none null that may not be, values within bounds and lists, languages "
        "those of CLIO_LANGUAGES. If it fails, the table was written by other code or by hand: materialize it again."
    ),
    "keys": "The key is unique within the partition. If it fails, materialize the table again.",
}

ACCOUNTED_FOR = "accounted_for"
TO_DO = (
    "If some are missing or extra, the stage before was made anew since, or a table was edited: materialize that stage "
    "and this one again."
)

WRITTEN_AT = "written_at"
"""Name of the metadata that say which writing of its slice a check has looked at."""

ROWS_AT_ONCE = 200_000
"""Rows checked together: what bounds the memory of a check."""

CHECKED_ON = {
    QUARANTINE.name: "landing",
    SOURCES_TABLE.name: "landing",
    RELEASES.name: "release",
    FROZEN_PARTS.name: "release",
}
"""Assets that write a table of another name, and so carry its checks under that table's name."""

Verdict = tuple[str, AssetCheckKey, bool, dict[str, Any]]


def suite_check(table: Table) -> AssetChecksDefinition:
    """The blocking checks of one table."""
    families = {family: check_key(table, family) for family in FAMILIES}
    meaning = dict(MEANING)
    if table.name in ACCOUNTS:
        families[ACCOUNTED_FOR] = check_key(table, ACCOUNTED_FOR)
        meaning[ACCOUNTED_FOR] = f"{ACCOUNTS[table.name][0]} {TO_DO}"

    @multi_asset_check(
        name=f"{table.name}_suite",
        specs=[
            AssetCheckSpec(
                key.name,
                asset=key.asset_key,
                description=meaning[family],
                blocking=True,
                partitions_def=_partitions_of(table),
            )
            for family, key in families.items()
        ],
        can_subset=True,
    )
    def suite(context: AssetCheckExecutionContext, site: Site) -> Iterator[Any]:
        verdicts: list[Verdict] = []
        partitions = list(context.partition_keys)
        with engine_time("checks"), quiet(f"checks of {table.name}", partitions[0]):
            stored = site.warehouse.slices(table, partitions)
            purged = _purged(table, site) if table.name in ACCOUNTS else {}
            for group in groups(partitions, {key: found.rows for key, found in stored.items()}, ROWS_AT_ONCE):
                verdicts += [
                    (partition, families[result.family], result.passed, _metadata(result))
                    for partition, result in _validated(table, group, site, stored)
                ]
                if table.name in ACCOUNTS:
                    unread = _unread(group, site) if table.name == FACETS.name else {}
                    verdicts += [
                        (
                            partition,
                            families[ACCOUNTED_FOR],
                            not (missing or extra),
                            {"missing": missing, "extra": extra}
                            | purged.get(partition, {})
                            | unread.get(partition, {}),
                        )
                        for partition, (missing, extra) in _account(table, group, site).items()
                    ]
        selected = context.selected_asset_check_keys
        yield from report((verdict for verdict in verdicts if verdict[1] in selected), stored)

    return suite


def check_key(table: Table, family: str) -> AssetCheckKey:
    """Where a family's results on a table are found: on the asset of its name, or on the one that writes it."""
    asset = CHECKED_ON.get(table.name)
    return AssetCheckKey(AssetKey(asset or table.name), f"{table.name}_{family}" if asset else family)


def report(
    verdicts: Iterable[Verdict],
    stored: Mapping[str, Slice],
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
) -> Iterator[Any]:
    """Check evaluations that carry their partition, in a range run too, and then the outputs that stand for them.

    `stored` are the slices that were looked at, as they were recorded before anybody looked: each evaluation says when
    its slice was written, so that it is known what it is about, whatever the clock does.

    Dagster's own AssetCheckResult leaves the partition out of a range run, so that one pass would clear every
    failure before it. A run of one partition stops at an error. A run of several goes on, since Dagster knows no
    stop for one of them: the release reads every verdict, and refuses the dates that have failed.
    """
    verdicts = list(verdicts)
    is_alone = len({partition for partition, *_ in verdicts}) == 1
    for partition, key, passed, metadata in verdicts:
        yield AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=passed,
            metadata=metadata | written_at(stored.get(partition)),
            severity=severity,
            blocking=is_alone and severity == AssetCheckSeverity.ERROR,
            partition=partition,
        )
    for key in sorted({key for _, key, *_ in verdicts}, key=lambda each: each.name):
        yield Output(None, output_name=f"{key.asset_key.to_python_identifier()}_{key.name}")


def written_at(slice: Slice | None) -> dict[str, str]:
    """Metadata that say which writing of a slice a check has looked at; none where there was none."""
    return {WRITTEN_AT: slice.written_at.isoformat()} if slice else {}


def _validated(
    table: Table, partitions: Sequence[str], site: Site, stored: Mapping[str, Slice]
) -> Iterator[tuple[str, Result]]:
    languages = site.settings.partition_languages

    def results(group: Sequence[str]) -> list[Result]:
        return together(
            [
                validate(
                    table, rows_of(site, table, group, checked_columns(table), within), languages=languages
                )
                for within in _ranges(table, group, site, stored)
            ]
        )

    at_once = results(partitions)
    if len(partitions) == 1 or all(result.passed for result in at_once):
        yield from ((key, result) for key in partitions for result in at_once)
    else:
        yield from ((key, result) for key in partitions for result in results([key]))


def _ranges(
    table: Table, partitions: Sequence[str], site: Site, stored: Mapping[str, Slice]
) -> list[KeyRange]:
    """In which ranges of conversations the rows are validated: those of a large slice in several."""
    rows = sum(stored[key].rows for key in partitions if key in stored)
    if rows <= ROWS_AT_ONCE or "conversation_id" not in table.key:
        return [EVERY_KEY]
    ids = rows_of(site, table, partitions, ["conversation_id"])["conversation_id"]
    return ranges_of(ids, ROWS_AT_ONCE) if not ids.null_count() else [EVERY_KEY]


def _account(table: Table, partitions: Sequence[str], site: Site) -> dict[str, tuple[int, int]]:
    """Rows missing and extra, by partition."""
    by = sorted(table.partitioned_by)
    differences = unaccounted(*ACCOUNTS[table.name][1](site, partitions), by)
    found = {
        "|".join(map(str, row[:-2])): row[-2:]
        for row in differences.select(*by, "missing", "extra").iter_rows()
    }
    return {partition: found.get(partition, (0, 0)) for partition in partitions}


def _unread(partitions: Sequence[str], site: Site) -> dict[str, dict[str, int]]:
    """Conversations that were not read or not understood, by partition: they are rows, and lack their facets."""
    found = rows_of(site, FACETS, partitions, ["date", "language", "status"]).filter(pl.col("status") != READ)
    counts: dict[str, dict[str, int]] = {}
    for day, language, status, count in found.group_by("date", "language", "status").len().iter_rows():
        counts.setdefault(f"{day}|{language}", {})[status.replace(" ", "_")] = count
    return counts


def _purged(table: Table, site: Site) -> dict[str, dict[str, str]]:
    """Since when rows of which partitions are past retention: what is not there any more is not looked for."""
    since = purged_partitions(site, table)
    return {key: {"purged": moment.isoformat(timespec="seconds")} for key, moment in since.items()}


def _metadata(result: Result) -> dict[str, Any]:
    return {
        "expectations": result.expectations,
        "unexpected_rows": result.unexpected_rows,
        "failed": ", ".join(result.failed),
    }


def _partitions_of(table: Table) -> PartitionsDefinition[Any]:
    if table.partitioned_by == ("source",):
        return SOURCES
    if "event" in table.partitioned_by:
        return DATE_EVENTS
    return DATE_LANGUAGES if "language" in table.partitioned_by else DATES


suites = [suite_check(table) for table in TABLES.values()]

safety_suites = [suite_check(table) for table in SAFETY_TABLES.values()]
"""No release waits for these."""
