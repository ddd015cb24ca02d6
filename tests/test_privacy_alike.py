"""Accounts that act alike: set aside where they write in step (P4), capped in what they support (P5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rings import FAMILIES, ring_texts
from clio_dagster.privacy.alike import (
    CROWD,
    capped_support,
    groups_alike,
    move_bound,
    pooled,
    suspicion,
    traffic_of,
)
from clio_dagster.privacy.thresholds import counted

START = datetime(2026, 11, 1, tzinfo=UTC)
WEEK = 7 * 24 * 60.0
SITE = np.arange(0.0, WEEK, 2.0)  # 5,040 conversations, spread evenly


def written(
    minutes: Sequence[float | None], accounts: Sequence[str], texts: Sequence[str] | None = None
) -> pl.DataFrame:
    size = len(minutes)
    return pl.DataFrame(
        {
            "cluster_id": [0] * size,
            "conversation_id": [f"{account}-{number}" for number, account in enumerate(accounts)],
            "account": accounts,
            "started_at": [None if at is None else START + timedelta(minutes=at) for at in minutes],
            "text": texts or [None] * size,
        },
        schema_overrides={"started_at": pl.Datetime("us", "UTC"), "text": pl.String},
    )


def people(count: int = 60, seed: int = 0) -> pl.DataFrame:
    """Accounts that write when they like, each a text of words of its own."""
    times = np.random.default_rng(seed).uniform(0, WEEK, count)
    texts = [
        " ".join(chr(97 + number % 26) * (1 + number // 26) + chr(97 + place) for place in range(12))
        for number in range(count)
    ]
    return written(times.tolist(), [f"person{number}" for number in range(count)], texts)


def ring(texts: Sequence[str], *, in_step: bool = True, accounts: int = 12) -> pl.DataFrame:
    """Three texts an account, in three bursts of 20 minutes, or at any time."""
    draw = np.random.default_rng(1)
    size = len(texts)
    bursts = np.array([600.0, 3_500.0, 7_000.0])[np.arange(size) // accounts % 3]
    minutes = bursts + draw.uniform(0, 20, size) if in_step else draw.uniform(0, WEEK, size)
    return written(minutes.tolist(), [f"ring{number % accounts}" for number in range(size)], texts)


def traffic(*extra: pl.DataFrame) -> np.ndarray:
    site = pl.Series([START + timedelta(minutes=at) for at in SITE.tolist()], dtype=pl.Datetime("us", "UTC"))
    return traffic_of(pl.concat([site, *(frame["started_at"] for frame in extra)]))


def counting(frame: pl.DataFrame, **options: object) -> pl.DataFrame:
    return frame.filter(counted(frame, 5, traffic=traffic(frame), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_ring_in_step_counts_as_one_in_a_cluster_of_its_own(family: str) -> None:
    assert len(counting(ring(ring_texts(family)))) <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_ring_in_step_counts_as_one_among_people_who_all_count(family: str) -> None:
    kept = counting(pl.concat([people(), ring(ring_texts(family))]))["account"]
    assert kept.str.starts_with("ring").sum() <= 1
    assert kept.str.starts_with("person").sum() >= 58  # two may have written during a burst


def test_what_evades_both_rules_is_said_here_rotated_synonyms_at_any_time() -> None:
    assert len(counting(ring(ring_texts("synonyms"), in_step=False))) == 36


def test_a_single_burst_of_one_text_an_account_is_enough() -> None:
    kept = counting(pl.concat([people(), ring(ring_texts("synonyms", 12))]))
    assert kept["account"].str.starts_with("ring").sum() <= 2


def test_people_who_write_when_they_like_all_count() -> None:
    for seed in range(20):
        assert counted(people(200, seed), 5, traffic=traffic()).all()


def test_a_launch_that_brings_ten_times_the_traffic_sets_nobody_aside() -> None:
    hour = np.random.default_rng(0).uniform(4_000, 4_025, 12)
    frame = pl.concat([people(), written(hour.tolist(), [f"guest{number}" for number in range(12)])])
    rush = written(np.linspace(4_000, 4_060, 1_000).tolist(), ["site"] * 1_000)
    assert counted(frame, 5, traffic=traffic(rush)).all()
    assert not counted(frame, 5, traffic=traffic()).all()  # in an ordinary hour they would be a ring


def test_a_crowd_that_writes_about_one_event_is_no_ring() -> None:
    for size, kept in ((CROWD - 2, 1), (4 * CROWD, 4 * CROWD)):
        minutes = np.linspace(2_000, 2_014, size).tolist()
        frame = written(minutes, [f"a{number}" for number in range(size)])
        assert counted(frame, 5, traffic=traffic()).sum() == kept


def test_one_account_alone_is_never_in_step() -> None:
    frame = written(np.linspace(0, 10, 40).tolist(), ["a"] * 20 + ["b"] * 20)
    assert suspicion(frame, traffic()).max() == 0


def test_conversations_without_a_time_are_in_step_with_nobody() -> None:
    frame = written([None] * 40, [f"a{number}" for number in range(40)])
    assert counted(frame, 5, traffic=traffic()).all()
    assert counted(frame.drop("started_at"), 5).all()


def test_clusters_are_looked_at_apart() -> None:
    frame = ring(ring_texts("synonyms", 12)).with_columns(cluster_id=pl.int_range(12))
    assert counted(frame, 5, traffic=traffic()).all()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(36)))
def test_what_counts_does_not_depend_on_the_order_of_the_rows(order: list[int]) -> None:
    frame = pl.concat([ring(ring_texts("synonyms", 12)), people(24)])
    assert set(counting(frame)["conversation_id"]) == set(counting(frame[order])["conversation_id"])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(2, 14)),
        min_size=1,
        max_size=7,
        unique_by=lambda pair: pair[0],
    ),
    st.integers(0, 2**16),
)
def test_one_conversation_moves_how_many_others_count_by_no_more_than_the_bound(
    bursts: list[tuple[int, int]], seed: int
) -> None:
    """Bursts of every size, so that some are half suspicious; a conversation of one account each."""
    draw = np.random.default_rng(seed)
    minutes = np.concatenate([1_440 * day + 700 + draw.uniform(0, 30, size) for day, size in bursts])
    frame = written(minutes.tolist(), [f"a{number}" for number in range(len(minutes))])
    rows = frame.with_columns(order=pl.Series(draw.permutation(len(minutes))))
    site = traffic(frame)
    aside = pooled(rows, site).to_numpy()
    bound = move_bound(max(size for _, size in bursts) / 12)
    for gone in range(len(rows)):
        others = np.delete(np.arange(len(rows)), gone)
        assert abs(pooled(rows[others], site).sum() - aside[others].sum()) <= bound


def test_a_conversation_that_joins_two_bursts_moves_no_more_than_the_bound() -> None:
    halves = np.concatenate([np.linspace(0, 4, 5), np.linspace(29, 33, 5)]) + 900
    both = written([*halves.tolist(), 916.5], [f"a{number}" for number in range(11)])
    with_it = counted(both, 5, traffic=traffic())
    without = counted(both.head(10), 5, traffic=traffic())
    assert abs(int(with_it.head(10).sum()) - int(without.sum())) <= move_bound(1.0)


def supporters(frame: pl.DataFrame, word: str = "glorp") -> int:
    """Accounts that support a word which everybody in the frame used."""
    groups = groups_alike(frame, traffic(frame))
    used = frame.select("cluster_id", "account", word=pl.lit(word), needed=8).with_columns(group=groups)
    pushed = used.filter(pl.col("account").str.starts_with("ring"))
    return int(capped_support(pushed)["accounts"].sum())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_ring_in_step_supports_no_word(family: str) -> None:
    frame = pl.concat([people(), ring(ring_texts(family, 12))])
    assert supporters(frame) <= 4


def test_a_ring_of_one_template_supports_no_word_at_any_time() -> None:
    frame = pl.concat([people(), ring(ring_texts("slots of words", 12), in_step=False)])
    assert supporters(frame) < 8


def test_as_many_people_on_their_own_support_a_word() -> None:
    alone = people(12).with_columns(account=pl.lit("ring") + pl.col("account"))
    assert supporters(pl.concat([people(60, 1), alone])) == 12


def test_short_requests_alike_are_no_group() -> None:
    frame = people(30).with_columns(text=pl.lit("what is my balance"))
    assert groups_alike(frame, traffic()).null_count() == 30


def used_by(groups: list[str | None]) -> pl.DataFrame:
    """One word that eight accounts are needed for, used by an account for each of the groups."""
    return pl.DataFrame(
        {
            "cluster_id": [0] * len(groups),
            "word": ["w"] * len(groups),
            "account": [f"a{number}" for number in range(len(groups))],
            "group": groups,
            "needed": [8] * len(groups),
        },
        schema_overrides={"group": pl.String},
    )


@pytest.mark.parametrize(
    ("groups", "accounts"),
    [
        ([None] * 9, 9),
        (["g"] * 12, 2),
        (["g"] * 12 + [None] * 3, 5),
        (["g"] * 2 + [None] * 8, 10),
        (["g"] * 5 + ["h"] * 3, 4),
    ],
    ids=["alone", "one group", "a group and few", "a small group", "two groups"],
)
def test_a_group_counts_for_a_third_of_what_is_needed(groups: list[str | None], accounts: int) -> None:
    twice = pl.concat([used_by(groups)] * 2)
    assert capped_support(twice).select("cluster_id", "word", "accounts").rows() == [(0, "w", accounts)]


def test_one_account_more_moves_the_support_of_a_word_by_one_at_most() -> None:
    random = Random(5)
    for _ in range(200):
        groups = [random.choice([None, "g", "h"]) for _ in range(random.randint(2, 20))]
        used = used_by(groups)
        counts = [int(capped_support(part)["accounts"].sum()) for part in (used, used.head(-1))]
        assert 0 <= counts[0] - counts[1] <= 1


def test_empty_frames_pass_through() -> None:
    frame = written([], [])
    assert groups_alike(frame).is_empty()
    assert pooled(frame.with_columns(order=pl.Series([], dtype=pl.UInt64)), np.array([])).is_empty()
    assert capped_support(
        frame.select("cluster_id", "account", word="text", group="text", needed=pl.lit(8))
    ).is_empty()
