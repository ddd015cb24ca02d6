"""Which runs of Dagster's history are past their time, and their removal: a part of `clio purge`."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from assets.partitions import SOURCES
from clio_dagster.settings import Settings
from resources.history import Trimmed, trim
from sensors.reconcile import DIFFERENCE
from sensors.runs import dates_of
from sensors.sources import sources_of

FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


def past_their_time(instance: DagsterInstance, settings: Settings, now: datetime) -> list[str]:
    """Ids of finished runs that ended more than CLIO_HISTORY_DAYS ago, or that are not among the newest
    CLIO_HISTORY_RUNS; oldest last.

    A run that failed stays as long as the reconcile sensor must know of it, so as not to ask for the same again: until
    a later run of its job has made all of what it was to make, or all of that is older than CLIO_RECONCILE_DAYS.
    """
    since = now - timedelta(days=settings.history_days)
    horizon = now.date() - timedelta(days=settings.reconcile_days)
    made: dict[str, set[date | str]] = defaultdict(set)
    order = instance.get_dynamic_partitions(str(SOURCES.name))
    found = []
    for place, record in enumerate(instance.get_run_records(RunsFilter(statuses=FINISHED))):
        run = record.dagster_run
        wanted = _made_by(run, horizon, order)
        if run.status == DagsterRunStatus.SUCCESS:
            made[run.job_name] |= wanted
        elif DIFFERENCE in run.tags and not wanted <= made[run.job_name]:
            continue
        if record.update_timestamp < since or place >= settings.history_runs:
            found.append(run.run_id)
    return found


def trim_history(instance: DagsterInstance, settings: Settings, now: datetime) -> Trimmed:
    """Remove them, and what is left of runs that were removed otherwise."""
    before = now - timedelta(days=settings.history_days)
    return trim(instance, past_their_time(instance, settings, now), before)


def _made_by(run: DagsterRun, horizon: date, order: Sequence[str]) -> set[date | str]:
    """What a run is to make: dates, from the horizon on; of one that lands files, their keys."""
    if dates := dates_of(run.tags):
        return {day for day in dates if day >= horizon}
    return set(sources_of(run.tags, order))
