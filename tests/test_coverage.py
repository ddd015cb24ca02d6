"""The exact coverage of a day: every conversation in one stage, none lost, none twice."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clio_dagster.coverage import exact_coverage_of, stages_of
from clio_dagster.tables import EXACT_COVERAGE, NOT_UNDERSTOOD, PUBLISHED, READ, UNREAD, WITHHELD

DAY = "2026-11-01"

# One conversation: account, language, whether it was read, its cluster (None: it has no vector), counted.
Conversation = tuple[str | None, str, str, int | None, bool]

PASSING_PUBLISHED, PASSING_WITHHELD, PASSING_WITHOUT_NAME, FAILING = range(4)


def coverage(*conversations: Conversation, quarantined: int = 0) -> pl.DataFrame:
    rows = [(f"c{number}", *conversation) for number, conversation in enumerate(conversations)]
    facets = pl.DataFrame(
        [row[:4] for row in rows],
        schema={name: pl.String for name in ("conversation_id", "account", "language", "status")},
        orient="row",
    )
    members = pl.DataFrame(
        [(row[0], row[4], row[5]) for row in rows if row[4] is not None],
        schema={"conversation_id": pl.String, "cluster_id": pl.Int32, "counted": pl.Boolean},
        orient="row",
    )
    clusters = pl.DataFrame(
        {"cluster_id": range(4), "passes": [True, True, True, False]},
        schema_overrides={"cluster_id": pl.Int32},
    )
    audited = pl.DataFrame(
        {"level": [0, 0, 1], "node_id": ["0-0", "0-1", "1-3"], "status": [PUBLISHED, WITHHELD, PUBLISHED]}
    )
    stages = stages_of(facets, members, clusters, audited)
    assert stages.select(facets.columns).equals(facets)
    return exact_coverage_of(DAY, stages, quarantined=quarantined)


def counts(frame: pl.DataFrame) -> dict[tuple[str, str], int]:
    return {(row["language"], row["stage"]): row["conversations"] for row in frame.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("conversation", "stage"),
    [
        (("a", "en", READ, PASSING_PUBLISHED, True), "published"),
        (("a", "en", READ, PASSING_WITHHELD, True), "withheld"),
        (("a", "en", READ, PASSING_WITHOUT_NAME, True), "withheld"),
        (("a", "en", READ, FAILING, True), "below a threshold"),
        (("a", "en", READ, PASSING_PUBLISHED, False), "merged as duplicates"),
        (("a", "en", READ, FAILING, False), "merged as duplicates"),
        (("a", "en", UNREAD, None, False), "unread"),
        (("a", "en", READ, None, False), "unread"),
        (("a", "en", NOT_UNDERSTOOD, None, False), "language not understood"),
    ],
)
def test_a_conversation_is_in_and_in_the_stage_that_it_came_to(
    conversation: Conversation, stage: str
) -> None:
    assert counts(coverage(conversation)) == {("en", "in"): 1, ("en", stage): 1}


def test_languages_are_counted_apart() -> None:
    frame = coverage(("a", "en", READ, 0, True), ("b", "es", READ, 0, True), ("c", "es", UNREAD, None, False))
    assert counts(frame) == {
        ("en", "in"): 1,
        ("en", "published"): 1,
        ("es", "in"): 2,
        ("es", "published"): 1,
        ("es", "unread"): 1,
    }


def test_quarantined_records_stand_under_other_and_are_not_in() -> None:
    frame = coverage(("a", "en", READ, 0, True), quarantined=4)
    assert counts(frame)["other", "quarantined"] == 4
    assert counts(frame)["en", "in"] == 1
    assert ("other", "in") not in counts(frame)


def test_a_day_without_records_refused_has_no_row_of_them() -> None:
    assert "quarantined" not in coverage(("a", "en", READ, 0, True))["stage"]


def test_accounts_are_counted_once_and_records_without_one_not_at_all() -> None:
    named = [("a", "en", READ, 0, True)] * 7 + [("b", "en", READ, 0, True)] * 2
    frame = coverage(*named, *[(None, "en", READ, 0, True)] * 3)
    assert counts(frame)["en", "published"] == 12
    assert frame.filter(stage="published")["accounts"].item() == 2


def test_a_day_without_conversations_has_no_row_and_the_contracts_columns() -> None:
    assert coverage().schema == pl.Schema(EXACT_COVERAGE.schema)
    assert coverage().is_empty()


def test_rows_are_of_the_day_and_keep_the_contract() -> None:
    frame = coverage(("a", "en", READ, 0, True), quarantined=1)
    assert frame.schema == pl.Schema(EXACT_COVERAGE.schema)
    assert set(frame["date"]) == {date(2026, 11, 1)}
    assert frame.select(pl.struct(EXACT_COVERAGE.key).is_unique().all()).item()


CONVERSATIONS = st.tuples(
    st.one_of(st.none(), st.sampled_from("abc")),
    st.sampled_from(["en", "es"]),
    st.sampled_from([READ, UNREAD, NOT_UNDERSTOOD]),
    st.one_of(st.none(), st.integers(0, 3)),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(CONVERSATIONS, max_size=30))
def test_the_stages_of_a_language_add_up_to_what_came_in(conversations: list[Conversation]) -> None:
    by_language: dict[str, list[int]] = {}
    for (language, stage), count in counts(coverage(*conversations)).items():
        by_language.setdefault(language, [0, 0])[stage == "in"] += count
    assert all(below == came_in for below, came_in in by_language.values())
    assert sum(came_in for _, came_in in by_language.values()) == len(conversations)
