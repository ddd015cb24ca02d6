"""Open Message Batches looked at: what has ended is written down, and the reconcile sensor asks for what waited."""

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from assets.partitions import SETTINGS
from clio_dagster.analyst.claude import batcher_of
from clio_dagster.analyst.sending import AnalystError
from resources.site import Site
from sensors.paused import unless_paused


@sensor(
    name="batches",
    minimum_interval_seconds=max(SETTINGS.tick_seconds, int(SETTINGS.batch_poll_seconds)),
    default_status=DefaultSensorStatus.RUNNING,
    target="facets",
)
@unless_paused
def batches(context: SensorEvaluationContext, site: Site) -> SkipReason:
    """Ask the API how the open batches are. `facets` is asked for by `reconcile` when those of a day have ended."""
    before = [each for each in site.answers.batches() if each.is_open]
    if not before:
        return SkipReason("no batch is open")
    try:
        found = batcher_of(site.settings, site.answers).look()
    except AnalystError as error:
        return SkipReason(str(error))
    open_ = [each for each in found if each.is_open]
    done = sum(each.requests - each.counts.get("processing", each.requests) for each in open_)
    ended = len(before) - len(open_)
    told = (
        f"{len(open_)} batches are open: {done:,} of {sum(each.requests for each in open_):,} requests done"
    )
    return SkipReason(f"{ended} batches have ended; {told}" if ended else told)
