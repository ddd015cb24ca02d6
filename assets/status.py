"""How fresh the site is, as an asset: told by the reconcile sensor when it changes, and once an hour in any case."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dagster import (
    AssetMaterialization,
    AssetSpec,
    FreshnessPolicy,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
)

from assets.common import OWNERS, RESTRICTED, docs
from assets.staleness import Day, State

AN_HOUR = timedelta(hours=1)

_STATES = {
    State.FRESH: "Stages' partitions that are as they would be made now.",
    State.STALE: "Those whose code, settings or inputs have changed since.",
    State.MISSING: "Those that could be made and never were.",
    State.WAITING: "Those that wait for an input.",
    State.BATCHED: "Those that wait for a Message Batch to end.",
    State.UNCHECKED: "Those that no check has looked at since they were written.",
    State.HELD: "Those that wait for a batch of erasures.",
    State.TOMBSTONED: "Those that retention has closed.",
}

COLUMNS = TableSchema(
    columns=[
        TableColumn("date", "date", "Landed day."),
        *(TableColumn(state.value.replace(" ", "_"), "int", said) for state, said in _STATES.items()),
    ]
)

status = AssetSpec(
    "status",
    description="Which landed dates are fresh, and how many stages of the others are not; `clio status` says why. "
    "Told by the reconcile sensor: when this is overdue, nobody looks after the site.",
    group_name="operations",
    owners=OWNERS,
    kinds={"table"},
    tags=RESTRICTED,
    metadata={"docs": docs("status"), "dagster/column_schema": COLUMNS},
    freshness_policy=FreshnessPolicy.time_window(fail_window=3 * AN_HOUR, warn_window=2 * AN_HOUR),
)

SHOWN = 60
"""Dates in the table, newest first: an event is no place for years."""


def summary(days: Sequence[Day]) -> AssetMaterialization:
    """The state of every day of the horizon as one event: dates and counts of stages."""
    stale = [day for day in days if not day.is_fresh]
    records = [TableRecord({"date": day.date.isoformat(), **_counts(day)}) for day in reversed(days[-SHOWN:])]
    metadata: dict[str, Any] = {
        "dates": len(days),
        "fresh_dates": len(days) - len(stale),
        "stale_dates": len(stale),
        "oldest_stale": stale[0].date.isoformat() if stale else "",
    }
    if records:
        metadata["state"] = MetadataValue.table(records)
    return AssetMaterialization("status", metadata=metadata)


def _counts(day: Day) -> dict[str, int]:
    states = Counter(standing.state for standing in (*day.read, *day.publish))
    return {state.value.replace(" ", "_"): states[state] for state in State}
