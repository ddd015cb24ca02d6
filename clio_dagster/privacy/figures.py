"""Counts made fit to show: noise drawn once, small ones left out, and no more taken back than was shown (P7).

Cells and coverage differ in what names a figure; what may be said of one stands here.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clio_dagster.privacy.accounts import order_of, owner, place_within
from clio_dagster.privacy.noise import two_sided_geometric
from clio_dagster.settings import Settings

PART = ("part", "is_withdrawn")


def within_cap(rows: pl.DataFrame, earlier: pl.DataFrame, figure: Sequence[str], cap: int) -> pl.DataFrame:
    """`rows` without those beyond an account's cap in a figure; those of `earlier` parts come first.

    Both: conversation_id, account and the columns that name the figure. Which stay is decided by the hash of
    conversation_id. What was taken back stays spent: an account moves the sum over all parts by at most `cap` up, and
    by as much down.
    """
    used = earlier.group_by(*figure, owner()).agg(pl.len().cast(pl.Int64).alias("used"))
    place = place_within(*figure, "owner").cast(pl.Int64)
    return (
        rows.with_columns(owner(), order_of(rows["conversation_id"]).alias("order"))
        .join(used, on=[*figure, "owner"], how="left", maintain_order="left")
        .filter(place + pl.col("used").fill_null(0) <= cap)
        .select(rows.columns)
    )


def count(rows: pl.DataFrame, figure: Sequence[str]) -> pl.DataFrame:
    """Conversations and accounts of each figure: `figure`, conversations, accounts."""
    return rows.group_by(*figure).agg(
        pl.len().cast(pl.Int64).alias("conversations"),
        pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
    )


def counted_in(listed: pl.DataFrame, counts: pl.DataFrame, figure: Sequence[str]) -> pl.DataFrame:
    """A count for every figure of a list that does not hang on who is there, zero where nobody is."""
    return listed.join(counts, on=list(figure), how="left").with_columns(
        pl.col("conversations", "accounts").fill_null(0)
    )


def shown(
    counts: pl.DataFrame,
    figure: Sequence[str],
    purpose: str,
    needed_accounts: pl.Expr | int,
    *,
    part: int,
    is_withdrawn: bool,
    settings: Settings,
    key: bytes,
) -> pl.DataFrame:
    """Figures of one part with their noise: those that reach `cell_min_conversations` and `needed_accounts` with it.

    `counts`: `figure`, conversations, accounts. The part belongs to the name under which the noise is drawn, so that
    each part's is its own.
    """
    named = counts.with_columns(
        pl.lit(part, pl.Int32).alias("part"), pl.lit(is_withdrawn).alias("is_withdrawn")
    )
    # A value may be any text: JSON keeps two figures' names from running together.
    names = named.select(
        pl.struct(pl.col(*figure, *PART).cast(pl.String)).struct.json_encode().alias("name")
    )["name"]
    conversations, accounts = noise_of(names, purpose, settings=settings, key=key)
    return (
        named.with_columns(pl.col("conversations") + conversations)
        .filter(
            pl.col("conversations") >= settings.cell_min_conversations,
            pl.col("accounts") + accounts >= needed_accounts,
        )
        .drop("accounts")
    )


def noise_of(
    names: pl.Series, purpose: str, *, settings: Settings, key: bytes
) -> tuple[pl.Series, pl.Series]:
    """The noise on capped conversations and on accounts of what is so named."""
    conversations = two_sided_geometric(
        names,
        key=key,
        purpose=f"{purpose} conversations",
        epsilon=settings.epsilon_of("cell"),
        sensitivity=settings.account_cap,
    )
    accounts = two_sided_geometric(
        names, key=key, purpose=f"{purpose} accounts", epsilon=settings.epsilon_of("cell")
    )
    return conversations, accounts


def totals(published: pl.DataFrame, figure: Sequence[str]) -> pl.DataFrame:
    """What is shown of each figure so far: the sum over its parts; those taken back whole are left out."""
    return (
        published.group_by(*figure)
        .agg(pl.col("conversations").sum())
        .filter(pl.col("conversations") > 0)
        .sort(*figure)
    )


def taken_back(
    withdrawn: pl.DataFrame, standing: pl.DataFrame, figure: Sequence[str], least: int
) -> pl.DataFrame:
    """`withdrawn` figures as they are published: negative, and the whole of a figure that would sink below `least`.

    `standing`: `totals` of the parts before. What would be left of such a figure is too small to show. Nothing is
    compared but what has been published, so it tells a reader nothing more.
    """
    before = standing.select(*figure, pl.col("conversations").alias("before"))
    return (
        withdrawn.join(before, on=list(figure))
        .with_columns(
            -pl.when(pl.col("before") - pl.col("conversations") < least)
            .then("before")
            .otherwise("conversations")
            .alias("conversations")
        )
        .drop("before")
    )
