"""The alerts of a day of an event's window: which topics are new, grow, or become more concerning, each said once.

All tests of a day are corrected together (Holm), and the days of the window share its alpha, so that a window in which
nothing happens raises a false alert with a chance of at most alpha, where each day is looked at once. Looks within a
day, at what has come so far, are not corrected for: each is at most one day's part of alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import polars as pl

from clio_dagster.clusters.births import OWN_SHARE
from clio_dagster.clusters.lineage import SAME_TOPIC
from clio_dagster.clusters.vectors import stacked
from clio_dagster.safety.events.concern import LEAST_RISE
from clio_dagster.safety.events.definitions import GROWTH, NEW_TOPIC, RISING_CONCERN, Alerts
from clio_dagster.safety.events.rates import NEW_FACTOR, holm
from clio_dagster.safety.events.tables import EVENT_ALERTS, WITHHELD

SAYS_IT_TOO = {NEW_TOPIC: (NEW_TOPIC,), GROWTH: (GROWTH, NEW_TOPIC), RISING_CONCERN: (RISING_CONCERN,)}
"""Kinds of earlier alerts after which a kind is not said of a topic again: what is new grows at first."""


@dataclass(frozen=True)
class Evidence:
    """What the alerts of a date are drawn from, all of one event.

    `topics` and `members` are EVENT_TOPICS and EVENT_MEMBERS of the date; `growth` and `rise` come from rates.py and
    concern.py. `earlier_topics` and `earlier_alerts` are EVENT_TOPICS and EVENT_ALERTS of the window's earlier dates,
    `stood` EVENT_ALERTS of an earlier revision of the date.
    """

    topics: pl.DataFrame
    members: pl.DataFrame
    growth: pl.DataFrame
    rise: pl.DataFrame
    earlier_topics: pl.DataFrame
    earlier_alerts: pl.DataFrame
    stood: pl.DataFrame


def event_alerts(
    evidence: Evidence, *, rules: Alerts, event: str, on: date, window_days: int, baseline_days: int, now: datetime
) -> pl.DataFrame:
    """The alerts of one date and event (EVENT_ALERTS), by topic and kind.

    Topics that are withheld are not tested. An alert that an earlier date of the window raised for a topic, or for one
    whose centroid is as good as the same, is not raised again; one that stood before on this date keeps the time at
    which it was first seen.
    """
    tested = evidence.topics.filter(pl.col("status") != WITHHELD).select("topic", "status", "centroid")
    own = _own_share(evidence.members, on)
    tests = pl.concat(
        [
            _rates(evidence.growth, own, rules, baseline_days),
            _concern(evidence.rise, rules),
        ]
    ).join(tested.select("topic", "status"), on="topic", maintain_order="left")
    tests = tests.with_columns(holm(tests["p_value"]))
    raised = tests.filter(
        pl.col("is_large"), pl.col("adjusted_p") <= rules.alpha / window_days, pl.col("kind").is_in(rules.kinds)
    )
    raised = raised.filter(~_is_said(raised, tested, evidence))
    first_seen = evidence.stood.select("topic", "kind", "first_seen_at")
    return (
        raised.join(own, on="topic", how="left", maintain_order="left")
        .join(
            evidence.growth.select("topic", "baseline_conversations"), on="topic", how="left", maintain_order="left"
        )
        .join(first_seen, on=["topic", "kind"], how="left", maintain_order="left")
        .with_columns(
            pl.lit(on).alias("date"),
            pl.lit(event).alias("event"),
            pl.col("conversations", "accounts", "baseline_conversations").fill_null(0),
            pl.col("first_seen_at").fill_null(pl.lit(now).cast(EVENT_ALERTS.schema["first_seen_at"])),
        )
        .select(*EVENT_ALERTS.schema)
        .sort("topic", "kind")
    )


def _own_share(members: pl.DataFrame, on: date) -> pl.DataFrame:
    """The day's own conversations of each topic: topic, conversations, accounts, own_share of the window so far."""
    is_own = pl.col("day") == on
    return (
        members.filter("counted")
        .group_by("topic")
        .agg(
            is_own.sum().cast(pl.Int64).alias("conversations"),
            pl.col("account").filter(is_own).drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
            is_own.mean().alias("own_share"),
        )
    )


_TEST = ("topic", "kind", "p_value", "is_large", "evidence")


def _rates(growth: pl.DataFrame, own: pl.DataFrame, rules: Alerts, baseline_days: int) -> pl.DataFrame:
    """One test a topic: it is new where the baseline hardly has it and the window had not either, else it grows."""
    is_new = (pl.col("factor") >= NEW_FACTOR) & (pl.col("own_share") >= OWN_SHARE)
    return (
        growth.join(own.select("topic", "own_share"), on="topic")
        .with_columns(
            pl.when(is_new).then(pl.lit(NEW_TOPIC)).otherwise(pl.lit(GROWTH)).alias("kind"),
            (pl.col("factor") >= rules.min_growth).alias("is_large"),
            pl.format(
                f"{{}} accounts within its reach, {{}} expected from the {baseline_days} days before the window, "
                "where {} conversations are",
                "today",
                pl.col("expected").round(1),
                "baseline_conversations",
            ).alias("evidence"),
        )
        .select(_TEST)
    )


def _concern(rise: pl.DataFrame, rules: Alerts) -> pl.DataFrame:
    return rise.with_columns(
        pl.lit(RISING_CONCERN).alias("kind"),
        (pl.col("rise") >= LEAST_RISE).alias("is_large"),
        pl.format(
            "mean concern {} of 5 over its accounts, {} before", pl.col("concern").round(2), pl.col("before").round(2)
        ).alias("evidence"),
    ).select(_TEST)


def _is_said(raised: pl.DataFrame, tested: pl.DataFrame, evidence: Evidence) -> pl.Series:
    """Whether an earlier date has said it: of the topic, or of one whose centroid is as good as the same."""
    said = evidence.earlier_alerts.select("topic", pl.col("kind").alias("said"))
    alerted = evidence.earlier_topics.filter(pl.col("topic").is_in(said["topic"].implode()))
    ours, theirs = stacked(tested["centroid"]), stacked(alerted["centroid"])
    same = np.nonzero(ours @ theirs.T >= SAME_TOPIC) if len(ours) and len(theirs) else (np.zeros(0, int),) * 2
    pairs = pl.concat(
        [
            pl.DataFrame({"topic": tested["topic"].gather(same[0]), "other": alerted["topic"].gather(same[1])}),
            tested.select("topic", pl.col("topic").alias("other")),
        ]
    )
    kinds: dict[str, set[str]] = {}
    for topic, kind in pairs.join(said, left_on="other", right_on="topic").select("topic", "said").iter_rows():
        kinds.setdefault(topic, set()).add(kind)
    return pl.Series(
        [not kinds.get(topic, set()).isdisjoint(SAYS_IT_TOO[kind]) for topic, kind in raised.select("topic", "kind").iter_rows()],
        dtype=pl.Boolean,
    )
