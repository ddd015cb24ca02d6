"""A Great Expectations suite for every table, made from its contract, run once a slice and told family by family.

No result carries a value of a row: counts alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from clio_dagster.tables import Column, Table

FAMILIES = ("contract", "keys")
"""What is checked: columns are there with their types, none null that may not be, values within bounds and lists,
languages the site's; and the key is unique. Two results a slice and not five: each is an event that Dagster stores."""

_NO_VALUES = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Result:
    """One family's verdict on one slice: how many expectations were met, and how many rows broke one."""

    family: str
    passed: bool
    expectations: int
    unexpected_rows: int
    failed: tuple[str, ...]


def validate(table: Table, frame: pl.DataFrame, *, languages: Sequence[str]) -> list[Result]:
    """Check `frame` against the contract of `table`; one result a family of FAMILIES.

    `languages` are the values that a column `language` may hold. Columns that the contract does not name are
    allowed, and nested ones may be left out (`checked_columns`). Types are compared before the data reaches
    pandas, which would blur them.
    """
    looked_at = {*checked_columns(table), *frame.columns}
    mistyped = [
        column.name for column in table.columns if column.name in looked_at and not _is_of_type(frame, column)
    ]
    if mistyped:
        failed = tuple(f"{name} is missing or of another type" for name in mistyped)
        return [
            Result("contract", False, len(table.columns), frame.height, failed),
            Result("keys", False, 0, 0, ("not checked: the schema is wrong",)),
        ]
    by_family: dict[str, list[Any]] = {family: [] for family in FAMILIES}
    for result in _run(table, frame, languages):
        by_family[result.expectation_config.meta["family"]].append(result)
    return [_summarise(family, results) for family, results in by_family.items()]


def together(parts: Sequence[Sequence[Result]]) -> list[Result]:
    """The results of a slice that was validated in parts, none of which shares a key with another."""
    by_family = zip(*parts, strict=True)
    return [
        Result(
            results[0].family,
            all(each.passed for each in results),
            results[0].expectations,
            sum(each.unexpected_rows for each in results),
            tuple(dict.fromkeys(name for each in results for name in each.failed)),
        )
        for results in by_family
    ]


def checked_columns(table: Table) -> list[str]:
    """Columns that a suite reads: all but lists and structs, whose contents no expectation looks at."""
    return [column.name for column in table.columns if not _is_nested(column)]


def _run(table: Table, frame: pl.DataFrame, languages: Sequence[str]) -> list[Any]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset(table.name)
        .add_batch_definition_whole_dataframe("slice")
        .get_batch({"dataframe": frame.select(checked_columns(table)).to_pandas()})
    )
    suite = gx.ExpectationSuite(name=table.name, expectations=list(_expectations(table, languages)))
    return list(batch.validate(suite, result_format=_NO_VALUES).results)


def _expectations(table: Table, languages: Sequence[str]) -> Iterator[Any]:
    import great_expectations.expectations as gxe

    columns = [column for column in table.columns if not _is_nested(column)]
    yield gxe.ExpectTableColumnsToMatchSet(
        column_set=[column.name for column in columns], exact_match=True, meta={"family": "contract"}
    )
    for column in columns:
        if not column.nullable:
            yield gxe.ExpectColumnValuesToNotBeNull(column=column.name, meta={"family": "contract"})
        if column.minimum is not None or column.maximum is not None:
            yield gxe.ExpectColumnValuesToBeBetween(
                column=column.name,
                min_value=column.minimum,
                max_value=column.maximum,
                meta={"family": "contract"},
            )
        accepted = languages if column.name == "language" else column.accepted
        if accepted is not None:
            yield gxe.ExpectColumnValuesToBeInSet(
                column=column.name, value_set=list(accepted), meta={"family": "contract"}
            )
    yield (
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=[*dict.fromkeys((*table.partitioned_by, *table.key))], meta={"family": "keys"}
        )
        if len({*table.partitioned_by, *table.key}) > 1
        else gxe.ExpectColumnValuesToBeUnique(column=table.key[0], meta={"family": "keys"})
    )


def _summarise(family: str, results: list[Any]) -> Result:
    failed = [result for result in results if not result.success]
    return Result(
        family,
        passed=not failed,
        expectations=len(results),
        unexpected_rows=sum(int((result.result or {}).get("unexpected_count") or 0) for result in failed),
        failed=tuple(
            f"{result.expectation_config.type} {result.expectation_config.kwargs.get('column', '')}".strip()
            for result in failed
        ),
    )


def _is_nested(column: Column) -> bool:
    return isinstance(column.dtype, pl.List | pl.Array | pl.Struct)


def _is_of_type(frame: pl.DataFrame, column: Column) -> bool:
    dtype = frame.schema.get(column.name)
    if isinstance(column.dtype, pl.List) and isinstance(dtype, pl.Array):
        return dtype.inner == column.dtype.inner
    return dtype == column.dtype
