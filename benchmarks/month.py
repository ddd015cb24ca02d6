"""A month of files under a real daemon: late, twice, replaced; restarts and kills; then what it came to.

    python -m benchmarks.month                     30 days, about an hour
    python -m benchmarks.month --pace 30           the same, no day waited for: twenty minutes
    python -m benchmarks.month --days 6 --seed 1   a short one

Every simulated day its files are put into the inbox of a running `clio dev`, and the next day begins once all is
fresh, or after --pace seconds in any case. Three times the server is killed with all that it started, and twice a run
alone, in the middle of its work. Prints: fingerprints that are not right; partitions made more often than what decides
them changed; slices that differ from a clean run over the final files (which none of the stages up to `day` may), and,
where every day was waited for, from an undisturbed `clio run` of the same files in the same order (which none may at
all); and the seconds a partition.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRunStatus, RunsFilter

from clio_dagster.release.read import release_dates, verify
from clio_dagster.tables import TABLES
from resources.contracts import models
from tests.corpora import write_day
from tests.scenario import TIMED, Site
from tests.server import Server, start, stop
from tests.unattended import UNATTENDED

FIRST = date(2026, 9, 1)
LATEST = 9
FROM_FILES = ("raw_conversations", "facets", "embeddings", "day")
"""Tables that follow from the files alone; those after them go on from what was published before."""

PATIENCE = 900


@dataclass(frozen=True)
class Arrival:
    """A file that comes on a simulated day: its name in the inbox, and which generated file it is a copy of."""

    on: int
    name: str
    content: str


def plan(days: int, seed: int) -> tuple[list[Arrival], dict[str, tuple[int, int]]]:
    """Arrivals in order, and each generated file's day and seed."""
    chance = random.Random(seed)
    arrivals: list[Arrival] = []
    contents: dict[str, tuple[int, int]] = {}
    for day in range(days):
        kind = chance.choices(("on time", "late part", "late", "twice", "replaced"), (10, 6, 4, 4, 6))[0]
        name, content = f"day-{day:02}.jsonl.gz", f"{day:02}-a"
        contents[content] = (day, 100 + day)
        delay = chance.randint(1, LATEST)
        arrivals.append(Arrival(day + (delay if kind == "late" else 0), name, content))
        if kind == "late part":
            contents[f"{day:02}-b"] = (day, 1000 + day)
            arrivals.append(Arrival(day + delay, f"day-{day:02}-rest.jsonl.gz", f"{day:02}-b"))
        if kind == "twice":
            arrivals.append(Arrival(day + 1, f"copy-of-day-{day:02}.jsonl.gz", content))
        if kind == "replaced":
            contents[f"{day:02}-c"] = (day, 2000 + day)
            arrivals.append(Arrival(day + min(delay, 3), name, f"{day:02}-c"))
    return sorted(arrivals, key=lambda arrival: (arrival.on, arrival.name)), contents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--conversations", type=int, default=120, help="in each file")
    parser.add_argument(
        "--pace",
        type=float,
        help="seconds after which the next day begins in any case; unset: once all is fresh",
    )
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arrivals, contents = plan(arguments.days, arguments.seed)
    if arguments.replay:
        replay(arguments.replay, arrivals)
        return
    with tempfile.TemporaryDirectory(prefix="clio-month-") as folder:
        month(Path(folder), arrivals, contents, arguments)


def month(
    folder: Path,
    arrivals: list[Arrival],
    contents: Mapping[str, tuple[int, int]],
    arguments: argparse.Namespace,
) -> None:
    files = folder / "files"
    files.mkdir()
    for content, (day, seed) in contents.items():
        write_day(
            files / f"{content}.jsonl.gz",
            FIRST + timedelta(days=day),
            seed=seed,
            conversations=arguments.conversations,
        )
    inbox = folder / "daemon" / "inbox"
    site = Site(folder / "daemon", UNATTENDED | {"inbox": str(inbox)})
    inbox.mkdir()
    pace = arguments.pace
    killed, kills = attended(site, inbox, files, arrivals, random.Random(arguments.seed), pace)
    print(f"{len(arrivals)} arrivals over {arrivals[-1].on + 1} simulated days, {kills}")
    report(site, killed)
    final = Site(folder / "final", UNATTENDED)
    ran = final.clio("run", inbox)
    assert ran.returncode == 0, ran.stderr[-2000:]
    every = {name for name in TABLES if name not in TIMED}
    every |= {model.name for model in models() if model.materialized == "table"}
    print(f"against a clean run over the final files, up to `day`: {differing(site, final, {*FROM_FILES})}")
    print(f"  and after it, for what was published before: {differing(site, final, every - {*FROM_FILES})}")
    if pace is not None:
        return
    again = Site(folder / "again", UNATTENDED)
    (folder / "again" / "inbox").mkdir()
    (folder / "again" / "files").symlink_to(files)
    ran = again.clio(
        "-m", "benchmarks.month", "--days", str(arguments.days), "--seed", str(arguments.seed),
        "--replay", folder / "again", program=Path(sys.executable),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    print(f"against the same files in the same order, undisturbed: {differing(site, again, every)}")


def attended(
    site: Site,
    inbox: Path,
    files: Path,
    arrivals: list[Arrival],
    chance: random.Random,
    pace: float | None,
) -> tuple[int, str]:
    """The month under the daemon; returns how many processes were killed, and the same in words."""
    last = arrivals[-1].on
    restarts = {last * part // 4 for part in (1, 2, 3)}
    run_kills = {last * part // 3 + 1 for part in (1, 2)} - restarts
    server = start(site, site.folder)
    killed = 0
    try:
        for on in range(last + 1):
            began = time.monotonic()
            for arrival in (each for each in arrivals if each.on == on):
                shutil.copyfile(files / f"{arrival.content}.jsonl.gz", inbox / f".{arrival.name}")
                (inbox / f".{arrival.name}").rename(inbox / arrival.name)
            expected = {each.name for each in arrivals if each.on <= on}
            if on in restarts:
                at_work(site, chance.uniform(1, 6))
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()
                server = start(site, site.folder)
                killed += 1
            elif on in run_kills and kill_a_run(site, chance.uniform(0, 4)):
                killed += 1
            if pace is None or on == last:
                quiet(site, server, expected)
            else:
                time.sleep(max(0, pace - (time.monotonic() - began)))
            print(f"day {on:2}: {time.monotonic() - began:5.1f} s", flush=True)
    finally:
        stop(server)
    return killed, f"{len(restarts)} restarts, {killed - len(restarts)} runs killed"


def at_work(site: Site, seconds: float) -> None:
    """Wait until a run is at work, and some seconds more; not for ever, where nothing has come that day."""
    deadline = time.monotonic() + 20
    while not site_runs(site) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(seconds)


def site_runs(site: Site) -> list[int]:
    """Processes of runs, as the ledger's leases name them."""
    import sqlite3

    path = site.home / "ledger.sqlite"
    if not path.exists():
        return []
    with sqlite3.connect(path, timeout=30) as connection:
        rows = connection.execute("select distinct process from leases where subject = 'run'").fetchall()
    return [process for (process,) in rows]


def kill_a_run(site: Site, seconds: float) -> bool:
    at_work(site, seconds)
    for process in site_runs(site):
        os.kill(process, signal.SIGKILL)
        return True
    return False


def quiet(site: Site, server: Server, expected: set[str]) -> None:
    """Wait until every file has landed, every stage is fresh and no run is left."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        landed = site.warehouse.read("sources", None, ["path", "landed_at"])
        names = {Path(path).name for path, at in landed.iter_rows() if at is not None}
        if expected <= names and not server.unfinished():
            told = site.clio("status", "--json", "--days", "400")
            states = {row["state"] for row in pl.read_json(told.stdout.encode()).iter_rows(named=True)}
            if states == {"fresh"} and not server.unfinished():
                return
        time.sleep(0.5)
    raise AssertionError(site.clio("status").stdout)


def report(site: Site, killed: int) -> None:
    """Fingerprints, how often partitions were made, seconds."""
    told = site.clio("status", "--json", "--days", "400")
    rows = pl.read_json(told.stdout.encode())
    print(f"{len(rows)} partitions: {(rows['state'] != 'fresh').sum()} without the right fingerprint")
    with DagsterInstance.from_config(str(site.home)) as instance:
        made = list(materialized(instance))
        runs = instance.get_run_records(RunsFilter(), limit=10_000)
    prints = Counter(made)
    partitions = Counter((asset, partition) for asset, partition, _ in made)
    too_often = Counter({key: count - 1 for key, count in prints.items() if count > 1})
    print(
        f"{len(made)} times a partition was made, {sum(partitions.values()) - len(partitions)} of them again"
    )
    print(f"{sum(too_often.values())} of these from what it had been made from before ({killed} kills)")
    seconds: Counter[str] = Counter()
    for record in runs:
        if record.start_time and record.end_time:
            seconds[record.dagster_run.job_name] += record.end_time - record.start_time
    ended = Counter((record.dagster_run.job_name, record.dagster_run.status.value) for record in runs)
    print(
        "runs: "
        + ", ".join(f"{job} {status.lower()} {count}" for (job, status), count in sorted(ended.items()))
    )
    reading = sum(count for (asset, _), count in partitions.items() if asset in FROM_FILES[:3])
    publishing = sum(count for (asset, _), count in partitions.items() if asset not in FROM_FILES[:3])
    print(
        f"seconds a partition: {seconds['read'] / reading:.2f} read, {seconds['publish'] / publishing:.2f} published"
    )
    bad = [problem for each in site.releases.iterdir() if each.is_dir() for problem in verify(each)]
    print(f"{len(release_dates(site.releases))} releases, {len(bad)} that do not verify")
    assert all(record.dagster_run.status != DagsterRunStatus.STARTED for record in runs)


def materialized(instance: DagsterInstance) -> Iterator[tuple[str, str, str]]:
    """Asset, partition and fingerprint of every time that a partition was made, and not kept."""
    for name in (*(table for table in TABLES if table not in TIMED), "topics", "topic_languages", "coverage"):
        cursor = None
        while True:
            found = instance.fetch_materializations(
                AssetRecordsFilter(AssetKey(name)), limit=1000, cursor=cursor
            )
            for record in found.records:
                event = record.asset_materialization
                if event and "reused" in event.metadata and event.metadata["reused"].value is False:
                    yield name, str(event.partition), str(event.metadata["fingerprint"].value)
            cursor = found.cursor
            if not found.has_more:
                break


def differing(one: Site, other: Site, tables: set[str]) -> str:
    """How many slices of the tables differ in content, and of which tables."""
    ours, theirs = one.slice_hashes(*sorted(tables)), other.slice_hashes(*sorted(tables))
    wrong = Counter(key[0] for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    named = ", ".join(f"{table} {count}" for table, count in sorted(wrong.items()))
    return f"{sum(wrong.values())} of {len(ours)} slices differ{f' ({named})' if named else ''}"


def replay(folder: Path, arrivals: list[Arrival]) -> None:
    """The same files in the same order, one simulated day after another, in this process and by `clio run`'s code."""
    from clio_dagster.definitions import build_definitions
    from clio_dagster.home import prepare
    from clio_dagster.settings import load_settings
    from resources.site import Site as Resource
    from sensors.pipeline import run_sources

    settings = load_settings()
    prepare(settings)
    definitions, instance = build_definitions(), DagsterInstance.get()
    site = Resource(overrides={"home": settings.home})
    for on in range(arrivals[-1].on + 1):
        paths = []
        for arrival in (each for each in arrivals if each.on == on):
            paths.append(folder / "inbox" / arrival.name)
            shutil.copyfile(folder / "files" / f"{arrival.content}.jsonl.gz", paths[-1])
        if paths:
            outcome = run_sources(definitions, instance, site, paths)
            if outcome.failures:
                sys.exit("\n".join(outcome.failures))


if __name__ == "__main__":
    main()
