"""Nothing that is published is derived from an exact count (P7): read off the SQL and the release's code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from clio_dagster.release.contract import RELEASE_TABLES
from clio_dagster.safety.tables import SAFETY_TABLES
from resources.contracts import models

ROOT = Path(__file__).parents[1]
MODELS = {model.name: model for model in models()}

MAY_BE_READ = {
    "published_cells": {"date", "clustered_by", "topic", "facet", "value", "conversations"},
    "published_coverage": {"date", "language", "stage", "conversations"},
    "positions": {"date", "clustered_by", "node_id", "x", "y"},
    # Which topic is which, as the tree's own ids say it; its shares are exact.
    "lineage": {"date", "clustered_by", "topic", "family", "kind"},
    # Its counts are exact, and its reasons say which threshold they missed.
    "audited_summaries": {
        *("date", "clustered_by", "node_id", "parent_id", "level", "topic", "name", "description"),
        *("privacy_score", "status"),
    },
}
"""Columns of the restricted zone that a staging model may name, anywhere in it: selected, filtered or joined on."""


def sql(name: str) -> str:
    (path,) = (ROOT / "dbt_like_sql").glob(f"*/{name}.sql")
    return path.read_text("utf-8")


def read_by(text: str) -> tuple[set[str], set[str]]:
    """The tables that one SELECT names in `{{ ref() }}`, and every column that it names."""
    marked = text.replace("{{ ref('", '"').replace("') }}", '"')
    query = sqlglot.parse_one(marked, read="duckdb")
    inner = {each.alias for each in query.find_all(exp.CTE)}
    tables = {table.name for table in query.find_all(exp.Table)} - inner
    columns = {
        "*" if isinstance(column.this, exp.Star) else column.name for column in query.find_all(exp.Column)
    }
    return tables, columns | {
        "*" for star in query.find_all(exp.Star) if not isinstance(star.parent, exp.Count)
    }


def faults(text: str) -> list[str]:
    """What a staging model reads and may not."""
    tables, columns = read_by(text)
    allowed = set().union(*(MAY_BE_READ.get(table, set()) for table in tables))
    return sorted(tables - set(MAY_BE_READ)) + sorted(columns - allowed)


RESTRICTED = sorted(name for name, model in MODELS.items() if model.group == "restricted")
STAGING = sorted(name for name, model in MODELS.items() if model.group == "staging")
MARTS = sorted(MODELS.keys() - {*RESTRICTED, *STAGING})


@pytest.mark.parametrize("name", STAGING)
def test_staging_reads_nothing_exact(name: str) -> None:
    assert faults(sql(name)) == []


@pytest.mark.parametrize("name", MARTS)
def test_marts_read_staging_alone(name: str) -> None:
    tables, _ = read_by(sql(name))
    assert tables and tables <= set(STAGING)


def test_what_is_for_trust_and_safety_is_kept_apart() -> None:
    """Its tables lie in their zone, and nothing that is published is made of them, or by a model that reads them."""
    tables = [MODELS[name].table for name in RESTRICTED if MODELS[name].materialized == "table"]
    assert tables and {table.zone for table in tables} == {"safety"}
    apart = {*RESTRICTED, *SAFETY_TABLES}
    for name in (*STAGING, *MARTS):
        assert apart.isdisjoint(MODELS[name].refs), name
    assert apart.isdisjoint(RELEASE_TABLES)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("select date, accounts from {{ ref('audited_summaries') }}", "accounts"),
        ("select date from {{ ref('audited_summaries') }} where conversations > 100", "conversations"),
        ("select * from {{ ref('published_cells') }}", "*"),
        ("select sum(rows.conversations) as n from {{ ref('exact_coverage') }} as rows", "exact_coverage"),
        (
            "select date, row_number() over (order by accounts) from {{ ref('audited_summaries') }}",
            "accounts",
        ),
    ],
    ids=["selected", "filtered on", "star", "another table", "ordered by"],
)
def test_a_model_that_reads_an_exact_count_is_told(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_the_release_writes_the_marts_and_nothing_else() -> None:
    """`write_release` is called once, with a table for each mart, each read by `_mart`, which names no other."""
    tree = ast.parse((ROOT / "assets" / "release.py").read_text("utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "write_release"
    ]
    (call,) = calls
    assert isinstance(call.args[2], ast.Name)
    (given,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == call.args[2].id
    )
    assert isinstance(given, ast.DictComp)
    assert ast.unparse(given) == "{name: _mart(site, name, key) for name in MARTS}"
    (mart,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_mart")
    reads = [ast.unparse(node) for node in ast.walk(mart) if isinstance(node, ast.Call)]
    assert any(read.startswith("site.warehouse.read(table, ") for read in reads)
    from assets.release import MARTS as RELEASED

    assert sorted(RELEASED) == MARTS


@pytest.mark.parametrize(
    "path", sorted((ROOT / "clio_dagster" / "release").glob("*.py")), ids=lambda path: path.name
)
def test_the_release_code_knows_no_table_of_the_restricted_zone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            assert not module.startswith(("resources", "assets", "duckdb")), module
            if module == "clio_dagster.tables":
                assert {name.name for name in node.names} <= {
                    "CLUSTERED_BY",
                    "COVERAGE_STAGES",
                    "Column",
                    "Table",
                }
