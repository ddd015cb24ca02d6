"""What became of the topics between two dates: births, splits, merges and deaths (tables.LINEAGE)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from clio_dagster.clusters.births import is_brought
from clio_dagster.clusters.coarse_to_fine import nearest
from clio_dagster.tables import BIRTH, DEATH, LINEAGE, MERGE, SPLIT

MERGED = 0.5
"""Least part of an ended topic's conversations that another topic holds, for it to have merged into that one."""


def lineage_events(
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    *,
    earlier: pl.DataFrame,
    earlier_members: pl.DataFrame,
    links: pl.DataFrame,
    date: dt.date,
    seed: int = 0,
    threads: int = 1,
) -> pl.DataFrame:
    """A row for each topic that appeared or ended on `date` (tables.LINEAGE); all frames of one clustered_by.

    `clusters`, `members`: tables.CLUSTERS and CLUSTER_MEMBERS of the date. `earlier` and `links`: CLUSTERS and LINEAGE
    of the window's earlier dates; `earlier_members`: CLUSTER_MEMBERS of the newest of them. Only topics that pass
    count: one appeared where it passed on no earlier date of the window, and ended where it passed on the newest of
    them alone. What the date itself brought (births.is_brought) is born, any other that appeared was split off.
    Without an earlier date nothing is said.
    """
    if earlier.is_empty():
        return LINEAGE.empty()
    stood = earlier.filter("passes")
    newest = stood.filter(pl.col("date") == earlier["date"].max()).sort("topic")
    now = clusters.filter("passes").sort("topic")
    shared = _shared(clusters, members, earlier, earlier_members)
    appeared = _appeared(now.join(stood, on="topic", how="anti"), newest, members, date, seed, threads)
    family = links.filter(pl.col("kind").is_in([BIRTH, SPLIT])).sort("date")
    families = dict(family.select("topic", "family").drop_nulls().iter_rows())
    appeared = appeared.join(
        shared.select("topic", "share", other="before"), on=["topic", "other"], how="left"
    ).with_columns(
        pl.col("share").fill_null(0.0),
        pl.col("other").replace(families).alias("family"),
    )
    return (
        pl.concat([appeared, _ended(newest.join(now, on="topic", how="anti"), shared)], how="diagonal")
        .with_columns(
            pl.lit(date, pl.Date).alias("date"), pl.lit(clusters["clustered_by"][0]).alias("clustered_by")
        )
        .select(pl.col(name).cast(dtype) for name, dtype in LINEAGE.schema.items())
        .sort(LINEAGE.key)
        if len(clusters)
        else LINEAGE.empty()
    )


def _shared(
    clusters: pl.DataFrame, members: pl.DataFrame, earlier: pl.DataFrame, earlier_members: pl.DataFrame
) -> pl.DataFrame:
    """Of the conversations that both dates have, how many a topic has from one before, and the part of each side:
    topic, before, share, share_before."""
    newest = earlier.filter(pl.col("date") == earlier["date"].max())
    sides = [
        found.select("conversation_id", "cluster_id")
        .join(of.select("cluster_id", "topic"), on="cluster_id")
        .select("conversation_id", pl.col("topic").alias(name))
        for found, of, name in ((members, clusters, "topic"), (earlier_members, newest, "before"))
    ]
    pairs = sides[0].join(sides[1], on="conversation_id").group_by("topic", "before").len()
    return pairs.select(
        "topic",
        "before",
        (pl.col("len") / pl.col("len").sum().over("topic")).alias("share"),
        (pl.col("len") / pl.col("len").sum().over("before")).alias("share_before"),
    )


def _appeared(
    appeared: pl.DataFrame,
    newest: pl.DataFrame,
    members: pl.DataFrame,
    date: dt.date,
    seed: int,
    threads: int,
) -> pl.DataFrame:
    """kind, topic, own_share, and other: the topic of the newest date whose centroid is nearest."""
    sizes = members.group_by("cluster_id").agg(pl.len(), (pl.col("day") == date).sum().alias("own"))
    rows = appeared.select("cluster_id", "topic").join(
        sizes, on="cluster_id", how="left", maintain_order="left"
    )
    brought = is_brought(
        rows["own"].to_numpy(), rows["len"].to_numpy(), int((members["day"] == date).sum()), len(members)
    )
    others: list[str | None] = [None] * len(rows)
    if len(rows) and len(newest):
        one, all_ = (np.array(each["centroid"].to_list(), np.float32) for each in (appeared, newest))
        if one.shape[1] == all_.shape[1]:
            found = nearest(one, np.arange(len(one)), all_, seed=seed, threads=threads)
            others = newest["topic"].gather(found).to_list()
    return rows.select(
        pl.Series("kind", np.where(brought, BIRTH, SPLIT), dtype=pl.String),
        "topic",
        (pl.col("own") / pl.col("len")).alias("own_share"),
        pl.Series("other", others, dtype=pl.String),
    )


def _ended(ended: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """kind, topic, other and share: where the greatest part of each ended topic's conversations went."""
    went = (
        shared.filter(pl.col("topic") != pl.col("before"))
        .sort("share_before", "topic", descending=[True, False])
        .unique("before", keep="first", maintain_order=True)
        .select("share_before", other="topic", topic="before")
    )
    merged = pl.col("share_before") >= MERGED
    return (
        ended.select("topic")
        .join(went, on="topic", how="left")
        .select(
            pl.when(merged).then(pl.lit(MERGE)).otherwise(pl.lit(DEATH)).alias("kind"),
            "topic",
            pl.when(merged).then("other").alias("other"),
            pl.when(merged).then("share_before").otherwise(0.0).alias("share"),
        )
    )
