"""What the marts compute from published counts, against the same figures worked out beside them."""

from __future__ import annotations

import math
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import false_discovery_control, norm

from clio_dagster.models.build import build_view, select_rows
from clio_dagster.models.column_tests import run
from clio_dagster.models.loader import Model, load_models
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    POSITIONS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    Table,
)
from resources.duckdb_warehouse import DuckDBWarehouse

DAY = date(2026, 11, 8)
FOLDER = Path(__file__).parents[1] / "dbt_like_sql"
MODELS = {model.name: model for model in load_models(FOLDER)}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a warehouse that has the staging views and nothing else."""
    warehouse = DuckDBWarehouse(tmp_path_factory.mktemp("staged"), threads=1)
    for model in MODELS.values():
        if model.materialized == "view":
            build_view(warehouse, model)
    return warehouse.path


@pytest.fixture
def warehouse(staged: Path, tmp_path: Path) -> DuckDBWarehouse:
    shutil.copy(staged, tmp_path)
    return DuckDBWarehouse(tmp_path, threads=1)


def write(warehouse: DuckDBWarehouse, table: Table, day: date, rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(
        [{"date": day, "clustered_by": "request", **row} for row in rows] or None, table.schema
    )
    warehouse.write(table, {"date": day}, frame)


def node(
    node_id: str, parent: str | None = None, *, topic: str = "", withheld: bool = False, level: int = 0
) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "parent_id": parent,
        "level": level,
        "topic": topic or f"t{node_id}",
        "name": f"Topic {node_id}",
        "description": "What it is about.",
        "conversations": 987654,
        "accounts": 123456,
        "status": "withheld" if withheld else "published",
        "reasons": ["too small"] if withheld else [],
        "privacy_score": 4,
    }


def cell(
    topic: str, conversations: int, facet: str = "all", value: str = "", *, part: int = 1
) -> dict[str, Any]:
    """A cell of one part; below zero it is of a withdrawal."""
    return {
        "topic": topic,
        "facet": facet,
        "value": value,
        "part": part,
        "is_withdrawn": conversations < 0,
        "conversations": conversations,
    }


def built(
    warehouse: DuckDBWarehouse,
    name: str,
    day: date = DAY,
    window_days: int = 7,
    account_cap: int = 1,
    noise_variance: float = 0.0,
) -> pl.DataFrame:
    """The day's rows; each conversation is of another account, and counts are exact, unless said otherwise."""
    model: Model = MODELS[name]
    rows = select_rows(
        warehouse,
        model,
        day,
        window_days=window_days,
        account_cap=account_cap,
        noise_variance=noise_variance,
    )
    warehouse.write(model.table, {model.partitioned_by: day}, rows)
    assert all(result.passed for result in run(warehouse, model, day))
    return warehouse.read(model.table, {model.partitioned_by: day})


def test_topic_has_the_days_count_and_the_windows_sum(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    for days_ago, count in ((0, 40), (6, 30), (7, 999)):
        write(warehouse, PUBLISHED_CELLS, DAY - timedelta(days_ago), [cell("", 400), cell("rain", count)])
    row = built(warehouse, "topics").row(0, named=True)
    assert (row["conversations"], row["window_conversations"], row["share"]) == (40, 70, 0.1)


def test_a_topic_of_today_has_the_days_before_of_the_base_topics_below_it(
    warehouse: DuckDBWarehouse,
) -> None:
    nodes = [node("2-1", topic="sky", level=2), node("1-1", "2-1", topic="weather", level=1, withheld=True)]
    nodes += [node("0-1", "1-1", topic="rain"), node("0-2", "1-1", topic="snow")]
    write(warehouse, AUDITED_SUMMARIES, DAY, nodes)
    below = [cell("", 400), cell("rain", 40), cell("snow", 30)]
    write(warehouse, PUBLISHED_CELLS, DAY, [*below, cell("sky", 77)])
    write(warehouse, PUBLISHED_CELLS, DAY - timedelta(1), below)
    write(warehouse, PUBLISHED_CELLS, DAY - timedelta(2), [cell("", 400), cell("snow", 20)])
    topics = built(warehouse, "topics").select("topic", "conversations", "window_conversations")
    assert topics.sort("topic").rows() == [("rain", 40, 80), ("sky", 77, 77 + 70 + 20), ("snow", 30, 80)]


def test_a_days_figure_is_the_sum_over_its_parts(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain"), node("0-2", topic="snow")])
    cells = [cell("", 400), cell("", 100, part=2), cell("rain", 40), cell("rain", 30, part=2)]
    cells += [cell("rain", -20), cell("snow", 50), cell("snow", -50)]
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    topics = built(warehouse, "topics").select("topic", "conversations", "share")
    assert topics.rows() == [("rain", 50, 0.1), ("snow", None, None)]


def test_topic_whose_cell_does_not_show_today_has_no_count_but_keeps_its_window(
    warehouse: DuckDBWarehouse,
) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain"), node("0-2", topic="snow")])
    write(warehouse, PUBLISHED_CELLS, DAY, [cell("", 400)])
    write(warehouse, PUBLISHED_CELLS, DAY - timedelta(1), [cell("rain", 30)])
    topics = built(warehouse, "topics")
    assert topics.select("conversations", "window_conversations", "share").rows() == [
        (None, 30, None),
        (None, None, None),
    ]


def test_share_has_no_more_decimals_than_the_days_count_has_digits_to_speak_of(
    warehouse: DuckDBWarehouse,
) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(warehouse, PUBLISHED_CELLS, DAY, [cell("", 5000), cell("rain", 617)])
    assert built(warehouse, "topics")["share"].item() == 0.123


def test_share_stops_at_one_where_noise_makes_a_topic_larger_than_its_day(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(warehouse, PUBLISHED_CELLS, DAY, [cell("", 40), cell("rain", 41)])
    assert built(warehouse, "topics")["share"].item() == 1.0


def test_withheld_node_is_no_topic_and_its_children_hang_from_the_nearest_published_ancestor(
    warehouse: DuckDBWarehouse,
) -> None:
    tree = [
        node("3-0", level=3),
        node("2-0", "3-0", withheld=True, level=2),
        node("1-0", "2-0", withheld=True, level=1),
        node("0-0", "1-0"),
        node("2-1", None, withheld=True, level=2),
        node("0-1", "2-1"),
    ]
    write(warehouse, AUDITED_SUMMARIES, DAY, tree)
    topics = built(warehouse, "topics")
    assert topics.select("node_id", "parent_id").rows() == [("0-0", "3-0"), ("0-1", None), ("3-0", None)]


def test_no_exact_count_reaches_a_staging_view_or_a_mart(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(
        warehouse, PUBLISHED_CELLS, DAY, [cell("", 400), cell("rain", 40), cell("rain", 30, "language", "es")]
    )
    for name, model in MODELS.items():
        if model.group == "restricted":
            continue
        frame = warehouse.read(name) if model.materialized == "view" else built(warehouse, name)
        assert "accounts" not in frame.columns
        assert not {987654, 123456} & {value for row in frame.rows() for value in row}


def test_topic_lies_where_its_position_says_and_nowhere_without_one(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1"), node("0-2")])
    write(warehouse, POSITIONS, DAY, [{"node_id": "0-1", "x": 0.25, "y": -1.5}])
    assert built(warehouse, "topics").select("x", "y").rows() == [(0.25, -1.5), (None, None)]


def language_cells(topic: str, total: int, **languages: int) -> list[dict[str, Any]]:
    return [cell(topic, total), *(cell(topic, count, "language", code) for code, count in languages.items())]


def test_lift_is_the_share_in_the_topic_over_the_base_rate(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    cells = language_cells("", 1000, es=300, en=700) + language_cells("rain", 100, es=60, en=40)
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    rows = built(warehouse, "topic_languages").select("language", "share", "base_rate", "lift").rows()
    assert rows == [("en", 0.4, 0.7, 0.6), ("es", 0.6, 0.3, 2.0)]


def test_interval_is_katzs_for_topic_against_rest_carried_over_to_the_lift(
    warehouse: DuckDBWarehouse,
) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(
        warehouse, PUBLISHED_CELLS, DAY, language_cells("", 1000, es=300) + language_cells("rain", 100, es=60)
    )
    # The rest has 240 of 900; 240 of the language's 300 conversations lie in it.
    log_error = 240 / 300 * math.sqrt((1 - 0.6) / 60 + (1 - 240 / 900) / 240)
    row = built(warehouse, "topic_languages").row(0, named=True)
    low, high = (2 * math.exp(side * norm.ppf(0.975) * log_error) for side in (-1, 1))
    assert low - 0.1 < row["lift_low"] <= low
    assert high <= row["lift_high"] < high + 0.1


def test_interval_covers_the_true_lift_as_often_as_it_says(warehouse: DuckDBWarehouse) -> None:
    """4,000 languages drawn at .6 within a topic of 100 and at .25 in the other 900 of its day."""
    random = np.random.default_rng(0)
    part, rest = random.binomial(100, 0.6, 4000), random.binomial(900, 0.25, 4000)
    cells = [cell("", 1000), cell("rain", 100)]
    cells += [cell("rain", int(count), "language", f"{n:04}") for n, count in enumerate(part)]
    cells += [cell("", int(count), "language", f"{n:04}") for n, count in enumerate(part + rest)]
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    true = 0.6 / (0.1 * 0.6 + 0.9 * 0.25)
    covered = built(warehouse, "topic_languages").select(
        pl.lit(true).is_between("lift_low", "lift_high").mean()
    )
    # Rounded outwards to one decimal: a little wider, never narrower.
    assert 0.94 < covered.item() < 0.985


def test_p_value_is_the_pooled_z_test_corrected_for_every_test_of_the_date(
    warehouse: DuckDBWarehouse,
) -> None:
    counts = {
        "rain": (100, {"es": 60, "en": 40}),
        "snow": (300, {"es": 85, "en": 200}),
        "wind": (150, {"es": 47}),
    }
    write(warehouse, AUDITED_SUMMARIES, DAY, [node(f"0-{n}", topic=topic) for n, topic in enumerate(counts)])
    cells = language_cells("", 1000, es=300, en=650)
    for topic, (total, languages) in counts.items():
        cells += language_cells(topic, total, **languages)
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    raw = []
    for total, languages in counts.values():
        for code, count in sorted(languages.items()):
            whole = {"es": 300, "en": 650}[code]
            pooled = whole / 1000
            error = math.sqrt(pooled * (1 - pooled) * (1 / total + 1 / (1000 - total)))
            z = (count / total - (whole - count) / (1000 - total)) / error
            raw.append(2 * norm.sf(abs(z)))
    rows = built(warehouse, "topic_languages")
    # English does not show in one topic.
    exact, found = false_discovery_control([*raw, 1.0])[:-1], rows["p_value"].to_numpy()
    # A bound from above, loose where it says nothing.
    assert (exact * 0.95 <= found).all()
    assert (found <= exact * np.where(exact < 0.3, 1.05, 1.15)).all()


@pytest.mark.parametrize("count", [45, 60, 90, 130])
def test_p_value_is_that_of_accounts_with_their_cap_and_of_the_noise_on_counts(
    warehouse: DuckDBWarehouse, count: int
) -> None:
    """Against the integral of the normal's density times the tail of a two-sided exponential's."""
    cap, scale, base, size, whole = 5, 5.0, 600, 300, 6000
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    cells = language_cells("", whole, es=base) + language_cells("rain", size, es=count)
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    found = built(warehouse, "topic_languages", account_cap=cap, noise_variance=2 * scale**2)[
        "p_value"
    ].item()
    share, rest, pooled = count / size, (base - count) / (whole - size), base / whole
    weight = 1 / size + 1 / (whole - size)
    noise = (pooled * weight) ** 2 + (1 + pooled**2) / (whole - size) ** 2
    error = math.sqrt(cap * pooled * (1 - pooled) * weight + 2 * scale**2 * noise)
    at = np.linspace(-9, 9, 20_001) * error
    beyond = abs(share - rest) - at
    one_side = np.exp(-abs(beyond) / (scale * weight)) / 2
    tail = np.where(beyond > 0, one_side, 1 - one_side)
    exact = 2 * float(np.trapezoid(norm.pdf(at, scale=error) * tail, at))
    assert exact * 0.95 < found < exact * 1.2


def test_what_does_not_show_is_compared_too_and_widens_the_intervals_of_what_does(
    warehouse: DuckDBWarehouse,
) -> None:
    nodes = [node(f"0-{n}", topic=f"t{n}") for n in range(10)]
    write(warehouse, AUDITED_SUMMARIES, DAY, nodes)
    cells = [*language_cells("", 1000, es=300, en=650), *language_cells("t0", 100, es=50)]
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    row = built(warehouse, "topic_languages").row(0, named=True)
    error = math.sqrt(0.3 * 0.7 * (1 / 100 + 1 / 900))
    assert row["p_value"] == pytest.approx(20 * 2 * norm.sf((0.5 - 250 / 900) / error), rel=0.05)
    log_error = 250 / 300 * math.sqrt(0.5 / 50 + (1 - 250 / 900) / 250)
    high = 5 / 3 * math.exp(-norm.ppf(0.025 / 20) * log_error)
    assert high - 0.01 < row["lift_high"] < high + 0.1


def test_p_value_far_in_the_tail_keeps_its_magnitude(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    cells = language_cells("", 10_000, es=3000) + language_cells("rain", 1000, es=900)
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    z = (0.9 - 2100 / 9000) / math.sqrt(0.3 * 0.7 * (1 / 1000 + 1 / 9000))
    assert built(warehouse, "topic_languages")["p_value"].item() == pytest.approx(2 * norm.sf(z), rel=0.05)


@pytest.mark.parametrize(
    "base", [language_cells("", 1000), [], language_cells("", 90, es=55), language_cells("", 100, es=60)]
)
def test_language_without_a_rest_to_compare_with_has_neither_interval_nor_test(
    warehouse: DuckDBWarehouse, base: list[dict[str, Any]]
) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(warehouse, PUBLISHED_CELLS, DAY, base + language_cells("rain", 100, es=60))
    row = built(warehouse, "topic_languages").row(0, named=True)
    assert (row["share"], row["lift_low"], row["lift_high"], row["p_value"]) == (0.6, None, None, None)


def test_language_spoken_in_one_topic_alone_keeps_an_open_interval(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    write(
        warehouse, PUBLISHED_CELLS, DAY, language_cells("", 1000, th=50) + language_cells("rain", 100, th=50)
    )
    row = built(warehouse, "topic_languages").row(0, named=True)
    assert row["lift"] == 10.0
    assert row["lift_low"] < 10.0 < row["lift_high"]


def test_facets_leave_languages_and_totals_to_the_other_tables(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    cells = [
        *language_cells("rain", 100, es=60),
        cell("rain", 25, "concerning", "1"),
        cell("", 90, "concerning", "1"),
    ]
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    rows = (
        built(warehouse, "topic_facets").select("node_id", "facet", "value", "conversations", "share").rows()
    )
    assert rows == [("0-1", "concerning", "1", 25, 0.25)]


def test_trend_tells_of_each_shown_day_and_its_change_since_the_one_before(
    warehouse: DuckDBWarehouse,
) -> None:
    for days_ago, count in ((90, 20), (89, 30), (2, 40), (0, 50)):
        day = DAY - timedelta(days_ago)
        write(warehouse, AUDITED_SUMMARIES, day, [node(f"0-{days_ago}", topic="rain")])
        write(warehouse, PUBLISHED_CELLS, day, [cell("", 100), cell("rain", count)])
    write(warehouse, AUDITED_SUMMARIES, DAY - timedelta(1), [node("0-1", topic="rain")])
    trends = built(warehouse, "topic_trends")
    assert trends.select("node_id", "conversations", "share", "growth").rows() == [
        ("0-89", 30, 0.3, 0.5),
        ("0-2", 40, 0.4, 0.3),
        ("0-0", 50, 0.5, 0.3),
    ]
    assert trends["as_of"].unique().to_list() == [DAY]


def test_trend_of_an_earlier_release_stays_when_a_later_one_is_built(warehouse: DuckDBWarehouse) -> None:
    for days_ago in (1, 0):
        day = DAY - timedelta(days_ago)
        write(warehouse, AUDITED_SUMMARIES, day, [node("0-1", topic="rain")])
        write(warehouse, PUBLISHED_CELLS, day, [cell("rain", 30)])
    earlier = built(warehouse, "topic_trends", DAY - timedelta(1))
    assert built(warehouse, "topic_trends").height == 2
    assert warehouse.read(MODELS["topic_trends"].table, {"as_of": DAY - timedelta(1)}).equals(earlier)


def test_coverage_is_the_sum_of_the_dates_published_parts(warehouse: DuckDBWarehouse) -> None:
    for day, count in ((DAY - timedelta(1), 70), (DAY, 80)):
        rows = pl.DataFrame(
            [
                {"date": day, "language": "es", "stage": stage, "part": part, "is_withdrawn": of < 0}
                | {"conversations": of}
                for stage, part, of in (("in", 1, count), ("in", 2, 30), ("in", 1, -20), ("unread", 1, 20))
            ]
            + [
                {"date": day, "language": "es", "stage": "unread", "part": 1, "is_withdrawn": True}
                | {"conversations": -20}
            ],
            PUBLISHED_COVERAGE.schema,
        )
        warehouse.write(PUBLISHED_COVERAGE, {"date": day}, rows)
    assert built(warehouse, "coverage").rows() == [(DAY, "es", "in", 90)]


def test_two_text_facets_keep_apart(warehouse: DuckDBWarehouse) -> None:
    nodes = [node("0-1", topic="rain"), node("0-1", topic="rain") | {"clustered_by": "task"}]
    write(warehouse, AUDITED_SUMMARIES, DAY, nodes)
    write(warehouse, PUBLISHED_CELLS, DAY, [cell("rain", 40), cell("rain", 20) | {"clustered_by": "task"}])
    topics = built(warehouse, "topics")
    assert topics.select("clustered_by", "conversations").rows() == [("request", 40), ("task", 20)]


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.materialized == "table"])
def test_day_without_a_topic_is_an_empty_slice_that_exists(warehouse: DuckDBWarehouse, name: str) -> None:
    assert built(warehouse, name).is_empty()
    assert warehouse.slices(name)["2026-11-08"].rows == 0


def test_no_figure_carries_more_digits_than_the_counts_behind_it(warehouse: DuckDBWarehouse) -> None:
    write(warehouse, AUDITED_SUMMARIES, DAY - timedelta(1), [node("0-1", topic="rain")])
    write(warehouse, PUBLISHED_CELLS, DAY - timedelta(1), [cell("", 4321), cell("rain", 37)])
    write(warehouse, AUDITED_SUMMARIES, DAY, [node("0-1", topic="rain")])
    cells = language_cells("", 5432, es=1234) + language_cells("rain", 617, es=43)
    write(warehouse, PUBLISHED_CELLS, DAY, cells)
    languages = built(warehouse, "topic_languages").row(0, named=True)
    trend = built(warehouse, "topic_trends").sort("date").row(-1, named=True)
    topic = built(warehouse, "topics").row(0, named=True)
    for value, count in (
        (languages["lift"], 43),
        (languages["lift_low"], 43),
        (languages["lift_high"], 43),
        (languages["share"], 617),
        (languages["base_rate"], 5432),
        (trend["growth"], 37),
        (topic["share"], 5432),
    ):
        digits = max(1, int(math.log10(count)))
        assert value == pytest.approx(round(value, digits), abs=1e-12)
    assert f"{languages['p_value']:.1e}" == f"{languages['p_value']:.6e}".replace("00000", "")
