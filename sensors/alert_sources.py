"""Where alerts come from: failed runs, the privacy gate, the newest release, evaluations, and what events have raised.

Each looks at what has happened since it was seen last, and writes what it finds to the outbox, where nothing stands
twice: looks overlap, and one that is repeated after a restart changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from dagster import AssetCheckKey, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from assets.evaluation import BARS_HOLD, NO_WORSE, key_of
from assets.gate import GATE
from assets.staleness import landed_days
from clio_dagster.alerts.alert import (
    Alert,
    evaluation_fell,
    event_alert,
    gate_closed,
    id_of,
    release_late,
    resolved,
)
from clio_dagster.alerts.deadline import newest_due
from clio_dagster.evaluation.evaluate import SECTIONS
from clio_dagster.release.read import release_dates
from clio_dagster.safety.tables import EVENT_ALERTS, EVENT_TOPICS
from clio_dagster.tables import PUBLISHED
from resources.site import Site
from resources.stage import partition_values
from sensors.failed_runs import alert_of

LONGEST_RUN = timedelta(days=2)
"""Dagster files a check's verdict under the time at which its run was planned: how much earlier that may be."""

RUNS_A_LOOK, VERDICTS_A_PAGE = 50, 200

FELL = {BARS_HOLD: "a figure misses its bar", NO_WORSE: "a figure is worse than in the last evaluation"}
"""What it means that an evaluation's check has failed, by check."""

Verdict = tuple[float, bool]
"""When a check said something, and whether it passed."""


@dataclass(frozen=True)
class Look:
    """One look at the site: at `now`, for what has happened since `since`."""

    site: Site
    instance: DagsterInstance
    since: datetime
    now: datetime


def failed_runs(look: Look) -> bool:
    """Runs that have failed: each is an alert, or belongs to one."""
    wanted = RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=look.since)
    records = look.instance.get_run_records(wanted, order_by="update_timestamp", ascending=True)
    ids = {record.dagster_run.run_id: id_of("run", record.dagster_run.run_id) for record in records}
    known = look.site.outbox.known(ids.values())
    new = [record for record in records if ids[record.dagster_run.run_id] not in known]
    for record in new[:RUNS_A_LOOK]:
        alert = alert_of(record, look.instance, look.site.settings)
        if alert:
            look.site.outbox.add(alert)
        if alert is None or alert.alert_id != ids[record.dagster_run.run_id]:
            look.site.outbox.note(ids[record.dagster_run.run_id], look.now)
    return len(new) <= RUNS_A_LOOK


def closed_gates(look: Look) -> bool:
    """Dates that the privacy gate has refused, and those that it lets through again."""
    for key, verdict in sorted(_verdicts(look, GATE).items()):
        if key is None:
            continue
        found = gate_closed(key, verdict[0], at=look.now)
        _tell(look, f"{GATE.name} {key}", verdict, found, f"The privacy gate is open for {key}")
    return True


def fallen_evaluations(look: Look) -> bool:
    """Sections of evaluations that miss a bar or are worse than the last ones, and those that are so no more."""
    for section in SECTIONS:
        for name, what in FELL.items():
            verdict = _verdicts(look, AssetCheckKey(key_of(section), name)).get(None)
            if verdict is not None:
                found = evaluation_fell(section, what, verdict[0], at=look.now)
                over = f"The evaluation of {section} is as it should be"
                _tell(look, f"evaluation {section} {name}", verdict, found, over)
    return True


def late_release(look: Look) -> bool:
    """The newest release, against the one that is due now."""
    due = newest_due(look.now, look.site.settings)
    newest = max(release_dates(look.site.settings.home / "releases"), default=None)
    landed = landed_days(look.site) if newest is None or newest < due else []
    # A site on which nothing was to be published yet is not late.
    is_late = newest < due if newest else bool(landed) and landed[0] <= due
    standing = look.site.outbox.open("release")
    if is_late and not standing:
        alert = release_late(due, newest, has_landed=due in landed, at=look.now)
        look.site.outbox.add(alert, subject="release")
    elif not is_late and standing:
        look.site.outbox.end(standing, resolved(standing, f"The release of {newest} is there", at=look.now))
    return True


def event_alerts(look: Look) -> bool:
    """What events have raised, of slices that were written since."""
    warehouse = look.site.warehouse
    for key, found in warehouse.slices(EVENT_ALERTS).items():
        if found.written_at >= look.since and found.rows:
            values = partition_values(EVENT_ALERTS, key)
            rows = warehouse.read(EVENT_ALERTS, values)
            for row in _with_names(rows, warehouse.read(EVENT_TOPICS, values)).iter_rows(named=True):
                is_shown = row["status"] == PUBLISHED == row["topic_status"]
                look.site.outbox.add(
                    event_alert(
                        values["date"],
                        row["event"],
                        row["topic"],
                        row["kind"],
                        name=row["name"] if is_shown else None,
                        published_conversations=row["published_conversations"] if is_shown else None,
                        conversations=row["conversations"],
                        accounts=row["accounts"],
                        at=look.now,
                    )
                )
    return True


SOURCES: Mapping[str, Callable[[Look], bool]] = {
    "failed runs": failed_runs,
    "the privacy gate": closed_gates,
    "the newest release": late_release,
    "evaluations": fallen_evaluations,
    "events": event_alerts,
}
"""By name. Each returns whether it has seen all that there was."""


def _tell(look: Look, subject: str, verdict: Verdict, found: Alert, over: str) -> None:
    """An alert where a check has failed and none stands, its end where one stands and the check has passed."""
    _, passed = verdict
    standing = look.site.outbox.open(subject)
    if not passed and not standing:
        look.site.outbox.add(found, subject=subject)
    elif passed and standing:
        look.site.outbox.end(standing, resolved(standing, over, at=look.now))


def _verdicts(look: Look, check: AssetCheckKey) -> dict[str | None, Verdict]:
    """A check's last word on each partition of which it has said something since; None is that of no partition."""
    said = {AssetCheckExecutionRecordStatus.SUCCEEDED: True, AssetCheckExecutionRecordStatus.FAILED: False}
    found: dict[str | None, Verdict] = {}
    earliest = (look.since - LONGEST_RUN).timestamp()
    page: int | None = None
    while True:
        records = look.instance.event_log_storage.get_asset_check_execution_history(
            check, limit=VERDICTS_A_PAGE, cursor=page, status=set(said)
        )
        for record in records:
            if record.event and record.event.timestamp >= look.since.timestamp():
                verdict = (record.event.timestamp, said[record.status])
                found[record.partition] = max(verdict, found.get(record.partition, verdict))
        if len(records) < VERDICTS_A_PAGE or records[-1].create_timestamp < earliest:
            return found
        page = records[-1].id


def _with_names(alerts: pl.DataFrame, topics: pl.DataFrame) -> pl.DataFrame:
    """Each alert beside its topic's name, status and published count, null where it is no more."""
    shown = topics.select("topic", "name", "published_conversations", topic_status="status")
    return alerts.join(shown, on="topic", how="left", maintain_order="left")
