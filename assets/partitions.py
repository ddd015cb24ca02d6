"""The partitions: source files, days by language, and days. Days are those of CLIO_TIMEZONE."""

from dagster import (
    AssetDep,
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    MultiPartitionsDefinition,
    MultiToSingleDimensionPartitionMapping,
    StaticPartitionsDefinition,
    TimeWindowPartitionMapping,
)

from clio_dagster.settings import load_settings

SETTINGS = load_settings()
"""Read once, when the code location loads: what decides partitions cannot change under a running one."""

SOURCES = DynamicPartitionsDefinition(name="sources")

# Today exists, unfinished, so that event windows can look at it; schedules ask for the day before.
DATES = DailyPartitionsDefinition(
    start_date=SETTINGS.start_date.isoformat(), timezone=SETTINGS.timezone, end_offset=1
)

LANGUAGES = StaticPartitionsDefinition(list(SETTINGS.partition_languages))

DATE_LANGUAGES = MultiPartitionsDefinition({"date": DATES, "language": LANGUAGES})

ALL_LANGUAGES = MultiToSingleDimensionPartitionMapping("date")
"""A day from the slices of all its languages."""

WINDOW = TimeWindowPartitionMapping(
    start_offset=1 - SETTINGS.window_days, allow_nonexistent_upstream_partitions=True
)
"""A date from the days of its trailing window."""


def settings_used(*names: str) -> dict[str, object]:
    """For Slices.uses: the values of the settings that decide what a stage makes."""
    return {name: getattr(SETTINGS, name) for name in names}


def slices_of(date: str) -> list[str]:
    """Keys of the date × language slices of a date, in order."""
    return [f"{date}|{language}" for language in SETTINGS.partition_languages]


def over_window(asset: str) -> AssetDep:
    """Depend on the trailing window of a date-partitioned asset."""
    return AssetDep(asset, partition_mapping=WINDOW)
