"""Alerts: what went wrong since the last look is written to the outbox, and what lies there is posted to the webhook.

Found first and sent after, each in a transaction of its own: a daemon that is killed at whatever moment finds what it
had not found and sends what was not taken. What was being posted in the moment of the kill may come twice, under one
id.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from assets.partitions import SETTINGS
from clio_dagster.alerts.send import NO_WEBHOOK, send
from clio_dagster.alerts.webhook import Patience
from resources.ledger import new_holder
from resources.site import Site
from sensors.alert_sources import SOURCES, Look

FIRST_LOOK = timedelta(days=1)
"""How far back the first look goes, of a site that has had no webhook."""

OVERLAP = timedelta(minutes=10)
"""What every look sees again of the one before: events that were written late, or by a clock that is behind."""

POSTS_A_LOOK = 20

LONGEST_SILENCE = timedelta(minutes=15)
"""Between two tries of a webhook that takes nothing; the first are a minute, two, four, eight."""

REFUSED_AGAIN = timedelta(hours=1)
"""After which a message is sent again that was refused where others were taken."""

PATIENCE = Patience()
"""Its seconds in all are those of a whole look: Dagster gives a sensor 60."""

POSTING = "alerts"
"""Subject of the lease of whoever looks and posts: one at a time, however many daemons there are."""


@dataclass(frozen=True)
class Cursor:
    """Up to when each source has been seen; how often in a row the webhook took nothing, and until when it is not tried
    again."""

    seen: Mapping[str, datetime] = field(default_factory=dict)
    failures: int = 0
    silent_until: datetime | None = None

    @staticmethod
    def read(text: str | None) -> "Cursor":
        if not text:
            return Cursor()
        known = json.loads(text)
        seen = {name: datetime.fromisoformat(at) for name, at in known["seen"].items()}
        until = known["silent_until"]
        return Cursor(seen, known["failures"], datetime.fromisoformat(until) if until else None)

    def __str__(self) -> str:
        until = self.silent_until.isoformat() if self.silent_until else None
        seen = {name: at.isoformat() for name, at in self.seen.items()}
        return json.dumps({"seen": seen, "failures": self.failures, "silent_until": until})


@sensor(
    name="alerts",
    minimum_interval_seconds=max(SETTINGS.tick_seconds, 30),
    default_status=DefaultSensorStatus.RUNNING if SETTINGS.alert_webhook else DefaultSensorStatus.STOPPED,
)
def alerts(context: SensorEvaluationContext, site: Site) -> SkipReason:
    """Post failed runs, late releases, a closed gate, a fallen evaluation, a reached budget and what events raise to
    CLIO_ALERT_WEBHOOK."""
    if site.settings.alert_webhook is None:
        return SkipReason(NO_WEBHOOK)
    cursor, told = look(site, context.instance, Cursor.read(context.cursor), datetime.now(UTC))
    context.update_cursor(str(cursor))
    return SkipReason(told)


def look(site: Site, instance: DagsterInstance, cursor: Cursor, now: datetime) -> tuple[Cursor, str]:
    """One look, and the posts that follow; where to go on from, and what came of it in words."""
    with _alone(site) as is_alone:
        if not is_alone:
            return cursor, "another process is posting alerts"
        cursor, unseen = _find(site, instance, cursor, now)
        cursor, told = _send(site, cursor, now)
    return cursor, "; ".join([told, *unseen])


def _find(
    site: Site, instance: DagsterInstance, cursor: Cursor, now: datetime
) -> tuple[Cursor, Sequence[str]]:
    """A look at every source: up to when each is seen, and which could not be. One that fails stops no other."""
    seen, unseen = dict(cursor.seen), []
    for name, source in SOURCES.items():
        since = seen[name] - OVERLAP if name in seen else now - FIRST_LOOK
        try:
            is_whole = source(Look(site, instance, since, now))
        except Exception as error:  # what a library says may quote anything: its class is told (P9)
            is_whole = False
            unseen.append(f"{name} could not be looked at ({type(error).__name__})")
        seen[name] = now if is_whole else since + OVERLAP
    return replace(cursor, seen=seen), unseen


def _send(site: Site, cursor: Cursor, now: datetime) -> tuple[Cursor, str]:
    """Post what waits, in order, until the webhook takes no more."""
    waiting = site.outbox.waiting(refused_before=now - REFUSED_AGAIN)
    if not waiting:
        return cursor, "nothing to tell"
    if cursor.silent_until and now < cursor.silent_until:
        again = f"{cursor.silent_until:%H:%M} UTC"
        return cursor, f"{len(waiting)} alerts wait; the webhook is tried again at {again}"
    sent, trouble, until = 0, None, time.monotonic() + PATIENCE.total
    for alert in waiting[:POSTS_A_LOOK]:
        left = until - time.monotonic()
        if sent and left < PATIENCE.timeout:
            break
        answer = send(alert, site.settings, replace(PATIENCE, total=left))
        if answer.is_taken:
            site.outbox.sent(alert, now)
            sent += 1
            continue
        trouble = answer
        if not answer.is_rejected:
            break
        site.outbox.refused(alert, now)
    told = f"{sent} alerts posted" + (f", {len(waiting) - sent} wait" if len(waiting) > sent else "")
    if trouble is None or sent:
        cursor = replace(cursor, failures=0, silent_until=None)
    elif not trouble.is_rejected:
        silence = min(timedelta(minutes=2**cursor.failures), LONGEST_SILENCE)
        cursor = replace(cursor, failures=cursor.failures + 1, silent_until=now + silence)
    return cursor, f"{told}: {trouble}" if trouble else told


@contextmanager
def _alone(site: Site) -> Iterator[bool]:
    """Whether nobody else is posting: then nobody does, within the block."""
    holder = new_holder(POSTING)
    with site.ledger.renewing(holder):
        yield bool(site.ledger.take(POSTING, ["*"], holder))
