"""Facets as they are kept, whatever an analyst answers: scrubbed, bounded, one for each conversation."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from clio_dagster.facets import LONGEST_FACET, checked, facets_of
from clio_dagster.tables import FACETS, NOT_UNDERSTOOD, RAW_CONVERSATIONS, READ, UNREAD


class Copying:
    """An analyst that answers with what it was shown."""

    name, version = "copying", "1"

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        text = pl.col("messages").list.eval(pl.element().struct.field("text")).list.join("\n")
        return conversations.select(
            "conversation_id",
            pl.lit(READ).alias("status"),
            text.alias("request"),
            text.alias("task"),
            pl.lit(1, dtype=pl.Int8).alias("concerning"),
            pl.lit(False).alias("refused"),
        )


def conversations(*texts: str) -> pl.DataFrame:
    rows = {
        "conversation_id": [f"c{number}" for number in range(len(texts))],
        "account": ["a"] * len(texts),
        "started_at": [datetime(2026, 11, 1, tzinfo=UTC)] * len(texts),
        "date": [date(2026, 11, 1)] * len(texts),
        "language": ["en"] * len(texts),
        "turns": [1] * len(texts),
        "messages": [[{"role": "user", "text": text}] for text in texts],
        "flagged": [None] * len(texts),
    }
    return pl.DataFrame(rows, schema=RAW_CONVERSATIONS.schema)


def answers(**columns: list[object]) -> pl.DataFrame:
    row = {
        "conversation_id": ["c0"],
        "status": [READ],
        "request": ["Fix my bicycle"],
        "task": ["repair"],
        "concerning": [1],
        "refused": [False],
    }
    kept = {name: dtype for name, dtype in FACETS.schema.items() if name in row}
    return pl.DataFrame(row | columns, schema=kept)


PRIVATE = ("jane.roe@example.org", "+44 7700 900123", "4539 1488 0343 6467", "203.0.113.77")


@pytest.mark.parametrize("secret", PRIVATE)
def test_what_a_copying_model_answers_is_scrubbed(secret: str) -> None:
    found = facets_of(conversations(f"Write to {secret} about rent", "Fix my bicycle"), Copying())
    assert secret not in str(found.rows())
    assert found["request"][1] == found["task"][1] == "Fix my bicycle"


def test_what_a_copying_model_answers_is_cut() -> None:
    found = facets_of(conversations("pedal " * 40_000), Copying())
    assert len(found["request"][0]) <= LONGEST_FACET


def test_a_mark_is_never_cut_in_two() -> None:
    text = "x" * (LONGEST_FACET - 3) + " jane.roe@example.org"
    assert checked(answers(request=[text]))["request"][0] == "x" * (LONGEST_FACET - 3) + " "


WRONG: list[dict[str, list[object]]] = [
    {"concerning": [9]},
    {"concerning": [None]},
    {"request": ["  "]},
    {"request": [None]},
    {"status": ["sure"]},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_was_not_answered_as_asked_is_unread(wrong: dict[str, list[object]]) -> None:
    found = checked(answers(**wrong))
    assert found["status"].to_list() == [UNREAD]
    assert found.select("request", "task", "concerning", "refused").null_count().sum_horizontal().item() == 4


def test_a_language_that_is_not_understood_keeps_its_status() -> None:
    assert checked(answers(status=[NOT_UNDERSTOOD]))["status"].to_list() == [NOT_UNDERSTOOD]


class Careless(Copying):
    """One that answers for a conversation that it was not given, twice for another, and not at all for a third."""

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        given = super().extract(conversations).head(1)
        return pl.concat([given, given, given.with_columns(pl.lit("zz").alias("conversation_id"))])


def test_each_conversation_has_one_row_whatever_was_answered() -> None:
    found = facets_of(conversations("Fix my bicycle", "Paint a fence"), Careless())
    assert found["conversation_id"].to_list() == ["c0", "c1"]
    assert found["status"].to_list() == [READ, UNREAD]
