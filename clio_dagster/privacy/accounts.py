"""Pseudonyms of accounts (P1).

Answers the thief of the disk: past landing, an account is an HMAC-SHA256 under a key that lies elsewhere, so
that a list of known account ids cannot be matched against it.
"""

from __future__ import annotations

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
