"""One setting changed at a time, over conversations that are read and embedded once.

Conversations of known categories, some with a private item of their own, go through the stages that a change reaches,
and what is measured is what a reader gets: which category is told, how much is shown, and what stands behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst, NamingSample, Node, Refusal, Summary
from clio_dagster.clusters.vectors import normalized
from clio_dagster.evaluation.attacks.canaries import holds
from clio_dagster.evaluation.corpora.bank import Category
from clio_dagster.evaluation.pipeline import Base, Made, Site, embed, find, name
from clio_dagster.evaluation.reconstruction import assigned, category_nodes
from clio_dagster.facets import CLUSTERED_BY, facets_of
from clio_dagster.privacy.inflection import base_forms
from clio_dagster.privacy.segmentation import segment
from clio_dagster.tables import PUBLISHED

READING, CLUSTERING, NAMING = "facets", "clusters", "names"
"""The first stage that a change reaches; all before it are shared."""

RARE = 8
"""Accounts below which a word is rare, whatever support a change asks for: the default of CLIO_WORD_MIN_ACCOUNTS."""

SCORES = {
    "accuracy": pl.Float64,
    "by_name": pl.Float64,
    "v_measure": pl.Float64,
    "shown": pl.Float64,
    "shown_right": pl.Float64,
    "topics": pl.Int64,
    "private": pl.Int64,
    "words": pl.Float64,
    "rare_words": pl.Float64,
}
"""Columns of what is measured; see `measured`."""


@dataclass(frozen=True)
class Reading:
    """Facets that were read, their vectors row by row, and their words: conversation_id, word, form."""

    facets: pl.DataFrame
    vectors: np.ndarray
    words: pl.DataFrame


@dataclass(frozen=True)
class Bench:
    """What changes are measured on: `labels` (conversation_id, category) are those of conversations that count, `items`
    (kind, text) the private items planted in any."""

    conversations: pl.DataFrame
    labels: pl.DataFrame
    items: pl.DataFrame
    reading: Reading


@dataclass(frozen=True)
class Variant:
    """The site and the analyst with one change, `what` set to `value`. A conversation is told by the topic `above` its
    base cluster so many times."""

    what: str
    value: str
    site: Site
    analyst: Analyst
    stage: str = CLUSTERING
    above: int = 0


class WithoutContrast:
    """An analyst that names clusters by their members alone, without the nearest outsiders (paper, G.5)."""

    def __init__(self, inner: Analyst) -> None:
        self._inner = inner

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)

    def name_clusters(self, samples: Sequence[NamingSample]) -> Sequence[Summary | Refusal]:
        return self._inner.name_clusters([replace(sample, outside=()) for sample in samples])


def without_contrast(analyst: Analyst) -> Analyst:
    return cast("Analyst", WithoutContrast(analyst))


def read(conversations: pl.DataFrame, analyst: Analyst, site: Site) -> Reading:
    """tables.RAW_CONVERSATIONS through the stages before clustering."""
    facets, vectors = embed(facets_of(conversations, analyst), site)
    texts = facets[CLUSTERED_BY].str.replace_all(r"\[[a-z_ ]+\]", "…")
    tokens = segment(texts, facets["language"]).select("row", "word").unique(maintain_order=True)
    spoken = facets.select("conversation_id", "language").with_row_index("row")
    tokens = tokens.join(spoken, on="row", maintain_order="left")
    words = tokens.with_columns(base_forms(tokens["word"], tokens["language"]))
    return Reading(facets, vectors, words.select("conversation_id", "word", "form"))


def made(variant: Variant, reading: Reading, base: Base | None = None) -> Made:
    """The stages after reading; `base`, where the change reaches no cluster, stands for those found before."""
    if base is None or variant.stage != NAMING:
        base = find(reading.facets, reading.vectors, variant.site)
    return name(base, variant.analyst, variant.site)


def measured(
    variant: Variant, done: Made, bench: Bench, categories: Sequence[Category]
) -> dict[str, float | int | None]:
    """SCORES over the bench's `labels`.

    accuracy: share whose topic is assigned to their own category (reconstruction.supervised); by_name: share whose
    topic's name and description, embedded, are nearest to their own category's; v_measure: topics against categories;
    shown: share under a published topic; shown_right: share under one that is assigned to their own category; topics:
    published ones of that level; private: items that a published name or description holds; words: how many a base
    cluster's name may use, in the mean; rare_words: share of those that fewer than RARE accounts use, null without any.
    """
    told = bench.labels.join(
        _told(variant, done, categories), on="conversation_id", how="left", maintain_order="left"
    )

    def share(holds: pl.Expr) -> float:
        return float(told.select(holds.fill_null(value=False).mean()).item() or 0.0)

    right = pl.col("found") == pl.col("category")
    texts = [text.casefold() for text in done.texts()]
    behind = _accounts_behind(done, bench.reading)
    return {
        "accuracy": share(right),
        "by_name": share(pl.col("named") == pl.col("category")),
        "v_measure": _agreement(told.drop_nulls("node")),
        "shown": share(pl.col("is_shown")),
        "shown_right": share(right & pl.col("is_shown")),
        "topics": told.filter("is_shown")["node"].n_unique(),
        "private": sum(
            any(holds(text, kind, item) for text in texts)
            for kind, item in bench.items.select("kind", "text").iter_rows()
        ),
        "words": len(behind) / max(1, done.summaries.height),
        "rare_words": None if behind.is_empty() else float((behind < RARE).mean() or 0.0),  # type: ignore[arg-type]
    }


def _agreement(grouped: pl.DataFrame) -> float:
    from sklearn.metrics import v_measure_score

    if grouped.is_empty():
        return 0.0
    return float(v_measure_score(grouped["category"].to_list(), grouped["node"].to_list()))


def _told(variant: Variant, done: Made, categories: Sequence[Category]) -> pl.DataFrame:
    """conversation_id, node, and found, named and is_shown, which are null in a base cluster without a name."""
    parents = done.audited.select("node_id", "parent_id")
    leaves = done.leaves.select("cluster_id", "node_id").sort("cluster_id")
    for _ in range(variant.above):
        leaves = leaves.join(parents, on="node_id", how="left", maintain_order="left").select(
            "cluster_id", pl.coalesce("parent_id", "node_id").alias("node_id")
        )
    sizes = done.base.clusters.select("cluster_id", "conversations", "centroid")
    nodes = (
        leaves.join(sizes, on="cluster_id", maintain_order="left")
        .group_by("node_id", maintain_order=True)
        .agg("conversations", "centroid")
        .join(
            done.audited.select("node_id", "name", "description", "status"),
            on="node_id",
            maintain_order="left",
        )
    )
    children = [
        Node(Summary(title, description), _middle(centroids, weights))
        for title, description, centroids, weights in nodes.select(
            "name", "description", "centroid", "conversations"
        ).iter_rows()
    ]
    level = category_nodes(categories, variant.site.embedder)
    chosen = assigned(children, level, variant.analyst) if children else []
    told = nodes.select(
        "node_id",
        pl.Series("found", [categories[place].id for place in chosen], dtype=pl.String),
        pl.Series("named", _nearest(children, level, categories, variant.site), dtype=pl.String),
        (pl.col("status") == PUBLISHED).alias("is_shown"),
    )
    return (
        done.base.members.select("conversation_id", "cluster_id")
        .join(leaves.join(told, on="node_id"), on="cluster_id", how="left", maintain_order="left")
        .select(
            "conversation_id",
            pl.coalesce("node_id", pl.format("in no topic {}", "cluster_id")).alias("node"),
            "found",
            "named",
            "is_shown",
        )
    )


def _nearest(
    topics: Sequence[Node], level: Sequence[Node], categories: Sequence[Category], site: Site
) -> list[str]:
    """The category whose name and description are nearest to each topic's, as category_nodes embeds them."""
    if not topics:
        return []
    vectors = site.embedder.encode([f"{each.summary.name}. {each.summary.description}" for each in topics])
    places = (vectors @ np.stack([each.vector for each in level]).T).argmax(axis=1)
    return [categories[place].id for place in places]


def _middle(centroids: Sequence[Sequence[float]], weights: Sequence[int]) -> np.ndarray:
    """A topic's vector as the hierarchizer's: its base clusters' mean, weighted by their conversations."""
    middle = np.maximum(np.array(weights, dtype=np.float32), 1) @ np.array(centroids, dtype=np.float32)
    return normalized(middle[None, :])[0]


def _accounts_behind(done: Made, reading: Reading) -> pl.Series:
    """How many accounts use each word that a base cluster's name may use, cluster by cluster."""
    allowed = pl.DataFrame(
        [(cluster, word) for cluster, known in done.vocabularies.items() for word in known.words],
        schema={"cluster_id": pl.Int32, "word": pl.String},
        orient="row",
    )
    used = (
        done.base.members.filter("counted")
        .select("conversation_id", "cluster_id", "account")
        .join(reading.words, on="conversation_id")
    )
    forms = used.group_by("cluster_id", "form").agg(
        pl.col("account").drop_nulls().n_unique().alias("accounts")
    )
    # A word may have another base form in another language: what counts is the one that most accounts use.
    return (
        allowed.join(used.select("cluster_id", "word", "form").unique(), on=["cluster_id", "word"])
        .join(forms, on=["cluster_id", "form"])
        .group_by("cluster_id", "word")
        .agg(pl.col("accounts").max())
        .sort("cluster_id", "word")["accounts"]
    )
