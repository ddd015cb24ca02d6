"""Facets of the site's own: what may be named, which answers are kept, and which figures are drawn of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clio_dagster.facets import LONGEST_FACET, checked, facets_of
from clio_dagster.home import environment
from clio_dagster.own_columns import as_counted, fitting, tables_of
from clio_dagster.own_facets import Facet, asked, facets_from, shown
from clio_dagster.privacy.parts import Figures
from clio_dagster.settings import SettingsError, load_settings
from clio_dagster.tables import FACETS, READ, UNREAD
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.slices import WarehouseError
from resources.stage import is_as_written
from tests.days import day_of, publish, sent
from tests.frames import DATE, ES
from tests.test_facets import Copying, answers, conversations

URGENCY = {"name": "urgency", "question": "How pressing is it?", "kind": "scale", "minimum": 1, "maximum": 5}
OUTCOME = {
    "name": "outcome",
    "question": "How did it end?",
    "kind": "category",
    "values": ["Solved", "Left open"],
}
MINUTES = {"name": "minutes", "question": "How long would it take?", "kind": "number", "bins": [10, 60]}
CODING = {"name": "coding", "question": "Is it about code?", "kind": "boolean"}
GOAL = {"name": "user_goal", "question": "What is it for?", "kind": "text"}
ALL = facets_from([URGENCY, OUTCOME, MINUTES, CODING, GOAL])


# What may be named.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("CLIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIO_KEY_FILE", str(tmp_path / "key"))
    return tmp_path


def test_clio_toml_names_facets_and_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = '[[facets]]\nname = "coding"\nquestion = "Is it about code?"\nkind = "boolean"\n'
    (folder / "clio.toml").write_text(toml, "utf-8")
    assert load_settings().facets == (Facet(**CODING),)  # type: ignore[arg-type]
    given = load_settings(facets=[URGENCY, OUTCOME, MINUTES])
    monkeypatch.setenv("CLIO_FACETS", environment(given)["CLIO_FACETS"])
    assert load_settings().facets == given.facets != ()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "name of a column": (CODING | {"name": "account"}, "the name account is taken"),
    "name of a facet": (CODING | {"name": "task"}, "the name task is taken"),
    "name in capitals": (CODING | {"name": "Coding"}, "a lower-case letter, then letters, digits and _"),
    "no name": ({"question": "Why?", "kind": "text"}, "facet number 1: it has no name"),
    "no question": (CODING | {"question": " "}, "a question is text, not empty"),
    "kind": (CODING | {"kind": "date"}, "the kinds are text, category, scale, number, boolean"),
    "unknown field": (CODING | {"colour": "red"}, "colour is unknown: it may have name, question"),
    "one value": (OUTCOME | {"values": ["a"]}, "the values of a category are 2 to 50 texts"),
    "51 values": (
        OUTCOME | {"values": [str(n) for n in range(51)]},
        "the values of a category are 2 to 50 texts",
    ),
    "values alike": (OUTCOME | {"values": ["Yes", "yes "]}, "no two differ in case alone"),
    "values of a text": (GOAL | {"values": ["a", "b"]}, "values is for category alone"),
    "scale without end": (URGENCY | {"maximum": None}, "minimum and maximum of a scale are whole numbers"),
    "scale too long": (URGENCY | {"maximum": 21}, "at most 19 apart"),
    "scale of halves": (URGENCY | {"maximum": 4.5}, "minimum and maximum of a scale are whole numbers"),
    "bounds upside down": (MINUTES | {"minimum": 9, "maximum": 2}, "the maximum is the larger"),
    "endless bound": (MINUTES | {"maximum": math.inf}, "minimum and maximum"),
    "bins that fall": (MINUTES | {"bins": [60, 10]}, "bins are 1 to 20 rising numbers"),
    "bins outside": (MINUTES | {"maximum": 60}, "bins are 1 to 20 rising numbers"),
    "no default bins": (
        {"name": "n", "question": "?", "kind": "number", "minimum": 99_999},
        "bins are 1 to 20",
    ),
    "clustered scale": (URGENCY | {"clustered": True}, "true for a text alone"),
    "clustered maybe": (GOAL | {"clustered": "maybe"}, "clustered is true or false"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_an_error_that_names_the_facet_and_what_is_allowed(folder: Path, case: str) -> None:
    facet, allowed = WRONG[case]
    with pytest.raises(SettingsError) as caught:
        load_settings(facets=[facet])
    told = str(caught.value)
    assert told.startswith("CLIO_FACETS: facet ")
    assert facet.get("name", "number 1") in told
    assert allowed in told
    assert "Input should" not in told


@pytest.mark.parametrize("text", ["{", '{"name": "x"}', "3"], ids=["no JSON", "no list", "a number"])
def test_what_is_no_list_is_an_error_that_shows_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CLIO_FACETS", text)
    with pytest.raises(SettingsError, match="CLIO_FACETS: facets are a list"):
        load_settings()


def test_two_facets_of_one_name_are_an_error(folder: Path) -> None:
    with pytest.raises(SettingsError, match="facet coding: two have this name"):
        load_settings(facets=[CODING, CODING])


@pytest.mark.parametrize(
    ("more", "values"),
    [
        ({}, ("<1", "1 to 10", "10 to 100", "100 to 1000", "1000 to 10000", "10000+")),
        ({"minimum": 0, "maximum": 10}, ("<2", "2 to 4", "4 to 6", "6 to 8", "8+")),
        ({"minimum": 5}, ("<10", "10 to 100", "100 to 1000", "1000 to 10000", "10000+")),
        ({"bins": [-1.5, 0]}, ("<-1.5", "-1.5 to 0", "0+")),
    ],
    ids=["no bounds", "both bounds", "a minimum", "own bins"],
)
def test_a_number_is_parted_at_its_bins(more: dict[str, Any], values: tuple[str, ...]) -> None:
    (facet,) = facets_from([{"name": "n", "question": "How many?", "kind": "number"} | more])
    assert facet.published_values == values


def test_a_stage_depends_on_what_it_uses_of_a_facet_alone() -> None:
    before = facets_from([MINUTES])
    parted, reworded = (
        facets_from([MINUTES | {"bins": [5]}]),
        facets_from([MINUTES | {"question": "How many?"}]),
    )
    assert asked(parted) == asked(before) != asked(reworded)
    assert shown(parted) != shown(before) == shown(reworded)
    assert asked(()) == shown(()) == {}


# Which answers are kept.


def kept(facet: dict[str, Any], given: list[Any] | pl.Series) -> list[Any]:
    frame = pl.DataFrame({facet["name"]: given}, strict=False)
    return fitting(frame, facets_from([facet]))[facet["name"]].to_list()


@pytest.mark.parametrize(
    ("facet", "given", "found"),
    [
        (OUTCOME, ["solved", " LEFT OPEN ", "Solved!", "", None], ["Solved", "Left open", None, None, None]),
        (OUTCOME, [1, 2], [None, None]),
        (URGENCY, [1, 5, 0, 6, None], [1, 5, None, None, None]),
        (URGENCY, [2.0, 2.5, math.nan, math.inf], [2, None, None, None]),
        (URGENCY, ["3"], [None]),
        (URGENCY, [True], [None]),
        (MINUTES, [-4, 0.5, math.inf, math.nan], [-4.0, 0.5, None, None]),
        (MINUTES | {"minimum": 0, "maximum": 90}, [-1, 0, 90, 90.5], [None, 0.0, 90.0, None]),
        (CODING, [True, False, None], [True, False, None]),
        (CODING, ["true", "yes"], [None, None]),
        (CODING, [1, 0], [None, None]),
        (GOAL, [["a"], ["b"]], [None, None]),
    ],
    ids=lambda each: each["name"] if isinstance(each, dict) else "",
)
def test_an_answer_that_a_facet_does_not_allow_is_null(
    facet: dict[str, Any], given: list[Any], found: list[Any]
) -> None:
    assert kept(facet, given) == found


ANYTHING = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62))),
    st.lists(st.one_of(st.none(), st.floats())),
    st.lists(st.one_of(st.none(), st.booleans())),
    st.lists(st.one_of(st.none(), st.text(), st.sampled_from(["solved", "LEFT open"]))),
)


@given(ANYTHING)
def test_whatever_is_answered_only_what_is_allowed_is_kept_and_counted(given: list[Any]) -> None:
    facets = tuple(facet for facet in ALL if facet.kind != "text")
    frame = pl.DataFrame({facet.name: given for facet in facets}, strict=False)
    found = fitting(frame, facets)
    contract = tables_of(facets)[FACETS.name]
    counted = found.select(as_counted(facets))
    for facet in facets:
        assert found.schema[facet.name] == contract.schema[facet.name]
        assert counted[facet.name].null_count() == found[facet.name].null_count()
        assert set(counted[facet.name].drop_nulls()) <= set(facet.published_values or ())
    in_range = [
        value for value in given if not isinstance(value, bool | str | None) and value in (1, 2, 3, 4, 5)
    ]
    assert found["urgency"].drop_nulls().to_list() == in_range
    assert fitting(found, facets).equals(found)


@pytest.mark.parametrize(
    ("minutes", "value"), [(9.9, "<10"), (10.0, "10 to 60"), (59.0, "10 to 60"), (60.0, "60+")]
)
def test_a_number_is_counted_in_the_bin_whose_lower_edge_it_reaches(minutes: float, value: str) -> None:
    frame = pl.DataFrame({"minutes": [minutes]})
    assert frame.select(as_counted(facets_from([MINUTES])))["minutes"].to_list() == [value]


def test_a_text_is_scrubbed_and_cut_as_a_request_is() -> None:
    given = answers().with_columns(
        pl.lit("Write to jane.roe@example.org " + "pedal " * 900).alias("user_goal")
    )
    found = checked(given, ALL)["user_goal"][0]
    assert found.startswith("Write to [")
    assert len(found) <= LONGEST_FACET


def test_a_text_of_nothing_is_null_and_the_conversation_read_all_the_same() -> None:
    found = checked(
        answers().with_columns(pl.lit("  ").alias("user_goal"), pl.lit("odd").alias("urgency")), ALL
    )
    assert found.select("status", "user_goal", "urgency").row(0) == (READ, None, None)


def test_a_conversation_that_was_not_read_has_no_own_facets() -> None:
    found = checked(answers(concerning=[9]).with_columns(pl.lit(True).alias("coding")), ALL)
    assert found.select("status", "coding").row(0) == (UNREAD, None)


def test_an_analyst_that_answers_none_leaves_them_null() -> None:
    found = facets_of(conversations("Fix my bicycle"), Copying(), ALL)
    assert found.columns == [*FACETS.schema, *(facet.name for facet in ALL)]
    assert found.select(facet.name for facet in ALL).row(0) == (None,) * len(ALL)


# Which figures are drawn.


def answered(name: str, values: list[Any], dtype: Any, *, of: int = 40) -> pl.DataFrame:
    rows = sent(of)
    given = pl.Series(name, (values * of)[:of], dtype=dtype)
    return rows.with_columns(given)


def cells(rows: pl.DataFrame, facet: dict[str, Any], **values: object) -> dict[str, int]:
    found = publish(day_of(rows), facets=facets_from([facet]), **values).cells
    of_a = found.filter(pl.col("topic") == "a", facet=facet["name"])
    return dict(of_a.select("value", "conversations").iter_rows())


@pytest.mark.parametrize(
    ("facet", "given", "dtype", "found"),
    [
        (OUTCOME, ["Solved", "Left open"], pl.String, {"Solved": 20, "Left open": 20}),
        (OUTCOME, ["Solved", None], pl.String, {"Solved": 20}),
        (OUTCOME, ["Solved", "Of an older list"], pl.String, {"Solved": 20}),
        (URGENCY, [1, 5], pl.Int64, {"1": 20, "5": 20}),
        (MINUTES, [3.0, 600.0], pl.Float64, {"<10": 20, "60+": 20}),
        (CODING, [True, False], pl.Boolean, {"true": 20, "false": 20}),
        (GOAL, ["pass an exam"], pl.String, {"pass an exam": 40}),
    ],
    ids=["category", "with nulls", "older value", "scale", "number", "boolean", "text"],
)
def test_a_facet_of_each_kind_is_counted_by_its_values(
    facet: dict[str, Any], given: list[Any], dtype: Any, found: dict[str, int]
) -> None:
    assert cells(answered(facet["name"], given, dtype), facet) == found


def test_a_text_shows_only_from_many_accounts_and_without_personal_data() -> None:
    assert cells(answered("user_goal", ["pass an exam"], pl.String, of=12), GOAL, cell_min_conversations=5)
    assert not cells(
        answered("user_goal", ["pass an exam"], pl.String, of=11), GOAL, cell_min_conversations=5
    )
    assert not cells(answered("user_goal", ["write to jane.roe@example.org"], pl.String), GOAL)


def test_every_value_of_a_closed_list_is_drawn_so_a_cell_proves_nothing() -> None:
    facets = facets_from([OUTCOME, URGENCY, MINUTES, CODING])
    seen: set[tuple[str, str]] = set()
    for number in range(25):
        found = publish(day_of(sent(20)), facets=facets, epsilon=0.05, key=bytes([number]) * 32).cells
        seen |= set(found.select("facet", "value").iter_rows())
    assert {(facet.name, value) for facet in facets for value in facet.published_values or ()} <= seen


@given(st.integers(0, 12))
def test_an_account_moves_no_cell_of_an_own_facet_by_more_than_the_cap(more: int) -> None:
    facets = facets_from([CODING])
    yes = pl.lit(True).alias("coding")
    day = day_of(sent(20).with_columns(yes), sent(more, per_account=100, who="w").with_columns(yes))
    found = publish(day, facets=facets).cells.filter(pl.col("topic") == "a", facet="coding")
    assert found["conversations"].to_list() == [20 + min(more, 5)]


def test_a_withdrawal_takes_back_the_values_that_were_counted_though_the_facet_is_another_now() -> None:
    first = publish(day_of(answered("minutes", [3.0], pl.Float64)), facets=facets_from([MINUTES]))
    left = answered("minutes", [3.0], pl.Float64).tail(20)
    for facets in (facets_from([MINUTES | {"bins": [2]}]), facets_from([OUTCOME]), ()):
        found = publish(day_of(left), first, parts=1, facets=facets).cells
        of_a = found.filter(pl.col("topic") == "a", facet="minutes")
        assert of_a.select("value", "conversations").rows() == [("<10", 40), ("<10", -20)]


def test_a_facet_added_later_counts_what_comes_from_then_on() -> None:
    first = publish(day_of(sent(40)))
    late = sent(30, who="late").with_columns(pl.lit(True).alias("coding"))
    both = pl.concat([sent(40).with_columns(pl.lit(None, pl.Boolean).alias("coding")), late])
    found: Figures = publish(day_of(both), first, parts=1, facets=facets_from([CODING]))
    of_a = found.cells.filter(pl.col("topic") == "a", facet="coding")
    assert of_a.select("value", "part", "conversations").rows() == [("true", 2, 30)]
    assert found.counted["coding"].null_count() == 40


# How they are stored.


def facet_rows(facets: tuple[Facet, ...], language: str = "es", **given: Any) -> pl.DataFrame:
    """A conversation's row, with these answers."""
    contract = tables_of(facets)[FACETS.name]
    row: dict[str, Any] = {"conversation_id": language, "date": DATE, "language": language, "status": READ}
    row |= {"turns": 1, "extractor": "x 1", "request": "r", "concerning": 1, "refused": False}
    return pl.DataFrame([{name: None for name in contract.schema} | row | given], schema=contract.schema)


EN = ES | {"language": "en"}


def gains_and_loses(warehouse: Any) -> None:
    """A site names a facet, changes its kind, and drops it; slices of before stand, and read by every contract."""
    text, scale = (
        facets_from([URGENCY | {"kind": "text", "minimum": None, "maximum": None}]),
        facets_from([URGENCY]),
    )
    none, texts, scales = FACETS, tables_of(text)[FACETS.name], tables_of(scale)[FACETS.name]
    old = warehouse.write(none, ES, facet_rows(()))
    assert warehouse.read(texts)["urgency"].to_list() == [None]
    warehouse.write(texts, EN, facet_rows(text, "en", urgency="4"))
    assert warehouse.read(texts, None, ["urgency"])["urgency"].to_list() == ["4", None]
    assert is_as_written(warehouse, none, old)
    assert is_as_written(warehouse, texts, old)
    assert warehouse.read(scales, None, ["urgency"])["urgency"].to_list() == [4, None]
    warehouse.write(scales, EN, facet_rows(scale, "en", urgency=2))
    assert warehouse.read(scales, None, ["urgency"])["urgency"].to_list() == [2, None]
    assert warehouse.read(none, None, list(FACETS.schema)).height == 2
    fresh = warehouse.write(none, EN, facet_rows((), "en"))
    assert is_as_written(warehouse, none, fresh)
    assert is_as_written(warehouse, scales, fresh)
    assert warehouse.read(none, None, list(FACETS.schema)).height == 2


def test_a_table_gains_and_loses_a_facet(tmp_path: Path) -> None:
    gains_and_loses(DuckDBWarehouse(tmp_path, threads=2))


def test_a_slice_whose_answers_were_edited_is_not_as_written(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path, threads=2)
    facets = facets_from([URGENCY])
    table = tables_of(facets)[FACETS.name]
    stored = warehouse.write(table, ES, facet_rows(facets, urgency=2))
    edited = replace(
        stored, content_hash=warehouse.write(table, ES, facet_rows(facets, urgency=3)).content_hash
    )
    assert not is_as_written(warehouse, table, stored)
    assert is_as_written(warehouse, table, edited)


def test_rows_erased_from_a_slice_with_a_facet_leave_it_as_written(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path, threads=2)
    facets = facets_from([URGENCY])
    table = tables_of(facets)[FACETS.name]
    rows = [
        facet_rows(facets, conversation_id=name, urgency=value) for name, value in (("a", 2), ("b", None))
    ]
    warehouse.write(table, ES, pl.concat(rows))
    keep: Callable[..., pl.DataFrame] = lambda _, frame: frame.filter(pl.col("conversation_id") == "b")  # noqa: E731
    (left,) = warehouse.erase([(FACETS, ES)], keep)
    assert left.rows == 1
    assert is_as_written(warehouse, table, left)


def test_a_column_that_is_no_facet_still_keeps_its_type(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path, threads=2)
    warehouse.write(FACETS, ES, facet_rows(()).with_columns(extra=pl.lit(1)))
    with pytest.raises(WarehouseError, match=r"facets\.extra"):
        warehouse.write(FACETS, EN, facet_rows((), "en").with_columns(extra=pl.lit("text")))
