"""How concerning a conversation is, from 1 (benign) to 5 (extreme): paper, G.4.

No keyword decides. Words of kinds (harmful acts, weapons, whom they touch, what surrounds them: a game, a
machine, a definition, history, protection, being the victim) are looked up in the language's list, and a
small model weighs each kind, the pairs of kinds in a message, and the pairs within a few words. It was fitted
on sentences written for the project (`concern_training`), so "kill a process" and "kill a man" are told apart
by what stands beside the verb. English has weights for single words and word pairs on top. What the assistant
did counts last: a refusal is evidence that it read harm. It is a screen, not a judgement: irony, code words
and slow build-up escape it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import polars as pl

from clio_dagster.analyst.offline.lexicon import find

NEAR = 5.5
"""Words within which an act and what it is done to count as one phrase."""

READ_CHARACTERS = 700
"""Folded characters of a turn that are weighed; a harmful intent is rarely buried deeper in one's own
words."""

ACTS = (
    *("violence", "weapon", "drug", "theft", "fraud", "hack", "sexual", "selfharm", "hate", "slur"),
    *("profanity", "harass", "private", "damage", "deceive", "extremism"),
)
"""Kinds of words that name something harmful; the others say whom it touches and how it is meant."""

LEVELS = (2, 3, 4, 5)
"""The model gives the odds of reaching each of these levels; the score is 1 plus the four probabilities."""

Model = tuple[pl.DataFrame, pl.DataFrame]
"""Weights (feature, english, w2 to w5) and starting odds (english, start2 to start5)."""

REFUSAL_WEIGHT = 0.9
"""Added to a score where the assistant refused and something in the words explains why; half where nothing
does."""


def concern_features(texts: pl.DataFrame) -> pl.DataFrame:
    """What the model sees of each text: row, feature, each once. `texts` has row, language and folded.

    Features are kinds (`violence`), pairs in the text (`violence&howto`), pairs within NEAR words
    (`violence~machine`), the same with `act` for any kind of act, and, in English, words and word pairs
    (`w:…`).
    """
    texts = texts.with_columns(folded=pl.col("folded").str.slice(0, READ_CHARACTERS))
    hits = find(texts, "concern")
    acts = hits.filter(pl.col("kind").is_in(ACTS))
    acts = pl.concat([acts, acts.with_columns(kind=pl.lit("act"))])
    rest = hits.filter(~pl.col("kind").is_in(ACTS))
    pairs = acts.join(rest, on="row", suffix="_beside")
    near = pairs.filter((pl.col("place") - pl.col("place_beside")).abs() <= NEAR)
    distinct_acts = acts.filter(pl.col("kind") != "act").group_by("row").agg(kinds=pl.col("kind").n_unique())
    neutral = pl.concat(
        [
            hits.select("row", feature="kind"),
            acts.select("row", feature="kind"),
            pairs.select("row", feature=pl.concat_str("kind", pl.lit("&"), "kind_beside")),
            near.select("row", feature=pl.concat_str("kind", pl.lit("~"), "kind_beside")),
            distinct_acts.filter(pl.col("kinds") > 1).select("row", feature=pl.lit("several acts")),
        ]
    )
    english = texts.filter(pl.col("language") == "en").select(
        "row", word=pl.col("folded").str.strip_chars("^ ").str.split(" ")
    )
    english = (
        english.filter(pl.col("word").list.len() > 0)
        .explode("word")
        .with_columns(following=pl.col("word").shift(-1).over("row"))
    )
    single = english.select("row", feature=pl.concat_str(pl.lit("w:"), "word"))
    double = english.drop_nulls("following").select(
        "row", feature=pl.concat_str(pl.lit("w:"), "word", pl.lit(" "), "following")
    )
    return pl.concat([neutral, single, double]).unique()


def concern_scores(texts: pl.DataFrame, model: Model | None = None) -> pl.Series:
    """Score of each text, from 1.0 to 5.0, in order. `texts` has row, language and folded; `model` is the one that is
    shipped, where none is given."""
    weights, starts = model or _shipped()
    columns = [f"w{level}" for level in LEVELS]
    sums = (
        concern_features(texts)
        .join(texts.select("row", english=pl.col("language") == "en"), on="row")
        .join(weights, on=["feature", "english"])
        .sort("row", "feature")  # a sum of floats depends on its order
        .group_by("row", maintain_order=True)
        .agg(pl.col(columns).sum())
    )
    odds = (
        texts.select("row", english=pl.col("language") == "en")
        .join(starts, on="english", how="left", maintain_order="left")
        .join(sums, on="row", how="left", maintain_order="left")
    )
    probabilities = [
        1 / (1 + (-(pl.col(f"start{level}") + pl.col(f"w{level}").fill_null(0.0))).exp()) for level in LEVELS
    ]
    return odds.select(score=1 + pl.sum_horizontal(probabilities))["score"]


def rate(scores: pl.Expr, refused: pl.Expr) -> pl.Expr:
    """Level from 1 to 5 of the worst turn's score, with the assistant's refusal as evidence."""
    explained = (scores >= 1.6).cast(pl.Float64)
    evidence = refused.cast(pl.Float64) * REFUSAL_WEIGHT * (0.5 + 0.5 * explained)
    return (scores + evidence).round().clip(1, 5).cast(pl.Int8)


def model_of(fitted: Mapping[str, Any]) -> Model:
    """A model as `concern_training.fit` makes it, for looking up."""
    weights = [
        (feature, english == "english", *values)
        for english, fit in fitted.items()
        for feature, values in fit["weights"].items()
    ]
    starts = [(english == "english", *fit["start"]) for english, fit in fitted.items()]
    form: dict[str, Any] = {"english": pl.Boolean}
    by_level = {f"w{level}": pl.Float64 for level in LEVELS}
    start_by_level = {f"start{level}": pl.Float64 for level in LEVELS}
    return (
        pl.DataFrame(weights, schema={"feature": pl.String, **form, **by_level}, orient="row"),
        pl.DataFrame(starts, schema={**form, **start_by_level}, orient="row"),
    )


@cache
def _shipped() -> Model:
    file = resources.files("clio_dagster.analyst.offline") / "words" / "concern_model.json"
    return model_of(json.loads(file.read_text("utf-8")))
