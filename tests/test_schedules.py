"""The daily schedules ask for the day that is over, each once, through changes of the clock; ranges of partitions."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterInstance, RunRequest, SkipReason, build_schedule_context
from dagster._utils.schedules import schedule_execution_time_iterator

import sensors.schedules as schedules
from assets.partitions import SETTINGS
from assets.staleness import Day, Standing, State
from clio_dagster.settings import Settings
from resources.site import Site
from sensors.runs import RANGE_END, RANGE_START, contiguous, selection, slice_range
from sensors.schedules import publish_closed_day, read_closed_day

TICK = datetime(2026, 11, 8, 2, 0, tzinfo=UTC)
YESTERDAY = date(2026, 11, 7)


def stale(day: date) -> Day:
    key = day.isoformat()
    return Day(
        day, (Standing("facets", f"{key}|en", State.STALE),), (Standing("releases", key, State.STALE),)
    )


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> dict[date, Day]:
    """Days that have landed, and how they stand."""
    days = {YESTERDAY: stale(YESTERDAY)}
    monkeypatch.setattr(schedules, "landed_days", lambda _site: sorted(days))
    monkeypatch.setattr(schedules, "standings", lambda _site, asked, _instance: [days[day] for day in asked])
    return days


def evaluate(schedule: Any, at: datetime, folder: Path) -> RunRequest | SkipReason:
    (folder / "dagster").mkdir(exist_ok=True)
    site = Site(overrides={"home": str(folder / "home"), "key_file": str(folder / "key")})
    with (
        DagsterInstance.local_temp(str(folder / "dagster")) as instance,
        build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources={"site": site}
        ) as context,
    ):
        result = schedule(context)
    assert isinstance(result, RunRequest | SkipReason)
    return result


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
def test_a_tick_asks_for_the_day_before(
    schedule: object, first: str, last: str, standing: dict[date, Day], tmp_path: Path
) -> None:
    request = evaluate(schedule, TICK, tmp_path)
    assert isinstance(request, RunRequest)
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (first, last)
    assert request.tags["clio/asked_by"] == "schedule"


def test_a_second_tick_of_one_day_is_the_same_request(standing: dict[date, Day], tmp_path: Path) -> None:
    first, second = (evaluate(read_closed_day, TICK.replace(minute=minute), tmp_path) for minute in (0, 30))
    assert isinstance(first, RunRequest) and isinstance(second, RunRequest)
    assert first.run_key == second.run_key


@pytest.mark.parametrize("schedule", [read_closed_day, publish_closed_day])
def test_a_day_without_files_is_skipped(schedule: object, standing: dict[date, Day], tmp_path: Path) -> None:
    standing.clear()
    skipped = evaluate(schedule, TICK, tmp_path)
    assert isinstance(skipped, SkipReason)
    assert skipped.skip_message == "nothing has been landed for 2026-11-07"


@pytest.mark.parametrize("schedule", [read_closed_day, publish_closed_day])
def test_a_day_that_is_fresh_is_skipped(schedule: object, standing: dict[date, Day], tmp_path: Path) -> None:
    fresh = [
        tuple(replace(each, state=State.FRESH) for each in of)
        for of in (stale(YESTERDAY).read, stale(YESTERDAY).publish)
    ]
    standing[YESTERDAY] = Day(YESTERDAY, *fresh)
    assert isinstance(evaluate(schedule, TICK, tmp_path), SkipReason)


@pytest.mark.parametrize(
    ("timezone", "around"),
    [
        ("Europe/Berlin", date(2026, 3, 29)),  # 2:00 does not exist
        ("Europe/Berlin", date(2026, 10, 25)),  # 2:00 comes twice
        ("America/New_York", date(2026, 3, 8)),
        ("America/New_York", date(2026, 11, 1)),
        ("Pacific/Auckland", date(2026, 4, 5)),
        ("Africa/Cairo", date(2026, 4, 24)),  # midnight does not exist
    ],
)
@pytest.mark.parametrize("hour", [0, 2, 3])
def test_every_day_is_asked_for_once_when_the_clocks_change(
    timezone: str, around: date, hour: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = ZoneInfo(timezone)
    monkeypatch.setattr(
        schedules, "SETTINGS", Settings(home=Path("/h"), key_file=Path("/k"), timezone=timezone)
    )
    start = datetime.combine(around - timedelta(days=3), datetime.min.time(), zone) + timedelta(minutes=1)
    closed = []
    for tick in islice(_ticks(start, f"0 {hour} * * *", timezone), 7):
        with build_schedule_context(scheduled_execution_time=tick) as context:
            closed.append(schedules.closed_day(context))
        assert datetime.combine(closed[-1] + timedelta(days=1), datetime.min.time(), zone) <= tick
    assert closed == [closed[0] + timedelta(days=offset) for offset in range(7)]


def _ticks(start: datetime, cron: str, timezone: str) -> Iterator[datetime]:
    yield from schedule_execution_time_iterator(start.timestamp(), cron, timezone)


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


def test_a_selection_may_be_ragged() -> None:
    dates, slices = selection(["2026-11-05..2026-11-06", "2026-11-01", "2026-11-07|es", "2026-11-07|de"])
    assert dates == [date(2026, 11, 1), date(2026, 11, 5), date(2026, 11, 6)]
    assert slices == ["2026-11-07|de", "2026-11-07|es"]


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-05..2026-11-01", "2026-11-07|xx", "2026-11-31", ""])
def test_what_is_no_selection_is_said_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="is no selection: a date as 2026-11-01"):
        selection([text])
