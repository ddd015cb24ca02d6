"""The daily schedules ask for the day that is over, and partitions are asked for as ranges."""

from datetime import UTC, date, datetime

import pytest
from dagster import RunRequest, build_schedule_context

from assets.partitions import SETTINGS
from sensors.runs import RANGE_END, RANGE_START, contiguous, slice_range
from sensors.schedules import publish_closed_day, read_closed_day

TICK = datetime(2026, 11, 8, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "first", "last"),
    [
        (
            read_closed_day,
            f"2026-11-07|{SETTINGS.partition_languages[0]}",
            f"2026-11-07|{SETTINGS.partition_languages[-1]}",
        ),
        (publish_closed_day, "2026-11-07", "2026-11-07"),
    ],
)
def test_a_tick_asks_for_the_day_before(schedule: object, first: str, last: str) -> None:
    request = schedule(build_schedule_context(scheduled_execution_time=TICK))  # type: ignore[operator]
    assert isinstance(request, RunRequest)
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (first, last)


def test_a_second_tick_of_one_day_is_the_same_request() -> None:
    first, second = (
        read_closed_day(build_schedule_context(scheduled_execution_time=TICK.replace(minute=minute)))
        for minute in (0, 30)
    )
    assert first.run_key == second.run_key


def test_consecutive_days_are_one_range_and_a_gap_starts_another() -> None:
    days = [date(2026, 11, day) for day in (3, 1, 2, 7, 7)]
    assert list(contiguous(days)) == [
        (date(2026, 11, 1), date(2026, 11, 3)),
        (date(2026, 11, 7), date(2026, 11, 7)),
    ]


def test_no_days_are_no_range() -> None:
    assert list(contiguous([])) == []


def test_a_slice_range_holds_every_language() -> None:
    tags = slice_range(date(2026, 11, 1), date(2026, 11, 2))
    assert tags[RANGE_START].endswith(SETTINGS.partition_languages[0])
    assert tags[RANGE_END].endswith(SETTINGS.partition_languages[-1])
