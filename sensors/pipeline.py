"""Files in, releases out, in this process: what `clio run` asks of Dagster, in order."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from dagster import DagsterInstance, Definitions
from filelock import FileLock

from clio_dagster.conversations.landing import NotConversations, find_sources, source_key
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE
from clio_dagster.tables import SOURCES as SOURCES_TABLE
from resources.freshness import stale_dates, unlanded_sources
from resources.readers import identities
from resources.warehouse import Warehouse, open_warehouse
from sensors.runs import contiguous, date_range, run_here, slice_range


@dataclass
class Outcome:
    """What a run came to: files and conversations landed, records refused and why, dates made, what failed."""

    files: int = 0
    landed: int = 0
    quarantined: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    dates: list[date] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_sources(
    definitions: Definitions,
    instance: DagsterInstance,
    settings: Settings,
    sources: Iterable[Path],
) -> Outcome:
    """Register and land the files, then make every slice and date that they touch.

    A date whose release stands on the same content, settings and versions is not asked for again; slices that are
    made already are kept. A file that cannot be landed is a failure of its own and stops no other. Of two calls on
    one home the second waits, and then finds done what the first did.
    """
    with FileLock(settings.home / "run.lock"):
        return _run_sources(definitions, instance, settings, sources)


def _run_sources(
    definitions: Definitions, instance: DagsterInstance, settings: Settings, sources: Iterable[Path]
) -> Outcome:
    warehouse = open_warehouse(settings)
    outcome = Outcome()
    keys = _register(warehouse, instance, sources, outcome)
    for key in unlanded_sources(warehouse, settings, keys):
        outcome.failures += run_here(definitions, "land", instance, tags={}, partition=key)
    landed = warehouse.read(SOURCES_TABLE, {"source": keys}).filter(pl.col("landed_at").is_not_null())
    outcome.files, outcome.landed = landed.height, int(landed["landed"].sum() or 0)
    quarantine = warehouse.read(QUARANTINE, {"source": keys}, ["reason"])
    outcome.quarantined = quarantine.height
    outcome.reasons = Counter(quarantine["reason"]).most_common(5)
    outcome.dates = _affected(settings, _touched(settings, keys))
    stale = stale_dates(warehouse, settings, outcome.dates, identities(settings))
    unread: list[str] = []
    for first, last in contiguous(stale):
        unread += run_here(definitions, "read", instance, tags=slice_range(first, last))
    outcome.failures += unread
    if not unread:
        for first, last in contiguous(stale):
            outcome.failures += _publish(definitions, instance, first, last)
    return outcome


def _publish(definitions: Definitions, instance: DagsterInstance, first: date, last: date) -> list[str]:
    """A range in one run; where it fails, date by date, so that one closed gate holds back its own date alone."""
    failures = run_here(definitions, "publish", instance, tags=date_range(first, last))
    if not failures or first == last:
        return failures
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    return [
        f"{day}: {failure}"
        for day in days
        for failure in run_here(definitions, "publish", instance, tags=date_range(day, day))
    ]


def _register(
    warehouse: Warehouse, instance: DagsterInstance, sources: Iterable[Path], outcome: Outcome
) -> list[str]:
    keys: dict[str, Path] = {}
    for source in sources:
        try:
            keys |= {source_key(path): path for path in find_sources(source)}
        except NotConversations as error:
            outcome.failures.append(str(error))
    rows = warehouse.read(SOURCES_TABLE, {"source": list(keys)})
    stored = warehouse.slices(SOURCES_TABLE, list(keys))
    for key, path in keys.items():
        row = rows.filter(source=key)
        if row.is_empty():
            row = SOURCES_TABLE.empty().clear(1).with_columns(pl.lit(key).alias("source"))
        if row["path"].item() != str(path.absolute()):
            row = row.with_columns(pl.lit(str(path.absolute())).alias("path"))
            fingerprint = stored[key].fingerprint if key in stored else ""
            warehouse.write(SOURCES_TABLE, {"source": key}, row, fingerprint=fingerprint)
    if keys:
        instance.add_dynamic_partitions("sources", list(keys))
    return list(keys)


def _touched(settings: Settings, keys: Iterable[str]) -> list[date]:
    landing = settings.home / "landing"
    return sorted(
        {
            date.fromisoformat(path.parent.parent.name.removeprefix("date="))
            for key in keys
            for path in landing.glob(f"date=*/language=*/{key}.parquet")
        }
    )


def _affected(settings: Settings, touched: Iterable[date]) -> list[date]:
    """The touched dates, and those landed whose window reaches back to one."""
    landed = {
        date.fromisoformat(path.name.removeprefix("date="))
        for path in (settings.home / "landing").glob("date=*")
    }
    reach = {day + timedelta(days=offset) for day in touched for offset in range(settings.window_days)}
    return sorted(landed & reach)
