"""Day cells and coverage with noise: the only counts that leave (P7)."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clio_dagster.privacy.cells import members_of_day, publish_cells, publish_coverage
from clio_dagster.settings import Settings
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    CLUSTER_MEMBERS,
    EXACT_COVERAGE,
    FACETS,
    PUBLISHED,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    WITHHELD,
)

KEY = bytes(range(32))
DAY = date(2026, 11, 1)
NONE_YET = PUBLISHED_CELLS.empty()


def site(**values: object) -> Settings:
    base: dict[str, object] = {"epsilon": math.inf, "languages": ("en", "es")}
    return Settings(home=Path("/home/site"), key_file=Path("/etc/clio-key"), **base | values)  # type: ignore[arg-type]


def tree(**withheld: bool) -> pl.DataFrame:
    """Two base clusters `a` and `b` under `ab`, which lies under `top`."""
    rows = [("0-0", "1-0", 0, "a"), ("0-1", "1-0", 0, "b"), ("1-0", "2-0", 1, "ab"), ("2-0", None, 2, "top")]
    return pl.DataFrame(
        [
            (
                DAY,
                "request",
                node,
                parent,
                level,
                topic,
                "n",
                "d",
                100,
                40,
                WITHHELD if withheld.get(topic) else PUBLISHED,
                [],
                5,
            )
            for node, parent, level, topic in rows
        ],
        schema=AUDITED_SUMMARIES.schema,
        orient="row",
    )


def day(
    a: int, b: int, *, per_account: int = 1, language: str = "en", task: str | None = None, who: str = "u"
) -> pl.DataFrame:
    """`a` and `b` conversations in the two base clusters, `per_account` of each account."""
    size = a + b
    return pl.DataFrame(
        {
            "conversation_id": [f"{who}{number}" for number in range(size)],
            "account": [f"{who}{number // per_account}" for number in range(size)],
            "language": [language] * size,
            "node_id": ["0-0"] * a + ["0-1"] * b,
            "turns": [2] * size,
            "concerning": [1] * size,
            "refused": [False] * size,
            "task": [task] * size,
        },
        schema_overrides={
            "conversation_id": pl.String, "account": pl.String, "language": pl.String, "node_id": pl.String,
            "turns": pl.Int32, "concerning": pl.Int8, "refused": pl.Boolean, "task": pl.String,
        },
    )  # fmt: skip


def cells(
    members: pl.DataFrame, audited: pl.DataFrame, facet: str = "all", **values: object
) -> dict[tuple[str, str], int]:
    found = publish_cells(members, audited, NONE_YET, settings=site(**values), key=KEY)
    assert found.schema == PUBLISHED_CELLS.schema
    rows = found.filter(pl.col("facet") == facet).select("topic", "value", "conversations").iter_rows()
    return {(topic, value): count for topic, value, count in rows}


def test_a_conversation_counts_for_every_topic_above_it_and_for_all_topics() -> None:
    assert cells(day(20, 30), tree()) == {
        ("a", ""): 20,
        ("b", ""): 30,
        ("ab", ""): 50,
        ("top", ""): 50,
        ("", ""): 50,
    }


def test_a_withheld_topic_in_between_is_passed_over() -> None:
    assert cells(day(20, 30), tree(ab=True)) == {("a", ""): 20, ("b", ""): 30, ("top", ""): 50, ("", ""): 50}


def test_what_lies_under_a_withheld_base_cluster_counts_above_it_but_not_in_all_topics() -> None:
    assert cells(day(20, 30), tree(b=True)) == {("a", ""): 20, ("ab", ""): 50, ("top", ""): 50, ("", ""): 20}


def test_cells_split_by_language_and_facet() -> None:
    members = pl.concat([day(20, 0), day(16, 0, language="es", who="v")])
    assert cells(members, tree(), "language")[("a", "en")] == 20
    assert cells(members, tree(), "language")[("a", "es")] == 16
    assert cells(members, tree(), "turns")[("a", "2-3")] == 36
    assert cells(members, tree(), "refused")[("a", "false")] == 36
    assert cells(members, tree(), "concerning")[("a", "1")] == 36


@pytest.mark.parametrize(
    ("turns", "value"), [(1, "1"), (2, "2-3"), (3, "2-3"), (4, "4-7"), (7, "4-7"), (8, "8+")]
)
def test_turns_fall_into_their_bucket(turns: int, value: str) -> None:
    members = day(20, 0).with_columns(pl.lit(turns, dtype=pl.Int32).alias("turns"))
    assert cells(members, tree(), "turns")[("a", value)] == 20


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        (day(15, 0), True),
        (day(14, 0), False),
        (day(15, 0, per_account=3), True),
        (day(16, 0, per_account=4), False),
        (day(40, 0).with_columns(pl.lit(None, dtype=pl.String).alias("account")), False),
    ],
    ids=["enough", "too few conversations", "five accounts", "four accounts", "no account named"],
)
def test_a_cell_shows_from_fifteen_conversations_and_five_accounts(
    members: pl.DataFrame, shown: bool
) -> None:
    assert (("a", "") in cells(members, tree())) is shown


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12))
def test_an_account_moves_no_cell_of_any_level_by_more_than_the_cap(in_a: int, in_b: int) -> None:
    others, one = day(20, 20), day(in_a, in_b, per_account=100, who="w")
    for facet in ("all", "language", "turns"):
        before, after = cells(others, tree(), facet), cells(pl.concat([others, one]), tree(), facet)
        assert all(after[cell] - before[cell] <= site().account_cap for cell in before)


def test_a_task_shows_only_from_many_accounts_and_without_personal_data() -> None:
    assert cells(day(12, 0, task="write code"), tree(), "task", cell_min_conversations=5)
    assert not cells(day(11, 0, task="write code"), tree(), "task", cell_min_conversations=5)
    assert not cells(day(40, 0, task="write to jane.roe@example.org"), tree(), "task")


def test_noise_is_the_cells_own_and_never_redrawn() -> None:
    first = publish_cells(day(40, 50), tree(), NONE_YET, settings=site(epsilon=1.0), key=KEY)
    again = publish_cells(day(40, 50).reverse(), tree(), NONE_YET, settings=site(epsilon=1.0), key=KEY)
    assert first.equals(again)
    noise = first.filter(pl.col("topic") == "ab")["conversations"] - 90
    assert noise.n_unique() > 2


def test_published_counts_of_a_parent_do_not_add_up_to_its_childrens() -> None:
    found = cells(day(40, 50), tree(), epsilon=1.0)
    assert found[("a", "")] + found[("b", "")] != found[("ab", "")]


def test_values_that_nobody_has_are_drawn_too_so_a_cell_proves_nothing() -> None:
    seen = set()
    for number in range(40):
        key = bytes([number]) * 32
        found = publish_cells(day(20, 20), tree(), NONE_YET, settings=site(epsilon=0.2), key=key)
        seen |= set(found.filter(pl.col("facet") == "language")["value"])
    assert "es" in seen


def test_a_day_once_published_stands_and_gains_no_cell() -> None:
    first = publish_cells(day(20, 10), tree(), NONE_YET, settings=site(), key=KEY)
    late = publish_cells(day(25, 40), tree(), first, settings=site(), key=KEY)
    assert late.equals(first)


def test_nothing_is_published_where_every_topic_is_withheld() -> None:
    audited = tree(a=True, b=True, ab=True, top=True)
    assert publish_cells(day(90, 90), audited, NONE_YET, settings=site(), key=KEY).is_empty()


def test_empty_frames_give_empty_cells() -> None:
    assert publish_cells(day(0, 0), tree(), NONE_YET, settings=site(), key=KEY).is_empty()
    assert publish_cells(day(0, 0), tree().clear(), NONE_YET, settings=site(), key=KEY).is_empty()


def test_members_of_a_day_are_its_own_counted_ones_with_their_facets() -> None:
    other = date(2026, 10, 31)
    members = pl.DataFrame(
        [
            (DAY, "request", "c0", "u", "en", 3, 0.1, DAY, True),
            (DAY, "request", "c1", "u", "en", 3, 0.1, DAY, False),
            (DAY, "request", "c2", "u", "en", 3, 0.1, other, True),
        ],
        schema=CLUSTER_MEMBERS.schema,
        orient="row",
    )
    facets = pl.DataFrame(
        [("c0", "u", DAY, "en", "read", "r", "t", 2, True, 4, None, "x")], schema=FACETS.schema, orient="row"
    )
    found = members_of_day(members, facets)
    assert found.select("conversation_id", "node_id", "turns", "concerning", "refused", "task").rows() == [
        ("c0", "0-3", 4, 2, True, "t")
    ]


def coverage(conversations: int, accounts: int, stage: str = "in") -> pl.DataFrame:
    """Coverage of a day, of ten times as many conversations as the cap lets count."""
    row = {
        "date": DAY,
        "language": "en",
        "stage": stage,
        "conversations": 10 * conversations,
        "capped_conversations": conversations,
        "accounts": accounts,
    }
    return pl.DataFrame([row], schema=EXACT_COVERAGE.schema)


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        (coverage(15, 5), [15]),
        (coverage(14, 5), []),
        (coverage(15, 4), []),
        (coverage(90, 0, "quarantined"), []),
    ],
    ids=["enough", "too few conversations", "too few accounts", "no account known"],
)
def test_coverage_shows_as_cells_do_and_counts_under_the_cap(exact: pl.DataFrame, shown: list[int]) -> None:
    found = publish_coverage(exact, PUBLISHED_COVERAGE.empty(), settings=site(), key=KEY)
    assert found.schema == PUBLISHED_COVERAGE.schema
    assert found["conversations"].to_list() == shown


def test_coverage_once_published_stands() -> None:
    first = publish_coverage(
        coverage(50, 20), PUBLISHED_COVERAGE.empty(), settings=site(epsilon=1.0), key=KEY
    )
    later = publish_coverage(coverage(70, 30), first, settings=site(epsilon=1.0), key=KEY)
    assert later.equals(first)
