"""The daily schedules: the closed day of every language, then the date whose topics it completes.

The reconcile sensor asks for the same, and for what came late; the schedules hold where it is switched off. What is
fresh is not asked for.
"""

from datetime import date, timedelta

from dagster import DefaultScheduleStatus, RunRequest, ScheduleEvaluationContext, SkipReason, schedule

from assets.partitions import SETTINGS
from assets.staleness import Day, landed_days, standings
from resources.site import Site
from sensors.jobs import publish, read
from sensors.paused import unless_paused
from sensors.runs import ASKED_BY, date_range, slice_range


def closed_day(context: ScheduleEvaluationContext) -> date:
    """The day before the tick's own in CLIO_TIMEZONE: today has a partition too, but is not over."""
    return context.scheduled_execution_time.astimezone(SETTINGS.tz).date() - timedelta(days=1)


@schedule(
    job=read,
    cron_schedule=f"0 {SETTINGS.daily_hour} * * *",
    execution_timezone=SETTINGS.timezone,
    default_status=DefaultScheduleStatus.RUNNING,
)
@unless_paused
def read_closed_day(context: ScheduleEvaluationContext, site: Site) -> RunRequest | SkipReason:
    """Facets and vectors of yesterday, all languages in one run."""
    day = closed_day(context)
    standing = _standing(context, site, day)
    if standing is None or not standing.stale_slices:
        return SkipReason(f"{day} is read already" if standing else f"nothing has been landed for {day}")
    return RunRequest(run_key=f"read {day}", tags=slice_range(day, day) | {ASKED_BY: "schedule"})


@schedule(
    job=publish,
    cron_schedule=f"30 {SETTINGS.daily_hour} * * *",
    execution_timezone=SETTINGS.timezone,
    default_status=DefaultScheduleStatus.RUNNING,
)
@unless_paused
def publish_closed_day(context: ScheduleEvaluationContext, site: Site) -> RunRequest | SkipReason:
    """Topics and release of yesterday."""
    day = closed_day(context)
    standing = _standing(context, site, day)
    if standing is None or standing.is_published:
        return SkipReason(f"{day} is published already" if standing else f"nothing has been landed for {day}")
    return RunRequest(run_key=f"publish {day}", tags=date_range(day, day) | {ASKED_BY: "schedule"})


def _standing(context: ScheduleEvaluationContext, site: Site, day: date) -> Day | None:
    """How a day stands; None where nothing has been landed for it."""
    return standings(site, [day], context.instance)[0] if day in landed_days(site) else None


schedules = [read_closed_day, publish_closed_day]
