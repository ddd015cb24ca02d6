"""The gate's verdict on a tree, and what a release re-verifies on its own (P5, P6, P8)."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from clio_dagster.analyst.protocol import Vocabulary
from clio_dagster.privacy.gate import audit_tree, refusals, verify
from clio_dagster.settings import Settings
from clio_dagster.tables import AUDITED_SUMMARIES, HIERARCHY, PUBLISHED, WITHHELD

KEY = bytes(range(32))
DAY = date(2026, 11, 1)
SETTINGS = Settings(home=Path("/home/site"), key_file=Path("/etc/clio-key"), epsilon=math.inf)  # type: ignore[call-arg]
SUPPORTED = Vocabulary(
    {"sourdough": 1.0, "pastry": 1.0, "tax": 1.0}, frozenset({frozenset({"sourdough", "pastry"})})
)
Row = tuple[str, str | None, int, str, str, int, int]

TREE: list[Row] = [
    ("0-0", "1-0", 0, "Help with sourdough", "How to make sourdough.", 100, 40),
    ("0-1", "1-0", 0, "Help with pastry", "How to make pastry.", 90, 30),
    ("1-0", None, 1, "Help with sourdough and pastry", "How to make them.", 190, 60),
]


def hierarchy(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (DAY, "request", node, parent, level, f"topic-{node}", *rest)
            for node, parent, level, *rest in rows
        ],
        schema=HIERARCHY.schema,
        orient="row",
    )


def audited(
    rows: list[Row], scores: list[int | None] | None = None, settings: Settings = SETTINGS
) -> pl.DataFrame:
    return audit_tree(
        hierarchy(rows),
        vocabularies={row[0]: SUPPORTED for row in rows},
        scores=pl.Series(scores or [5] * len(rows), dtype=pl.Int8),
        settings=settings,
        key=KEY,
    )


def reasons(row: Row, score: int | None = 5) -> list[str]:
    """Why a base node that differs from a good one in one respect is withheld."""
    return audited([row], [score])["reasons"][0].to_list()


def test_a_good_tree_is_published_and_nothing_refuses_it() -> None:
    tree = audited(TREE)
    assert tree.schema == AUDITED_SUMMARIES.schema
    assert tree["status"].to_list() == [PUBLISHED] * 3
    assert refusals(tree, settings=SETTINGS, key=KEY) == []
    assert (
        verify(tree, vocabularies=dict.fromkeys(tree["node_id"], SUPPORTED), settings=SETTINGS, key=KEY) == []
    )


@pytest.mark.parametrize(
    ("name", "description", "conversations", "accounts", "score", "reason"),
    [
        ("Help with sourdough", "How.", 24, 40, 5, "conversations below 25"),
        ("Help with sourdough", "How.", 100, 9, 5, "accounts below 10"),
        ("Help with sourdough", "How.", 100, 40, 2, "auditor's score below 3"),
        ("Help with sourdough", "How.", 100, 40, None, "not judged by the auditor"),
        ("Help with lupus", "How.", 100, 40, 5, "name: 1 word lacks support"),
        (
            "Help",
            "How with tax and pastry.",
            100,
            40,
            5,
            "description: 1 pair of words in one clause without support",
        ),
        ("  ", "How.", 100, 40, 5, "name is empty"),
        ("Help", "", 100, 40, 5, "description is empty"),
        ("help " * 11, "How.", 100, 40, 5, "name is longer than 10 words"),
    ],
)
def test_one_failing_is_enough_to_withhold(
    name: str, description: str, conversations: int, accounts: int, score: int | None, reason: str
) -> None:
    assert reasons(("0-0", None, 0, name, description, conversations, accounts), score) == [reason]


def test_what_the_detector_finds_is_a_reason_that_does_not_repeat_it() -> None:
    found = reasons(("0-0", None, 0, "Help", "How to write to jane.roe@example.org", 100, 40))
    assert "description: looks like email" in found
    assert "jane" not in " ".join(found)


def test_of_two_topics_with_one_name_the_first_that_may_be_shown_is() -> None:
    rows: list[Row] = [
        ("0-0", None, 0, "Help with pastry", "How.", 3, 1),
        ("0-1", None, 0, "Help with pastry", "How.", 100, 40),
        ("0-2", None, 0, "help with Pastry ", "How.", 100, 40),
    ]
    assert audited(rows)["status"].to_list() == [WITHHELD, PUBLISHED, WITHHELD]


def test_a_parent_may_bear_a_childs_name() -> None:
    rows: list[Row] = [
        ("0-0", "1-0", 0, "Help with pastry", "How.", 100, 40),
        ("1-0", None, 1, "Help with pastry", "How.", 100, 40),
    ]
    assert audited(rows)["status"].to_list() == [PUBLISHED] * 2


def test_a_node_without_vocabulary_may_use_generic_words_alone() -> None:
    rows = hierarchy(TREE[:1])
    tree = audit_tree(rows, vocabularies={}, scores=pl.Series([5]), settings=SETTINGS, key=KEY)
    assert tree["status"].to_list() == [WITHHELD]


def test_a_topic_that_was_published_stays_down_to_the_lower_edge() -> None:
    tree = audit_tree(
        hierarchy([("0-0", None, 0, "Help with pastry", "How.", 20, 8)]),
        vocabularies={"0-0": SUPPORTED},
        scores=pl.Series([5]),
        settings=SETTINGS,
        key=KEY,
        standing=frozenset({"topic-0-0"}),
    )
    assert tree["status"].to_list() == [PUBLISHED]
    assert refusals(tree, settings=SETTINGS, key=KEY) == []


TAMPERED = {
    "a withheld node": (pl.lit([], dtype=pl.List(pl.String)).alias("reasons"), pl.lit(3).alias("accounts")),
    "its score": (pl.lit(2, dtype=pl.Int8).alias("privacy_score"),),
    "its name": (pl.lit("Help with jane.roe@example.org").alias("name"),),
    "its status alone": (pl.lit(["accounts below 10"]).alias("reasons"),),
    "its counts": (pl.lit(4, dtype=pl.Int64).alias("conversations"),),
    "its parent": (pl.lit("7-7").alias("parent_id"),),
    "its level": (pl.lit(4, dtype=pl.Int32).alias("level"),),
    "its id": (pl.lit("0-0").alias("node_id"),),
    "an unknown status": (pl.lit("cleared").alias("status"),),
}


@pytest.mark.parametrize("edits", TAMPERED.values(), ids=TAMPERED.keys())
def test_an_edited_table_is_refused(edits: tuple[pl.Expr, ...]) -> None:
    tree = audited(TREE)
    edited = (
        pl.concat([tree.head(1).with_columns(*edits).cast(tree.schema), tree.tail(2)])
        if ("0-0" not in str(edits[0]))
        else pl.concat([tree.head(1), tree[1:2].with_columns(*edits), tree.tail(1)])
    )
    assert refusals(edited, settings=SETTINGS, key=KEY)


def test_two_published_names_alike_are_refused() -> None:
    tree = audited(TREE).with_columns(pl.lit("Help with pastry").alias("name"))
    assert any("another topic's" in line for line in refusals(tree, settings=SETTINGS, key=KEY))


def test_a_word_smuggled_into_a_published_name_is_caught_with_the_vocabularies() -> None:
    tree = audited(TREE)
    edited = tree.with_columns(pl.col("name").str.replace("pastry", "lupus"))
    found = verify(edited, vocabularies=dict.fromkeys(tree["node_id"], SUPPORTED), settings=SETTINGS, key=KEY)
    assert any("lack" in line for line in found)
    assert "lupus" not in " ".join(found)


def test_what_the_gate_says_with_noise_the_release_does_not_contradict() -> None:
    noisy = SETTINGS.model_copy(update={"epsilon": 0.2})
    rows: list[Row] = [
        (f"0-{number}", None, 0, "help" + " for" * (number % 3), "How.", 20 + number, 8 + number)
        for number in range(40)
    ]
    tree = audited(rows, settings=noisy)
    assert {PUBLISHED, WITHHELD} == set(tree["status"])
    assert refusals(tree, settings=noisy, key=KEY) == []


def test_scores_that_do_not_align_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 nodes, but 1 scores"):
        audit_tree(hierarchy(TREE), vocabularies={}, scores=pl.Series([5]), settings=SETTINGS, key=KEY)


def test_an_empty_tree_passes_through() -> None:
    tree = audit_tree(
        HIERARCHY.empty(), vocabularies={}, scores=pl.Series([], dtype=pl.Int8), settings=SETTINGS, key=KEY
    )
    assert tree.is_empty()
    assert refusals(tree, settings=SETTINGS, key=KEY) == []
