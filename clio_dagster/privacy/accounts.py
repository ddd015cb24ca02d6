"""Accounts: their pseudonyms (P1), whose a conversation is, and which of theirs count where not all do.

Answers the thief of the disk: past landing, an account is an HMAC-SHA256 under a key that lies elsewhere, so
that a list of known account ids cannot be matched against it.
"""

from __future__ import annotations

import hashlib
import hmac

import polars as pl


def pseudonyms(accounts: pl.Series, key: bytes) -> pl.Series:
    """Hex HMAC-SHA256 (64 characters) of each account id; null stays null.

    The same id under the same key gives the same pseudonym. Each distinct id is hashed once.
    """
    ids = accounts.cast(pl.String)
    distinct = ids.drop_nulls().unique()
    hashed = pl.Series(
        [hmac.digest(key, b"account\x00" + account.encode(), "sha256").hex() for account in distinct],
        dtype=pl.String,
    )
    return ids.replace_strict(distinct, hashed, default=None, return_dtype=pl.String)


def owner() -> pl.Expr:
    """Whose conversation it is: the account, or the conversation itself where none is named."""
    return pl.coalesce("account", pl.concat_str(pl.lit("\x00"), "conversation_id")).alias("owner")


def order_of(conversation_ids: pl.Series) -> pl.Series:
    """A number (UInt64) by which an account's conversations stand in line: a hash, so that neither the order nor the
    time of sending decides which of them count."""
    ids = conversation_ids.cast(pl.String)
    distinct = ids.unique()
    digests = [
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") for name in distinct
    ]
    return ids.replace_strict(distinct, pl.Series(digests, dtype=pl.UInt64), return_dtype=pl.UInt64)


def place_within(*columns: str) -> pl.Expr:
    """Which in line each is among those of equal `columns`, from 1, by the column `order` (of `order_of`)."""
    return pl.col("order").rank("ordinal").over(*columns)
