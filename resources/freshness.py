"""Whether a source has landed as the settings and the code would land it now."""

import hashlib
import json
from collections.abc import Sequence

import polars as pl

from clio_dagster import __version__
from clio_dagster.settings import Settings
from clio_dagster.tables import QUARANTINE, SOURCES
from resources.warehouse import Warehouse

_LANDING = ("timezone", "languages", "start_date", "max_record_bytes")
"""Settings under which a file lands otherwise."""


def landing_fingerprint(settings: Settings) -> str:
    """Hash of all but the file itself that decides how a source lands."""
    values = {name: str(getattr(settings, name)) for name in _LANDING}
    return hashlib.sha256(json.dumps([__version__, values], sort_keys=True).encode()).hexdigest()


def unlanded_sources(warehouse: Warehouse, settings: Settings, keys: Sequence[str]) -> list[str]:
    """Registered sources that never landed, landed under other settings, or wait for a day that is now given.

    One that was withdrawn is none of them, nor one that was replaced, whose file is gone, nor one whose landing was
    purged: they stay as they are.
    """
    ends = ["replaced_by", "withdrawn_at", "purged_at"]
    columns = ["source", "landed_at", *ends]
    rows = warehouse.read(SOURCES, {"source": list(keys)}, columns)
    landed = set(rows.filter(pl.col("landed_at").is_not_null())["source"])
    closed = set(rows.filter(pl.any_horizontal(pl.col(ends).is_not_null()))["source"])
    stored = warehouse.slices(SOURCES, list(keys))
    undated: set[str] = set()
    if settings.undated_as is not None:
        refused = warehouse.read(QUARANTINE, {"source": list(keys)}, ["source", "reason"])
        undated = set(refused.filter(pl.col("reason").str.contains("CLIO_UNDATED_AS"))["source"])
    wanted = landing_fingerprint(settings)
    return [
        key
        for key in keys
        if key not in closed and (key not in landed or key in undated or stored[key].fingerprint != wanted)
    ]
