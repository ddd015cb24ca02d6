"""Evaluations that are kept, and what is said of two: a change is found, and none where there is none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.release import WHERE_NOT_WHAT
from clio_dagster.evaluation.compare import (
    BETTER,
    DIFFERENT,
    NOT_COMPARABLE,
    SAME,
    WORSE,
    Comparison,
    compare,
)
from clio_dagster.evaluation.document import markdown, write
from clio_dagster.evaluation.evaluate import Evaluation, made_by
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.identity import DECIDING
from clio_dagster.evaluation.intervals import LEVEL
from clio_dagster.evaluation.pairs import holm, of_others, of_pairs
from clio_dagster.evaluation.pipeline import site_with
from clio_dagster.evaluation.saved import SavedError, find, keep, kept, latest, load, save
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.settings import Settings
from resources.readers import make_analyst
from resources.site import Site

MADE_BY = {"date": "2026-11-01", "analyst": "offline 5", "conversations": 400, "seed": 0, "corpora": "a"}
N = 400


def share(what: str, hits: Sequence[bool] | np.ndarray, **bounds: float) -> Bar:
    rows = pl.DataFrame({"conversation_id": [f"c{each:05}" for each in range(len(hits))], "hit": list(hits)})
    return Bar(what, float(np.mean(hits)), n=len(hits), hits=rows, **bounds)  # type: ignore[arg-type]


def evaluation(*bars: Bar, made: Mapping[str, object] = MADE_BY, **parts: object) -> Evaluation:
    return Evaluation([Section("of_tests", "Of tests", "About.", list(bars), **parts)], made)  # type: ignore[arg-type]


def verdicts(found: Comparison) -> dict[str, str]:
    return dict(found.bars.select("what", "verdict").iter_rows())


# Comparing


def test_a_tenth_of_hits_lost_is_found_and_which_way_is_better_is_the_bars() -> None:
    before = np.arange(N) % 5 < 4
    after = before & (np.arange(N) % 10 != 0)
    bounds: dict[str, dict[str, float]] = {
        "enough": {"at_least": 0.1},
        "few": {"at_most": 0.9},
        "none": {},
        "both": {"at_least": 0.1, "at_most": 0.9},
    }
    one, other = (
        evaluation(*(share(what, hits, **of) for what, of in bounds.items())) for hits in (before, after)
    )
    found = compare(one, other)
    assert verdicts(found) == {"enough": WORSE, "few": BETTER, "none": DIFFERENT, "both": DIFFERENT}
    assert found.worse == ["of_tests: enough"]
    row = found.bars.row(0, named=True)
    assert row["difference"] == pytest.approx(-0.1)
    assert row["low"] < -0.1 < row["high"] < 0
    assert verdicts(compare(other, one)) == {
        "enough": BETTER,
        "few": WORSE,
        "none": DIFFERENT,
        "both": DIFFERENT,
    }


def test_the_same_twice_shows_none() -> None:
    same = evaluation(
        share("hits", np.arange(N) % 3 == 0, at_least=0.1), Bar("figure", 3.5), Bar("none", math.nan)
    )
    found = compare(same, same)
    assert set(verdicts(found).values()) == {SAME}
    assert found.changed.is_empty()


def test_where_nothing_changed_alarms_come_at_most_at_the_stated_rate() -> None:
    """Pairs of evaluations of one quality: each conversation is hit or not anew, with its own odds. Five bars of 1,000
    would raise an alarm in about every fifth pair, were each held to the level by itself."""
    rng = np.random.default_rng(5)
    odds = rng.uniform(0.2, 0.9, (5, 1_000))
    pairs = 150
    alarms = 0
    for _ in range(pairs):
        one, other = (
            evaluation(*(share(f"{bar}", rng.random(1_000) < odds[bar], at_least=0.5) for bar in range(5)))
            for _ in range(2)
        )
        alarms += set(verdicts(compare(one, other)).values()) != {SAME}
    assert alarms / pairs <= 1 - LEVEL


def test_intervals_of_paired_and_other_shares_cover_what_they_say() -> None:
    rng = np.random.default_rng(7)
    covered = {"pairs": 0, "others": 0}
    runs, n = 400, 120
    for _ in range(runs):
        first = rng.random(n) < 0.7
        later = np.where(rng.random(n) < 0.8, first, rng.random(n) < 0.5)  # 0.8 × 0.7 + 0.2 × 0.5 = 0.66
        pairs = of_pairs(first.tolist(), later.tolist())
        covered["pairs"] += pairs.low <= -0.04 <= pairs.high
        others = of_others(int(rng.binomial(n, 0.7)), n, int(rng.binomial(n, 0.66)), n)
        covered["others"] += others.low <= -0.04 <= others.high
    for count in covered.values():
        assert LEVEL - 0.035 <= count / runs <= LEVEL + 0.035


def test_one_group_that_changes_is_one_event_and_many_are_a_difference() -> None:
    """As where a base cluster of a hundred gets another name: conversations by themselves would prove it a change."""
    clusters = np.arange(2_000) // 100

    def of(hits: np.ndarray, *, grouped: bool) -> Evaluation:
        bar = share("hits", hits, at_least=0.1)
        assert bar.hits is not None
        groups = pl.Series("together", [f"{each}" for each in clusters])
        return evaluation(replace(bar, hits=bar.hits.with_columns(groups) if grouped else bar.hits))

    before = np.ones(2_000, dtype=bool)
    for changed, grouped, verdict in ((1, False, WORSE), (1, True, SAME), (10, True, WORSE)):
        found = compare(of(before, grouped=grouped), of(clusters >= changed, grouped=grouped))
        assert verdicts(found) == {"hits": verdict}
        row = found.bars.row(0, named=True)
        assert row["low"] < -changed / 20 < row["high"]
        assert (row["high"] < 0) == (verdict == WORSE)


def test_tests_are_held_together_by_holms_steps() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize("what", ["seed", "conversations", "corpora"])
def test_other_conversations_are_told_and_not_compared(what: str) -> None:
    one, other = (
        evaluation(share("hits", np.arange(N) % 2 == part, at_least=0.1), made=MADE_BY | {what: 7 + part})
        for part in (0, 1)
    )
    found = compare(one, other)
    assert verdicts(found) == {"hits": NOT_COMPARABLE}
    assert f"{what} 7 and 8" in found.bars["reason"][0]


def test_what_no_test_is_for_goes_by_its_bar() -> None:
    one = evaluation(
        Bar("index", 0.71, at_least=0.5), Bar("time", 30.0), Bar("gone", 1.0), Bar("lost", 0.9, at_least=0.5)
    )
    other = evaluation(
        Bar("index", 0.43, at_least=0.5), Bar("time", 31.0), Bar("lost", math.nan, at_least=0.5)
    )
    told = verdicts(compare(one, other))
    assert told == {"index": WORSE, "time": NOT_COMPARABLE, "gone": NOT_COMPARABLE, "lost": WORSE}


def test_shares_without_their_conversations_are_two_samples() -> None:
    one, other = (evaluation(Bar("kept", hits / 200, n=200, at_least=0.1)) for hits in (180, 120))
    row = compare(one, other).bars.row(0, named=True)
    assert row["test"] == "Fisher, exact"
    assert row["verdict"] == WORSE


# What made one


def test_models_prompts_and_settings_that_made_one_are_told_where_they_differ(tmp_path: Path) -> None:
    told = []
    for number, model in enumerate(("claude-sonnet-5-5", "claude-haiku-5-5")):
        home, key = tmp_path / f"{number}", tmp_path / "key"
        values = {"home": home, "key_file": key, "analyst": "claude", "claude_naming_model": model}
        settings = Settings(**values, min_accounts=10 + number, threads=1)  # type: ignore[arg-type]
        site = site_with(settings)
        analyst = make_analyst(Site(overrides=settings.model_dump(exclude_unset=True)), site.embedder)
        told.append(Evaluation([], made_by(Given(site, analyst))))
    assert told[0].made_by["prompts"].keys() >= {"extract", "name", "audit"}
    assert told[0].made_by["settings"] == {}
    changed = compare(*told).changed.rows()
    assert ("models.naming", "claude-sonnet-5-5", "claude-haiku-5-5") in changed
    assert ("settings.min_accounts", None, "11") in changed
    assert len(changed) == 2


def test_every_setting_that_decides_a_release_is_told_or_has_no_part_in_an_evaluation() -> None:
    elsewhere = {"analyst", "embedder", "profile", "timezone", "start_date", "max_record_bytes"}
    assert set(Settings.model_fields) - WHERE_NOT_WHAT - set(DECIDING) == elsewhere


# Keeping


def whole() -> Evaluation:
    grouped = share("grouped", np.arange(4) < 3)
    assert grouped.hits is not None
    bars = [
        share("hits", np.arange(9) % 2 == 0, at_least=0.1),
        replace(grouped, hits=grouped.hits.with_columns(pl.lit("one").alias("together"))),
        Bar("nothing", math.nan, at_most=1.0, interval=(0.5, math.inf)),
    ]
    table = pl.DataFrame({"a_b": [1, 2_000], "c|d": [math.nan, 0.12345], "lists": [["x"], []]})
    return evaluation(*bars, tables={"A table / of it": table}, pictures={"drawn.svg": "<svg/>"})


def test_what_is_kept_comes_back_whole(tmp_path: Path) -> None:
    folder = keep(whole(), tmp_path / "home")
    back = load(folder)
    (section,), (before,) = back.sections, whole().sections
    assert repr(back) == repr(whole())
    assert_frame_equal(section.bars[0].hits, before.bars[0].hits)
    assert_frame_equal(section.bars[1].hits, before.bars[1].hits)
    assert section.bars[2].hits is None and section.pictures == before.pictures
    assert_frame_equal(section.tables["A table / of it"], before.tables["A table / of it"])
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_kept_ones_are_found_by_time_date_and_hash(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    first = keep(whole(), tmp_path)
    second = keep(replace(whole(), made_by=MADE_BY | {"seed": 1}), tmp_path)
    assert kept(tmp_path) == [first, second]
    assert find("latest", tmp_path) == find(second.name[:10], tmp_path) == latest(tmp_path) == second
    assert find(first.name[-8:], tmp_path) == find(str(first), tmp_path / "other") == first
    with pytest.raises(SavedError, match="2001-01-01"):
        find("2001-01-01", tmp_path)


def test_of_many_who_write_one_folder_one_does_and_whole(tmp_path: Path) -> None:
    def written(_number: int) -> bool:
        try:
            save(whole(), tmp_path / "one")
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(written, range(8))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert repr(load(tmp_path / "one")) == repr(whole())


@pytest.mark.parametrize("damaged", ["evaluation.json", "hits.parquet", "tables/of_tests/0.parquet"])
def test_a_damaged_folder_is_named(damaged: str, tmp_path: Path) -> None:
    save(whole(), tmp_path / "one")
    path = tmp_path / "one" / damaged
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(SavedError, match=str(tmp_path / "one")):
        load(tmp_path / "one")


def test_a_later_schema_is_not_guessed_at(tmp_path: Path) -> None:
    save(whole(), tmp_path / "one")
    path = tmp_path / "one" / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"schema": 99}), "utf-8")
    with pytest.raises(SavedError, match="schema 99"):
        load(tmp_path / "one")


# The document


def test_the_document_says_real_labels_first_and_every_figure(tmp_path: Path) -> None:
    made = whole()
    real = Section("real_labels", "Real labels", "Of others.", [Bar("accuracy", 0.5, at_least=0.6, n=10)])
    write(replace(made, sections=[*made.sections, real]), tmp_path / "docs" / "evaluation.md")
    text = (tmp_path / "docs" / "evaluation.md").read_text("utf-8")
    assert text.index("## Real labels") < text.index("## Of tests")
    assert "| Real labels | accuracy | 0.5 |  | 10 | ≥ 0.6 | **no** |" in text
    assert "| Of tests | nothing | – | 0.5 – ∞ |  | ≤ 1 | **no** |" in text
    assert r"| a b | c\|d | lists |" in text
    assert "| 2,000 | 0.123 |  |" in text
    (picture,) = (tmp_path / "docs" / "images" / "evaluation").iterdir()
    assert f"(images/evaluation/{picture.name})" in text


def test_only_the_offline_analysts_document_says_that_it_is() -> None:
    assert "Offline analyst" in markdown(whole())
    assert "Offline analyst" not in markdown(replace(whole(), made_by={"analyst": "claude x"}))
