"""What became of every conversation of a day: the ledger that makes "no row lost silently" checkable."""

from __future__ import annotations

from datetime import date

import polars as pl

from clio_dagster.settings import OTHER
from clio_dagster.tables import EXACT_COVERAGE, NOT_UNDERSTOOD, PUBLISHED, UNREAD


def exact_coverage_of(
    day: str,
    facets: pl.DataFrame,
    members: pl.DataFrame,
    clusters: pl.DataFrame,
    audited: pl.DataFrame,
    *,
    quarantined: int,
    account_cap: int,
) -> pl.DataFrame:
    """tables.EXACT_COVERAGE of one day.

    `facets`: conversation_id, account, language, status of all its conversations. `members`: tables.CLUSTER_MEMBERS
    rows of that date whose own day it is. Each conversation is in one stage below `in`; `quarantined` records, whose
    language nobody knows, stand under `other`.
    """
    leaves = audited.filter(pl.col("level") == 0).select(
        pl.col("node_id").str.split("-").list.last().cast(pl.Int32).alias("cluster_id"), "status"
    )
    fate = (
        facets.select("conversation_id", "account", "language", pl.col("status").alias("reading"))
        .join(members.select("conversation_id", "cluster_id", "counted"), on="conversation_id", how="left")
        .join(clusters.select("cluster_id", "passes"), on="cluster_id", how="left")
        .join(leaves, on="cluster_id", how="left")
        .with_columns(
            pl.when(pl.col("reading") == NOT_UNDERSTOOD)
            .then(pl.lit("language not understood"))
            .when((pl.col("reading") == UNREAD) | pl.col("counted").is_null())
            .then(pl.lit("unread"))
            .when(~pl.col("counted"))
            .then(pl.lit("merged as duplicates"))
            .when(~pl.col("passes"))
            .then(pl.lit("below a threshold"))
            .when(pl.col("status") == PUBLISHED)
            .then(pl.lit("published"))
            .otherwise(pl.lit("withheld"))
            .alias("stage")
        )
    )
    everything = pl.concat([fate, fate.with_columns(pl.lit("in").alias("stage"))])
    rows = (
        everything.with_columns(
            pl.coalesce("account", pl.concat_str(pl.lit("\x00"), "conversation_id")).alias("owner")
        )
        .group_by("language", "stage", "owner")
        .agg(pl.len().cast(pl.Int64).alias("conversations"), pl.col("account").first())
        .group_by("language", "stage")
        .agg(
            pl.col("conversations").sum(),
            pl.col("conversations").clip(upper_bound=account_cap).sum().alias("capped_conversations"),
            pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
        )
    )
    refused = pl.DataFrame(
        {
            "language": [OTHER],
            "stage": ["quarantined"],
            "conversations": [quarantined],
            "capped_conversations": [quarantined],
            "accounts": [0],
        },
        schema=rows.schema,
    ).filter(pl.col("conversations") > 0)
    return (
        pl.concat([rows, refused])
        .with_columns(pl.lit(date.fromisoformat(day)).alias("date"))
        .select(*EXACT_COVERAGE.schema)
        .sort("language", "stage")
    )
