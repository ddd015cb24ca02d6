"""Erasure (P10): which rows are an account's, who is not landed again, and which dates wait for a batch.

Answers the thief of the disk, who must not find what was removed, and the reader who compares a release with its next
revision: made again right after one account was erased, it shows what that account had been. So a date that is
published is *held*: nothing of it is made until several erased accounts wait for it, or the first has waited for long.

Of an account that was erased a digest is kept, under the site's key and for this purpose alone: it is not the
pseudonym, and names nobody without the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta

import polars as pl

from clio_dagster.tables import Table

ERASED = "its account was erased"
"""The reason for which a record is not landed again."""

ACCOUNT, CONVERSATION = "account", "conversation_id"

_OWN_SLICE = ("date", "language")
"""A table partitioned by these holds a conversation in the slice of its own day and language."""

CONVERSATIONS_SCHEMA = {CONVERSATION: pl.String, "date": pl.Date, "language": pl.String}
"""An account's conversations, each with its own day and language."""


def erased_digest(account: str, key: bytes) -> str:
    """Hex HMAC-SHA256 (64 characters) by which an erased account is known again."""
    return hmac.digest(key, b"erased\x00" + account.encode(), "sha256").hex()


def naming_accounts(tables: Iterable[Table]) -> list[Table]:
    """The tables whose rows say whose they are."""
    return [table for table in tables if ACCOUNT in table.schema]


def naming_conversations(tables: Iterable[Table]) -> list[Table]:
    """The tables whose rows say of which conversation they are, and not whose."""
    return [table for table in tables if CONVERSATION in table.schema and ACCOUNT not in table.schema]


def conversation_columns(table: Table) -> list[str]:
    """The columns by which a row of a table that names no account is a given conversation's."""
    is_own = set(table.partitioned_by) == set(_OWN_SLICE)
    return [CONVERSATION, *_OWN_SLICE] if is_own else [CONVERSATION]


def without(
    table: Table, frame: pl.DataFrame, accounts: Collection[str], conversations: pl.DataFrame
) -> pl.DataFrame:
    """The rows of `frame` that are not of these accounts (pseudonyms), in order.

    `conversations` (CONVERSATIONS_SCHEMA) are the accounts', and decide where the table names no account.
    """
    if ACCOUNT in frame.columns:
        return frame.filter(~pl.col(ACCOUNT).is_in(list(accounts)).fill_null(False))
    if CONVERSATION not in frame.columns:
        return frame
    return frame.join(conversations, on=conversation_columns(table), how="anti", maintain_order="left")


def own_conversations(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Conversations (CONVERSATIONS_SCHEMA) that rows of a table name; none where it does not say their day."""
    day = "day" if "day" in table.schema else "date"
    if not {CONVERSATION, day, "language"} <= set(rows.columns):
        return pl.DataFrame(schema=CONVERSATIONS_SCHEMA)
    return rows.select(CONVERSATION, pl.col(day).alias("date"), "language")


def waiting(erasures: pl.DataFrame, now: datetime, *, batch: int, days: int) -> pl.DataFrame:
    """Dates that wait to be made again [date, until, is_due], sorted; `erasures` is tables.ERASURES.

    A date is due, and no longer held, once `batch` erased accounts wait for it or the first has waited for `days`,
    and no erasure that touches it is unfinished. `until` is when it is due at the latest.
    """
    by_date = (
        erasures.explode("dates")
        .drop_nulls("dates")
        .group_by(pl.col("dates").alias("date"))
        .agg(
            pl.col("erased").n_unique().alias("accounts"),
            (pl.col("waiting_since").min() + timedelta(days=days)).alias("until"),
            pl.col("done_at").is_not_null().all().alias("is_done"),
        )
    )
    is_over = (pl.col("accounts") >= batch) | (pl.col("until") <= pl.lit(now.astimezone(UTC)))
    return by_date.select("date", "until", (pl.col("is_done") & is_over).alias("is_due")).sort("date")


def settled(erasures: pl.DataFrame, dates: Collection[date], now: datetime) -> pl.DataFrame:
    """The rows of `erasures` that change once `dates` were made again: these wait no longer."""
    gone = pl.Series(sorted(dates), dtype=pl.Date)
    left = pl.col("dates").list.eval(pl.element().filter(~pl.element().is_in(gone.implode())))
    changed = erasures.with_columns(left.alias("left")).filter(
        pl.col("left").list.len() < pl.col("dates").list.len()
    )
    is_over = (pl.col("left").list.len() == 0) & pl.col("done_at").is_not_null()
    moment = pl.lit(now, pl.Datetime("us", "UTC"))
    return changed.with_columns(
        pl.col("left").alias("dates"),
        pl.when(pl.col("left").list.len() > 0).then("waiting_since").alias("waiting_since"),
        pl.when(is_over).then(moment).otherwise("released_at").alias("released_at"),
    ).drop("left")
