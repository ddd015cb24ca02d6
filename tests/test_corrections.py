"""What a published day says once conversations come late or are withdrawn: a correction, never a silent change (P7)."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.publishing import freeze
from clio_dagster.privacy.parts import Figures
from clio_dagster.release.read import Release, read_release, verify
from clio_dagster.synthetic.corpus import DAYS, generate
from clio_dagster.tables import (
    COUNTED_CONVERSATIONS,
    EXACT_COVERAGE,
    FROZEN_PARTS,
    PUBLISHED_CELLS,
)
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.slices import content_hash
from tests.days import DAY, day_of, publish, sent, tree
from tests.scenario import Site

FIRST = sent(40, 50)
MANY = sent(40, who="late")


def hashes(figures: Figures) -> list[str]:
    """Of what is published, and of the record."""
    return [content_hash(frame) for frame in (figures.cells, figures.coverage, figures.counted)]


def counts(figures: Figures, topic: str = "a") -> list[int]:
    """A topic's count in each part, withdrawals last."""
    rows = figures.cells.filter(topic=topic, facet="all").sort("is_withdrawn", "part")
    return rows["conversations"].to_list()


def total(figures: Figures, topic: str = "a") -> int:
    return sum(counts(figures, topic))


def in_all(figures: Figures, language: str = "en") -> list[int]:
    """What came in, by part, withdrawals last."""
    rows = figures.coverage.filter(language=language, stage="in").sort("is_withdrawn", "part")
    return rows["conversations"].to_list()


@pytest.fixture(scope="module")
def first() -> Figures:
    """A day as first published, with noise."""
    return publish(day_of(FIRST), epsilon=1.0)


@pytest.fixture(scope="module")
def exact() -> Figures:
    """The same without noise."""
    return publish(day_of(FIRST))


# Late conversations.


def test_a_late_part_of_many_adds_a_correction_and_changes_nothing_that_stood(first: Figures) -> None:
    now = publish(day_of(FIRST, MANY), first, parts=1, epsilon=1.0)
    assert hashes(now.until(1, 0)) == hashes(first)
    assert set(now.cells["part"]) == set(now.coverage["part"]) == {1, 2}
    late = now.counted.filter(part=2)["conversation_id"]
    assert set(late) == set(MANY["conversation_id"])
    # 999 of 1,000 draws of this noise are below 35.
    assert 0 < abs(counts(now)[1] - 40) < 35


def test_without_noise_the_parts_of_a_day_add_up_to_it(exact: Figures) -> None:
    now = publish(day_of(FIRST, MANY), exact, parts=1)
    whole = publish(day_of(FIRST, MANY))
    for frame, one in ((now.cells, whole.cells), (now.coverage, whole.coverage)):
        names = [name for name in frame.columns if name not in ("part", "is_withdrawn", "conversations")]
        summed = frame.group_by(names).agg(pl.col("conversations").sum()).sort(names)
        assert summed.equals(one.select(*names, "conversations").sort(names))


def test_a_late_part_of_one_or_three_people_changes_nothing() -> None:
    """With every one of 100 keys. A key's noise lifts a part over both edges with a chance of 4e-7 for one
    conversation, 9e-7 for an account's five and 5e-6 for three people."""
    for number in range(100):
        key = number.to_bytes(32, "big")
        before = publish(day_of(FIRST), epsilon=1.0, key=key)
        for late in (sent(1, who="l"), sent(5, per_account=5, who="l"), sent(3, who="l")):
            after = publish(day_of(FIRST, late), before, parts=1, epsilon=1.0, key=key)
            assert hashes(after) == hashes(before)


def test_two_small_late_parts_merge_and_show_once_together(exact: Figures) -> None:
    few, more = sent(9, who="f"), sent(9, who="m")
    waiting = publish(day_of(FIRST, few), exact, parts=1)
    assert hashes(waiting) == hashes(exact)
    together = publish(day_of(FIRST, few, more), waiting, parts=1)
    assert counts(together) == [40, 18]
    assert hashes(publish(day_of(FIRST, few, more), together, parts=2)) == hashes(together)


def test_a_part_needs_as_many_accounts_as_a_sensitive_word(exact: Figures) -> None:
    eleven, twelve = sent(33, per_account=3, who="l"), sent(36, per_account=3, who="l")
    assert hashes(publish(day_of(FIRST, eleven), exact, parts=1)) == hashes(exact)
    assert counts(publish(day_of(FIRST, twelve), exact, parts=1)) == [40, 36]


def test_the_noise_of_a_part_is_its_own_and_drawn_once() -> None:
    """Two parts alike, of 40 in `a` and 50 in `b`, under 60 keys."""
    day = day_of(FIRST, sent(40, 50, who="l"))
    noise = []
    for number in range(60):
        key = number.to_bytes(32, "big")
        once = publish(day_of(FIRST), epsilon=1.0, key=key)
        now = publish(day, once, parts=1, epsilon=1.0, key=key)
        assert hashes(publish(day, once, parts=1, epsilon=1.0, key=key)) == hashes(now)
        for topic, truth in (("a", 40), ("b", 50), ("ab", 90)):
            if len(drawn := counts(now, topic)) == 2:
                noise.append((drawn[0] - truth, drawn[1] - truth))
    before, after = np.array(noise).T
    assert len(noise) > 170
    assert min(before.std(), after.std()) > 5
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.3


def test_a_part_is_the_same_however_often_it_is_asked_and_frozen(first: Figures) -> None:
    day = day_of(FIRST, MANY)
    pending = publish(day, first, parts=1, epsilon=1.0)
    assert hashes(publish(day, pending, parts=1, epsilon=1.0)) == hashes(pending)
    assert hashes(publish(day, pending, parts=2, epsilon=1.0)) == hashes(pending)


def test_a_part_that_no_release_has_shown_is_made_anew(first: Figures) -> None:
    pending = publish(day_of(FIRST, MANY), first, parts=1, epsilon=1.0)
    assert hashes(publish(day_of(FIRST), pending, parts=1, epsilon=1.0)) == hashes(first)


def test_a_day_published_empty_is_corrected_by_what_comes() -> None:
    empty = publish(day_of(sent(0)))
    assert counts(publish(day_of(FIRST), empty, parts=1)) == [40]
    assert hashes(publish(day_of(sent(9)), empty, parts=1)) == hashes(empty)


def test_an_accounts_cap_holds_over_all_parts() -> None:
    before, late = sent(3, per_account=3, who="w"), sent(12, per_account=12, who="w")[3:]
    once = publish(day_of(FIRST, before))
    now = publish(day_of(FIRST, before, MANY, late), once, parts=1)
    assert counts(now) == [43, 42]
    assert in_all(now) == [93, 42]
    assert now.counted.filter(account="w0").height == 12


def test_coverage_follows_the_parts(exact: Figures) -> None:
    unread = MANY.with_columns(pl.lit("unread").alias("stage"))
    now = publish(day_of(FIRST, unread, quarantined=99), exact, parts=1)
    late = now.coverage.filter(part=2).select("language", "stage", "conversations").rows()
    assert late == [("en", "in", 40), ("en", "unread", 40)]


# Counted once, as what it was then.


def test_a_later_clustering_moves_no_conversation_that_was_counted(exact: Figures) -> None:
    moved = FIRST.with_columns(pl.lit(1, pl.Int32).alias("cluster_id"), pl.lit("es").alias("language"))
    assert hashes(publish(day_of(moved), exact, parts=1)) == hashes(exact)


def test_a_longer_version_of_a_conversation_is_not_counted_again(exact: Figures) -> None:
    longer = FIRST.with_columns(pl.lit(9, pl.Int32).alias("turns"))
    assert hashes(publish(day_of(longer), exact, parts=1)) == hashes(exact)


def test_a_topic_that_is_withheld_later_keeps_what_was_counted(exact: Figures) -> None:
    now = publish(day_of(FIRST, MANY, audited=tree(a=True)), exact, parts=1)
    assert counts(now, "a") == [40]
    assert counts(now, "ab") == [90, 40]


# Withdrawn conversations.


def test_many_withdrawn_are_a_negative_correction() -> None:
    once = publish(day_of(FIRST, MANY))
    now = publish(day_of(FIRST), once, parts=1)
    assert counts(now) == [80, -40]
    assert in_all(now) == [130, -40]
    assert hashes(now.until(1, 0)) == hashes(once)
    assert hashes(publish(day_of(FIRST), now, parts=1, withdrawals=1)) == hashes(now)


@pytest.mark.parametrize("gone", [sent(1, who="g"), sent(9, per_account=9, who="g"), sent(3, who="g")])
def test_what_one_or_three_people_withdraw_changes_nothing(gone: pl.DataFrame) -> None:
    for number in range(50):
        key = number.to_bytes(32, "big")
        before = publish(day_of(FIRST, gone), epsilon=1.0, key=key)
        after = publish(day_of(FIRST), before, parts=1, epsilon=1.0, key=key)
        assert hashes(after) == hashes(before)


def test_a_cell_that_would_sink_below_the_minimum_is_taken_back_whole(exact: Figures) -> None:
    assert counts(publish(day_of(FIRST[25:]), exact, parts=1)) == [40, -25]
    assert counts(publish(day_of(FIRST[26:]), exact, parts=1)) == [40, -40]


def test_no_more_is_taken_back_than_is_shown() -> None:
    """`b` has too few to be shown; what is withdrawn there comes off the topics above alone."""
    once = publish(day_of(FIRST[:40], sent(0, 14, who="b")))
    more = publish(day_of(FIRST[:40], sent(0, 14, who="b"), sent(0, 20, who="c")), once, parts=1)
    now = publish(day_of(FIRST[:40]), more, parts=2)
    assert counts(now, "b") == [20, -20]
    assert counts(now, "ab") == [54, 20, -34]


def test_late_and_withdrawn_conversations_are_drawn_apart() -> None:
    once = publish(day_of(FIRST, sent(30, who="g")))
    now = publish(day_of(FIRST, MANY), once, parts=1)
    assert counts(now) == [70, 40, -30]
    assert now.cells.filter(topic="a", facet="all").select("part", "is_withdrawn").rows() == [
        (1, False),
        (1, True),
        (2, False),
    ]


def test_a_withdrawal_that_waits_meets_one_edge_whatever_comes_late() -> None:
    """Fourteen people are gone: whether that is enough hangs on the key, and not on the parts drawn meanwhile."""
    gone = sent(14, who="g")
    verdicts = []
    for number in range(40):
        key = number.to_bytes(32, "big")
        once = publish(day_of(FIRST, gone), epsilon=1.0, key=key)
        soon = publish(day_of(FIRST), once, parts=1, epsilon=1.0, key=key)
        later = publish(day_of(FIRST, gone, MANY), once, parts=1, epsilon=1.0, key=key)
        then = publish(day_of(FIRST, MANY), later, parts=2, epsilon=1.0, key=key)
        shown = [bool(each.counted["withdrawn_in"].count()) for each in (soon, then)]
        assert shown[0] == shown[1]
        verdicts.append(shown[0])
    assert 5 < sum(verdicts) < 35


def test_what_comes_again_after_a_withdrawal_is_late_and_its_cap_is_spent() -> None:
    spammer = sent(5, per_account=5, who="s")
    once = publish(day_of(FIRST, MANY, spammer))
    gone = publish(day_of(FIRST), once, parts=1)
    again = publish(day_of(FIRST, MANY, spammer), gone, parts=1, withdrawals=1)
    assert counts(again) == [85, 40, -45]
    assert again.live["conversation_id"].is_unique().all()
    assert again.live.height == 135


# Whatever happens.

PEOPLE = st.sets(st.integers(0, 25), max_size=26)


COMING_AND_GOING = [({0, 1, 2, 3}, True), (set(), True)] * 2 + [({0, 1, 2, 3}, False)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PEOPLE, st.booleans()), min_size=1, max_size=6))
@example(COMING_AND_GOING)
def test_every_conversation_is_counted_once_and_the_parts_add_up_to_the_record(
    steps: list[tuple[set[int], bool]],
) -> None:
    """Each step the day is another set of people, with two conversations each, and a release may show it."""
    figures, parts, withdrawals = Figures.none(), 0, 0
    everybody = sent(26, 26, per_account=2)
    low = {"cell_min_conversations": 1, "cell_min_accounts": 1, "sensitive_word_min_accounts": 4}
    for people, is_shown in steps:
        present = everybody.filter(pl.col("account").is_in([f"u{number}" for number in people]))
        before = figures.until(parts, withdrawals)
        figures = publish(day_of(present), figures, parts=parts, withdrawals=withdrawals, **low)
        assert hashes(figures.until(parts, withdrawals)) == hashes(before)
        live = figures.live
        assert live["conversation_id"].is_unique().all()
        for waiting in (
            present.join(live, on="conversation_id", how="anti"),
            live.join(present, on="conversation_id", how="anti"),
        ):
            assert waiting["account"].n_unique() < 4
        for topic in ("a", "b", "ab", "top", ""):
            placed = live.filter(
                pl.col("topics").list.eval(pl.element().struct.field("topic") == topic).list.any()
            )
            assert total(figures, topic) == placed.height
        # Who left and came back twice has used up the cap: what is beyond it is recorded as counted nowhere.
        assert sum(in_all(figures)) == live.filter(pl.col("stages").list.contains("in")).height
        if is_shown:
            parts = max([parts, 1, *figures.counted["part"]])
            withdrawals = max([withdrawals, *figures.counted["withdrawn_in"].drop_nulls()])


# What is frozen.


def test_a_release_freezes_its_own_day_and_every_day_before_it(tmp_path: Path) -> None:
    """Windows and trends tell of days that have no release of their own; of later days nothing is told."""
    warehouse = DuckDBWarehouse(tmp_path, threads=1)
    site = SimpleNamespace(warehouse=warehouse)
    days = [DAY + timedelta(days=number) for number in range(3)]

    def record(day: date, **marks: int) -> pl.DataFrame:
        rows = publish(day_of(FIRST)).counted.with_columns(pl.lit(day).alias("date"))
        marked = [pl.lit(value, pl.Int32).alias(name) for name, value in marks.items()]
        return rows.with_columns(marked)

    def frozen() -> list[tuple[date, int, int]]:
        return warehouse.read(FROZEN_PARTS).select("date", "parts", "withdrawals").rows()

    for day, rows in zip(
        days, (COUNTED_CONVERSATIONS.empty(), record(days[1]), record(days[2])), strict=True
    ):
        warehouse.write(COUNTED_CONVERSATIONS, {"date": day}, rows)
    freeze(site, days[1].isoformat())
    assert frozen() == [(days[0], 1, 0), (days[1], 1, 0)]
    warehouse.write(COUNTED_CONVERSATIONS, {"date": days[1]}, record(days[1], part=3, withdrawn_in=2))
    freeze(site, days[2].isoformat())
    assert frozen() == [(days[0], 1, 0), (days[1], 3, 2), (days[2], 1, 0)]
    before = warehouse.slices(FROZEN_PARTS)
    warehouse.write(COUNTED_CONVERSATIONS, {"date": days[1]}, COUNTED_CONVERSATIONS.empty())
    freeze(site, days[2].isoformat())
    assert warehouse.slices(FROZEN_PARTS) == before


# A site.

KILLED = 9
KILL_AT_THE_SWAP = f"""
import os, sys
import assets.release
from clio_dagster.cli import main
sys.modules["assets.release"].write_release = lambda *_: os._exit({KILLED})
sys.argv = ["clio", "run", sys.argv[1]]
main()
"""


@dataclass(frozen=True)
class Corrected:
    """A site whose first release was killed where it is swapped in, then published, then corrected."""

    site: Site
    killed: subprocess.CompletedProcess[str]
    frozen: pl.DataFrame
    cells: list[pl.DataFrame]
    """Published cells after the kill, after the first release and after the late file."""
    releases: list[Release]
    late: int


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Corrected:
    folder = tmp_path_factory.mktemp("corrected")
    truth = generate(folder / "all.jsonl.gz", conversations=900, days=DAYS[:1])
    english = set(truth.conversations.filter(language="en")["conversation_id"])
    with gzip.open(folder / "all.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [record for line in file if (record := json.loads(line))["conversation_id"] in english]
    is_late = [int(record["account_id"][-1]) % 3 == 0 for record in records]
    for name, wanted in (("first", False), ("late", True)):
        lines = [json.dumps(record) for record, late in zip(records, is_late, strict=True) if late == wanted]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    limits = {"min_conversations": "8", "min_accounts": "4", "cluster_size": "40"}
    site = Site(folder / "site", {"languages": "en"} | limits)
    day = DAYS[0].isoformat()
    cells, releases = [], []
    killed = site.clio("-c", KILL_AT_THE_SWAP, folder / "first.jsonl", program=sys.executable)
    frozen = site.warehouse.read(FROZEN_PARTS)
    cells.append(site.warehouse.read(PUBLISHED_CELLS, {"date": day}))
    for name in ("first", "late"):
        run = site.clio("run", folder / f"{name}.jsonl")
        assert run.returncode == 0, run.stderr
        cells.append(site.warehouse.read(PUBLISHED_CELLS, {"date": day}))
        releases.append(read_release(site.releases / day))
    return Corrected(site, killed, frozen, cells, releases, sum(is_late))


@pytest.mark.slow
def test_what_a_killed_release_had_frozen_stands_though_nobody_saw_it(corrected: Corrected) -> None:
    assert corrected.killed.returncode == KILLED
    assert corrected.frozen.select("parts", "withdrawals").rows() == [(1, 0)]
    assert corrected.cells[1].equals(corrected.cells[0])
    assert corrected.releases[0].manifest.revision == 1


@pytest.mark.slow
def test_a_late_file_gives_a_second_revision_that_counts_it(corrected: Corrected) -> None:
    assert corrected.late > 60
    assert corrected.releases[1].manifest.revision == 2
    assert verify(corrected.site.releases / DAYS[0].isoformat()) == []
    record = corrected.site.warehouse.read(COUNTED_CONVERSATIONS)
    truth = corrected.site.warehouse.read(EXACT_COVERAGE, {"stage": "in"})
    assert record.height == truth["conversations"].sum()
    assert record.filter(part=2).height == corrected.late
    came = [release.tables["coverage"].filter(language="en", stage="in") for release in corrected.releases]
    first, second = (each["conversations"].item() for each in came)
    capped = record.filter(pl.col("stages").list.contains("in"), part=2, language="en").height
    # Within the noise that 999 of 1,000 draws stay below.
    assert capped > 50
    assert abs(second - first - capped) < 35


@pytest.mark.slow
def test_a_correction_keeps_topics_and_adds_to_what_was_said(corrected: Corrected) -> None:
    before, after = (release.tables["topics"] for release in corrected.releases)
    kept = before.filter(level=0).join(after, on="topic")
    assert kept.height >= 0.7 * before.filter(level=0).height
    assert kept.filter(pl.col("name") != pl.col("name_right")).is_empty()
    assert corrected.cells[2].filter(part=1).equals(corrected.cells[1])
    names = ["topic", "facet", "value"]
    correction = corrected.cells[2].filter(part=2).select(*names, pl.col("conversations").alias("more"))
    assert correction.height > 0
    told = corrected.cells[1].select(*names, pl.col("conversations").alias("before"))
    expected = (
        pl.concat([told.select(names), correction.select(names)])
        .unique()
        .filter(facet="all")
        .join(told, on=names, how="left")
        .join(correction, on=names, how="left")
        .select("topic", (pl.col("before").fill_null(0) + pl.col("more").fill_null(0)).alias("expected"))
    )
    said = after.drop_nulls("conversations").join(expected, on="topic", how="left")
    assert said.height > 0
    assert said["conversations"].to_list() == said["expected"].to_list()


@pytest.mark.slow
def test_a_release_alone_refuses_marts_of_other_cells_than_stand_there_now(corrected: Corrected) -> None:
    """What they show is not what would be frozen. The cells are changed as their own stage would change them."""
    site, day = corrected.site, DAYS[0].isoformat()
    before = site.released()
    stored = site.warehouse.slices(PUBLISHED_CELLS)[day]
    fewer = corrected.cells[2].filter(part=1)
    site.warehouse.write(PUBLISHED_CELLS, {"date": day}, fewer, fingerprint=stored.fingerprint)
    run = site.release_alone(day)
    assert run.returncode != 0
    assert "topics was made before what it reads" in run.stdout + run.stderr
    assert site.released() == before
