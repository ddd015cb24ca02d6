"""What a release says of languages in topics, held against languages that were drawn."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from clio_dagster.evaluation import lifts
from clio_dagster.evaluation.lifts import by_draw, effects, nulls, rows_of
from clio_dagster.evaluation.marts import LanguageMart
from clio_dagster.evaluation.pipeline import DAY, Base, Made, Site, site_of
from clio_dagster.evaluation.planted import Crowd, Plant, even, permuted, planned, planted
from clio_dagster.evaluation.sections import over_representation
from clio_dagster.settings import Settings
from clio_dagster.synthetic.accounts import simulate
from clio_dagster.tables import AUDITED_SUMMARIES, CLUSTER_MEMBERS, CLUSTERS, COUNTED_CONVERSATIONS

LANGUAGES = ("ar", "en", "es", "fr", "ja", "pt", "ru", "zh")
TOPICS = 10
CAP = 5


@pytest.fixture(scope="module")
def site() -> Site:
    return site_of()


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """12,000 conversations of accounts like people's about ten topics, the later ones rarer."""
    mix = {f"t{number}": 1 / (1 + number) for number in range(TOPICS)}
    sent = simulate(
        12_000,
        rng=np.random.default_rng(0),
        topics=list(mix),
        languages=dict.fromkeys(LANGUAGES, 1.0),
        days=[DAY - timedelta(1), DAY],
        mixes=dict.fromkeys(LANGUAGES, mix),
    )
    kept = sent.filter(pl.int_range(pl.len()).over("account_id", "topic") < CAP).with_columns(
        (pl.int_range(pl.len()).over("account_id") < CAP).alias("is_counted")
    )
    its = pl.struct(pl.lit("request").alias("clustered_by"), pl.col("topic"))
    everything = pl.struct(pl.lit("request").alias("clustered_by"), pl.lit("").alias("topic"))
    rows = kept.with_row_index().select(
        pl.lit(DAY).alias("date"),
        pl.col("index").cast(pl.String).alias("conversation_id"),
        pl.col("account_id").alias("account"),
        "language",
        *(
            pl.lit(None, COUNTED_CONVERSATIONS.schema[name]).alias(name)
            for name in ("turns", "concerning", "refused", "task")
        ),
        pl.when("is_counted")
        .then(pl.concat_list(its, everything))
        .otherwise(pl.concat_list(its))
        .alias("topics"),
        pl.lit([], pl.List(pl.String)).alias("stages"),
        pl.lit(1, pl.Int32).alias("part"),
        pl.lit(None, pl.Int32).alias("withdrawn_in"),
    )
    return Crowd(rows.with_columns(pl.col("account").alias("owner")))


@pytest.fixture(scope="module")
def made() -> Made:
    nodes = [
        {
            "date": DAY,
            "clustered_by": "request",
            "node_id": f"0-{number}",
            "level": 0,
            "topic": f"t{number}",
            "name": f"Topic {number}",
            "description": "What it is about.",
            "conversations": 100,
            "accounts": 50,
            "status": "published",
            "reasons": [],
            "privacy_score": 5,
        }
        for number in range(TOPICS)
    ]
    base = Base(pl.DataFrame(), np.empty((0, 1)), CLUSTERS.empty(), CLUSTER_MEMBERS.empty())
    return Made(base, pl.DataFrame(), {}, pl.DataFrame(nodes, AUDITED_SUMMARIES.schema))


@pytest.fixture(scope="module")
def exchanged(crowd: Crowd, made: Made, site: Site) -> pl.DataFrame:
    return nulls(crowd, made, site, 15, "a")


def test_exchanging_languages_keeps_accounts_whole_and_as_many_of_each_language(crowd: Crowd) -> None:
    found = permuted(crowd, np.random.default_rng(1))
    assert found.group_by("account").agg(pl.col("language").n_unique())["language"].max() == 1
    assert found.drop("language").equals(crowd.counted.drop("language", "owner"))
    spoken = found.group_by("account").agg(pl.col("language").first()).sort("account")["language"]
    assert spoken.sort().equals(crowd.owners["language"].sort())
    assert (spoken == crowd.owners["language"]).mean() < 0.2  # type: ignore[operator]


def test_a_planted_lift_is_what_the_languages_drawn_come_to_on_average(crowd: Crowd) -> None:
    plants = [Plant("t0", "es", 1.5), Plant("t7", "ja", 4.0)]
    rng = np.random.default_rng(2)
    counts = []
    for _ in range(60):
        rows, truth = planted(crowd, plants, rng)
        counts.append(rows.explode("topics").unnest("topics").group_by("topic", "language").len())
    mean = pl.concat(counts).group_by("topic", "language").agg(pl.col("len").sum() / 60)
    both = truth.join(mean, on=["topic", "language"])
    assert both.height == (TOPICS + 1) * len(LANGUAGES)
    # The spread of a mean of 60 counts, of which an account brings five at most.
    far = (both["len"] - both["expected"]).abs() / (5 * both["expected"] / 60).sqrt()
    assert far.max() < 4  # type: ignore[operator]
    lift = dict(zip(truth.select("topic", "language").rows(), truth["lift"], strict=True))
    assert lift["t0", "es"] == pytest.approx(1.5)
    assert lift["t7", "ja"] == pytest.approx(4.0)
    assert lift["", "ja"] == pytest.approx(1.0)


def test_no_plan_asks_of_a_topic_or_of_accounts_more_than_there_is(crowd: Crowd) -> None:
    for seed in range(30):
        plants = planned(crowd, (4.0, 2.0, 1.0), np.random.default_rng(seed))
        assert len({plant.topic for plant in plants}) == len({plant.language for plant in plants}) == 3
        _, truth = planted(crowd, plants, np.random.default_rng(seed))
        assert truth["expected"].min() >= 0  # type: ignore[operator]
    # Everything is about one topic: none can be more common there.
    is_first = pl.col("topics").list.first().struct.field("topic") == "t0"
    one = Crowd(crowd.counted.filter(is_first))
    assert planned(one, (4.0,), np.random.default_rng(0)) == []


def test_where_nothing_is_planted_next_to_nothing_is_found_and_intervals_cover(
    exchanged: pl.DataFrame,
) -> None:
    draws = by_draw(exchanged)
    assert (exchanged["true"] - 1).abs().max() < 1e-9  # type: ignore[operator]
    assert draws["shown"].min() > TOPICS * len(LANGUAGES) / 2  # type: ignore[operator]
    assert (draws["discoveries"] > 0).sum() <= 1  # type: ignore[operator]
    assert draws["coverage"].mean() > 0.95  # type: ignore[operator]


def test_a_strong_effect_in_a_large_topic_is_found(crowd: Crowd, made: Made, site: Site) -> None:
    rows = effects(crowd, made, site, (4.0, 1.0), 8, "b")
    strong = rows.filter(pl.col("planted") == 4, pl.col("size") >= 400)
    assert strong.height >= 3
    assert strong["is_discovery"].mean() >= 0.8  # type: ignore[operator]
    assert (strong["lift"] / strong["true"]).is_between(0.7, 1.4).all()
    assert not rows.filter(pl.col("planted") == 1)["is_discovery"].any()


def test_each_draw_has_noise_of_its_own_and_the_same_purpose_gives_the_same_rows(
    crowd: Crowd, made: Made, site: Site, exchanged: pl.DataFrame
) -> None:
    again = nulls(crowd, made, site, 2, "a")
    assert again.equals(exchanged.filter(pl.col("draw").is_in(["a exchanged 0", "a exchanged 1"])))
    truth = even(crowd).with_columns(pl.lit(None, pl.Float64).alias("planted"))
    counted = crowd.speaking(crowd.owners["language"].to_list())
    rows = rows_of(crowd, made, site, ["one", "other"], lambda _: (counted, truth))
    one, other = rows.partition_by("draw", maintain_order=True)
    assert not one["conversations"].equals(other["conversations"])


def test_a_release_that_knows_neither_of_accounts_nor_of_noise_misses_the_bars(
    crowd: Crowd, made: Made, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(audited: pl.DataFrame, settings: Settings) -> LanguageMart:
        return LanguageMart(audited, settings.model_copy(update={"account_cap": 1, "epsilon_cell": math.inf}))

    monkeypatch.setattr(lifts, "LanguageMart", blind)
    rows = nulls(crowd, made, site, 4, "a")
    bars = {bar.what: bar for bar in over_representation._bars([rows], [rows])}
    assert bars["false discovery rate, nothing planted"].held is False
    assert bars["coverage, nothing planted"].held is False


def test_bars_of_nothing_do_not_hold() -> None:
    bars = over_representation._bars([], [])
    assert [bar.held for bar in bars] == [False] * 5
