"""Whether known categories are found again (Clio, appendix C.2; Tables 4 and 5, Figure 10).

Supervised, as in the paper: base clusters are found as ever, the level above is fixed to the known categories, and the
analyst's own step assigns each base cluster to one. Every conversation counts: one that was not read, or lies in no
cluster, is found in none. Unsupervised: base clusters against categories, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst, Node, Summary
from clio_dagster.embedding import Embedder
from clio_dagster.evaluation.corpora.bank import Category
from clio_dagster.evaluation.intervals import LEVEL
from clio_dagster.evaluation.pipeline import Made
from clio_dagster.hierarchy.hierarchizer import ASSIGNED_AT_ONCE

SCORES = {
    "conversations": pl.Int64,
    "accuracy": pl.Float64,
    "macro_f1": pl.Float64,
    "weighted_f1": pl.Float64,
}
"""Columns of `scores`."""

RESAMPLES = 1_000
"""Draws of an interval."""


def category_nodes(categories: Sequence[Category], embedder: Embedder) -> list[Node]:
    """The categories as the hierarchizer's parents: name, description, and the vector of both."""
    vectors = embedder.encode([f"{each.name}. {each.description}" for each in categories])
    return [
        Node(Summary(each.name, each.description), vector)
        for each, vector in zip(categories, vectors, strict=True)
    ]


def assigned(children: Sequence[Node], parents: Sequence[Node], analyst: Analyst) -> list[int]:
    """The place of each child's parent.

    As in the hierarchizer, the analyst is asked for ASSIGNED_AT_ONCE children at a time, drawn at random, with the
    parents in another order each time.
    """
    draw = np.random.default_rng(0)
    drawn = draw.permutation(len(children))
    found = [0] * len(children)
    for group in np.split(drawn, range(ASSIGNED_AT_ONCE, len(drawn), ASSIGNED_AT_ONCE)):
        order = draw.permutation(len(parents))
        answers = analyst.assign([children[child] for child in group], [parents[place] for place in order])
        for child, answer in zip(group, answers, strict=True):
            found[child] = int(order[answer])
    return found


def supervised(
    made: Made, categories: Sequence[Category], analyst: Analyst, embedder: Embedder
) -> pl.DataFrame:
    """conversation_id, cluster_id and found, the category of each conversation that is in a base cluster."""
    centroids = dict(made.base.clusters.select("cluster_id", "centroid").iter_rows())
    leaves = made.leaves.select("cluster_id", "name", "description").sort("cluster_id")
    children = [
        Node(Summary(name, description), np.asarray(centroids[cluster], dtype=np.float32))
        for cluster, name, description in leaves.iter_rows()
    ]
    if not children:
        return pl.DataFrame(schema={"conversation_id": pl.String, "cluster_id": pl.Int32, "found": pl.String})
    chosen = assigned(children, category_nodes(categories, embedder), analyst)
    found = leaves.select("cluster_id").with_columns(
        pl.Series("found", [categories[place].id for place in chosen], dtype=pl.String)
    )
    return made.base.members.join(found, on="cluster_id").select("conversation_id", "cluster_id", "found")


def scores(labelled: pl.DataFrame, by: str | None = None) -> pl.DataFrame:
    """SCORES of rows with `category` and `found` (null: in none), over all, or for each value of the column `by`.

    F1 of a category that is never found is 0; the mean is over categories that occur.
    """
    groups = labelled.partition_by(by, as_dict=True) if by else {(None,): labelled}
    rows = []
    for (value,), rows_of in sorted(groups.items(), key=lambda item: str(item[0])):
        f1 = _f1(rows_of)
        counts = f1["support"]
        right = (rows_of["category"] == rows_of["found"]).fill_null(value=False)
        rows.append(
            ({by: value} if by else {})
            | {
                "conversations": rows_of.height,
                "accuracy": float(right.mean() or 0.0),  # type: ignore[arg-type]
                "macro_f1": float(f1["f1"].mean() or 0.0),  # type: ignore[arg-type]
                "weighted_f1": float(np.average(f1["f1"].to_numpy(), weights=counts.to_numpy())),
            }
        )
    return pl.DataFrame(rows, schema={**({by: pl.String} if by else {}), **SCORES})


def by_category(labelled: pl.DataFrame) -> pl.DataFrame:
    """category, conversations, precision (null where it is never found), recall and f1 of those that occur."""
    return _f1(labelled).select(
        "category",
        pl.col("support").alias("conversations"),
        pl.when(pl.col("told") > 0).then(pl.col("right") / pl.col("told")).alias("precision"),
        (pl.col("right") / pl.col("support")).alias("recall"),
        "f1",
    )


def _f1(labelled: pl.DataFrame) -> pl.DataFrame:
    """category, support, right, told, f1."""
    truth = labelled.group_by("category").agg(
        pl.len().alias("support"), (pl.col("category") == pl.col("found")).sum().alias("right")
    )
    found = (
        labelled.drop_nulls("found").group_by(pl.col("found").alias("category")).agg(pl.len().alias("told"))
    )
    counted = truth.join(found, on="category", how="left").with_columns(pl.col("told").fill_null(0))
    f1 = (2 * pl.col("right") / (pl.col("support") + pl.col("told"))).alias("f1")
    return counted.with_columns(f1).sort("category")


def interval(labelled: pl.DataFrame, *, seed: int = 0, level: float = LEVEL) -> tuple[float, float]:
    """Of the accuracy: base clusters are drawn again (percentile bootstrap), since one is right or wrong as a whole.

    A conversation in none is drawn by itself. (0, 1) where there is nothing to draw from.
    """
    groups = (
        labelled.with_columns(
            pl.coalesce(pl.col("cluster_id").cast(pl.String), pl.lit(" ") + pl.col("conversation_id")).alias(
                "by"
            )
        )
        .group_by("by")
        .agg((pl.col("category") == pl.col("found")).sum().alias("right"), pl.len())
        .sort("by")
    )
    if groups.is_empty():
        return 0.0, 1.0
    random = np.random.default_rng(seed)
    right, size = groups["right"].to_numpy(), groups["len"].to_numpy()
    drawn = (random.integers(len(size), size=len(size)) for _ in range(RESAMPLES))
    shares = [right[again].sum() / size[again].sum() for again in drawn]
    low, high = np.quantile(shares, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def best_possible(labelled: pl.DataFrame) -> float:
    """Accuracy if every base cluster went to its commonest category: what is beyond it, no assignment reaches."""
    held = labelled.drop_nulls("cluster_id").group_by("cluster_id", "category").len()
    return float(held.group_by("cluster_id").agg(pl.col("len").max())["len"].sum() / max(1, labelled.height))


def confusion(labelled: pl.DataFrame) -> pl.DataFrame:
    """category, found ("" for none), share of the category's conversations."""
    return (
        labelled.with_columns(pl.col("found").fill_null(""))
        .group_by("category", "found")
        .len()
        .with_columns((pl.col("len") / pl.col("len").sum().over("category")).alias("share"))
        .drop("len")
        .sort("category", "found")
    )


def most_confused(labelled: pl.DataFrame, count: int) -> pl.DataFrame:
    """category, found and share of the category's conversations: the `count` largest shares that were taken for
    another."""
    wrong = confusion(labelled).filter((pl.col("category") != pl.col("found")) & (pl.col("found") != ""))
    return wrong.sort("share", "category", "found", descending=[True, False, False]).head(count)


def unsupervised(made: Made, labels: pl.DataFrame, *, seed: int = 0) -> dict[str, float]:
    """Base clusters against the `category` of `labels`, over the conversations that are in one: adjusted Rand index,
    V-measure with its two parts, and the V-measure of clusters whose members are shuffled.

    The Rand index is adjusted for chance, the V-measure is not.
    """
    from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure, v_measure_score

    both = made.base.members.select("conversation_id", "cluster_id").join(
        labels.select("conversation_id", "category"), on="conversation_id"
    )
    if both.is_empty():
        return {"ari": 0.0, "homogeneity": 0.0, "completeness": 0.0, "v_measure": 0.0, "v_shuffled": 0.0}
    both = both.sort("conversation_id")
    truth, clusters = both["category"].to_numpy(), both["cluster_id"].to_numpy()
    homogeneity, completeness, v_measure = homogeneity_completeness_v_measure(truth, clusters)
    shuffled = np.random.default_rng(seed).permutation(clusters)
    return {
        "ari": float(adjusted_rand_score(truth, clusters)),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
        "v_shuffled": float(v_measure_score(truth, shuffled)),
    }


def nearest_names(vectors: np.ndarray, categories: Sequence[Category], embedder: Embedder) -> list[str]:
    """The category whose name and description lie nearest to each of the unit vectors: no clusters, no analyst."""
    names = np.stack([node.vector for node in category_nodes(categories, embedder)])
    return [categories[place].id for place in np.argmax(vectors @ names.T, axis=1)]


def floors(
    texts: pl.Series, labels: pl.Series, categories: Sequence[Category], seed: int = 0
) -> dict[str, float]:
    """Accuracy of what knows nothing: the most frequent category, the nearest name by TF-IDF, labels that are shuffled.

    `texts` and `labels` are those of the conversations, of which the category's id is the label.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    names = [f"{each.name} {each.description}" for each in categories]
    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit([*texts, *names])
    near = (vectors.transform(texts.to_list()) @ vectors.transform(names).T).toarray()
    ids = np.array([each.id for each in categories])
    found = np.where(near.max(axis=1) > 0, ids[near.argmax(axis=1)], "")
    truth = labels.to_numpy()
    shuffled = np.random.default_rng(seed).permutation(truth)
    return {
        "majority": float(labels.value_counts()["count"].to_numpy().max() / len(labels)),
        "tfidf": float((found == truth).mean()),
        "shuffled": float((shuffled == truth).mean()),
    }
