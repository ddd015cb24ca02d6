"""A site whose only caller is its own daemon, and what its tests ask of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from clio_dagster.release.read import read_release
from tests.corpora import write_day
from tests.scenario import SMALL, Site
from tests.server import Server, start, stop

UNATTENDED = SMALL | {"tick_seconds": "2", "lease_seconds": "5"}
FIRST = date(2026, 11, 10)
PATIENCE = 300


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def new_site(folder: Path) -> Site:
    site = Site(folder, UNATTENDED | {"inbox": str(folder / "inbox")})
    inbox(site).mkdir()
    return site


@contextmanager
def attended_by_its_daemon(site: Site) -> Iterator[list[Server]]:
    """The server that runs now, last; who kills it appends the next."""
    running = [start(site, site.folder)]
    yield running
    stop(running[-1])


def drop(site: Site, number: int, *, seed: int) -> Path:
    """Put a file of one day's conversations into the inbox, at once as a whole."""
    return write_day(
        inbox(site) / f"{day(number)}-{seed}.jsonl.gz", FIRST + timedelta(days=number), seed=seed
    )


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


def settle(site: Site, server: Server) -> None:
    """Wait until nothing is asked for or at work; `clio status` then says that every partition is fresh."""
    since = time.time()
    until(lambda: server.has_found_all_fresh(since) and not server.unfinished(), "a fresh site")
    assert set().union(*status(site).values()) == {"fresh"}


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
