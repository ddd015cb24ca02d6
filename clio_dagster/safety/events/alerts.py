"""The alerts of a day of an event's window: which topics are new, grow, or become more concerning, each said once.

All tests of a day are corrected together (Holm), and the days of the window share its alpha, so that a window in which
nothing happens raises a false alert with a chance of at most alpha, where each day is looked at once. Looks within a
day, at what has come so far, are not corrected for: each is held to the day's part of alpha.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from clio_dagster.safety.events.concern import LEAST_RISE
from clio_dagster.safety.events.definitions import KINDS, Alerts
from clio_dagster.safety.events.evidence import SAYS_IT_TOO, Evidence, said
from clio_dagster.safety.events.novelty import MOST, novelty
from clio_dagster.safety.events.rates import holm
from clio_dagster.safety.tables import EVENT_ALERTS, GROWTH, NEW_TOPIC, RISING_CONCERN

_TEST = ("topic", "kind", "p_value", "is_large", "evidence")


def event_alerts(
    evidence: Evidence,
    *,
    rules: Alerts,
    event: str,
    on: date,
    window_days: int,
    baseline_days: int,
    least_accounts: int,
    now: datetime,
) -> pl.DataFrame:
    """The alerts of one date and event (EVENT_ALERTS), by topic and kind. `least_accounts`: what a topic needs.

    What most of a topic's accounts write about is not said again where an earlier date of the window has said it. An
    alert that stood before on this date keeps the time at which it was first seen.
    """
    tests = pl.concat(
        [
            _new(evidence.accounts, baseline_days, least_accounts),
            _grown(evidence.growth, rules, baseline_days),
            _risen(evidence.rise),
        ]
    ).join(evidence.topics.select("topic", "status"), on="topic", maintain_order="left")
    tests = tests.filter(pl.col("kind").is_in(rules.kinds))
    tests = tests.with_columns(holm(tests["p_value"]))
    raised = tests.filter("is_large", pl.col("adjusted_p") <= rules.alpha / window_days)
    raised = raised.join(_already_said(evidence), on=["topic", "kind"], how="anti", maintain_order="left")
    new = raised.filter(kind=NEW_TOPIC)["topic"]
    raised = raised.filter(~((pl.col("kind") == GROWTH) & pl.col("topic").is_in(new.implode())))
    return (
        raised.join(evidence.own, on="topic", how="left", maintain_order="left")
        .join(evidence.accounts.select("topic", "accounts"), on="topic", how="left", maintain_order="left")
        .join(
            evidence.growth.select("topic", "baseline_conversations"),
            on="topic",
            how="left",
            maintain_order="left",
        )
        .join(
            evidence.stood.select("topic", "kind", "first_seen_at"),
            on=["topic", "kind"],
            how="left",
            maintain_order="left",
        )
        .with_columns(
            pl.lit(on).alias("date"),
            pl.lit(event).alias("event"),
            pl.col("conversations", "accounts", "baseline_conversations").fill_null(0),
            pl.col("first_seen_at").fill_null(pl.lit(now).cast(EVENT_ALERTS.schema["first_seen_at"])),
        )
        .select(*EVENT_ALERTS.schema)
        .sort("topic", "kind")
    )


def _new(accounts: pl.DataFrame, baseline_days: int, least_accounts: int) -> pl.DataFrame:
    """New is what as many accounts as a topic needs write and the baseline had not, though old talk lie beside it."""
    return (
        novelty(accounts)
        .with_columns(
            pl.lit(NEW_TOPIC).alias("kind"),
            (pl.col("novel") >= least_accounts).alias("is_large"),
            pl.format(
                f"{{}} of its {{}} accounts of the day write what the {baseline_days} days before the window had not",
                "novel",
                "accounts",
            ).alias("evidence"),
        )
        .select(_TEST)
    )


def _grown(growth: pl.DataFrame, rules: Alerts, baseline_days: int) -> pl.DataFrame:
    return growth.with_columns(
        pl.lit(GROWTH).alias("kind"),
        (pl.col("factor") >= rules.min_growth).alias("is_large"),
        pl.format(
            f"{{}} accounts within its reach, {{}} expected from the {baseline_days} days before the window",
            "today",
            pl.col("expected").round(1),
        ).alias("evidence"),
    ).select(_TEST)


def _risen(rise: pl.DataFrame) -> pl.DataFrame:
    return rise.with_columns(
        pl.lit(RISING_CONCERN).alias("kind"),
        (pl.col("rise") >= LEAST_RISE).alias("is_large"),
        pl.format(
            "mean concern {} of 5 over its accounts, {} before",
            pl.col("concern").round(2),
            pl.col("before").round(2),
        ).alias("evidence"),
    ).select(_TEST)


def _already_said(evidence: Evidence) -> pl.DataFrame:
    """Topic and kind of what earlier dates have said: of what most of its accounts write, or of the topic itself.

    What is new may come to lie in a topic that an alert was about: only who writes it tells.
    """
    accounts = evidence.accounts
    alike = [
        accounts.filter(pl.col(said(kind)) >= MOST * pl.col("accounts")).select(
            "topic", pl.lit(kind).alias("kind")
        )
        for kind in KINDS
    ]
    itself = [
        evidence.earlier.filter(pl.col("kind").is_in(SAYS_IT_TOO[kind])).select(
            "topic", pl.lit(kind).alias("kind")
        )
        for kind in KINDS
        if kind != NEW_TOPIC
    ]
    return pl.concat([*alike, *itself])
