"""Drift: what a day must do to be called unlike the weeks before, and how seldom an ordinary one is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from clio_dagster.quality.drift import LANGUAGE_MIX, STRAYS, TRAILING_DAYS, UNREAD, VOLUME, WITHHELD, drift
from clio_dagster.synthetic.accounts import WEEKEND, simulate
from clio_dagster.synthetic.corpus import LANGUAGE_SHARES

FIRST = date(2026, 3, 2)
MONTHS = [FIRST + timedelta(days=number) for number in range(TRAILING_DAYS + 120)]
MONTH = MONTHS[: TRAILING_DAYS + 1]
TODAY = MONTH[-1]
UNREAD_SHARE, WITHHELD_SHARE = 0.1, 0.25

Change = Callable[[pl.DataFrame], pl.DataFrame]


def of_people(per_day: int, rng: np.random.Generator, days: list[date] = MONTHS) -> pl.DataFrame:
    """Conversations of accounts that come on some days and talk much on them: date, language, conversations."""
    found = simulate(
        per_day * len(days), rng=rng, topics=12, languages=LANGUAGE_SHARES, days=days, mean_conversations=20
    )
    counts = found.group_by(pl.col("started_at").dt.date().alias("date"), "language").agg(
        pl.len().alias("conversations")
    )
    return counts.sort("date", "language")  # what is drawn for each row must not hang on their order


def of_chance(per_day: int, rng: np.random.Generator, days: list[date] = MONTHS) -> pl.DataFrame:
    """Days whose volume strays by 10%, and whose languages' shares stray a little: the same columns."""
    shares = np.array(list(LANGUAGE_SHARES.values()))
    rows = []
    for day in days:
        volume = per_day * (WEEKEND if day.weekday() >= 5 else 1) * np.exp(rng.normal(scale=0.1))
        counts = rng.poisson(volume * rng.dirichlet(shares * 400))
        rows += [(day, *row) for row in zip(LANGUAGE_SHARES, counts, strict=True)]
    return pl.DataFrame(rows, schema=["date", "language", "conversations"], orient="row")


def coverage_of(came_in: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Exact coverage: some unread by chance, and some withheld, the clusters of a day being so together."""
    counts = came_in["conversations"].to_numpy()
    unread = rng.binomial(counts, UNREAD_SHARE)
    strays = {
        day: rng.beta(WITHHELD_SHARE * 60, (1 - WITHHELD_SHARE) * 60)
        for day in came_in["date"].unique().sort()
    }
    withheld = rng.binomial(counts - unread, [strays[day] for day in came_in["date"]])
    stages = {
        "in": counts,
        "unread": unread,
        "below a threshold": withheld,
        "published": counts - unread - withheld,
    }
    return pl.concat(
        came_in.select(
            "date", "language", pl.lit(stage).alias("stage"), pl.Series("conversations", values, pl.Int64)
        )
        for stage, values in stages.items()
    )


def warned(coverage: pl.DataFrame, day: date = TODAY, days: list[date] = MONTHS) -> set[str]:
    return {each.check for each in drift(coverage, days, day) if not each.passed}


def scaled(coverage: pl.DataFrame, by: float, *where: pl.Expr) -> pl.DataFrame:
    """Today's counts, where all of the given hold, times `by`."""
    here = pl.all_horizontal(pl.col("date") == TODAY, *where)
    counts = pl.when(here).then((pl.col("conversations") * by).round()).otherwise(pl.col("conversations"))
    return coverage.with_columns(counts.cast(pl.Int64).alias("conversations"))


def a_halved_day(coverage: pl.DataFrame) -> pl.DataFrame:
    return scaled(coverage, 0.5)


def a_doubled_day(coverage: pl.DataFrame) -> pl.DataFrame:
    return scaled(coverage, 2)


def a_language_vanishes(coverage: pl.DataFrame) -> pl.DataFrame:
    return coverage.filter((pl.col("date") != TODAY) | (pl.col("language") != "fr"))


def unread_doubles(coverage: pl.DataFrame) -> pl.DataFrame:
    return scaled(coverage, 2, pl.col("stage") == "unread")


def withheld_triples(coverage: pl.DataFrame) -> pl.DataFrame:
    return scaled(coverage, 3, pl.col("stage") == "below a threshold")


# How seldom it cries wolf.


@pytest.mark.parametrize("ordinary", [of_people, of_chance])
@pytest.mark.parametrize("per_day", [20, 50, 300, 1000])
def test_an_ordinary_day_is_called_unlike_less_than_once_in_sixty(
    per_day: int, ordinary: Callable[[int, np.random.Generator], pl.DataFrame]
) -> None:
    alarms = dict.fromkeys(STRAYS, 0)
    looked_at = 0
    for seed in range(2):
        rng = np.random.default_rng(seed)
        coverage = coverage_of(ordinary(per_day, rng), rng)
        for day in MONTHS[TRAILING_DAYS:]:
            looked_at += 1
            for check in warned(coverage, day):
                alarms[check] += 1
    assert looked_at == 240
    assert {check: count for check, count in alarms.items() if count / looked_at >= 1 / 60} == {}


@pytest.mark.parametrize("days", [8, 15])
def test_nor_where_few_days_are_known(days: int) -> None:
    alarms = dict.fromkeys(STRAYS, 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        coverage = coverage_of(of_chance(300, rng, MONTH[-days:]), rng)
        for check in warned(coverage, days=MONTH[-days:]):
            alarms[check] += 1
    assert {check: count for check, count in alarms.items() if count / 200 >= 1 / 60} == {}


# How often it sees what it should.


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (a_halved_day, VOLUME),
        (a_doubled_day, VOLUME),
        (a_language_vanishes, LANGUAGE_MIX),
        (unread_doubles, UNREAD),
        (withheld_triples, WITHHELD),
    ],
)
def test_what_went_wrong_is_warned_of(change: Change, check: str) -> None:
    seen = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        coverage = coverage_of(of_chance(1000, rng, MONTH), rng)
        seen += check in warned(change(coverage))
    assert seen >= 40


def test_the_language_that_vanished_is_named() -> None:
    rng = np.random.default_rng(0)
    coverage = a_language_vanishes(coverage_of(of_chance(1000, rng, MONTH), rng))
    found = {each.check: each for each in drift(coverage, MONTH, TODAY)}[LANGUAGE_MIX]
    assert found.languages == ("fr",)
    assert (found.today, round(found.usual, 1)) == (0, 0.1)


def test_a_day_without_conversations_is_warned_of_by_volume_alone() -> None:
    rng = np.random.default_rng(0)
    coverage = coverage_of(of_chance(300, rng, MONTH), rng).filter(pl.col("date") != TODAY)
    assert warned(coverage) == {VOLUME}


# What there is to compare with.


def steady(days: list[date], weekday: int = 300, weekend: int = 300) -> pl.DataFrame:
    rows = [
        (day, "en", stage, weekend if day.weekday() >= 5 else weekday)
        for day in days
        for stage in ("in", "published")
    ]
    return pl.DataFrame(rows, schema=["date", "language", "stage", "conversations"], orient="row")


@pytest.mark.parametrize(("before", "is_enough"), [(6, False), (7, True)])
def test_fewer_than_seven_days_are_not_compared_with(before: int, is_enough: bool) -> None:
    days = MONTH[-before - 1 :]
    found = drift(a_doubled_day(steady(days)), days, TODAY)
    assert {each.why for each in found} == ({""} if is_enough else {"not enough days"})
    assert all(each.passed for each in found) != is_enough


def test_a_saturday_is_compared_with_weekends() -> None:
    saturday = TODAY + timedelta(days=5)
    days = [saturday - timedelta(days=back) for back in range(TRAILING_DAYS + 1)]
    assert saturday.weekday() == 5
    assert warned(steady(days, weekday=600, weekend=200), saturday, days) == set()
    busy = steady(days, weekday=600, weekend=200).with_columns(
        pl.when(pl.col("date") == saturday).then(600).otherwise("conversations").alias("conversations")
    )
    assert warned(busy, saturday, days) == {VOLUME}


def test_days_more_than_four_weeks_ago_and_days_to_come_are_not_looked_at() -> None:
    ago = [TODAY - timedelta(days=back) for back in range(TRAILING_DAYS + 1, 60)]
    to_come = [TODAY + timedelta(days=ahead) for ahead in range(1, 20)]
    found = drift(steady([*ago, TODAY, *to_come]), [*ago, TODAY, *to_come], TODAY)
    assert {each.why for each in found} == {"not enough days"}


def test_a_steady_site_has_no_width_of_nought() -> None:
    coverage = steady(MONTH)
    assert warned(coverage) == set()
    assert warned(scaled(coverage, 1.1)) == set()
