"""Day cells and coverage with noise: the only counts that leave (P7). What comes later is in test_corrections.py."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clio_dagster.privacy.parts import Day
from clio_dagster.tables import COUNTED_CONVERSATIONS, PUBLISHED_CELLS, PUBLISHED_COVERAGE
from tests.days import day_of, publish, sent, site, tree


def cells(day: Day, facet: str = "all", **values: object) -> dict[tuple[str, str], int]:
    found = publish(day, **values).cells
    assert found.schema == PUBLISHED_CELLS.schema
    rows = found.filter(pl.col("facet") == facet).select("topic", "value", "conversations").iter_rows()
    return {(topic, value): count for topic, value, count in rows}


def test_a_conversation_counts_for_every_topic_above_it_and_for_all_topics() -> None:
    assert cells(day_of(sent(20, 30))) == {
        ("a", ""): 20,
        ("b", ""): 30,
        ("ab", ""): 50,
        ("top", ""): 50,
        ("", ""): 50,
    }


def test_a_withheld_topic_in_between_is_passed_over() -> None:
    found = cells(day_of(sent(20, 30), audited=tree(ab=True)))
    assert found == {("a", ""): 20, ("b", ""): 30, ("top", ""): 50, ("", ""): 50}


def test_what_lies_under_a_withheld_base_cluster_counts_above_it_but_not_in_all_topics() -> None:
    found = cells(day_of(sent(20, 30), audited=tree(b=True)))
    assert found == {("a", ""): 20, ("ab", ""): 50, ("top", ""): 50, ("", ""): 20}


def test_what_cap_or_collapse_set_aside_counts_in_no_topic() -> None:
    day = day_of(sent(40))
    members = day.members.with_columns((pl.int_range(pl.len()) < 17).alias("counted"))
    assert cells(replace(day, members=members))["a", ""] == 17


def test_cells_split_by_language_and_facet() -> None:
    day = day_of(sent(20), sent(16, language="es", who="v"))
    assert cells(day, "language")[("a", "en")] == 20
    assert cells(day, "language")[("a", "es")] == 16
    assert cells(day, "turns")[("a", "2-3")] == 36
    assert cells(day, "refused")[("a", "false")] == 36
    assert cells(day, "concerning")[("a", "1")] == 36


@pytest.mark.parametrize(
    ("turns", "value"), [(1, "1"), (2, "2-3"), (3, "2-3"), (4, "4-7"), (7, "4-7"), (8, "8+")]
)
def test_turns_fall_into_their_bucket(turns: int, value: str) -> None:
    rows = sent(20).with_columns(pl.lit(turns, dtype=pl.Int32).alias("turns"))
    assert cells(day_of(rows), "turns")[("a", value)] == 20


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (sent(15), True),
        (sent(14), False),
        (sent(15, per_account=3), True),
        (sent(16, per_account=4), False),
        (sent(40).with_columns(pl.lit(None, dtype=pl.String).alias("account")), False),
    ],
    ids=["enough", "too few conversations", "five accounts", "four accounts", "no account named"],
)
def test_a_cell_shows_from_fifteen_conversations_and_five_accounts(rows: pl.DataFrame, shown: bool) -> None:
    assert (("a", "") in cells(day_of(rows))) is shown


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12))
def test_an_account_moves_no_cell_of_any_level_by_more_than_the_cap(in_a: int, in_b: int) -> None:
    others, one = sent(20, 20), sent(in_a, in_b, per_account=100, who="w")
    for facet in ("all", "language", "turns"):
        before, after = cells(day_of(others), facet), cells(day_of(others, one), facet)
        assert all(after[cell] - before[cell] <= site().account_cap for cell in before)


def test_a_task_shows_only_from_many_accounts_and_without_personal_data() -> None:
    assert cells(day_of(sent(12, task="write code")), "task", cell_min_conversations=5)
    assert not cells(day_of(sent(11, task="write code")), "task", cell_min_conversations=5)
    assert not cells(day_of(sent(40, task="write to jane.roe@example.org")), "task")


def test_noise_is_the_cells_own_and_never_redrawn() -> None:
    first = publish(day_of(sent(40, 50)), epsilon=1.0).cells
    again = publish(day_of(sent(40, 50).reverse()), epsilon=1.0).cells
    assert first.equals(again)
    noise = first.filter(pl.col("topic") == "ab")["conversations"] - 90
    assert noise.n_unique() > 2


def test_published_counts_of_a_parent_do_not_add_up_to_its_childrens() -> None:
    found = cells(day_of(sent(40, 50)), epsilon=1.0)
    assert found[("a", "")] + found[("b", "")] != found[("ab", "")]


def test_values_that_nobody_has_are_drawn_too_so_a_cell_proves_nothing() -> None:
    seen = set()
    for number in range(40):
        found = publish(day_of(sent(20, 20)), epsilon=0.2, key=bytes([number]) * 32).cells
        seen |= set(found.filter(pl.col("facet") == "language")["value"])
    assert "es" in seen


def test_nothing_is_published_where_every_topic_is_withheld() -> None:
    audited = tree(a=True, b=True, ab=True, top=True)
    assert publish(day_of(sent(90, 90), audited=audited)).cells.is_empty()


def test_a_day_without_conversations_or_topics_has_the_contracts_columns() -> None:
    for audited in (tree(), tree().clear()):
        found = publish(day_of(sent(0), audited=audited))
        assert found.cells.schema == PUBLISHED_CELLS.schema
        assert found.coverage.schema == PUBLISHED_COVERAGE.schema
        assert found.counted.schema == COUNTED_CONVERSATIONS.schema
        assert found.cells.is_empty()


def coverage(day: Day) -> dict[tuple[str, str], int]:
    found = publish(day).coverage
    assert found.schema == PUBLISHED_COVERAGE.schema
    return {
        (language, stage): count
        for language, stage, count in found.select("language", "stage", "conversations").iter_rows()
    }


@pytest.mark.parametrize(
    ("rows", "shown"),
    [(sent(15, per_account=3), True), (sent(14), False), (sent(16, per_account=4), False)],
    ids=["enough", "too few conversations", "too few accounts"],
)
def test_coverage_shows_as_cells_do(rows: pl.DataFrame, shown: bool) -> None:
    count = len(rows)
    assert coverage(day_of(rows)) == ({("en", "in"): count, ("en", "published"): count} if shown else {})


def test_an_account_is_capped_within_a_language_and_stage() -> None:
    unread = sent(20).with_columns(pl.lit("unread").alias("stage"))
    spammer = sent(9, per_account=9, who="s")
    assert coverage(day_of(unread, sent(20, who="v"), spammer)) == {
        ("en", "in"): 45,
        ("en", "unread"): 20,
        ("en", "published"): 25,
    }


def test_records_without_an_account_are_not_capped_together() -> None:
    nameless = sent(7, who="n").with_columns(pl.lit(None, dtype=pl.String).alias("account"))
    assert coverage(day_of(sent(20), nameless))["en", "in"] == 27


def test_quarantined_records_know_no_account_and_do_not_show() -> None:
    assert ("other", "quarantined") not in coverage(day_of(sent(20), quarantined=90))
