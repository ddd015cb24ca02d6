"""What the reconcile sensor asks for: exactly what differs, in order, and never twice for the same difference."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from assets.partitions import SETTINGS
from assets.staleness import Day, Standing, State, is_closed
from resources.warehouse import Slice
from sensors.reconcile import (
    DIFFERENCE,
    Ask,
    dates_to_inspect,
    dates_to_publish,
    requests_for,
    slices_to_read,
)
from sensors.runs import RANGE_END, RANGE_START, UNFINISHED, date_range, dates_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIRST = date(2026, 11, 1)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def day(
    number: int,
    *,
    stale: Iterable[str] = (),
    published: bool = True,
    inspected: bool = True,
    written: int = 0,
    wanted: str = "w",
) -> Day:
    """A landed day: which languages are not read, whether it is published, and when it was written last."""
    on = FIRST + timedelta(days=number)
    at = NOW + timedelta(seconds=written)
    read = tuple(
        Standing(
            "facets",
            f"{on}|{language}",
            State.STALE if language in stale else State.FRESH,
            wanted=wanted,
            stored=(Slice("facets", f"{on}|{language}", 1, "hash", "old", at),),
        )
        for language in ("de", "en", "es", "fr")
    )
    publish = (
        Standing(
            "releases",
            str(on),
            State.FRESH if published else State.STALE,
            wanted=wanted,
            stored=(Slice("releases", str(on), 1, "hash", "old", at),),
        ),
    )
    inspect = (
        Standing("classifier_audit", str(on), State.FRESH if inspected else State.MISSING, wanted=wanted),
    )
    return Day(on, read, publish, inspect)


def run_of(
    instance: DagsterInstance,
    tags: dict[str, str],
    status: DagsterRunStatus,
    *,
    reason: str | None = None,
    job: str = "publish",
) -> DagsterRun:
    if reason:
        tags = tags | {"dagster/failure_reason": reason}
    return create_run_for_test(instance, job_name=job, tags=tags, status=status)


def asked(asks: Iterable[Ask]) -> list[tuple[str, str]]:
    return [(ask.tags[RANGE_START], ask.tags[RANGE_END]) for ask in asks]


def publishing(days: list[Day], instance: DagsterInstance, now: datetime = NOW) -> list[tuple[str, str]]:
    return asked(dates_to_publish(days, instance.get_runs(), instance, now))


def test_a_fresh_site_asks_for_nothing(instance: DagsterInstance) -> None:
    days = [day(number) for number in range(5)]
    assert list(slices_to_read(days, [], instance)) == []
    assert publishing(days, instance) == []


def test_one_stale_slice_is_asked_for_alone(instance: DagsterInstance) -> None:
    asks = slices_to_read([day(0), day(1, stale=["es"]), day(2)], [], instance)
    assert asked(asks) == [("2026-11-02|es", "2026-11-02|es")]


def test_neighbouring_days_are_one_run_and_a_hole_parts_them(instance: DagsterInstance) -> None:
    days = [day(number, stale=["de", "es"]) for number in (0, 1, 5)]
    assert asked(slices_to_read(days, [], instance)) == [
        ("2026-11-01|de", "2026-11-02|es"),
        ("2026-11-06|de", "2026-11-06|es"),
    ]


def test_a_hole_of_three_days_holds_nothing_up(instance: DagsterInstance) -> None:
    days = [day(number, published=False) for number in (0, 1, 5, 6)]
    assert publishing(days, instance) == [("2026-11-01", "2026-11-02"), ("2026-11-06", "2026-11-07")]


def test_dates_are_inspected_once_they_are_published_and_over(instance: DagsterInstance) -> None:
    days = [
        day(0, inspected=False),
        day(1, inspected=False),
        day(2),
        day(3, inspected=False, published=False),
        day(4, inspected=False, stale=["en"]),
        day(5, inspected=False),
    ]
    assert asked(dates_to_inspect(days, [], instance, NOW)) == [
        ("2026-11-01", "2026-11-02"),
        ("2026-11-06", "2026-11-06"),
    ]
    during = datetime.combine(FIRST, time(12), UTC)
    assert asked(dates_to_inspect(days, [], instance, during)) == []
    assert publishing(days[:3], instance) == []


def test_what_has_failed_to_be_inspected_holds_up_no_release(instance: DagsterInstance) -> None:
    days = [day(0, inspected=False), day(1, inspected=False, published=False)]
    (ask,) = dates_to_inspect(days, [], instance, NOW)
    run_of(
        instance,
        ask.tags | {DIFFERENCE: ask.difference},
        DagsterRunStatus.FAILURE,
        reason="STEP_FAILURE",
        job="inspect",
    )
    assert asked(dates_to_inspect(days, [], instance, NOW)) == []
    assert asked(dates_to_publish(days, [], instance, NOW)) == [("2026-11-02", "2026-11-02")]


def test_a_cold_site_publishes_its_one_day(instance: DagsterInstance) -> None:
    assert publishing([day(0, published=False)], instance) == [("2026-11-01", "2026-11-01")]


def test_a_date_waits_for_the_slices_of_its_window_and_those_after_it_wait_too(
    instance: DagsterInstance,
) -> None:
    days = [day(0, published=False), day(1, stale=["en"]), *(day(n, published=False) for n in range(2, 12))]
    assert publishing(days, instance) == [("2026-11-01", "2026-11-01")]


def test_a_date_beyond_the_window_of_what_changes_does_not_wait(instance: DagsterInstance) -> None:
    days = [day(0, stale=["en"]), day(SETTINGS.window_days, published=False)]
    later = FIRST + timedelta(days=SETTINGS.window_days)
    assert publishing(days, instance) == [(str(later), str(later))]


def test_what_a_run_is_at_work_on_is_left_alone(instance: DagsterInstance) -> None:
    busy = run_of(instance, date_range(FIRST, FIRST), DagsterRunStatus.STARTED)
    days = [day(0, published=False), day(1, published=False)]
    assert publishing(days, instance) == []
    assert list(slices_to_read([day(0, stale=["en"])], [busy], instance)) == []


def test_a_day_that_is_not_over_is_read_and_not_published(instance: DagsterInstance) -> None:
    during = datetime(2026, 11, 1, 18, tzinfo=UTC)
    assert publishing([day(0, published=False)], instance, during) == []
    assert asked(slices_to_read([day(0, stale=["en"])], [], instance)) != []
    closed = datetime(2026, 11, 2, SETTINGS.daily_hour, tzinfo=UTC)
    assert publishing([day(0, published=False)], instance, closed - timedelta(seconds=1)) == []
    assert publishing([day(0, published=False)], instance, closed) != []


def test_a_slice_that_could_not_be_read_does_not_hold_later_dates_for_ever(instance: DagsterInstance) -> None:
    days = [day(0, stale=["en"]), day(1, published=False)]
    assert publishing(days, instance) == []
    (ask,) = slices_to_read(days, [], instance)
    run_of(
        instance, {DIFFERENCE: ask.difference}, DagsterRunStatus.FAILURE, reason="STEP_FAILURE", job="read"
    )
    assert publishing(days, instance) == [("2026-11-02", "2026-11-02")]


def one(days: list[Day], instance: DagsterInstance) -> list[Any]:
    asks = dates_to_publish(days, [], instance, NOW)
    return [request for ask in asks for request in requests_for(ask, instance)]


@pytest.mark.parametrize("status", [*UNFINISHED[1:], DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED])
def test_a_difference_is_asked_for_once(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    days = [day(0, published=False)]
    (request,) = one(days, instance)
    assert one(days, instance)[0].run_key == request.run_key
    run_of(instance, dict(request.tags), status)
    assert one(days, instance) == []


def test_a_run_that_failed_by_its_own_fault_is_not_repeated_until_something_changes(
    instance: DagsterInstance,
) -> None:
    days = [day(0, published=False)]
    (request,) = one(days, instance)
    run_of(instance, dict(request.tags), DagsterRunStatus.FAILURE, reason="STEP_FAILURE")
    assert one(days, instance) == []
    assert len(one([day(0, published=False, written=9)], instance)) == 1
    assert len(one([day(0, published=False, wanted="else")], instance)) == 1


def test_a_run_whose_process_died_is_repeated_a_few_times(instance: DagsterInstance) -> None:
    days = [day(0, published=False)]
    keys = set()
    for _ in range(3):
        (request,) = one(days, instance)
        keys.add(request.run_key)
        run_of(instance, dict(request.tags), DagsterRunStatus.FAILURE, reason="UNEXPECTED_TERMINATION")
    assert len(keys) == 3
    assert one(days, instance) == []


def test_days_whose_run_was_spoilt_by_one_of_them_are_asked_for_one_by_one(instance: DagsterInstance) -> None:
    days = [day(number, published=False) for number in range(3)]
    (request,) = one(days, instance)
    run_of(instance, dict(request.tags), DagsterRunStatus.FAILURE, reason="STEP_FAILURE")
    singles = one(days, instance)
    assert [each.tags[RANGE_START] for each in singles] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert all(each.tags[RANGE_START] == each.tags[RANGE_END] for each in singles)


def test_a_long_backlog_is_several_runs(instance: DagsterInstance) -> None:
    days = [day(number, published=False) for number in range(20)]
    assert publishing(days, instance) == [("2026-11-01", "2026-11-14"), ("2026-11-15", "2026-11-20")]


@pytest.mark.parametrize(
    ("tags", "first", "last"),
    [
        ({"dagster/partition": "2026-11-01|es"}, date(2026, 11, 1), date(2026, 11, 1)),
        ({"dagster/partition": "2026-11-01"}, date(2026, 11, 1), date(2026, 11, 1)),
        ({RANGE_START: "2026-11-01|de", RANGE_END: "2026-11-03|es"}, date(2026, 11, 1), date(2026, 11, 3)),
    ],
)
def test_the_dates_of_a_run_are_read_from_its_tags(tags: dict[str, str], first: date, last: date) -> None:
    assert dates_of(tags) == {first + timedelta(days=n) for n in range((last - first).days + 1)}


def test_a_run_that_lands_a_source_has_no_dates() -> None:
    assert dates_of({"dagster/partition": "export-2026-11-0123456789ab"}) == set()


def test_a_day_is_closed_at_its_hour_of_the_next() -> None:
    hour = SETTINGS.daily_hour
    assert not is_closed(FIRST, datetime(2026, 11, 2, hour - 1, 59, tzinfo=UTC))
    assert is_closed(FIRST, datetime(2026, 11, 2, hour, tzinfo=UTC))
    assert is_closed(FIRST, datetime(2026, 12, 2, tzinfo=UTC))
