"""SQL models: what is refused at load, what their tests find, and when their code counts as changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest

from clio_dagster.models.build import build_view, select_rows
from clio_dagster.models.column_tests import ColumnTestResult, run
from clio_dagster.models.loader import Model, ModelError, load_models
from clio_dagster.tables import POSITIONS, TABLES
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.slices import WarehouseError

DAY = date(2026, 11, 1)
OURS = Path(__file__).parents[1] / "dbt_like_sql"
COLUMNS = """
    columns:
      - {name: date, type: date, description: Day.}
      - {name: node_id, type: text, description: Node.}
"""


class Folder:
    """A folder of models under test; `entries` is what models.yml holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = ""

    def add(
        self, name: str, sql: str, more: str = "", materialized: str = "view", group: str = "staging"
    ) -> None:
        (self.path / group).mkdir(exist_ok=True)
        (self.path / group / f"{name}.sql").write_text(sql, "utf-8")
        self.entries += f"  {name}:\n    description: A model.\n    materialized: {materialized}\n"
        self.entries += f"    key: [node_id]{COLUMNS}{more}"

    def load(self) -> list[Model]:
        (self.path / "models.yml").write_text("models:\n" + self.entries, "utf-8")
        return load_models(self.path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "models").mkdir()
    return Folder(tmp_path / "models")


SELECT = "select date, node_id from {{ ref('positions') }}"


def test_models_come_after_those_they_refer_to(folder: Folder) -> None:
    folder.add("a", "select date, node_id from {{ ref('b') }}")
    folder.add("b", "select date, node_id from {{ ref('c') }}")
    folder.add("c", SELECT)
    assert [model.name for model in folder.load()] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select date, node_id from {{ ref('nowhere') }}", r"bad\.sql: ref\('nowhere'\) is neither"),
        ("select date, node_id from {{ ref('bad') }}", r"bad\.sql: refers to itself: bad → bad"),
        (f"{SELECT}; {SELECT}", r"bad\.sql: holds 2 statements"),
        ("-- nothing", r"bad\.sql: holds 0 statements"),
        ("drop table restricted.facets", r"bad\.sql: a model is a SELECT"),
        ("select date, node_id frm x", r"bad\.sql: Parser Error"),
        ("select {{ config() }}", r"bad\.sql: between braces only"),
        (f"{SELECT} where date = $day", r"bad\.sql: \$day is not a parameter"),
        (f"{SELECT} where date = $date", r"bad\.sql: a view binds no parameter"),
    ],
)
def test_sql_that_is_no_model_is_refused_at_load_with_its_file(
    folder: Folder, sql: str, message: str
) -> None:
    folder.add("bad", sql)
    with pytest.raises(ModelError, match=message):
        folder.load()


def test_cycle_is_refused_with_the_way_round_it(folder: Folder) -> None:
    folder.add("a", "select date, node_id from {{ ref('b') }}")
    folder.add("b", "select date, node_id from {{ ref('a') }}")
    with pytest.raises(ModelError, match=r"\.sql: refers to itself: (a → b → a|b → a → b)"):
        folder.load()


def test_semicolon_in_a_comment_or_at_the_end_is_no_second_statement(folder: Folder) -> None:
    folder.add("a", f"-- one; two\n{SELECT};\n")
    assert len(folder.load()) == 1


def test_file_without_an_entry_is_refused(folder: Folder) -> None:
    folder.add("a", SELECT)
    (folder.path / "staging" / "b.sql").write_text(SELECT)
    with pytest.raises(ModelError, match=r"b\.sql: models\.yml has no entry b"):
        folder.load()


def test_entry_without_a_file_is_refused(folder: Folder) -> None:
    folder.add("a", SELECT)
    (folder.path / "staging" / "a.sql").unlink()
    with pytest.raises(ModelError, match=r"models\.yml: a has no file a\.sql"):
        folder.load()


def test_name_of_a_python_table_is_refused(folder: Folder) -> None:
    folder.add("facets", SELECT)
    with pytest.raises(ModelError, match=r"facets\.sql: facets is a table that Python writes"):
        folder.load()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("    tests: [{fresh: true}]\n", "a test that is not understood"),
        ("    tests: [{unique: [elsewhere]}]\n", "uses a column elsewhere"),
        (
            "    tests: [{relationships: {columns: [node_id], to: facets, fields: [x]}}]\n",
            "to facets, which the SELECT does not refer to",
        ),
        (
            "    tests: [{relationships: {columns: [node_id], to: positions, fields: [z]}}]\n",
            "to positions, which has no column z",
        ),
    ],
)
def test_test_that_cannot_run_is_refused_at_load(folder: Folder, more: str, message: str) -> None:
    folder.add("a", SELECT, more)
    with pytest.raises(ModelError, match=rf"a\.sql: .*{message}"):
        folder.load()


def test_code_version_follows_the_views_below_and_not_the_tables(folder: Folder) -> None:
    def versions(view: str) -> dict[str, str]:
        folder.entries = ""
        folder.add("view", view)
        folder.add("mart", "select date, node_id from {{ ref('view') }}", materialized="table", group="marts")
        folder.add("top", "select date, node_id from {{ ref('mart') }}", materialized="table", group="marts")
        return {model.name: model.code_version for model in folder.load()}

    before, after = versions(SELECT), versions(f"{SELECT} where x > 0")
    assert {name for name in before if before[name] != after[name]} == {"view", "mart"}


def positions(*nodes: str, day: date = DAY) -> pl.DataFrame:
    rows = [{"date": day, "clustered_by": "request", "node_id": node, "x": 0.0, "y": 1.0} for node in nodes]
    return pl.DataFrame(rows, POSITIONS.schema)


def test_view_of_a_table_that_was_never_written_is_empty(folder: Folder, tmp_path: Path) -> None:
    folder.add("stg", SELECT)
    warehouse = DuckDBWarehouse(tmp_path)
    build_view(warehouse, folder.load()[0])
    assert warehouse.read("stg").is_empty()


def test_view_survives_a_column_that_its_table_gains(folder: Folder, tmp_path: Path) -> None:
    folder.add("stg", SELECT)
    warehouse = DuckDBWarehouse(tmp_path)
    build_view(warehouse, folder.load()[0])
    warehouse.write(POSITIONS, {"date": DAY}, positions("0-1").with_columns(z=pl.lit(1.5)))
    assert warehouse.read("stg").rows() == [(DAY, "0-1")]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select node_id, date from {{ ref('positions') }}", "selects node_id, date; models.yml describes"),
        (
            "select date, 1::bigint as node_id from {{ ref('positions') }}",
            "node_id is Int64, models.yml says String",
        ),
    ],
)
def test_columns_that_models_yml_does_not_describe_are_refused(
    folder: Folder, tmp_path: Path, sql: str, message: str
) -> None:
    folder.add("mart", sql, materialized="table")
    with pytest.raises(ModelError, match=rf"mart\.sql: {message}"):
        select_rows(DuckDBWarehouse(tmp_path), folder.load()[0], DAY, window_days=7)


def test_failing_model_names_itself_and_shows_no_value(folder: Folder, tmp_path: Path) -> None:
    folder.add(
        "mart",
        "select date, node_id::bigint::text as node_id from {{ ref('positions') }}",
        materialized="table",
    )
    warehouse = DuckDBWarehouse(tmp_path)
    warehouse.write(POSITIONS, {"date": DAY}, positions("my secret"))
    with pytest.raises(WarehouseError, match="ConversionException") as caught:
        select_rows(warehouse, folder.load()[0], DAY, window_days=7)
    assert "secret" not in str(caught.value)


def test_column_tests_count_failing_rows_of_the_date_alone(tmp_path: Path, folder: Folder) -> None:
    folder.add("nodes", "select date, node_id from {{ ref('positions') }} where x is not null", "")
    folder.entries = folder.entries.replace(
        "{name: node_id, type: text, description: Node.}",
        dedent("""\
        {name: node_id, type: text, description: Node., tests: [
            not_null, unique, {accepted_values: ['0-1', '0-2', '0-3']},
            {relationships: {to: positions, field: node_id}}]}"""),
    )
    folder.entries += "    tests: [{unique: [date, node_id]}]\n"
    model = folder.load()[0]
    warehouse = DuckDBWarehouse(tmp_path)
    # Rows that the contract of positions would refuse.
    warehouse.replace_view(
        "nodes",
        "select date '2026-11-01' as date, unnest(['0-1', '0-1', '0-4', null]) as node_id"
        " union all select date '2026-11-02', 'elsewhere'",
    )
    warehouse.write(POSITIONS, {"date": DAY}, positions("0-1", "0-2"))
    assert run(warehouse, model, DAY) == [
        ColumnTestResult("not_null", "node_id", False, 1),
        ColumnTestResult("unique", "node_id", False, 2),
        ColumnTestResult("accepted_values", "node_id", False, 1),
        ColumnTestResult("relationships", "node_id", False, 1),
        ColumnTestResult("unique", "date, node_id", False, 2),
    ]
    assert all(result.passed for result in run(warehouse, model, date(2026, 12, 1)))


def test_our_models_read_contract_tables_through_staging_alone() -> None:
    for model in load_models(OURS):
        if model.group == "restricted":
            continue
        reads_tables = [ref for ref in model.refs if ref in TABLES]
        assert bool(reads_tables) == (model.group == "staging"), model.name
        assert (model.group == "staging") == (model.materialized == "view"), model.name
