"""Runs the tests that models.yml states, on the rows of one date.

A result counts rows and never shows one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from clio_dagster.models.build import SqlWarehouse
from clio_dagster.models.loader import SCHEMA, ColumnTest, Model


@dataclass(frozen=True)
class ColumnTestResult:
    """What became of one test; `column` joins several with a comma."""

    test: str
    column: str
    passed: bool
    failing_rows: int


def run(warehouse: SqlWarehouse, model: Model, day: date) -> list[ColumnTestResult]:
    """The result of each of the model's tests, in their order, all from one query.

    A relationship looks for its match among the target's rows of the same date.
    """
    if not model.tests:
        return []
    parameters: dict[str, object] = {"date": day}
    counts = []
    for number, test in enumerate(model.tests):
        if test.values:
            parameters[f"values_{number}"] = list(test.values)
        counts.append(f"select {number} as test, count(*) as failing from ({_failing(model, test, number)})")
    failing = dict(warehouse.query(" union all ".join(counts), parameters).iter_rows())
    return [
        ColumnTestResult(test.name, ", ".join(test.columns), failing[number] == 0, failing[number])
        for number, test in enumerate(model.tests)
    ]


def _failing(model: Model, test: ColumnTest, number: int) -> str:
    """The SELECT of the rows that fail a test."""
    rows = f"(select * from {SCHEMA}.{model.name} where {model.partitioned_by} = $date)"
    columns = ", ".join(test.columns)
    given = " and ".join(f"{column} is not null" for column in test.columns)
    match test.name:
        case "not_null":
            return f"select 1 from {rows} where not ({given})"
        case "unique":
            return f"select 1 from {rows} where {given} qualify count(*) over (partition by {columns}) > 1"
        case "accepted_values":
            return (
                f"select 1 from {rows} where {given} and not list_contains($values_{number}, {columns}::text)"
            )
        case "relationships":
            pairs = zip(test.columns, test.fields, strict=True)
            matches = " and ".join(f"target.{target} = source.{column}" for column, target in pairs)
            given = " and ".join(f"source.{column} is not null" for column in test.columns)
            return (
                f"select 1 from {rows} as source where {given} and not exists "
                f"(select 1 from {SCHEMA}.{test.to} as target where target.date = $date and {matches})"
            )
