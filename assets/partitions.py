"""The partitions: source files, days by language, and days. Days are those of CLIO_TIMEZONE."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import TypeVar

from dagster import (
    BetaWarning,
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    MultiPartitionsDefinition,
    MultiToSingleDimensionPartitionMapping,
    PreviewWarning,
    StaticPartitionsDefinition,
)

from clio_dagster.settings import load_settings, uses_claude

# Named APIs that are not final yet, each pinned by a test in tests/test_upstream.py: any other warning is shown.
for _category, _beginning in (
    (BetaWarning, "Class `MultiToSingleDimensionPartitionMapping`"),
    (BetaWarning, "Parameter `backfill_policy` of function `asset`"),
    (PreviewWarning, "Specifying a partitions_def on an AssetCheckSpec"),
):
    warnings.filterwarnings("ignore", message=_beginning, category=_category)

_Key = TypeVar("_Key")

SETTINGS = load_settings()
"""Read once, when the code location loads: what decides partitions cannot change under a running one."""

ASKS_CLAUDE = uses_claude(SETTINGS)
IN_BATCHES = ASKS_CLAUDE and SETTINGS.claude_mode == "batch"
"""Whether conversations are given to Claude, and whether in batches: an asset more."""

SOURCES = DynamicPartitionsDefinition(name="sources")

# Today exists, unfinished, so that event windows can look at it; schedules ask for the day before.
DATES = DailyPartitionsDefinition(
    start_date=SETTINGS.start_date.isoformat(), timezone=SETTINGS.timezone, end_offset=1
)

LANGUAGES = StaticPartitionsDefinition(list(SETTINGS.partition_languages))

DATE_LANGUAGES = MultiPartitionsDefinition({"date": DATES, "language": LANGUAGES})

EVENTS = DynamicPartitionsDefinition(name="events")
"""Events of events.toml, by name. Never deleted: what a removed one found stays, and is asked for no more."""

DATE_EVENTS = MultiPartitionsDefinition({"date": DATES, "event": EVENTS})

ALL_LANGUAGES = MultiToSingleDimensionPartitionMapping("date")
"""A day from the slices of all its languages."""


def settings_used(*names: str) -> dict[str, object]:
    """For Stage.uses: the values of the settings that decide what a stage makes."""
    return {name: getattr(SETTINGS, name) for name in names}


def slices_of(day: str) -> list[str]:
    """Keys of the date × language slices of a date, in order."""
    return [f"{day}|{language}" for language in SETTINGS.partition_languages]


def window(key: str) -> list[str]:
    """Days of a date's trailing window, oldest first.

    To Dagster a date depends on its own `day` alone: from a mapping over the window a backfill of some dates would go
    on to all whose windows hold them, and fail on those that have not been landed.
    """
    last = date.fromisoformat(key)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(SETTINGS.window_days))]


def groups(keys: Iterable[_Key], rows: Mapping[_Key, int], most: int) -> Iterator[list[_Key]]:
    """The keys in order, as many together as have `most` rows; one that has more is alone."""
    group: list[_Key] = []
    size = 0
    for key in keys:
        if group and size + rows.get(key, 0) > most:
            yield group
            group, size = [], 0
        group.append(key)
        size += rows.get(key, 0)
    if group:
        yield group
