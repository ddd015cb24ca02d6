"""Which conversations count, and which topics are large enough to be named (P4).

Answers the colluder and the spammer: the excess over an account's cap and groups of one template are set
aside before any rule looks, and the comparison is with keyed noise, so that a topic filled to its edge tells
little about the one account that tips it.

What bounds an account. Within one cluster, `counted` keeps at most `cap` conversations of an account, so an
account moves a cluster's count, and any part of it such as one day, by at most `cap`: the sensitivity of the
noise on conversations. It moves the number of accounts by one. A node above sums clusters, and an account may
be in each: there the sensitivity is `cap` times the clusters below (the `leaves` column), and cells.py caps
again in every cell. Three limits are left. A conversation without an account is its own account, so a person
who sends many such is bounded by nothing. A conversation that falls into a group of one template may set
aside or let in up to two others (see collapse.py), and one written while accounts write in step several more
(see `move_bound` in alike.py), whose accounts then count or do not. And trimming to the largest share, which
works only below cap / share conversations, may change a few.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from clio_dagster.privacy.accounts import order_of, owner, place_within
from clio_dagster.privacy.alike import CROWD, pooled, traffic_of
from clio_dagster.privacy.collapse import collapsed
from clio_dagster.privacy.noise import two_sided_geometric
from clio_dagster.settings import Settings

HYSTERESIS = 0.8
"""A topic that stood on the previous date stays while it has this part of each minimum, with the same noise.
"""


def counted(
    members: pl.DataFrame,
    cap: int,
    max_account_share: float = 1.0,
    *,
    traffic: np.ndarray | None = None,
    crowd: int = CROWD,
) -> pl.Series:
    """Which conversations count (Boolean, in the order of the rows).

    `members`: cluster_id, conversation_id, account (null = an account of its own), text, and started_at where
    known (nullable). `traffic`: when the site's conversations of the window began, from `alike.traffic_of`;
    the members' own times unless given. In this order, an account's conversations in a cluster are capped,
    groups of one template and accounts in step collapsed to one, and accounts that would still hold more than
    `max_account_share` of a cluster trimmed to it: a spammer's excess is dropped, so it cannot make a topic
    fail for being dominated. Which of them stay is decided by the hash of conversation_id, never by the order
    of the rows.
    """
    rows = members.select(
        "cluster_id",
        "text",
        owner().alias("account"),
        order_of(members["conversation_id"]).alias("order"),
        *([] if "started_at" not in members.columns else ["started_at"]),
    ).with_row_index("row")
    kept = rows.filter(place_within("cluster_id", "account") <= cap)
    aside = collapsed(kept)
    if "started_at" in members.columns:
        aside |= pooled(kept, traffic_of(members["started_at"]) if traffic is None else traffic, crowd)
    kept = kept.filter(~aside)
    kept = _trim(kept, cap, max_account_share)
    return pl.Series("counted", rows["row"].is_in(kept["row"].implode()))


def tally(members: pl.DataFrame) -> pl.DataFrame:
    """Conversations, accounts and the largest account's share of each cluster, over counted rows alone.

    `members`: cluster_id, account, counted. Conversations without an account count as no account, and each as
    one of its own for the share. A cluster none of whose conversations count is listed with zeros.
    """
    rows = members.filter("counted")
    sizes = rows.group_by("cluster_id").agg(
        pl.len().cast(pl.Int64).alias("conversations"),
        pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
    )
    largest = (
        rows.group_by("cluster_id", "account")
        .len()
        .group_by("cluster_id")
        .agg(pl.when(pl.col("account").is_null()).then(1).otherwise(pl.col("len")).max().alias("largest"))
    )
    return (
        members.select(pl.col("cluster_id").unique().sort())
        .join(sizes, on="cluster_id", how="left", maintain_order="left")
        .join(largest, on="cluster_id", how="left", maintain_order="left")
        .select(
            "cluster_id",
            pl.col("conversations", "accounts").fill_null(0),
            (pl.col("largest") / pl.col("conversations")).fill_null(0.0).alias("top_account_share"),
        )
    )


def verdicts(
    tallies: pl.DataFrame, *, settings: Settings, key: bytes, standing: frozenset[str] = frozenset()
) -> pl.DataFrame:
    """`tallies` with `passes` (Boolean) and `reasons` (list of strings, empty where it passes).

    `tallies`: topic, conversations, accounts, top_account_share. `standing` are the topics that passed on the
    previous date.
    """
    dominated = pl.col("top_account_share") > settings.max_account_share
    return (
        tallies.with_columns(
            size_reasons(tallies, settings=settings, key=key, standing=standing).alias("reasons")
        )
        .with_columns(
            pl.when(dominated)
            .then(
                pl.col("reasons").list.concat(
                    pl.lit([f"one account above {settings.max_account_share:g} of it"])
                )
            )
            .otherwise("reasons")
            .alias("reasons")
        )
        .with_columns((pl.col("reasons").list.len() == 0).alias("passes"))
        .select(*tallies.columns, "passes", "reasons")
    )


def size_reasons(
    tallies: pl.DataFrame, *, settings: Settings, key: bytes, standing: frozenset[str] = frozenset()
) -> pl.Series:
    """Which size thresholds each topic fails: a list of strings a row, empty where none.

    `tallies`: topic, conversations, accounts, and `leaves` where a topic sums several base clusters (1
    without). The draw belongs to the topic, so a topic meets the same edge on every date and wherever it is
    asked. Conversations and accounts are two comparisons, and what shows is whether both hold: each has half of
    the topic's ε, so that its appearance tells one account in from out by a factor of e^ε at most.
    """
    leaves = tallies["leaves"] if "leaves" in tallies.columns else pl.repeat(1, len(tallies), eager=True)
    rows = tallies.select(
        "topic",
        "conversations",
        "accounts",
        leaves.cast(pl.Int64).alias("leaves"),
        pl.col("topic").is_in(sorted(standing)).alias("standing"),
    ).with_row_index("row")
    parts = [
        part.with_columns(
            two_sided_geometric(
                part["topic"],
                key=key,
                purpose="topic conversations",
                epsilon=settings.epsilon_of("topic") / 2,
                sensitivity=settings.account_cap * count,
            ).alias("conversation_noise"),
            two_sided_geometric(
                part["topic"], key=key, purpose="topic accounts", epsilon=settings.epsilon_of("topic") / 2
            ).alias("account_noise"),
        )
        for (count,), part in rows.group_by("leaves")
        if isinstance(count, int)
    ]
    if not parts:
        return pl.Series("reasons", [], dtype=pl.List(pl.String))

    def below(count: str, noise: str, minimum: int, label: str) -> pl.Expr:
        edge = pl.when("standing").then(math.ceil(HYSTERESIS * minimum)).otherwise(minimum)
        reason = pl.lit([f"{label} below {minimum}"])
        return (
            pl.when(pl.col(count) + pl.col(noise) < edge)
            .then(reason)
            .otherwise(pl.lit([], dtype=pl.List(pl.String)))
        )

    return (
        pl.concat(parts)
        .sort("row")
        .select(
            pl.concat_list(
                below("conversations", "conversation_noise", settings.min_conversations, "conversations"),
                below("accounts", "account_noise", settings.min_accounts, "accounts"),
            ).alias("reasons")
        )["reasons"]
    )


def _trim(rows: pl.DataFrame, cap: int, share: float) -> pl.DataFrame:
    """Lower a cluster's cap until no account holds more than `share` of it, where that can be reached."""
    sizes = rows.group_by("cluster_id", "account").len("size")
    limits = pl.concat(
        sizes.group_by("cluster_id")
        .agg(pl.min_horizontal("size", limit).sum().alias("total"))
        .filter(pl.lit(limit) <= share * pl.col("total"))
        .select("cluster_id", pl.lit(limit).alias("limit"))
        for limit in range(1, cap + 1)
    )
    limits = limits.group_by("cluster_id").agg(pl.col("limit").max())
    return (
        rows.join(limits, on="cluster_id", how="left", maintain_order="left")
        .filter(place_within("cluster_id", "account") <= pl.col("limit").fill_null(cap))
        .drop("limit")
    )
