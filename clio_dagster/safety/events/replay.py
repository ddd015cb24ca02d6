"""A whole event window in memory, day by day, through the functions that the assets call: for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from clio_dagster.safety.events.alerts import event_alerts
from clio_dagster.safety.events.definitions import Event
from clio_dagster.safety.events.evidence import Rows, alerted_vectors, gather
from clio_dagster.safety.events.topics import Namers, event_topics
from clio_dagster.safety.events.windows import baseline_of, days_of
from clio_dagster.safety.tables import EVENT_ALERTS, EVENT_MEMBERS, EVENT_TOPICS
from clio_dagster.settings import Settings


@dataclass(frozen=True)
class Made:
    """One date of the window: EVENT_TOPICS, EVENT_MEMBERS and EVENT_ALERTS."""

    date: date
    topics: pl.DataFrame
    members: pl.DataFrame
    alerts: pl.DataFrame


def replay(
    event: Event,
    conversations: pl.DataFrame,
    vectors: np.ndarray,
    screened: pl.Series,
    *,
    settings: Settings,
    key: bytes,
    namers: Namers,
) -> Iterator[Made]:
    """Every day of the event's window, in order, each looked at once when it is over.

    `conversations`: conversation_id, account, language, date, started_at, request, concerning, a row beside each of
    `vectors` and of `screened` (Boolean), of the window and the days before it.
    """
    topics, members, alerts = ([table.empty()] for table in (EVENT_TOPICS, EVENT_MEMBERS, EVENT_ALERTS))
    days = days_of(event, settings.tz)
    before = baseline_of(event, settings.tz)
    began = conversations["started_at"]
    within = screened & (began >= event.starts_at) & (began < event.ends_at)
    for day in days:
        so_far = np.flatnonzero(within & (conversations["date"] <= day))
        rows, beside = conversations[so_far], vectors[so_far]
        found, placed = event_topics(
            rows,
            beside,
            event=event.name,
            date=day,
            previous=pl.concat(topics, how="vertical_relaxed"),
            own=event.settings(settings),
            site=settings,
            key=key,
            namers=namers,
            is_over=True,
        )
        earlier = pl.concat(alerts)
        evidence = gather(
            found,
            placed,
            window=Rows(rows, beside),
            today=_day(conversations, vectors, day),
            baseline=before,
            read=lambda each: _day(conversations, vectors, each),
            alerted=alerted_vectors(earlier, pl.concat(members), rows, beside),
            earlier=earlier,
            stood=EVENT_ALERTS.empty(),
            on=day,
            seed=settings.seed,
        )
        raised = event_alerts(
            evidence,
            rules=event.alerts,
            event=event.name,
            on=day,
            window_days=len(days),
            baseline_days=len(before),
            least_accounts=event.settings(settings).min_accounts,
            now=datetime.now(UTC),
        )
        topics.append(found)
        members.append(placed)
        alerts.append(raised)
        yield Made(day, found, placed, raised)


def _day(conversations: pl.DataFrame, vectors: np.ndarray, day: date) -> Rows:
    chosen = np.flatnonzero(conversations["date"] == day)
    return Rows(conversations[chosen], vectors[chosen])
