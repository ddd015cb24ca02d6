"""Suites made from the contracts find what breaks them, and never repeat a value."""

from datetime import date

import polars as pl
import pytest

from clio_dagster.quality.suites import FAMILIES, validate
from clio_dagster.tables import FACETS, TABLES

SECRET = "zanzibar-quartz"


@pytest.fixture(scope="module")
def facets() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "conversation_id": ["a", "b", "c"],
            "account": ["p", "q", None],
            "date": [date(2026, 11, 1)] * 3,
            "language": ["en"] * 3,
            "status": ["read", "read", "unread"],
            "request": ["fix a bike", SECRET, None],
            "task": ["explain", "explain", None],
            "concerning": [1, 5, None],
            "refused": [False, True, None],
            "turns": [2, 3, 1],
            "flagged": [None, None, None],
            "extractor": ["offline"] * 3,
        },
        schema=FACETS.schema,
    )


def failing(frame: pl.DataFrame) -> list[str]:
    results = validate(FACETS, frame)
    assert SECRET not in repr(results)
    return [result.family for result in results if not result.passed]


def test_a_good_slice_passes_every_family(facets: pl.DataFrame) -> None:
    assert failing(facets) == []


def test_an_empty_slice_passes() -> None:
    assert failing(FACETS.empty()) == []


def test_a_missing_column_fails_the_contract(facets: pl.DataFrame) -> None:
    assert "contract" in failing(facets.drop("turns"))


def test_another_type_fails_the_contract(facets: pl.DataFrame) -> None:
    assert "contract" in failing(facets.with_columns(pl.col("turns").cast(pl.String)))


def test_a_null_fails_the_contract(facets: pl.DataFrame) -> None:
    broken = facets.with_columns(
        pl.when(pl.col("conversation_id") == "a")
        .then(None)
        .otherwise("conversation_id")
        .alias("conversation_id")
    )
    assert failing(broken) == ["contract"]


def test_a_score_out_of_range_fails_the_contract(facets: pl.DataFrame) -> None:
    assert failing(facets.with_columns(pl.lit(9, pl.Int8).alias("concerning"))) == ["contract"]


def test_a_value_outside_the_list_fails_the_contract(facets: pl.DataFrame) -> None:
    assert failing(facets.with_columns(pl.lit(SECRET).alias("status"))) == ["contract"]


def test_a_repeated_key_fails_keys(facets: pl.DataFrame) -> None:
    assert failing(pl.concat([facets, facets])) == ["keys"]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_suite(name: str) -> None:
    assert [result.family for result in validate(TABLES[name], TABLES[name].empty())] == list(FAMILIES)
