"""The topics of an event's window so far: found, named and judged by the engine of the daily topics, base level only.

Two judgements are made of each. Under the event's own thresholds, which may be lower, it is named for Trust & Safety;
under the site's it may be shown to anyone (P4 to P7), its count with noise that is drawn once, when its day is over.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.clusters.find import find_clusters
from clio_dagster.clusters.summaries import summarise, vocabularies_of
from clio_dagster.hierarchy.vocabularies import by_node
from clio_dagster.privacy.accounts import owner
from clio_dagster.privacy.figures import shown
from clio_dagster.privacy.gate import audit_samples, audit_tree, lowest_scores
from clio_dagster.safety.tables import EVENT_MEMBERS, EVENT_TOPICS, RESTRICTED
from clio_dagster.settings import Settings
from clio_dagster.tables import CLUSTER_SUMMARIES, CLUSTERED_BY, CLUSTERS, HIERARCHY, PUBLISHED, WITHHELD

PURPOSE = "event topic"
"""What the noise on an event's counts is drawn for."""


@dataclass(frozen=True)
class Namers:
    """Who names and who judges: the analyst, plain code that stands in for it where it fails, and all auditors."""

    analyst: Analyst
    stand_in: Analyst | None = None

    @property
    def auditors(self) -> list[Analyst]:
        return [self.analyst, *([self.stand_in] if self.stand_in else [])]


def event_topics(
    conversations: pl.DataFrame,
    vectors: np.ndarray,
    *,
    event: str,
    date: dt.date,
    previous: pl.DataFrame,
    own: Settings,
    site: Settings,
    key: bytes,
    namers: Namers,
    is_over: bool,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Topics of the window up to `date` and who is in which: (EVENT_TOPICS, EVENT_MEMBERS) of one date and event.

    `conversations`: conversation_id, account, language, date (its own day), started_at, request and concerning, a row
    beside each of `vectors` (n × dimensions, unit rows). `previous`: EVENT_TOPICS of the event's earlier dates and, of
    an earlier revision, of `date` itself: topics keep their ids and names, and figures that were shown stand as they
    are. `own` are the settings under the event's thresholds, `site` the site's. `is_over`: whether `date` is, so that
    its counts may be shown.
    """
    clusters, members = find_clusters(
        conversations, vectors, previous=_clusters_of(previous), settings=own, key=key, date=date
    )
    tree, words = _named(clusters, members, conversations, vectors, previous, own, key, namers)
    scores = lowest_scores(audit_samples(tree, words), [each.audit for each in namers.auditors])
    before = previous.filter(pl.col("date") < date)
    judged = {
        name: audit_tree(
            tree,
            vocabularies=words,
            scores=scores,
            settings=settings,
            key=key,
            standing=frozenset(before.filter(pl.col("status").is_in(standing))["topic"]),
        )
        for name, settings, standing in (
            ("own", own, [PUBLISHED, RESTRICTED]),
            ("site", site, [PUBLISHED]),
        )
    }
    topics = _with_verdicts(clusters, judged["own"], judged["site"], site)
    topics = topics.join(_concern(members, conversations), on="cluster_id", how="left", maintain_order="left")
    stood = previous.filter(pl.col("date") == date).drop_nulls("published_conversations")
    figures = dict(stood.select("topic", "published_conversations").iter_rows())
    if is_over:
        figures = _figures(topics, members, event, date, site, key) | figures
    topics = topics.with_columns(
        pl.lit(event).alias("event"),
        pl.when(status=PUBLISHED)
        .then(pl.col("topic").replace_strict(figures, default=None, return_dtype=pl.Int64))
        .alias("published_conversations"),
    )
    placed = members.join(topics.select("cluster_id", "topic"), on="cluster_id", maintain_order="left")
    return (
        topics.select(*EVENT_TOPICS.schema),
        placed.with_columns(pl.lit(event).alias("event")).select(*EVENT_MEMBERS.schema),
    )


def _clusters_of(previous: pl.DataFrame) -> pl.DataFrame:
    """Earlier topics as the clusters that they were (tables.CLUSTERS)."""
    return previous.with_columns(
        pl.lit(CLUSTERED_BY).alias("clustered_by"),
        pl.lit(0.0).alias("top_account_share"),
        (pl.col("status") != WITHHELD).alias("passes"),
    ).select(*CLUSTERS.schema)


def _named(
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    conversations: pl.DataFrame,
    vectors: np.ndarray,
    previous: pl.DataFrame,
    own: Settings,
    key: bytes,
    namers: Namers,
) -> tuple[pl.DataFrame, dict]:
    """The clusters that pass the event's thresholds as a tree of one level (tables.HIERARCHY), and their words."""
    summaries, stored = summarise(
        clusters,
        members,
        conversations,
        vectors,
        namers.analyst,
        previous=previous.drop_nulls("name")
        .with_columns(pl.lit(CLUSTERED_BY).alias("clustered_by"))
        .select(*CLUSTER_SUMMARIES.schema),
        settings=own,
        key=key,
        stand_in=namers.stand_in,
    )
    tree = summaries.join(
        clusters.select("cluster_id", "conversations", "accounts"), on="cluster_id", maintain_order="left"
    ).with_columns(
        pl.format("0-{}", "cluster_id").alias("node_id"),
        pl.lit(None, pl.String).alias("parent_id"),
        pl.lit(0, pl.Int32).alias("level"),
    )
    tree = tree.select(*HIERARCHY.schema)
    return tree, by_node(tree, vocabularies_of(stored))


def _with_verdicts(
    clusters: pl.DataFrame, own: pl.DataFrame, site: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Each cluster with its name, status and reasons. The site's gate is passed with the site's dominance rule too."""
    named = own.select(
        pl.col("node_id").str.strip_prefix("0-").cast(pl.Int32).alias("cluster_id"),
        "name",
        "description",
        (pl.col("status") == PUBLISHED).alias("stands"),
        pl.col("reasons").alias("own_reasons"),
    ).with_columns(site["reasons"].alias("site_reasons"), (site["status"] == PUBLISHED).alias("is_open"))
    dominated = pl.col("top_account_share") > settings.max_account_share
    share = pl.lit([f"one account above {settings.max_account_share:g} of it"])
    status = (
        pl.when(~pl.col("stands").fill_null(False))
        .then(pl.lit(WITHHELD))
        .when(pl.col("is_open") & ~dominated)
        .then(pl.lit(PUBLISHED))
        .otherwise(pl.lit(RESTRICTED))
    )
    return (
        clusters.rename({"reasons": "size_reasons"})
        .join(named, on="cluster_id", how="left", maintain_order="left")
        .with_columns(status.alias("status"))
        .with_columns(
            pl.when(status=WITHHELD)
            .then(pl.concat_list("size_reasons", pl.col("own_reasons").fill_null([])))
            .when(status=RESTRICTED)
            .then(
                pl.concat_list(
                    "site_reasons", pl.when(dominated).then(share).otherwise(pl.lit([], pl.List(pl.String)))
                )
            )
            .otherwise(pl.lit([], pl.List(pl.String)))
            .alias("reasons"),
            pl.when(pl.col("status") != WITHHELD).then("name").alias("name"),
            pl.when(pl.col("status") != WITHHELD).then("description").alias("description"),
        )
    )


def _concern(members: pl.DataFrame, conversations: pl.DataFrame) -> pl.DataFrame:
    """Mean concern of what counts in each cluster, every account counting once: cluster_id, mean_concerning."""
    of = conversations.select("conversation_id", "concerning")
    return (
        members.filter("counted")
        .join(of, on="conversation_id")
        .group_by("cluster_id", owner())
        .agg(pl.col("concerning").mean())
        .group_by("cluster_id")
        .agg(pl.col("concerning").mean().alias("mean_concerning"))
    )


def _figures(
    topics: pl.DataFrame, members: pl.DataFrame, event: str, date: dt.date, site: Settings, key: bytes
) -> dict[str, int]:
    """The day's own conversations of each published topic, with noise, where they are enough (P7)."""
    open_ = topics.filter(status=PUBLISHED).select("cluster_id", "topic")
    counts = (
        members.filter(pl.col("counted"), pl.col("day") == date)
        .join(open_, on="cluster_id")
        .group_by("topic")
        .agg(
            pl.len().cast(pl.Int64).alias("conversations"),
            pl.col("account").n_unique().cast(pl.Int64).alias("accounts"),
        )
        .with_columns(pl.lit(event).alias("event"), pl.lit(date).alias("date"))
    )
    drawn = shown(
        counts,
        ("date", "event", "topic"),
        PURPOSE,
        site.cell_min_accounts,
        part=1,
        is_withdrawn=False,
        settings=site,
        key=key,
    )
    return dict(drawn.select("topic", "conversations").iter_rows())
