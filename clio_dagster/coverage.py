"""What became of every conversation of a day: the ledger that makes "no row lost silently" checkable."""

from __future__ import annotations

from datetime import date

import polars as pl

from clio_dagster.settings import OTHER
from clio_dagster.tables import EXACT_COVERAGE, NOT_UNDERSTOOD, PUBLISHED, UNREAD

IN, QUARANTINED = "in", "quarantined"


def stages_of(
    facets: pl.DataFrame, members: pl.DataFrame, clusters: pl.DataFrame, audited: pl.DataFrame
) -> pl.DataFrame:
    """`facets` of a day with `stage`: the one of tables.COVERAGE_STAGES that each conversation came to.

    `facets`: conversation_id, status and whatever else. `members`: tables.CLUSTER_MEMBERS rows of that date whose own
    day it is. Members, clusters and audited nodes are of one clustering.
    """
    leaves = audited.filter(pl.col("level") == 0).select(
        pl.col("node_id").str.split("-").list.last().cast(pl.Int32).alias("cluster_id"),
        pl.col("status").alias("verdict"),
    )
    return (
        facets.join(
            members.select("conversation_id", "cluster_id", "counted"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
        .join(clusters.select("cluster_id", "passes"), on="cluster_id", how="left", maintain_order="left")
        .join(leaves, on="cluster_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("status") == NOT_UNDERSTOOD)
            .then(pl.lit("language not understood"))
            .when((pl.col("status") == UNREAD) | pl.col("counted").is_null())
            .then(pl.lit("unread"))
            .when(~pl.col("counted"))
            .then(pl.lit("merged as duplicates"))
            .when(~pl.col("passes"))
            .then(pl.lit("below a threshold"))
            .when(pl.col("verdict") == PUBLISHED)
            .then(pl.lit("published"))
            .otherwise(pl.lit("withheld"))
            .alias("stage")
        )
        .select(*facets.columns, "stage")
    )


def exact_coverage_of(day: str, conversations: pl.DataFrame, *, quarantined: int) -> pl.DataFrame:
    """tables.EXACT_COVERAGE of one day.

    `conversations`: account, language and stage of all its conversations. Each is in one stage below `in`;
    `quarantined` records, whose language nobody knows, stand under `other`.
    """
    everything = pl.concat([conversations, conversations.with_columns(pl.lit(IN).alias("stage"))])
    rows = everything.group_by("language", "stage").agg(
        pl.len().cast(pl.Int64).alias("conversations"),
        pl.col("account").drop_nulls().n_unique().cast(pl.Int64).alias("accounts"),
    )
    refused = pl.DataFrame(
        {"language": [OTHER], "stage": [QUARANTINED], "conversations": [quarantined], "accounts": [0]},
        schema=rows.schema,
    ).filter(pl.col("conversations") > 0)
    return (
        pl.concat([rows, refused])
        .with_columns(pl.lit(date.fromisoformat(day)).alias("date"))
        .select(*EXACT_COVERAGE.schema)
        .sort("language", "stage")
    )
