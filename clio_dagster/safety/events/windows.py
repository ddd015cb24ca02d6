"""An event's window on the clock: moments of local times, slots of the cadence, and the days that it touches.

Local times are of the event's time zone, days those of the site's (CLIO_TIMEZONE). A local time that a clock put
forward skips is taken as much later as the clock was put forward; of one that comes twice, a window starts at the first
and ends at the second, so that it holds both. Slots are counted in elapsed time, so no change of clocks makes or
loses one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Window(Protocol):
    """What of an event is needed to tell the time."""

    @property
    def starts_at(self) -> datetime: ...

    @property
    def ends_at(self) -> datetime: ...

    @property
    def cadence_minutes(self) -> int: ...

    @property
    def baseline_days(self) -> int: ...


def instant_of(local: datetime, zone: ZoneInfo, *, later: bool) -> datetime:
    """The moment, in UTC, of a naive local time. `later` takes the second of a time that comes twice."""
    # With fold 0 a skipped time has the offset from before the change, which puts it after the gap.
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    comes_twice = second > first
    return second if later and comes_twice else first


def slot_of(window: Window, now: datetime) -> int:
    """Number of the cadence's slot at `now`, from 0 at the start; negative before it."""
    return (now - window.starts_at) // timedelta(minutes=window.cadence_minutes)


def days_of(window: Window, zone: ZoneInfo) -> list[date]:
    """Days of the site that the window touches, in order."""
    first = window.starts_at.astimezone(zone).date()
    last = (window.ends_at - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def baseline_of(window: Window, zone: ZoneInfo) -> list[date]:
    """Days before the window that it is compared with, in order."""
    first = days_of(window, zone)[0]
    return [first - timedelta(days=back) for back in range(window.baseline_days, 0, -1)]


def in_words(span: timedelta) -> str:
    """How long that is: `3 h 12 min`, `2 days 4 h`."""
    minutes = max(0, round(span.total_seconds() / 60))
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
