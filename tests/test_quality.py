"""Suites made from the contracts find what breaks them, and accounts what a stage lost; neither repeats a value."""

from datetime import date

import polars as pl
import pytest

from clio_dagster.quality.accounting import covered, each_once, to_cluster, to_cover, to_embed, unaccounted
from clio_dagster.quality.suites import FAMILIES, together, validate
from clio_dagster.tables import FACETS, TABLES

SECRET = "zanzibar-quartz"
LANGUAGES = ("en", "es", "other")
DAY, NEXT = date(2026, 11, 1), date(2026, 11, 2)


@pytest.fixture(scope="module")
def facets() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "conversation_id": ["a", "b", "c"],
            "account": ["p", "q", None],
            "date": [date(2026, 11, 1)] * 3,
            "language": ["en"] * 3,
            "status": ["read", "read", "unread"],
            "started_at": [None] * 3,
            "unread_reason": [None] * 3,
            "read_language": [None] * 3,
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
    results = validate(FACETS, frame, languages=LANGUAGES)
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


def test_a_language_that_the_site_has_not_fails_the_contract(facets: pl.DataFrame) -> None:
    assert failing(facets.with_columns(language=pl.lit("other"))) == []
    assert failing(facets.with_columns(language=pl.lit("de"))) == ["contract"]


def test_a_repeated_key_fails_keys(facets: pl.DataFrame) -> None:
    assert failing(pl.concat([facets, facets])) == ["keys"]


def test_a_slice_in_parts_fails_what_a_part_of_it_fails(facets: pl.DataFrame) -> None:
    wrong = facets.with_columns(concerning=pl.lit(9, pl.Int8))
    good, bad = (validate(FACETS, frame, languages=LANGUAGES) for frame in (facets, wrong))

    contract, keys = together([good, bad, good, bad])

    assert (contract.family, contract.passed, contract.unexpected_rows) == ("contract", False, 6)
    assert contract.failed == bad[0].failed
    assert together([good]) == good and keys == good[1]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_suite(name: str) -> None:
    results = validate(TABLES[name], TABLES[name].empty(), languages=LANGUAGES)
    assert [result.family for result in results] == list(FAMILIES)
    assert all(result.passed for result in results)


# Accounts.


def slice_of(*ids: str, day: date = DAY, **more: object) -> pl.DataFrame:
    frame = pl.DataFrame({"conversation_id": ids}, schema={"conversation_id": pl.String})
    return frame.with_columns(date=pl.lit(day), language=pl.lit("en")).with_columns(
        pl.lit(value).alias(name) for name, value in more.items()
    )


def difference(given: pl.DataFrame, found: pl.DataFrame) -> list[tuple[date, int, int]]:
    columns = ("date", "conversation_id")
    return unaccounted(each_once(given, *columns), each_once(found, *columns), ["date"]).rows()


@pytest.mark.parametrize(
    ("given", "found", "expected"),
    [
        ("abc", "abc", []),
        ("abc", "cab", []),
        ("", "", []),
        ("abc", "a", [(DAY, 2, 0)]),
        ("a", "abc", [(DAY, 0, 2)]),
        ("abc", "abd", [(DAY, 1, 1)]),
        ("ab", "abb", [(DAY, 0, 1)]),
        ("aab", "ab", [(DAY, 1, 0)]),
    ],
)
def test_what_is_missing_and_what_is_extra_is_counted(
    given: str, found: str, expected: list[tuple[date, int, int]]
) -> None:
    assert difference(slice_of(*given), slice_of(*found)) == expected


def test_a_conversation_in_another_slice_is_missing_in_its_own() -> None:
    assert difference(slice_of("a"), slice_of("a", day=NEXT)) == [(DAY, 1, 0), (NEXT, 0, 1)]


def test_what_was_not_read_is_not_embedded(facets: pl.DataFrame) -> None:
    assert to_embed(facets).select("conversation_id", "clustered_by", "rows").rows() == [
        ("a", "request", 1),
        ("b", "request", 1),
    ]


def test_a_vector_is_clustered_in_every_window_that_reaches_it() -> None:
    embeddings = pl.concat(
        [slice_of("a", clustered_by="request"), slice_of("b", day=NEXT, clustered_by="request")]
    )
    windows = pl.DataFrame({"date": [DAY, NEXT, NEXT], "day": [DAY, DAY, NEXT]})
    clustered = to_cluster(embeddings, windows).select("date", "day", "conversation_id").sort(pl.all())
    assert clustered.rows() == [(DAY, DAY, "a"), (NEXT, DAY, "a"), (NEXT, NEXT, "b")]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"in": 5, "unread": 2, "published": 3}, []),
        ({"in": 5, "unread": 2, "published": 3, "quarantined": 9}, []),
        ({"in": 4, "unread": 1, "published": 3}, [(DAY, "en", 1, 0)]),
        ({"in": 5, "unread": 1, "published": 3}, [(DAY, "en", 1, 0)]),
        ({"in": 5, "unread": 4, "published": 3}, [(DAY, "en", 0, 2)]),
        ({}, [(DAY, "en", 5, 0)]),
    ],
)
def test_coverage_counts_every_facet_once_in_and_once_below(
    counts: dict[str, int], expected: list[tuple[date, str, int, int]]
) -> None:
    facets = pl.DataFrame({"date": [DAY], "language": ["en"], "conversations": [5]})
    coverage = pl.DataFrame(
        [(DAY, "en", stage, count) for stage, count in counts.items()],
        schema={"date": pl.Date, "language": pl.String, "stage": pl.String, "conversations": pl.Int64},
        orient="row",
    )
    assert unaccounted(to_cover(facets, coverage), covered(coverage), ["date", "language"]).rows() == expected
