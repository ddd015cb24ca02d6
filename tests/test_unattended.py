"""A site that nobody attends: files come, and real daemon, sensors and run workers do the rest."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from clio_dagster.conversations.landing import land
from clio_dagster.release.read import read_release, release_dates, verify
from clio_dagster.settings import Settings
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED
from tests.corpora import write_day
from tests.scenario import UNATTENDED, Site
from tests.server import Server, start, stop

TICK = int(UNATTENDED["tick_seconds"])
FIRST = date(2026, 11, 10)
PATIENCE = 300
PUBLISHING = ("clusters", "cluster_summaries", "hierarchy", "audited_summaries", "published_cells", "topics")


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def drop(site: Site, number: int, *, seed: int, name: str | None = None) -> Path:
    """Put a file of one day's conversations into the inbox, at once as a whole."""
    target = inbox(site) / (name or f"{day(number)}-{seed}.jsonl.gz")
    return write_day(target, FIRST + timedelta(days=number), seed=seed)


def inbox(site: Site) -> Path:
    return site.folder / "inbox"


def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What `look` gives once it gives anything, looked at with pauses as long as a look takes."""
    began = time.monotonic()
    deadline = began + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(max(0.3, time.monotonic() - began))
        began = time.monotonic()
    return found


def revision(site: Site, number: int) -> int:
    folder = site.releases / day(number)
    return read_release(folder).manifest.revision if folder.is_dir() else 0


def status(site: Site) -> dict[str, Counter[str]]:
    """Stages by state, for every date, as `clio status` tells them."""
    run = site.clio("status", "--json")
    assert run.returncode == 0, run.stderr
    found: dict[str, Counter[str]] = {}
    for row in pl.read_json(run.stdout.encode()).iter_rows(named=True):
        found.setdefault(row["date"], Counter())[row["state"]] += 1
    return found


def made(site: Site, asset: str) -> Counter[str]:
    """How often each partition of an asset was made, keeping aside."""
    with DagsterInstance.from_config(str(site.home)) as instance:
        records = instance.fetch_materializations(AssetRecordsFilter(AssetKey(asset)), limit=1000).records
    events = [record.asset_materialization for record in records]
    return Counter(
        str(event.partition) for event in events if event and event.metadata["reused"].value is False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("unattended")
    (folder / "site").mkdir()
    site = Site(folder / "site", UNATTENDED | {"inbox": str(folder / "site" / "inbox")})
    inbox(site).mkdir()
    return site


@pytest.fixture(scope="module")
def servers(site: Site) -> Iterator[list[Server]]:
    """The server that runs now, last; a test that kills it starts the next."""
    running = [start(site, site.folder)]
    yield running
    stop(running[-1])


def test_a_cold_site_publishes_the_one_day_that_came(site: Site, servers: list[Server]) -> None:
    drop(site, 0, seed=1)
    until(lambda: revision(site, 0), "the first release")
    assert release_dates(site.releases) == [FIRST]


def test_a_site_with_a_hole_of_three_days_goes_on(site: Site, servers: list[Server]) -> None:
    drop(site, 4, seed=2)
    until(lambda: revision(site, 4), "a release behind the hole")
    assert [each.isoformat() for each in release_dates(site.releases)] == [day(0), day(4)]


def test_a_late_file_remakes_its_window_and_nothing_else(site: Site, servers: list[Server]) -> None:
    drop(site, 9, seed=3)
    until(lambda: revision(site, 9), "a day beyond the first one's window")
    before = {number: made(site, "clusters")[day(number)] for number in (0, 4, 9)}
    drop(site, 0, seed=4)
    until(lambda: revision(site, 0) == 2, "the late day's revision")
    until(lambda: set(status(site)[day(4)]) == {"fresh"}, "the window to be fresh")
    until(lambda: not servers[-1].unfinished(), "the last run's end")
    after = {number: made(site, "clusters")[day(number)] for number in (0, 4, 9)}
    assert {number: after[number] - before[number] for number in after} == {0: 1, 4: 1, 9: 0}
    assert made(site, "topics")[day(9)] == 1
    assert revision(site, 9) == 1


def test_what_lands_while_the_run_that_would_miss_it_finishes_is_made_within_two_ticks(
    site: Site, servers: list[Server]
) -> None:
    late = site.folder / "late.jsonl.gz"
    write_day(late, FIRST + timedelta(days=10), seed=6)
    settings = Settings(home=site.home, key_file=site.key_file, languages=("en", "es"))
    drop(site, 10, seed=5)
    raw = f"{day(10)}|en"
    first = until(lambda: site.warehouse.slices("raw_conversations", [raw]), "the first file's slice")
    land(late, key="late-0123456789ab", settings=settings)
    landed_at = time.time()
    run = servers[-1].materializations("raw_conversations", [raw])[0][1]
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


def test_clio_run_beside_the_daemon_makes_each_partition_once(site: Site, servers: list[Server]) -> None:
    source = site.folder / "beside-the-daemon.jsonl.gz"
    write_day(source, FIRST + timedelta(days=12), seed=7)
    until(lambda: all(set(states) == {"fresh"} for states in status(site).values()), "a fresh site")
    run = site.clio("run", source)
    assert run.returncode == 0, run.stderr
    until(lambda: all(set(states) == {"fresh"} for states in status(site).values()), "a fresh site")
    for asset in ("raw_conversations", "facets", "embeddings"):
        assert {count for key, count in made(site, asset).items() if key.startswith(day(12))} == {1}
    for asset in PUBLISHING:
        assert made(site, asset)[day(12)] == 1


def test_a_closed_gate_holds_its_date_alone_and_opens_when_a_run_again_passes(
    site: Site, servers: list[Server]
) -> None:
    before = revision(site, 4), revision(site, 9)
    table = site.warehouse.read(AUDITED_SUMMARIES, {"date": day(4)})
    stored = site.warehouse.slice_of(AUDITED_SUMMARIES, {"date": day(4)})
    assert stored is not None
    shown = table.with_columns(
        pl.when(pl.col("status") == PUBLISHED)
        .then(pl.lit("Letters of Jane Whitcombe"))
        .otherwise("name")
        .alias("name")
    )
    site.warehouse.write(AUDITED_SUMMARIES, {"date": day(4)}, shown, fingerprint=stored.fingerprint)
    until(lambda: status(site)[day(4)]["held"], "the date to be held")
    told = site.clio("status", "--date", day(4)).stdout
    assert "audited_summaries: privacy_gate has not passed" in told
    assert "Whitcombe" not in told
    assert servers[-1].verdict("privacy_gate", day(4))[0] == "FAILED"
    assert servers[-1].verdict("privacy_gate", day(9))[0] == "SUCCEEDED"
    others = {each: states for each, states in status(site).items() if each != day(4)}
    assert all(set(states) == {"fresh"} for states in others.values())
    assert (revision(site, 4), revision(site, 9)) == before
    again = servers[-1].launch(day(4), ["audited_summaries"], tags={"clio/remake": "yes"})
    assert servers[-1].ended(again)["status"] == "SUCCESS"
    until(lambda: set(status(site)[day(4)]) == {"fresh"}, "the date to open by itself")
    assert servers[-1].verdict("privacy_gate", day(4))[0] == "SUCCEEDED"


def test_a_daemon_that_is_killed_in_the_middle_goes_on_where_it_was(
    site: Site, servers: list[Server]
) -> None:
    drop(site, 14, seed=8)
    until(lambda: site.warehouse.slices("facets", [f"{day(14)}|en"]), "the middle of a run")
    os.killpg(servers[-1].process.pid, signal.SIGKILL)
    servers[-1].process.wait()
    servers.append(start(site, site.folder))
    until(lambda: revision(site, 14), "the release after the restart")
    until(lambda: all(set(states) == {"fresh"} for states in status(site).values()), "a fresh site")
    assert {count for key, count in made(site, "facets").items() if key.startswith(day(14))} == {1}
    assert [problem for each in site.releases.iterdir() if each.is_dir() for problem in verify(each)] == []


def test_nothing_is_asked_for_of_a_fresh_site(site: Site, servers: list[Server]) -> None:
    runs = servers[-1].runs()
    time.sleep(4 * TICK)
    assert servers[-1].runs() == runs
