"""A site that nobody attends, disturbed: a file lands past the daemon, `clio run` works beside it, it is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from clio_dagster.conversations.landing import land
from clio_dagster.release.read import verify
from clio_dagster.settings import Settings
from tests.corpora import write_day
from tests.scenario import Site
from tests.server import Server, start
from tests.unattended import (
    FIRST,
    UNATTENDED,
    attended_by_its_daemon,
    day,
    drop,
    made,
    new_site,
    revision,
    settle,
    until,
)

TICK = int(UNATTENDED["tick_seconds"])
PUBLISHING = ("clusters", "cluster_summaries", "hierarchy", "audited_summaries", "published_cells", "topics")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("disturbed"))


@pytest.fixture(scope="module")
def servers(site: Site) -> Iterator[list[Server]]:
    with attended_by_its_daemon(site) as servers:
        yield servers


@pytest.mark.slow
def test_what_lands_while_the_run_that_would_miss_it_finishes_is_made_within_two_ticks(
    site: Site, servers: list[Server]
) -> None:
    late = site.folder / "late.jsonl.gz"
    write_day(late, FIRST, seed=6)
    settings = Settings(home=site.home, key_file=site.key_file, languages=("en", "es"))
    drop(site, 0, seed=5)
    raw = f"{day(0)}|en"
    first = until(lambda: site.warehouse.slices("raw_conversations", [raw]), "the first file's slice")
    land(late, key="late-0123456789ab", settings=settings)
    landed_at = time.time()
    run = until(lambda: servers[-1].materializations("raw_conversations", [raw]), "the run's word of it")[0][
        1
    ]
    ended = servers[-1].ended(run)["endTime"]
    until(
        lambda: site.warehouse.slices("raw_conversations", [raw])[raw].rows > first[raw].rows,
        "the second file's conversations",
    )
    newest = until(
        lambda: next(
            (each for _, each in servers[-1].materializations("raw_conversations", [raw]) if each != run),
            None,
        ),
        "the run that made them",
    )
    asked = servers[-1].created(newest)
    # A sensor's look begins when the one before it has ended: two ticks, and two looks of at most three seconds.
    assert asked - max(ended, landed_at) <= 2 * TICK + 6


@pytest.mark.slow
def test_clio_run_beside_the_daemon_makes_each_partition_once(site: Site, servers: list[Server]) -> None:
    source = site.folder / "beside-the-daemon.jsonl.gz"
    write_day(source, FIRST + timedelta(days=2), seed=7)
    settle(site, servers[-1])
    run = site.clio("run", source)
    assert run.returncode == 0, run.stderr
    settle(site, servers[-1])
    for asset in ("raw_conversations", "facets", "embeddings"):
        assert {count for key, count in made(site, asset).items() if key.startswith(day(2))} == {1}
    for asset in PUBLISHING:
        assert made(site, asset)[day(2)] == 1


@pytest.mark.slow
def test_a_daemon_that_is_killed_in_the_middle_goes_on_where_it_was(
    site: Site, servers: list[Server]
) -> None:
    drop(site, 4, seed=8)
    until(lambda: site.warehouse.slices("facets", [f"{day(4)}|en"]), "the middle of a run")
    os.killpg(servers[-1].process.pid, signal.SIGKILL)
    servers[-1].process.wait()
    slices = [f"{day(4)}|{language}" for language in ("en", "es")]
    there = {asset: site.warehouse.slices(asset, slices) for asset in ("raw_conversations", "facets")}
    servers.append(start(site, site.folder))
    until(lambda: revision(site, 4), "the release after the restart")
    settle(site, servers[-1])
    # What was written before the kill is kept, whether or not Dagster had been told of it.
    for asset, before in there.items():
        after = site.warehouse.slices(asset, slices)
        assert after.keys() == {*slices}
        assert {key: after[key] for key in before} == before
        assert max(made(site, asset)[key] for key in slices) <= 1
    assert [problem for each in site.releases.iterdir() if each.is_dir() for problem in verify(each)] == []


@pytest.mark.slow
def test_nothing_is_asked_for_of_a_fresh_site(site: Site, servers: list[Server]) -> None:
    runs = servers[-1].runs()
    time.sleep(4 * TICK)
    assert servers[-1].runs() == runs
