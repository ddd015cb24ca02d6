"""Scores of reconstruction are those of the textbook."""

from __future__ import annotations

import numpy as np
import polars as pl

from clio_dagster.evaluation.corpora.bank import ORDINARY, categories
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.reconstruction import confusion, floors, scores


def test_scores_agree_with_scikit_learn_and_nothing_found_is_wrong() -> None:
    from sklearn.metrics import f1_score

    random = np.random.default_rng(0)
    truth = random.choice(["a", "b", "c"], 500, p=[0.6, 0.3, 0.1])
    found = np.where(random.random(500) < 0.7, truth, random.choice(["a", "b", "c"], 500))
    rows = pl.DataFrame({"category": truth, "found": found, "language": random.choice(["en", "es"], 500)})
    told = scores(rows).row(0, named=True)
    assert np.isclose(told["accuracy"], (truth == found).mean())
    assert np.isclose(told["macro_f1"], f1_score(truth, found, average="macro"))
    assert np.isclose(told["weighted_f1"], f1_score(truth, found, average="weighted"))
    assert scores(rows, "language")["conversations"].sum() == 500
    nothing = rows.with_columns(pl.lit(None, pl.String).alias("found"))
    assert scores(nothing).row(0, named=True)["accuracy"] == 0
    shares = confusion(nothing)
    assert shares["share"].to_list() == [1.0] * 3


def test_what_knows_nothing_finds_next_to_nothing() -> None:
    """A corpus that TF-IDF solves measures nothing."""
    corpus = make_corpus(ORDINARY, 2_000, languages=["en"])
    texts = corpus.conversations.select(pl.col("messages").list.first().struct.field("text"))["text"]
    floor = floors(texts, corpus.labels["category"], categories(ORDINARY))
    assert floor["tfidf"] < 0.5
    assert floor["majority"] < 0.15
    assert abs(floor["shuffled"] - 0.055) < 0.03
