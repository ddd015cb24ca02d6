"""The engine's stages in memory: the functions that assets call, in their order, over frames made here.

`read` and `find` are the stages as they are. `place` stands in for clustering where an attack needs hundreds of
clusters whose members it chose: cap, collapse, thresholds and everything after are the engine's again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst, Vocabulary
from clio_dagster.clusters.find import find_clusters
from clio_dagster.clusters.kmeans import centroids_of
from clio_dagster.clusters.summaries import summarise, vocabularies_of
from clio_dagster.coverage import stages_of
from clio_dagster.embedding import Embedder, make_embedder
from clio_dagster.facets import CLUSTERED_BY, facets_of, vectors_of
from clio_dagster.hierarchy.hierarchizer import build_hierarchy
from clio_dagster.hierarchy.vocabularies import by_node
from clio_dagster.privacy.alike import crowd_of, traffic_of
from clio_dagster.privacy.gate import audit_samples, audit_tree, lowest_scores
from clio_dagster.privacy.parts import Day, Figures, publish_day
from clio_dagster.privacy.thresholds import counted, tally, verdicts
from clio_dagster.settings import Settings
from clio_dagster.tables import (
    CLUSTER_MEMBERS,
    CLUSTER_SUMMARIES,
    CLUSTERS,
    HIERARCHY,
    PUBLISHED,
    RAW_CONVERSATIONS,
)

DAY = dt.date(2026, 11, 7)
"""The date of every attack; windows reach back from it."""


NOISELESS: dict[str, object] = {
    name: math.inf if name in ("epsilon", "epsilon_sensitive") else None
    for name in Settings.model_fields
    if name.startswith("epsilon")
}
"""Settings without noise, with which attacks that noise answers must succeed."""


@dataclass(frozen=True)
class Site:
    """What a site's settings decide: thresholds and noise, the key, the embedder; `honest` is the offline analyst,
    which stands in for another analyst's names and audits beside it, as at any site."""

    settings: Settings
    key: bytes
    embedder: Embedder
    honest: Analyst

    def with_settings(self, **values: object) -> Site:
        return replace(self, settings=self.settings.model_copy(update=values))


@dataclass(frozen=True)
class Base:
    """Clusters of a window and who is in which, beside the facets and vectors that they were made of."""

    facets: pl.DataFrame
    vectors: np.ndarray
    clusters: pl.DataFrame
    members: pl.DataFrame


@dataclass(frozen=True)
class Made:
    """What one date came to, stage by stage."""

    base: Base
    summaries: pl.DataFrame
    vocabularies: dict[int, Vocabulary]
    audited: pl.DataFrame

    @cached_property
    def published(self) -> pl.DataFrame:
        """Published nodes: tables.AUDITED_SUMMARIES."""
        return self.audited.filter(status=PUBLISHED)

    @cached_property
    def leaves(self) -> pl.DataFrame:
        """Base nodes with `cluster_id`."""
        return self.audited.filter(level=0).with_columns(
            pl.col("node_id").str.split("-").list.last().cast(pl.Int32).alias("cluster_id")
        )

    def texts(self) -> list[str]:
        """Every name and description that is published."""
        return [*self.published["name"], *self.published["description"]]

    def share_under_leaf(self) -> float:
        """Share of the window's conversations that count under a published base cluster, of all that were read."""
        shown = self.leaves.filter(status=PUBLISHED)["cluster_id"]
        return float(self.base.members["cluster_id"].is_in(shown.implode()).mean() or 0.0)  # type: ignore[arg-type]


class Remembering:
    """An embedder that embeds each text once: attacks run the same texts through hundreds of topics."""

    def __init__(self, inner: Embedder) -> None:
        self.name, self.version = inner.name, inner.version
        self.dimensions, self.languages = inner.dimensions, inner.languages
        self._inner = inner
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        new = sorted({*texts} - self._known.keys())
        if new:
            self._known |= dict(zip(new, self._inner.encode(new), strict=True))
        rows = [self._known[text] for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dimensions), dtype=np.float32)


@cache
def embedder(name: str, threads: int) -> Embedder:
    return Remembering(make_embedder(name, threads=threads))


def site_of(seed: int = 0, **values: object) -> Site:
    """A site with the default settings but `values`, and a key that the seed decides."""
    return site_with(settings_of(**values), seed)


def site_with(settings: Settings, seed: int = 0) -> Site:
    """A site with these settings, and a key that the seed decides: never the one of the settings."""
    from clio_dagster.analyst.offline.analyst import OfflineAnalyst

    chosen = embedder(settings.embedder, settings.threads)
    key = hashlib.sha256(f"clio evaluate privacy {seed}".encode()).digest()
    return Site(settings, key, chosen, OfflineAnalyst(chosen))


def settings_of(**values: object) -> Settings:
    """The defaults of a site, whatever the environment says. Nothing is read or written where it points."""
    nowhere = {"home": Path("/nonexistent/home"), "key_file": Path("/nonexistent/key"), "threads": 2}
    return Settings(**nowhere | values)  # type: ignore[arg-type]


def conversations(
    ids: Sequence[str],
    accounts: Sequence[str | None],
    texts: Sequence[str],
    started_at: Sequence[dt.datetime],
    *,
    language: str = "en",
    replies: Sequence[str] | None = None,
) -> pl.DataFrame:
    """tables.RAW_CONVERSATIONS: each a message of the user, and the assistant's reply."""
    answered = replies or ["Here is a first draft."] * len(texts)
    return pl.DataFrame(
        {
            "conversation_id": list(ids),
            "account": list(accounts),
            "started_at": list(started_at),
            "date": [DAY] * len(texts),
            "language": [language] * len(texts),
            "turns": [2] * len(texts),
            "messages": [
                [{"role": "user", "text": asked}, {"role": "assistant", "text": reply}]
                for asked, reply in zip(texts, answered, strict=True)
            ],
            "flagged": [None] * len(texts),
        },
        schema=RAW_CONVERSATIONS.schema,
    )


def read(raw: pl.DataFrame, analyst: Analyst, site: Site) -> tuple[pl.DataFrame, np.ndarray, pl.DataFrame]:
    """Facets of those that were read, their vectors row by row, and tables.FACETS of all."""
    everything = facets_of(raw, analyst)
    return *embed(everything, site), everything


def embed(everything: pl.DataFrame, site: Site) -> tuple[pl.DataFrame, np.ndarray]:
    """Of tables.FACETS, the rows that were read, and their vectors row by row."""
    embedded = pl.concat(vectors_of(everything, site.embedder))
    facets = (
        embedded.select("conversation_id", "date", "language", "vector")
        .join(everything, on=["conversation_id", "date", "language"], how="inner", maintain_order="left")
        .sort("conversation_id", "date", "language")
    )
    return facets.drop("vector"), facets["vector"].to_numpy()


def find(
    facets: pl.DataFrame, vectors: np.ndarray, site: Site, *, previous: pl.DataFrame | None = None
) -> Base:
    """Base clusters as the site finds them."""
    clusters, members = find_clusters(
        facets,
        vectors,
        previous=CLUSTERS.empty() if previous is None else previous,
        settings=site.settings,
        key=site.key,
        date=DAY,
        clustered_by=CLUSTERED_BY,
    )
    return Base(facets, vectors, clusters, members)


def place(facets: pl.DataFrame, vectors: np.ndarray, topics: Sequence[str], site: Site) -> Base:
    """Base clusters of chosen members: each row in the cluster of its topic, whose id its noise hangs on."""
    names = sorted(set(topics))
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[topic] for topic in topics], dtype=np.int32)
    rows = facets.with_columns(
        pl.Series("cluster_id", labels, dtype=pl.Int32), pl.col(CLUSTERED_BY).alias("text")
    )
    marks = counted(
        rows,
        site.settings.account_cap,
        site.settings.max_account_share,
        traffic=traffic_of(rows["started_at"]),
        crowd=crowd_of(site.settings.min_accounts),
    )
    members = rows.select(
        pl.lit(DAY).alias("date"),
        pl.lit(CLUSTERED_BY).alias("clustered_by"),
        "conversation_id",
        "account",
        "language",
        "cluster_id",
        pl.lit(0.1, pl.Float32).alias("distance"),
        pl.col("date").alias("day"),
        marks.alias("counted"),
    )
    tallies = tally(members).with_columns(pl.Series("topic", names, dtype=pl.String))
    judged = verdicts(tallies, settings=site.settings, key=site.key)
    centroids = centroids_of(vectors, np.arange(len(labels)), labels, len(names), marks.to_numpy())
    clusters = judged.select(
        pl.lit(DAY).alias("date"),
        pl.lit(CLUSTERED_BY).alias("clustered_by"),
        *judged.columns,
        pl.Series("centroid", centroids.tolist(), dtype=CLUSTERS.schema["centroid"]),
    )
    return Base(facets, vectors, clusters.select(*CLUSTERS.schema), members.select(*CLUSTER_MEMBERS.schema))


def name(base: Base, analyst: Analyst, site: Site) -> Made:
    """Names, tree and the gate's verdicts."""
    stand_in = None if analyst is site.honest else site.honest
    summaries, stored = summarise(
        base.clusters,
        base.members,
        base.facets,
        base.vectors,
        analyst,
        previous=CLUSTER_SUMMARIES.empty(),
        settings=site.settings,
        key=site.key,
        stand_in=stand_in,
    )
    vocabularies = vocabularies_of(stored)
    tree, _ = build_hierarchy(
        summaries,
        base.clusters,
        base.members,
        vocabularies,
        analyst,
        previous=HIERARCHY.empty(),
        settings=site.settings,
        date=DAY,
        clustered_by=CLUSTERED_BY,
        stand_in=stand_in,
    )
    words = by_node(tree, vocabularies)
    audited = audit_tree(
        tree,
        vocabularies=words,
        scores=lowest_scores(
            audit_samples(tree, words), [each.audit for each in (analyst, stand_in) if each]
        ),
        settings=site.settings,
        key=site.key,
        standing=frozenset(),
    )
    return Made(base, summaries, vocabularies, audited)


def publish(made: Made, everything: pl.DataFrame, site: Site) -> Figures:
    """The date's published figures. `everything`: tables.FACETS of the date."""
    of_day = made.base.members.filter(pl.col("day") == DAY)
    staged = stages_of(
        everything.select(
            "conversation_id", "account", "language", "status", "turns", "concerning", "refused", "task"
        ),
        of_day,
        made.base.clusters,
        made.audited,
    )
    day = Day(DAY, staged, of_day, made.audited)
    return publish_day(day, Figures.none(), parts=0, withdrawals=0, settings=site.settings, key=site.key)
