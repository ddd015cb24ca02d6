"""What the alerts of a day are drawn from: the day's own conversations of each topic, held against the baseline days.

The baseline is read a day at a time, and nothing of it is held but counts, concerns and a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from clio_dagster.safety.events.concern import by_account, rise
from clio_dagster.safety.events.definitions import KINDS
from clio_dagster.safety.events.novelty import (
    COMPARED,
    Pool,
    accounts_of,
    is_novel,
    is_told,
    usual_surprise,
)
from clio_dagster.safety.events.rates import growth
from clio_dagster.safety.events.reach import COUNTS, Reach, counts_within, reach_of, rows_within
from clio_dagster.safety.tables import GROWTH, NEW_TOPIC, RISING_CONCERN
from clio_dagster.tables import WITHHELD

SAYS_IT_TOO = {NEW_TOPIC: (NEW_TOPIC,), GROWTH: (GROWTH, NEW_TOPIC), RISING_CONCERN: (RISING_CONCERN,)}
"""Earlier alerts after which a kind is not said of the same talk again: what is new grows at first."""


_CONCERNS = {"topic": pl.String, "conversation_id": pl.String, "account": pl.String, "concerning": pl.Int8}


def said(kind: str) -> str:
    """Column that counts the accounts whose talk an earlier alert was about, after which `kind` is not said."""
    return f"said {kind}"


@dataclass(frozen=True)
class Rows:
    """Conversations and their unit vectors, row by row: conversation_id, account, date, concerning."""

    conversations: pl.DataFrame
    vectors: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What the alerts of one date and event are drawn from.

    `topics`: topic and status of those that are not withheld. `own`: the day's own counted conversations of each:
    topic, conversations. `accounts`: from novelty.accounts_of, with `novel` and `said(kind)` for each kind.
    `growth` and `rise` come from rates.py and concern.py. `earlier`: EVENT_ALERTS of the window's earlier dates,
    `stood` those of an earlier revision of the date.
    """

    topics: pl.DataFrame
    own: pl.DataFrame
    accounts: pl.DataFrame
    growth: pl.DataFrame
    rise: pl.DataFrame
    earlier: pl.DataFrame
    stood: pl.DataFrame


def gather(
    topics: pl.DataFrame,
    members: pl.DataFrame,
    *,
    window: Rows,
    today: Rows,
    baseline: Sequence[date],
    read: Callable[[date], Rows],
    alerted: Mapping[str, np.ndarray],
    earlier: pl.DataFrame,
    stood: pl.DataFrame,
    on: date,
    seed: int,
) -> Evidence:
    """The evidence of one date and event.

    `topics` and `members`: EVENT_TOPICS and EVENT_MEMBERS of the date. `window`: the screened conversations of the
    window so far, in any order; `today`: all of the date, screened or not. `read` gives all of a day of the `baseline`;
    where no day has any, nothing is found new or grown.
    `alerted`: by kind of alert, unit vectors of what the window's earlier alerts were about.
    """
    shown = topics.filter(pl.col("status") != WITHHELD).select("topic", "status")
    placed = (
        window.conversations.select("conversation_id", "account", "date", "concerning")
        .with_row_index("row")
        .join(
            members.filter("counted")
            .select("conversation_id", "topic")
            .join(shown.select("topic"), on="topic"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
    )
    reach = reach_of(placed["topic"], window.vectors)
    own = placed.filter(pl.col("date") == on).drop_nulls("topic")
    vectors = window.vectors[own["row"].to_numpy()]
    # While nothing is screened, nothing is compared: its vectors have no dimensions.
    before = _before(reach, baseline if len(window.vectors) else (), read, seed)
    usual = usual_surprise(before.pool, seed=seed)
    told = {
        kind: np.concatenate([vectors[:0], *(alerted.get(other, vectors[:0]) for other in SAYS_IT_TOO[kind])])
        for kind in KINDS
    }
    # Old talk that lay beside what was new is known to the baseline, and would make what was told wider than it is.
    told[NEW_TOPIC] = told[NEW_TOPIC][is_novel(told[NEW_TOPIC], before.pool, usual)]
    marks = {said(kind): is_told(vectors, told[kind], before.pool) for kind in KINDS}
    # What an alert was about is not novel after it, beside whatever it comes.
    marks["novel"] = is_novel(vectors, before.pool, usual) & ~marks[said(NEW_TOPIC)]
    return Evidence(
        topics=shown,
        own=own.group_by("topic").agg(pl.len().cast(pl.Int64).alias("conversations")),
        accounts=accounts_of(
            own.with_columns(pl.Series(name, mark, dtype=pl.Boolean) for name, mark in marks.items()), marks
        ),
        growth=growth(before.counts, counts_within(reach, today.conversations, today.vectors)),
        rise=rise(by_account(own), before.within, before.concerns, seed=seed),
        earlier=earlier,
        stood=stood,
    )


def alerted_vectors(
    alerts: pl.DataFrame, members: pl.DataFrame, rows: pl.DataFrame, vectors: np.ndarray
) -> dict[str, np.ndarray]:
    """By kind of alert, the vectors of what the topics of earlier alerts held, on the date of each and since.

    `alerts` and `members`: EVENT_ALERTS and EVENT_MEMBERS of the window's earlier dates; `rows`: conversation_id beside
    each of `vectors`.
    """
    told = (
        alerts.select("topic", "kind", pl.col("date").alias("since"))
        .join(members.filter("counted"), on="topic")
        .filter(pl.col("date") >= pl.col("since"))
        .select("kind", "conversation_id")
        .unique()
        .join(rows.select("conversation_id").with_row_index("row"), on="conversation_id")
    )
    return {str(kind): vectors[of["row"].sort().to_numpy()] for (kind,), of in told.group_by("kind")}


@dataclass(frozen=True)
class _Before:
    """What the baseline comes to: counts within each topic's reach by day, concerns of accounts within it and of all,
    and a sample of its conversations."""

    counts: pl.DataFrame
    within: pl.DataFrame
    concerns: pl.DataFrame
    pool: Pool


def _before(reach: Reach, days: Sequence[date], read: Callable[[date], Rows], seed: int) -> _Before:
    random = np.random.default_rng([seed, 2])
    counts: list[pl.DataFrame] = [pl.DataFrame(schema=COUNTS)]
    within: list[pl.DataFrame] = [pl.DataFrame(schema=_CONCERNS)]
    concerns: list[pl.DataFrame] = [pl.DataFrame(schema=_CONCERNS)]
    vectors, numbers = [reach.centroids[:0]], [np.zeros(0, dtype=np.int64)]
    for number, day in enumerate(days):
        rows = read(day)
        if not len(rows.vectors):
            continue
        named = rows.conversations.select("conversation_id", "account", "concerning").with_row_index("row")
        counts.append(counts_within(reach, rows.conversations, rows.vectors))
        within.append(rows_within(reach, rows.vectors).join(named, on="row").select(*_CONCERNS))
        concerns.append(named.with_columns(pl.lit("").alias("topic")).select(*_CONCERNS))
        drawn = random.permutation(len(rows.vectors))[: COMPARED // len(days)]
        vectors.append(rows.vectors[drawn])
        numbers.append(np.full(len(drawn), number, dtype=np.int64))
    return _Before(
        pl.concat(counts),
        by_account(pl.concat(within)),
        by_account(pl.concat(concerns)),
        Pool(np.concatenate(vectors), np.concatenate(numbers)),
    )
