"""Topics from date to date: what appears is told apart, and reported where it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clio_dagster.clusters.births import births, is_brought
from clio_dagster.clusters.events import lineage_events
from clio_dagster.models.build import build_view, select_rows
from clio_dagster.privacy.noise import two_sided_geometric, variance
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    BIRTH,
    CLUSTER_MEMBERS,
    CLUSTERS,
    DEATH,
    LINEAGE,
    MERGE,
    PUBLISHED_CELLS,
    SPLIT,
)
from resources.contracts import models
from resources.duckdb_warehouse import DuckDBWarehouse
from tests.test_clusters import TODAY, around, facets, find, yesterday

EPSILON, CAP = 1.0, 5
YESTERDAY = TODAY - timedelta(days=1)


# Seeds


def grown(new: int) -> tuple[pl.DataFrame, np.ndarray]:
    """A window of an old topic and, beside it, one that began today; so few clusters that no start is left for it."""
    frame = facets(60, new).with_columns(
        pl.Series("date", [TODAY - timedelta(days=number % 6 + 1) for number in range(60)] + [TODAY] * new)
    )
    return frame, np.concatenate([around(0, 60, seed=0), around(0, new, seed=1, tilt=0.9)])


def test_a_topic_that_begins_gets_an_id_on_its_day_although_k_means_has_no_start_to_spare() -> None:
    frame, vectors = grown(40)
    old, _ = find(frame[:60], vectors[:60], cluster_size=60)
    clusters, members = find(frame, vectors, previous=yesterday(old), cluster_size=50)
    assert set(old["topic"]) < set(clusters["topic"])
    assert members[60:]["cluster_id"].n_unique() == 1
    assert not set(members[60:]["cluster_id"]) & set(members[:60]["cluster_id"])


@pytest.mark.parametrize("seed", range(20))
def test_a_day_like_the_others_brings_no_seed(seed: int) -> None:
    vectors = around(0, 280, seed=seed)
    is_own = np.random.default_rng(seed).permutation(np.arange(280) < 40)
    none = births(vectors, np.arange(280), np.zeros(280, np.int32), is_own, least=10)
    assert none.shape == (0, vectors.shape[1])


def test_a_topic_that_rises_is_not_new() -> None:
    # Half of the window is of today, evenly over the topic.
    vectors, is_own = around(0, 200, seed=0), np.arange(200) % 2 == 0
    assert not len(births(vectors, np.arange(200), np.zeros(200, np.int32), is_own, least=10))
    assert is_brought(40, 42, 50, 300)
    assert not is_brought(100, 200, 100, 200)


# Events


def clusters_of(day: date, topics: Sequence[str], axes: Sequence[int]) -> pl.DataFrame:
    rows = [
        {
            "date": day,
            "clustered_by": "request",
            "cluster_id": number,
            "topic": topic,
            "conversations": 30,
            "accounts": 20,
            "top_account_share": 0.1,
            "passes": True,
            "reasons": [],
            "centroid": np.eye(4, dtype=np.float32)[axis].tolist(),
        }
        for number, (topic, axis) in enumerate(zip(topics, axes, strict=True))
    ]
    return pl.DataFrame(rows, CLUSTERS.schema)


def members_of(day: date, *groups: tuple[int, int, int, date]) -> pl.DataFrame:
    """Members by (cluster, first number, how many, their own day)."""
    rows = [
        {
            "date": day,
            "clustered_by": "request",
            "conversation_id": f"c{first + number}",
            "account": f"a{first + number}",
            "language": "en",
            "cluster_id": cluster,
            "distance": 0.1,
            "day": own,
            "counted": True,
        }
        for cluster, first, count, own in groups
        for number in range(count)
    ]
    return pl.DataFrame(rows, CLUSTER_MEMBERS.schema)


def events() -> pl.DataFrame:
    """Yesterday rain, sun, fog and dew. Today half of rain is drizzle, sun is in fog, dew is gone, and snow is new."""
    earlier = clusters_of(YESTERDAY, ["dew", "fog", "rain", "sun"], [3, 2, 0, 1])
    links = pl.DataFrame(
        [{"date": YESTERDAY, "kind": SPLIT, "topic": "fog", "other": "dew", "family": "dew"}],
        {name: LINEAGE.schema[name] for name in ("date", "kind", "topic", "other", "family")},
    )
    old = TODAY - timedelta(days=6)
    return lineage_events(
        clusters_of(TODAY, ["drizzle", "fog", "rain", "snow"], [0, 2, 0, 2]),
        members_of(
            TODAY,
            *(
                (2, 0, 30, YESTERDAY),
                (0, 30, 30, YESTERDAY),
                (1, 100, 60, YESTERDAY),
                (1, 200, 30, YESTERDAY),
            ),
            *((3, 400, 50, TODAY), (0, 500, 5, TODAY), (2, 600, 5, TODAY)),
        ),
        earlier=earlier,
        earlier_members=members_of(
            YESTERDAY,
            *((2, 0, 60, YESTERDAY), (1, 100, 60, YESTERDAY), (3, 200, 30, YESTERDAY), (0, 300, 30, old)),
        ),
        links=links,
        date=TODAY,
    )


def test_births_splits_merges_and_deaths_are_told_apart() -> None:
    found = {row["topic"]: row for row in events().iter_rows(named=True)}
    assert {topic: (row["kind"], row["other"]) for topic, row in found.items()} == {
        "drizzle": (SPLIT, "rain"),
        "snow": (BIRTH, "fog"),
        "sun": (MERGE, "fog"),
        "dew": (DEATH, None),
    }
    assert found["drizzle"]["share"] == 1.0
    assert found["snow"]["own_share"] == 1.0


def test_what_appears_beside_a_young_topic_is_of_its_family() -> None:
    families = dict(events().select("topic", "family").iter_rows())
    assert families == {"drizzle": "rain", "snow": "dew", "sun": None, "dew": None}


def test_without_a_date_before_nothing_is_said() -> None:
    clusters = clusters_of(TODAY, ["rain"], [0])
    members = members_of(TODAY, (0, 0, 9, TODAY))
    none = lineage_events(
        clusters,
        members,
        earlier=CLUSTERS.empty(),
        earlier_members=members.clear(),
        links=LINEAGE.empty(),
        date=TODAY,
    )
    assert none.is_empty()
    assert none.schema == pl.Schema(LINEAGE.schema)


# What is reported, from published counts


def published(folder: Path, days: int, *, births_on: Sequence[int] = (), seed: int = 0) -> pl.DataFrame:
    """topic_trends over `days`: of 60 topics two are split a day, after the eighth, and on some days one is born."""
    draw = np.random.default_rng(seed)
    rates = {f"t{number}": 20 * draw.lognormal(sigma=0.5) for number in range(60)}
    cells: list[tuple[date, str, int]] = []
    links: list[tuple[date, str, str]] = []
    for number in range(days):
        on = TODAY + timedelta(days=number)
        for place in range(2 if number > 7 else 0):
            old, part = str(draw.choice(sorted(rates))), draw.uniform(0.2, 0.8)
            rates[f"s{number}-{place}"], rates[old] = rates[old] * part, rates[old] * (1 - part)
            links.append((on, f"s{number}-{place}", old))
        if number in births_on:
            rates[f"b{number}"] = 80.0
            links.append((on, f"b{number}", str(draw.choice(sorted(rates)[:60]))))
        counts = {topic: int(draw.poisson(rate)) for topic, rate in rates.items()}
        cells += [(on, topic, count) for topic, count in {**counts, "": sum(counts.values())}.items()]
    frame = pl.DataFrame(cells, ["date", "topic", "conversations"], orient="row")
    names = frame.select(pl.format("{} {} {}", pl.lit(seed), "date", "topic")).to_series()
    noise = two_sided_geometric(names, key=b"k" * 32, purpose="cell", epsilon=EPSILON, sensitivity=CAP)
    shown = frame.with_columns(pl.col("conversations") + noise).filter(pl.col("conversations") >= 15)
    request = pl.lit("request").alias("clustered_by")
    family = pl.DataFrame(links, ["date", "topic", "other"], orient="row").with_columns(
        request, pl.lit(SPLIT).alias("kind"), pl.col("other").alias("family"), pl.lit(0.5).alias("share")
    )
    warehouse = DuckDBWarehouse(folder, threads=1)
    made = {model.name: model for model in models()}
    for model in made.values():
        if model.materialized == "view":
            build_view(warehouse, model)
    tables = (
        (
            PUBLISHED_CELLS,
            shown.with_columns(
                request, facet=pl.lit("all"), value=pl.lit(""), part=pl.lit(1), is_withdrawn=pl.lit(False)
            ),
        ),
        (LINEAGE, family),
        (
            AUDITED_SUMMARIES,
            shown.filter(pl.col("topic") != "").with_columns(
                request,
                node_id="topic",
                name="topic",
                description="topic",
                level=pl.lit(0),
                status=pl.lit("published"),
                accounts=pl.lit(20),
                reasons=pl.lit([]),
                privacy_score=pl.lit(5),
            ),
        ),
    )
    slices = []
    for table, rows in tables:
        typed = rows.select(
            pl.col(name).cast(table.schema[name]) for name in table.schema if name in rows.columns
        )
        whole = pl.concat([table.empty(), typed], how="diagonal")
        slices += [
            (table, {"date": day}, part, "") for (day,), part in whole.group_by("date", maintain_order=True)
        ]
    warehouse.write_many(slices)
    return select_rows(
        warehouse,
        made["topic_trends"],
        TODAY + timedelta(days=days - 1),
        window_days=7,
        noise_variance=variance(EPSILON, CAP),
    )


def test_births_are_reported_on_their_day_and_splits_hardly_ever(tmp_path: Path) -> None:
    days, born = 80, range(10, 80, 10)
    trends = published(tmp_path, days, births_on=born)
    told = {(row["topic"], (row["date"] - TODAY).days) for row in trends.filter(event="birth").to_dicts()}
    planted = {(f"b{number}", number) for number in born}
    assert planted <= told
    # 72 days with splits at 0.05 a day: more than 8 would be a chance of one in 100.
    assert len(told - planted) <= 8
    tested = trends.filter(pl.col("p_value").is_not_null())
    assert len(tested) > 40
    assert (tested["event"].is_not_null() == (tested["p_value"] < 0.05)).all()


def test_a_release_made_later_says_the_same_of_a_day(tmp_path: Path) -> None:
    long, short = (published(tmp_path / str(days), days, births_on=[12]) for days in (20, 15))
    columns = ["topic", "date", "event", "p_value"]
    until = long.filter(pl.col("date") <= short["date"].max()).select(columns)
    assert until.sort(columns).equals(short.select(columns).sort(columns))


def test_the_variance_is_that_of_the_noise() -> None:
    cells = pl.Series([str(number) for number in range(20_000)])
    noise = two_sided_geometric(cells, key=b"k" * 32, purpose="test", epsilon=EPSILON, sensitivity=CAP)
    assert noise.var() == pytest.approx(variance(EPSILON, CAP), rel=0.05)
    assert variance(float("inf")) == 0
