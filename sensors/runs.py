"""Partitions asked for as ranges, so that one run makes many: for schedules, and in this process for `clio run`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus, Definitions
from dagster._utils.error import SerializableErrorInfo

from assets.partitions import SETTINGS, slices_of

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

ASKED_BY = "clio/asked_by"
"""Run tag: who asked for the run. One without it was asked for by a person in the UI."""

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`; none where `last` comes before."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def contiguous(dates: Iterable[date], at_most: int | None = None) -> Iterator[tuple[date, date]]:
    """First and last day of each run of consecutive days, in order, none longer than `at_most`."""
    ordered = sorted(set(dates))
    start = 0
    for place in range(1, len(ordered) + 1):
        if (
            place == len(ordered)
            or ordered[place] - ordered[place - 1] > timedelta(days=1)
            or place - start == at_most
        ):
            yield ordered[start], ordered[place - 1]
            start = place


def spans(days: Iterable[date]) -> str:
    """Days in words: each run of consecutive ones as `2026-11-01 to 2026-11-03`."""
    runs = contiguous(days)
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in runs)


def selection(texts: Iterable[str]) -> tuple[list[date], list[str]]:
    """Dates and slices that are meant by `2026-11-01`, `2026-11-03..2026-11-05`, `2026-11-07|es` and both together.

    Raises ValueError for anything else, in words for whoever typed it.
    """
    dates: set[date] = set()
    slices: set[str] = set()
    for text in texts:
        try:
            range_text, bar, language = text.partition("|")
            first, dots, last = range_text.partition("..")
            days = days_between(date.fromisoformat(first), date.fromisoformat(last if dots else first))
            if not days or (bar and language not in SETTINGS.partition_languages):
                raise ValueError
            if bar:
                slices.update(f"{day}|{language}" for day in days)
            else:
                dates.update(days)
        except ValueError:
            languages = ", ".join(SETTINGS.partition_languages)
            raise ValueError(
                f"{text} is no selection: a date as 2026-11-01, a range as 2026-11-03..2026-11-05, or slices as "
                f"2026-11-07|es or 2026-11-03..2026-11-05|es with a language of {languages}"
            ) from None
    return sorted(dates), sorted(slices)


def partition_range(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for every partition between two: of slices, every date and language between."""
    return {RANGE_START: first, RANGE_END: last}


def date_range(first: date, last: date) -> dict[str, str]:
    """Run tags that ask for every date from `first` to `last`."""
    return partition_range(first.isoformat(), last.isoformat())


def slice_range(first: date, last: date) -> dict[str, str]:
    """Run tags that ask for every language of every date from `first` to `last`."""
    return partition_range(slices_of(first.isoformat())[0], slices_of(last.isoformat())[-1])


def slice_ranges(slices: Iterable[str]) -> Iterator[dict[str, str]]:
    """Run tags that ask for these slices and no others: a range for each stretch of dates of a language."""
    by_language: dict[str, set[date]] = {}
    for key in slices:
        day, language = key.split("|")
        by_language.setdefault(language, set()).add(date.fromisoformat(day))
    for language, days in sorted(by_language.items()):
        for first, last in contiguous(days):
            yield partition_range(f"{first}|{language}", f"{last}|{language}")


def dates_of(tags: Mapping[str, str]) -> set[date]:
    """Dates that a run of these tags makes, or whose slices it makes; none for one that lands a source."""
    first = tags.get(RANGE_START) or tags.get("dagster/partition") or ""
    last = tags.get(RANGE_END) or first
    try:
        start, end = (date.fromisoformat(key.split("|")[0]) for key in (first, last))
    except ValueError:
        return set()
    return set(days_between(start, end))


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
        tags=tags | {ASKED_BY: "clio run"},
        raise_on_error=False,
        run_config=_SILENT,
    )
    if result.success:
        return []
    failures = []
    for event in result.all_events:
        if event.event_type == DagsterEventType.STEP_FAILURE:
            cause = cause_of(event)
            if cause and cause.cls_name == "DagsterExecutionInterruptedError":
                raise KeyboardInterrupt
            failures.append(f"{event.step_key}: {failure_of(event)}")
    return failures or [f"{job} failed; see the run in `clio dev`"]


def free_slots(instance: DagsterInstance, alive: Collection[str]) -> None:
    """Give back the places in pools of runs that live no more: a run that was killed keeps its own for ever."""
    storage = instance.event_log_storage
    for key in storage.get_concurrency_keys():
        found = storage.get_concurrency_info(key)
        holders = {each.run_id for each in found.claimed_slots} | {
            each.run_id for each in found.pending_steps
        }
        for run in holders.difference(alive):
            storage.free_concurrency_slots_for_run(run)


def failure_of(event: DagsterEvent) -> str:
    """Why a step failed, in words."""
    cause = cause_of(event)
    return _first_line(cause.message) if cause else "failed"


def cause_of(event: DagsterEvent) -> SerializableErrorInfo | None:
    """The error that a failed step ended with, without Dagster's own around it."""
    error = event.step_failure_data.error
    return error.cause if error and error.cause else error


def _first_line(message: str) -> str:
    """What went wrong without the name of the exception's module, and without the lines that follow."""
    line = message.strip().splitlines()[0]
    return line.split(": ", 1)[1] if ": " in line and "." in line.split(": ", 1)[0] else line
