"""When a day's release is due."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from clio_dagster.settings import Settings


def due_at(day: date, settings: Settings) -> datetime:
    """The moment from which the missing release of a day is an alert: CLIO_ALERT_RELEASE_HOURS after the day is closed,
    hours being those of a stopwatch where the clock changes in between."""
    closed = datetime.combine(day + timedelta(days=1), time(settings.daily_hour), settings.tz)
    return closed.astimezone(UTC) + timedelta(hours=settings.alert_release_hours)


def newest_due(now: datetime, settings: Settings) -> date:
    """The newest day whose release should be there."""
    day = now.astimezone(settings.tz).date()
    while due_at(day, settings) > now:
        day -= timedelta(days=1)
    return day
