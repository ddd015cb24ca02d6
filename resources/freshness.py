"""Whether a date's release is still what its sources, settings and code would give."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, timedelta

from clio_dagster import __version__
from clio_dagster.conversations.landing import slice_hash
from clio_dagster.settings import Settings
from clio_dagster.tables import RELEASES
from resources.contracts import models
from resources.warehouse import Warehouse

_WHERE_NOT_WHAT = {"home", "key_file", "threads", "undated_as"}
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
