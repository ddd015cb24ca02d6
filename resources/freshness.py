"""Whether a date's release is still what its sources, settings and code would give."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from clio_dagster import __version__
from clio_dagster.conversations.landing import slice_hash
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE, RELEASES, SOURCES
from resources.contracts import models
from resources.warehouse import Warehouse

_LANDING = ("timezone", "languages", "start_date", "max_record_bytes")
"""Settings under which a file lands otherwise."""

_WHERE_NOT_WHAT = {
    *(
        "home",
        "key_file",
        "threads",
        "undated_as",
        "storage",
        "s3_bucket",
        "s3_prefix",
        "s3_endpoint",
        "inbox",
    ),
    *("daily_hour", "reconcile_days", "tick_seconds", "lease_seconds"),
}
"""Settings that change where things lie or how fast they are made, and nothing that is published."""


def release_fingerprint(settings: Settings, day: date, versions: Sequence[str]) -> str:
    """Hash of all that decides a date's release: the landed slices of its window, settings, versions, SQL."""
    window = [day - timedelta(days=back) for back in range(settings.window_days)]
    parts = [
        __version__,
        list(versions),
        settings.model_dump(mode="json", exclude=_WHERE_NOT_WHAT),
        hashlib.sha256(b"release" + settings.key).hexdigest(),
        [model.code_version for model in models()],
        [
            [
                each.isoformat(),
                *(slice_hash(settings.home, each, language) for language in settings.partition_languages),
            ]
            for each in window
        ],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def landing_fingerprint(settings: Settings) -> str:
    """Hash of all but the file itself that decides how a source lands."""
    values = {name: str(getattr(settings, name)) for name in _LANDING}
    return hashlib.sha256(json.dumps([__version__, values], sort_keys=True).encode()).hexdigest()


def unlanded_sources(warehouse: Warehouse, settings: Settings, keys: Sequence[str]) -> list[str]:
    """Registered sources that never landed, landed under other settings, or wait for a day that is now given."""
    rows = warehouse.read(SOURCES, {"source": list(keys)}, ["source", "landed_at"])
    landed = set(rows.filter(pl.col("landed_at").is_not_null())["source"])
    stored = warehouse.slices(SOURCES, list(keys))
    undated: set[str] = set()
    if settings.undated_as is not None:
        refused = warehouse.read(QUARANTINE, {"source": list(keys)}, ["source", "reason"])
        undated = set(refused.filter(pl.col("reason").str.contains("CLIO_UNDATED_AS"))["source"])
    wanted = landing_fingerprint(settings)
    return [key for key in keys if key not in landed or key in undated or stored[key].fingerprint != wanted]


def stale_dates(
    warehouse: Warehouse, settings: Settings, days: Sequence[date], versions: Sequence[str]
) -> list[date]:
    """Those of `days` without a release that is standing and fresh."""
    stored = warehouse.slices(RELEASES, [day.isoformat() for day in days])

    def is_fresh(day: date) -> bool:
        row = stored.get(day.isoformat())
        return (
            row is not None
            and (settings.home / "releases" / day.isoformat()).is_dir()
            and row.fingerprint == release_fingerprint(settings, day, versions)
        )

    return [day for day in days if not is_fresh(day)]
