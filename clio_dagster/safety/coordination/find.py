"""Groups of accounts that act together, from a window's conversations to two frames.

What varies for free (wording, order, slots, hours) is not relied on. What does not: an account of a ring does one
thing, where people have a few; or, resold, it does what many people do, where a person has habits.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date as Date

import numpy as np
import polars as pl

from clio_dagster.safety.coordination import frames
from clio_dagster.safety.coordination.accounts import described
from clio_dagster.safety.coordination.cells import nested_cells, reduced
from clio_dagster.safety.coordination.frames import GROUPS_SCHEMA, MEMBERS_SCHEMA, TIME
from clio_dagster.safety.coordination.groups import grouped
from clio_dagster.safety.coordination.resale import resold
from clio_dagster.safety.coordination.scan import EXCHANGES, Layer, scan
from clio_dagster.safety.coordination.structure import structures
from clio_dagster.safety.tables import RESALE

FALSE_RATE = 0.1
MIN_ACCOUNTS = 5
LEAST_CONVERSATIONS = 500
"""Conversations from which what is usual can be told at all."""


def find_groups(
    conversations: pl.DataFrame,
    vectors: np.ndarray,
    *,
    date: Date,
    seed: int = 0,
    false_rate: float = FALSE_RATE,
    min_accounts: int = MIN_ACCOUNTS,
    threads: int = 1,
    exchanges: int = EXCHANGES,
    without: Collection[str] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Groups (GROUPS_SCHEMA, the highest score first) and their members (MEMBERS_SCHEMA) in a window's conversations.

    `conversations`: conversation_id, account (null belongs to no group), started_at, language, text (of its first
    message or its request), turns, topic (nullable), and account_created_at where a site knows it for all accounts.
    `vectors`: float32 unit rows, one for each. `false_rate`: groups of at most so many by chance in a run; `score` is
    −log10 of the evidence's tail. At least `min_accounts` make a group; one is enough for resale. `without` names
    signals to leave out (signals.SIGNALS, and "resale"). Of fewer than LEAST_CONVERSATIONS nothing is found.

    The same for a seed, whatever the order of the rows and the number of threads. Raises ValueError where the rows
    and the vectors differ in number, a conversation is there twice or has no time, or a parameter is out of its range.
    """
    _check(conversations, vectors, false_rate, min_accounts)
    wanted = conversations.with_columns(place=pl.int_range(pl.len())).filter(pl.col("account").is_not_null())
    rows = _typed(wanted.sort("conversation_id"))
    if len(rows) < LEAST_CONVERSATIONS:
        return pl.DataFrame(schema=GROUPS_SCHEMA), pl.DataFrame(schema=MEMBERS_SCHEMA)
    points = reduced(vectors, rows["place"].to_numpy(), seed=seed, threads=threads)
    levels = nested_cells(points, seed=seed, threads=threads)
    keys, words = structures(rows["text"])
    accounts = described(rows, points, words)
    del points
    layers = [Layer(f"meaning {number}", False, cell) for number, cell in enumerate(levels)]
    layers += [Layer(kind, True, key) for kind, key in keys.items()]
    found = scan(
        accounts,
        layers,
        levels[-1],
        min_accounts=min_accounts,
        least_rate=false_rate,
        seed=seed,
        without=without,
        exchanges=exchanges,
    )
    pieces = [
        frames.of_scan(group, accounts, layers, rows, date)
        for group in grouped(accounts, layers, found, words, min_accounts)
    ]
    if RESALE not in without:
        many = resold(accounts, rows, levels[-1], least_rate=false_rate, seed=seed)
        pieces += [frames.of_resale(group, many, accounts, rows, date) for group in many.groups]
    groups = pl.DataFrame([group for group, _ in pieces], schema=GROUPS_SCHEMA)
    members = [row for _, rows_of_it in pieces for row in rows_of_it]
    return (
        groups.sort("score", "group_id", descending=[True, False]),
        pl.DataFrame(members, schema=MEMBERS_SCHEMA).sort("group_id", "account"),
    )


def _check(conversations: pl.DataFrame, vectors: np.ndarray, false_rate: float, min_accounts: int) -> None:
    if len(conversations) != len(vectors):
        raise ValueError(
            f"{len(conversations)} conversations but {len(vectors)} vectors: give one for each row"
        )
    if conversations["conversation_id"].n_unique() < len(conversations):
        raise ValueError("a conversation is there twice: give each conversation_id once")
    if conversations["started_at"].null_count():
        raise ValueError("started_at is null in some conversations: leave them out")
    if not 0 < false_rate <= 100:
        raise ValueError("false_rate must be above 0 and at most 100 groups a run")
    if min_accounts < 2:
        raise ValueError("min_accounts must be 2 or more")


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns that are used, in their types; null where a frame lacks one."""
    wanted = {
        "conversation_id": pl.String(),
        "account": pl.String(),
        "started_at": TIME,
        "language": pl.String(),
        "text": pl.String(),
        "turns": pl.Int64(),
        "topic": pl.String(),
        "account_created_at": TIME,
        "place": pl.Int64(),
    }
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in wanted.items()
    )
