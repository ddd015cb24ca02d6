"""Whether members belong under their cluster's title, by the categories that they were made from.

Two judges, neither of whom reads: one takes a title to speak of the category that most members are of, and tells how
far clusters are of one kind at all; the other goes by the title's own words alone, held against what the corpus
writes about each category in any language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl

from clio_dagster.evaluation.corpora.bank import LANGUAGES, categories, phrases_of

_WORD = re.compile(r"[^\W\d_]{3,}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{2,}")

STEM = 6
"""Letters of a word that count, so that its forms are one."""


def placed(members: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """cluster_id, conversation_id, category and of_cluster, the category that most members of the cluster are of.

    Of two as frequent the first by name.
    """
    rows = members.select("cluster_id", "conversation_id").join(
        labels.select("conversation_id", "category"), on="conversation_id"
    )
    first = (
        rows.group_by("cluster_id", "category")
        .len()
        .sort("cluster_id", "len", "category", descending=[False, True, False])
        .group_by("cluster_id", maintain_order=True)
        .agg(pl.col("category").first().alias("of_cluster"))
    )
    return rows.join(first, on="cluster_id", maintain_order="left")


def share_by_chance(rows: pl.DataFrame, seed: int = 0) -> float:
    """Share of members that are of their cluster's category where categories are shuffled among them."""
    shuffled = rows.with_columns(pl.col("category").shuffle(seed=seed)).drop("of_cluster")
    again = placed(shuffled, shuffled)
    return float((again["category"] == again["of_cluster"]).mean() or 0.0)  # type: ignore[arg-type]


def told_apart(rows: pl.DataFrame) -> pl.DataFrame:
    """category, other and likeness of each pair, the most alike first.

    Likeness is the cosine of how the two lie over base clusters: 0 where they share none, 1 where a cluster that one
    is in holds the other in the same proportion, so that no reader of clusters can tell them apart.
    """
    counts = rows.group_by("category", "cluster_id").len().sort("category", "cluster_id")
    wide = counts.pivot("cluster_id", index="category", values="len").fill_null(0)
    names = wide["category"].to_list()
    lengths = wide.drop("category").to_numpy().astype(np.float64)
    lengths /= np.linalg.norm(lengths, axis=1, keepdims=True)
    one, other = np.triu_indices(len(names), 1)
    return pl.DataFrame(
        {
            "category": [names[place] for place in one],
            "other": [names[place] for place in other],
            "likeness": (lengths @ lengths.T)[one, other],
        },
        schema={"category": pl.String, "other": pl.String, "likeness": pl.Float64},
    ).sort("likeness", "category", "other", descending=[True, False, False])


def named(titles: Sequence[str], kind: str) -> list[str | None]:
    """The category of a kind that each title's words are nearest to by TF-IDF; None where no category has any."""
    vectoriser, vectors, ids = _written(kind)
    if not titles:
        return []
    near = (vectoriser.transform(titles) @ vectors.T).toarray()
    return [
        ids[place] if row[place] > 0 else None for row, place in zip(near, near.argmax(axis=1), strict=True)
    ]


@cache
def _written(kind: str):  # type: ignore[no-untyped-def]  # scikit-learn ships no types
    """TF-IDF over a text for each category and language: its prompts and fillers, and in English its name too."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, ids = [], []
    for category in categories(kind):
        told = [category.name, category.description, *category.subcategories.values()]
        for language in LANGUAGES:
            lines = phrases_of(language, kind, category.id)
            texts.append(" ".join([*lines, *(told if language == "en" else [])]))
            ids.append(category.id)
    vectoriser = TfidfVectorizer(analyzer=_terms, sublinear_tf=True)
    return vectoriser, vectoriser.fit_transform(texts), ids


def _terms(text: str) -> list[str]:
    folded = text.casefold()
    pairs = [run[at : at + 2] for run in _UNSPACED.findall(folded) for at in range(len(run) - 1)]
    return pairs + [word[:STEM] for word in _WORD.findall(folded) if not _UNSPACED.fullmatch(word)]
