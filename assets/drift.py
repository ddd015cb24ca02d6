"""Drift of a date against the four weeks before it, from exact coverage: warnings, which hold nothing back."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from assets.checks import report
from assets.partitions import DATES
from clio_dagster.clock import engine_time
from clio_dagster.privacy.silence import quiet
from clio_dagster.quality.drift import (
    LANGUAGE_MIX,
    STRAYS,
    TRAILING_DAYS,
    UNREAD,
    VOLUME,
    WITHHELD,
    Drift,
    drift,
)
from clio_dagster.tables import EXACT_COVERAGE
from resources.site import Site

MEANING = {
    VOLUME: "Conversations that came in. See whether a source is missing, or one landed that was not meant to.",
    LANGUAGE_MIX: "Each language's share. See whether a source is missing, or a language is taken for another.",
    UNREAD: "The share that the analyst did not read or understand. See its errors, and the language mix.",
    WITHHELD: "The share withheld, below a threshold or merged. See the reasons at clusters and audited_summaries.",
}


def _key(check: str) -> AssetCheckKey:
    return AssetCheckKey(AssetKey(EXACT_COVERAGE.name), f"drift_{check}")


@multi_asset_check(
    name="drift",
    specs=[
        AssetCheckSpec(
            _key(check).name,
            asset=EXACT_COVERAGE.name,
            description=f"A warning where the date is unlike those of the four weeks before it. {MEANING[check]}",
            partitions_def=DATES,
        )
        for check in STRAYS
    ],
    can_subset=True,
)
def drift_check(context: AssetCheckExecutionContext, site: Site) -> Iterator[Any]:
    days = [date.fromisoformat(key) for key in context.partition_keys]
    with engine_time("checks"), quiet("drift", context.partition_keys[0]):
        trailing = {day - timedelta(days=back) for day in days for back in range(TRAILING_DAYS + 1)}
        stored = site.warehouse.slices(EXACT_COVERAGE, sorted(day.isoformat() for day in trailing))
        coverage = site.warehouse.read(
            EXACT_COVERAGE, {"date": list(stored)}, ["date", "language", "stage", "conversations"]
        )
        counted = [date.fromisoformat(key) for key in stored]
        verdicts = [
            (day.isoformat(), _key(each.check), each.passed, _metadata(each, site))
            for day in days
            for each in drift(coverage, counted, day)
        ]
    selected = context.selected_asset_check_keys
    yield from report((each for each in verdicts if each[1] in selected), stored, AssetCheckSeverity.WARN)


def _metadata(found: Drift, site: Site) -> dict[str, Any]:
    if found.why:
        return {"compared": found.why, "days": found.days}
    ours = [language for language in found.languages if language in site.settings.partition_languages]
    return {
        "days": found.days,
        "today": round(found.today, 3),
        "usual": round(found.usual, 3),
        "widths": round(found.widths, 1),
    } | ({"languages": ", ".join(ours)} if ours else {})
