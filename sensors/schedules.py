"""The daily schedules: the closed day of every language, then the date whose topics it completes. And a weekly one,
stopped until somebody starts it, which evaluates the site.

The reconcile sensor asks for the same as the daily ones, and for what came late; they hold where it is switched off.
What is fresh is not asked for.
"""

from datetime import date, timedelta

from dagster import DefaultScheduleStatus, RunRequest, ScheduleEvaluationContext, SkipReason, schedule

from assets.partitions import SETTINGS
from assets.staleness import Day, landed_days, standings
from resources.site import Site
from sensors.jobs import evaluate, publish, read
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


EVALUATING_HOUR = (SETTINGS.daily_hour + 2) % 24
"""Once the day before is read and published, and what is past its time is purged."""


@schedule(
    job=evaluate,
    cron_schedule=f"0 {EVALUATING_HOUR} * * 0",
    execution_timezone=SETTINGS.timezone,
    default_status=DefaultScheduleStatus.STOPPED,
    description="Sundays: every section of an evaluation, 20,000 made-up conversations. Stopped until it is started "
    "here. With the offline analyst it takes minutes; where Claude is asked, it is asked anew, as a model may change "
    "behind its name: its conversations and topics are paid for as a day of that size is.",
)
@unless_paused
def evaluate_weekly(context: ScheduleEvaluationContext, site: Site) -> RunRequest:
    """How well the site does, on made-up conversations, once a week."""
    day = context.scheduled_execution_time.astimezone(SETTINGS.tz).date()
    asked = {"ops": {"evaluation": {"config": {"asked_on": day.isoformat()}}}}
    return RunRequest(run_key=f"evaluate {day}", run_config=asked, tags={ASKED_BY: "schedule"})


schedules = [read_closed_day, publish_closed_day, evaluate_weekly]
