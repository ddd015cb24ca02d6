"""One set of labels found again, and the tables that tell of it: the same for the project's corpora and for others'."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.evaluation.corpora.bank import Category
from clio_dagster.evaluation.given import Analysed
from clio_dagster.evaluation.pipeline import Site
from clio_dagster.evaluation.reconstruction import (
    best_possible,
    by_category,
    confusion,
    floors,
    interval,
    most_confused,
    nearest_names,
    scores,
    supervised,
    unsupervised,
)
from clio_dagster.evaluation.section import Bar

KNOWN, ENGLISH, ALL = "languages that the embedder knows", "English", "all languages"

FLOORS = ("majority", "tfidf", "shuffled", "embedder")

CONFUSED = 12
"""Pairs of categories that a table tells of."""

COLUMNS = """
- **accuracy**, with **low** and **high**, its 95% interval: base clusters are drawn again, since one is right or wrong
  as a whole. **macro_f1** is the mean over categories, **weighted_f1** over conversations.
- **best_possible**: the accuracy if every base cluster went to the category that most of its members have. What is
  beyond it was lost before the assignment: unread, in no base cluster, or in a mixed one.
- Floors, which need no Clio: **majority**, the most frequent category for all; **tfidf**, the category whose English
  name and description share the rarest words with the first message; **shuffled**, the labels in another order;
  **embedder**, the category whose name and description lie nearest to the conversation's own request, one by one.
""".strip()
"""What the columns of `Found.supervised` mean, in Markdown."""


@dataclass(frozen=True)
class Found:
    """`labelled`: conversation_id, language, category, text (the first message), cluster_id and found (null: in none),
    near (the nearest name by the embedder, null where unread)."""

    name: str
    labelled: pl.DataFrame
    categories: Sequence[Category]
    languages: frozenset[str]
    agreement: dict[str, float]
    seed: int

    @property
    def known(self) -> pl.DataFrame:
        """Rows in a language that the embedder knows."""
        return self.labelled.filter(pl.col("language").is_in(self.languages))

    @property
    def english(self) -> pl.DataFrame:
        return self.labelled.filter(language="en")

    def over(self) -> dict[str, pl.DataFrame]:
        """Rows over the embedder's languages, over English and over all, where there are several languages."""
        if self.labelled["language"].n_unique() == 1:
            return {ALL: self.labelled}
        return {KNOWN: self.known, ENGLISH: self.english, ALL: self.labelled}

    def floors(self, rows: pl.DataFrame) -> dict[str, float]:
        """Accuracy of what needs no Clio, over `rows` of `labelled`; nan where there are none."""
        if rows.is_empty():
            return dict.fromkeys(FLOORS, math.nan)
        near = (rows["near"] == rows["category"]).fill_null(value=False)
        told = floors(rows["text"], rows["category"], self.categories, self.seed)
        return {**told, "embedder": float(near.mean() or 0.0)}  # type: ignore[arg-type]

    def supervised(self) -> pl.DataFrame:
        """Scores, interval, best possible and floors: a row for each part of `over` that is not empty."""
        rows = []
        for over, part in self.over().items():
            if part.is_empty():
                continue
            low, high = interval(part, seed=self.seed)
            told = scores(part).row(0, named=True)
            rows.append(
                {"set": self.name, "over": over, "conversations": part.height}
                | {"categories": len(self.categories), "accuracy": told["accuracy"], "low": low, "high": high}
                | {"macro_f1": told["macro_f1"], "weighted_f1": told["weighted_f1"]}
                | {"best_possible": best_possible(part), **self.floors(part)}
            )
        return pl.DataFrame(rows)

    def by_language(self) -> pl.DataFrame:
        """Scores of each language, whether the embedder knows it, and the share that lies in a base cluster."""
        clustered = self.labelled.group_by("language").agg(
            pl.col("cluster_id").is_not_null().mean().alias("in_a_base_cluster")
        )
        return (
            scores(self.labelled, "language")
            .join(clustered, on="language", maintain_order="left")
            .with_columns(pl.col("language").is_in(self.languages).alias("known"))
            .select(pl.lit(self.name).alias("set"), "language", "known", pl.exclude("language", "known"))
        )

    def by_category(self) -> pl.DataFrame:
        """Precision, recall and F1 of each category, over the languages that the embedder knows."""
        return by_category(self._told()).select(pl.lit(self.name).alias("set"), pl.all())

    def confused(self) -> pl.DataFrame:
        """The pairs that are most often taken for one another, over the languages that the embedder knows."""
        return most_confused(self._told(), CONFUSED).select(
            pl.lit(self.name).alias("set"), "category", pl.col("found").alias("taken_for"), "share"
        )

    def matrix(self) -> tuple[list[str], list[str], np.ndarray]:
        """Names of rows and columns ("none" for what is found in none) and shares of each row."""
        ids = [each.id for each in self.categories]
        names = [each.name for each in self.categories]
        shares = np.zeros((len(ids), len(ids) + 1))
        for category, found, share in confusion(self.known).iter_rows():
            shares[ids.index(category), ids.index(found) if found else len(ids)] = share
        return names, [*names, "none"], shares

    def bar(self, what: str, at_least: float | None = None, over: pl.DataFrame | None = None) -> Bar:
        """Accuracy with its interval and hits over `over`, rows of `labelled`: `known` unless they are given."""
        rows = self.known if over is None else over
        return accuracy_bar(what, rows, at_least, self.seed)

    def _told(self) -> pl.DataFrame:
        """As `known`, with names for categories."""
        names = {each.id: each.name for each in self.categories}
        return self.known.with_columns(pl.col("category", "found").replace(names))


def accuracy_bar(what: str, labelled: pl.DataFrame, at_least: float | None, seed: int) -> Bar:
    """The accuracy of rows with `conversation_id`, `cluster_id`, `category` and `found`; nan where there are none."""
    hit = (pl.col("category") == pl.col("found")).fill_null(value=False)
    return Bar(
        what,
        float(scores(labelled)["accuracy"][0]) if labelled.height else math.nan,
        at_least=at_least,
        n=labelled.height,
        interval=interval(labelled, seed=seed),
        hits=labelled.select(
            "conversation_id", hit.alias("hit"), pl.col("cluster_id").cast(pl.String).alias("together")
        ),
    )


def find_again(
    name: str,
    done: Analysed,
    labels: pl.DataFrame,
    categories: Sequence[Category],
    *,
    analyst: Analyst,
    site: Site,
    seed: int,
) -> Found:
    """Assign base clusters to the known categories. `labels`: conversation_id, language and category of each."""
    found = supervised(done.made, categories, analyst, site.embedder)
    near = done.facets.select(
        "conversation_id",
        pl.Series("near", nearest_names(done.vectors, categories, site.embedder), pl.String),
    )
    first = done.corpus.conversations.select(
        "conversation_id", pl.col("messages").list.first().struct.field("text")
    )
    labelled = (
        labels.select("conversation_id", "language", "category")
        .join(first, on="conversation_id", how="left", maintain_order="left")
        .join(found, on="conversation_id", how="left", maintain_order="left")
        .join(near, on="conversation_id", how="left", maintain_order="left")
    )
    languages = site.embedder.languages or frozenset(labels["language"])
    agreement = unsupervised(done.made, labels, seed=seed)
    return Found(name, labelled, categories, frozenset(languages), agreement, seed)
