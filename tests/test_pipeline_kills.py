"""Runs that are repeated, killed, or started twice at once come to what one undisturbed run comes to."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from clio_dagster.release.read import release_dates, verify
from clio_dagster.synthetic.corpus import DAYS, generate
from clio_dagster.tables import TABLES
from tests.scenario import SMALL, TIMED, Site

CONTENT = tuple(name for name in TABLES if name not in TIMED)
KILLS = 3


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "conversations.jsonl.gz"
    generate(path, conversations=400, days=DAYS[:2])
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Site:
    """A site after one run that nothing disturbed."""
    site = Site(tmp_path_factory.mktemp("undisturbed"), SMALL | {"threads": "1"})
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert len(release_dates(site.releases)) == 2
    return site


def assert_same(site: Site, undisturbed: Site) -> None:
    """The same content hash in every slice of every table, and the same files in every release."""
    assert site.slice_hashes(*CONTENT) == undisturbed.slice_hashes(*CONTENT)
    expected = undisturbed.released()
    released = site.released()
    assert released.keys() == expected.keys()
    assert [name for name in expected if released[name] != expected[name]] == []
    assert [problem for day in site.releases.iterdir() if day.is_dir() for problem in verify(day)] == []


@pytest.mark.slow
def test_a_fresh_home_with_the_same_key_comes_to_the_same_content(
    tmp_path: Path, corpus: Path, undisturbed: Site
) -> None:
    """Every slice of every stage, with other threads too."""
    site = Site(tmp_path / "site", SMALL | {"threads": "2"})
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    slices = site.slice_hashes("raw_conversations", "facets", "embeddings")
    assert len(slices) == 3 * 2 * 3
    assert_same(site, undisturbed)


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    tmp_path: Path, corpus: Path, undisturbed: Site
) -> None:
    site = Site(tmp_path / "site", SMALL)
    moments = random.Random(7)
    for _ in range(KILLS):
        site.killed(moments.uniform(2, 12), "run", corpus)
    run = site.clio("run", corpus)
    assert run.returncode == 0, run.stderr
    assert_same(site, undisturbed)


@pytest.mark.slow
def test_two_runs_at_once_on_one_home_both_end_and_come_to_one_result(
    tmp_path: Path, corpus: Path, undisturbed: Site
) -> None:
    site = Site(tmp_path / "site", SMALL)
    runs = [site.start("run", corpus) for _ in range(2)]
    printed = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    assert_same(site, undisturbed)
