"""Runs over dates go one after another, whoever asked for them: the queue that puts them into their lane.

A date goes on from the names and ids of those before it. Runs of the job `publish` say so by their tag; those of a
backfill, or of *Materialize* in the UI, are Dagster's own and have no tags of ours, so they get the lane's when they
are queued. The queue is first in, first out, and a backfill asks for its dates in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from dagster import DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator.base import SubmitRunContext

LANE, PUBLISHING = "clio/lane", "publish"
"""Run tag: of runs with the same value one is at work at a time (dagster.yaml)."""

RANGE_START, PARTITION = "dagster/asset_partition_range_start", "dagster/partition"
UNNAMED_JOB = "__ASSET_JOB"
"""What Dagster calls the job of assets that somebody chose."""


class LanedRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, where runs of chosen assets over dates are in the lane of `publish`."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        if run.job_name.startswith(UNNAMED_JOB) and is_over_dates(run.tags):
            self._instance.add_run_tags(run.run_id, {LANE: PUBLISHING})
        return super().submit_run(context)


def is_over_dates(tags: Mapping[str, str]) -> bool:
    """Whether a run's partitions are dates: not slices, events' dates or sources."""
    key = tags.get(RANGE_START) or tags.get(PARTITION) or ""
    try:
        date.fromisoformat(key)
    except ValueError:
        return False
    return True
