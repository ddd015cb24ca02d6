"""When accounts were made, where a site says so: a table of its own, since conversations do not carry it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from clio_dagster.conversations.records import parse_time
from clio_dagster.privacy.accounts import pseudonyms

SCHEMA: dict[str, Any] = {"account": pl.String, "account_created_at": pl.Datetime("us", "UTC")}

COLUMNS = ("account_id", "created_at")


class AccountAgesError(ValueError):
    """CLIO_ACCOUNTS_FILE cannot be read. The message names the file and says what it should hold; it quotes nothing."""


def read_account_ages(path: Path, key: bytes) -> pl.DataFrame:
    """account (its pseudonym, once each, the earliest time) and account_created_at (UTC), from a CSV or Parquet file.

    The file has account_id, as the conversations name it, and created_at, as started_at may be written. Rows whose time
    does not read are left out. Source ids stay in memory (P1). Raises AccountAgesError.
    """
    try:
        found = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError):
        raise AccountAgesError(
            f"{path} does not read: give a CSV or Parquet file of {' and '.join(COLUMNS)}"
        ) from None
    if missing := [name for name in COLUMNS if name not in found.columns]:
        raise AccountAgesError(
            f"{path} has no column {' and no '.join(missing)}: it needs {' and '.join(COLUMNS)}"
        )
    created = [parse_time(value) for value in found["created_at"]]
    return (
        pl.DataFrame(
            {
                "account": pseudonyms(found["account_id"], key),
                "account_created_at": created,
            },
            SCHEMA,
        )
        .drop_nulls()
        .group_by("account")
        .agg(pl.col("account_created_at").min())
        .sort("account")
    )
