"""The daily schedules: the closed day of every language, then the date whose topics it completes."""

from datetime import date, timedelta

from dagster import RunRequest, ScheduleEvaluationContext, schedule

from assets.partitions import SETTINGS
from sensors.jobs import publish, read
from sensors.runs import date_range, slice_range


def closed_day(context: ScheduleEvaluationContext) -> date:
    """The day before the tick's own in CLIO_TIMEZONE: today has a partition too, but is not over."""
    return context.scheduled_execution_time.astimezone(SETTINGS.tz).date() - timedelta(days=1)


@schedule(job=read, cron_schedule="0 2 * * *", execution_timezone=SETTINGS.timezone)
def read_closed_day(context: ScheduleEvaluationContext) -> RunRequest:
    """Facets and vectors of yesterday, all languages in one run."""
    day = closed_day(context)
    return RunRequest(run_key=f"read {day}", tags=slice_range(day, day))


@schedule(job=publish, cron_schedule="0 3 * * *", execution_timezone=SETTINGS.timezone)
def publish_closed_day(context: ScheduleEvaluationContext) -> RunRequest:
    """Topics and release of yesterday."""
    day = closed_day(context)
    return RunRequest(run_key=f"publish {day}", tags=date_range(day, day))


schedules = [read_closed_day, publish_closed_day]
