"""Partitions asked for as ranges, so that one run makes many: for schedules, and in this process for `clio run`."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from dagster import DagsterEventType, DagsterInstance, Definitions

from assets.partitions import slices_of

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def contiguous(dates: Iterable[date]) -> Iterator[tuple[date, date]]:
    """First and last day of each run of consecutive days, in order."""
    ordered = sorted(set(dates))
    start = 0
    for place in range(1, len(ordered) + 1):
        if place == len(ordered) or ordered[place] - ordered[place - 1] > timedelta(days=1):
            yield ordered[start], ordered[place - 1]
            start = place


def date_range(first: date, last: date) -> dict[str, str]:
    """Run tags that ask for every date from `first` to `last`."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def slice_range(first: date, last: date) -> dict[str, str]:
    """Run tags that ask for every language of every date from `first` to `last`."""
    return {RANGE_START: slices_of(first.isoformat())[0], RANGE_END: slices_of(last.isoformat())[-1]}


def run_here(
    definitions: Definitions,
    job: str,
    instance: DagsterInstance,
    *,
    tags: dict[str, str],
    partition: str | None = None,
) -> list[str]:
    """Run a job in this process; what failed, in words, empty where nothing did.

    Raises KeyboardInterrupt where somebody stopped it: Dagster ends the run and says so as a failure.
    """
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=partition,
        tags=tags | {"clio/asked_by": "clio run"},
        raise_on_error=False,
        run_config=_SILENT,
    )
    if result.success:
        return []
    failures = []
    for event in result.all_events:
        if event.event_type == DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            if cause and cause.cls_name == "DagsterExecutionInterruptedError":
                raise KeyboardInterrupt
            failures.append(f"{event.step_key}: {_first_line(cause.message) if cause else 'failed'}")
    return failures or [f"{job} failed; see the run in `clio dev`"]


def _first_line(message: str) -> str:
    """What went wrong without the name of the exception's module, and without the lines that follow."""
    line = message.strip().splitlines()[0]
    return line.split(": ", 1)[1] if ": " in line and "." in line.split(": ", 1)[0] else line
