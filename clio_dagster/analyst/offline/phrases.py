"""Phrases that a cluster's name can be made of: spans of what its members asked, under P5.

A span qualifies when each of its words is generic or supported, and each pair of its supported words too, so
it says nothing that enough accounts did not say. Spans are ranked by what tells the cluster from the others
and from its nearest outsiders. How phrases become a name is in topics.py; which words are supported is
decided in privacy/vocabulary.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import polars as pl

from clio_dagster.analyst.offline.english import (
    ASKS_BEFORE,
    CONNECTORS,
    NOT_ASKS_BEFORE,
    NUMBER_WORDS,
    VAGUE,
    WANTS_TO,
)
from clio_dagster.analyst.protocol import NamingSample
from clio_dagster.privacy.segmentation import segment
from clio_dagster.privacy.word_lists import every_generic_word, function_words, verbs

LONGEST = 7
"""Words of the longest span."""

_KEPT = 40
"""Spans of a sample that are looked at one by one."""

_LENGTH = (0.0, 0.62, 0.95, 1.0, 1.0, 0.95, 0.85, 0.75)
"""How well a span of so many words reads as a name, by its number of words."""

_BATCH = 250
"""Samples whose spans are held in memory at once."""


@dataclass(frozen=True)
class Phrase:
    """A span: its words (folded), as it is written, the words that carry its meaning, and how well it
    serves."""

    words: tuple[str, ...]
    text: str
    content: frozenset[str]
    score: float
    is_act: bool  # said as something to do ("transfer money"), in English


@dataclass(frozen=True)
class Reading:
    """What was read from one sample: its phrases, best first, and the weights of its telling words."""

    phrases: Sequence[Phrase]
    weights: dict[str, float]


def read_samples(samples: Sequence[NamingSample]) -> list[Reading]:
    """Phrases and word weights of each sample, in order."""
    words = _words(samples)
    weights = _weights(words, len(samples))
    readings = []
    for start in range(0, len(samples), _BATCH):
        stop = min(start + _BATCH, len(samples))
        batch = words.filter(pl.col("sample").is_between(start, stop, closed="left"))
        spans = _spans(batch.filter("inside"), weights)
        by_sample = {key[0]: group for key, group in spans.group_by("sample", maintain_order=True)}
        weight_by_sample = {
            key[0]: dict(group.select("word", "weight").iter_rows())
            for key, group in weights.filter(pl.col("sample").is_between(start, stop, closed="left"))
            .sort(["weight", "word"], descending=[True, False])
            .group_by("sample", maintain_order=True)
        }
        held = {
            key[0]: list(map(frozenset, group["word"]))
            for key, group in batch.filter("inside").group_by("sample", "text").agg("word").group_by("sample")
        }
        for number in range(start, stop):
            rows = by_sample[number].iter_rows(named=True) if number in by_sample else []
            own = weight_by_sample.get(number, {})
            phrases = [_phrase(row, own) for row in rows if _pairs_hold(row["words"], samples[number])]
            readings.append(Reading(_by_coverage(phrases, held.get(number, [])), own))
    return readings


def _by_coverage(phrases: Sequence[Phrase], texts: Sequence[frozenset[str]]) -> list[Phrase]:
    """Phrases whose telling words many texts hold, whatever their order, come first."""
    scored = [
        replace(
            phrase,
            score=phrase.score * (0.1 + sum(phrase.content <= text for text in texts) / len(texts)) ** 0.5,
        )
        for phrase in phrases
        if phrase.content - VAGUE
    ]
    return sorted(scored, key=lambda phrase: (-phrase.score, phrase.text))


def _phrase(row: dict[str, Any], weights: dict[str, float]) -> Phrase:
    words: tuple[str, ...] = tuple(row["words"])
    content = frozenset(word for word in words if weights.get(word, 0.0) > 0)
    return Phrase(words, row["text"], content, row["score"], row["is_act"])


def _pairs_hold(words: Sequence[str], sample: NamingSample) -> bool:
    told = {word for word in words if word in sample.vocabulary.words}
    return all(frozenset(pair) in sample.vocabulary.pairs for pair in combinations(told, 2))


def _words(samples: Sequence[NamingSample]) -> pl.DataFrame:
    """Every word of every sample: sample, inside, text (number), clause, place, gap, surface, word,
    allowed, function."""
    texts = pl.DataFrame(
        [
            (number, inside, sample.language, text)
            for number, sample in enumerate(samples)
            for inside, group in ((True, sample.inside), (False, sample.outside))
            for text in group
        ],
        schema={"sample": pl.Int64, "inside": pl.Boolean, "language": pl.String, "content": pl.String},
        orient="row",
    )
    # Outsiders of one cluster are members of another: each text is cut once.
    distinct = texts.select("content", "language").unique(maintain_order=True).with_row_index("row")
    cut = segment(distinct["content"], distinct["language"]).with_columns(
        place=pl.int_range(pl.len()).over("row")
    )
    texts = texts.with_row_index("text").join(distinct, on=["content", "language"]).drop("content")
    supported = pl.DataFrame(
        [(number, word) for number, sample in enumerate(samples) for word in sample.vocabulary.words],
        schema={"sample": pl.Int64, "word": pl.String},
        orient="row",
    ).with_columns(supported=True)
    languages = sorted({sample.language for sample in samples} | {"en"})
    functions = pl.DataFrame(
        [
            (language, word)
            for language in languages
            for word in function_words(language) | function_words("en")
        ],
        schema={"language": pl.String, "word": pl.String},
        orient="row",
    ).with_columns(function=True)
    generic = pl.Series(sorted(every_generic_word()), dtype=pl.String).implode()
    return (
        texts.join(cut, on="row")
        .join(supported, on=["sample", "word"], how="left")
        .join(functions, on=["language", "word"], how="left")
        .with_columns(
            allowed=(pl.col("supported").fill_null(False) | pl.col("word").is_in(generic))
            & ~pl.col("word").str.contains(r"\p{N}")
            & ~_among("word", NUMBER_WORDS),
            function=pl.col("function").fill_null(False),
        )
        .select(
            "sample",
            "inside",
            "language",
            "text",
            "clause",
            "place",
            "gap",
            "surface",
            "word",
            "allowed",
            "function",
        )
        .sort("text", "place")
    )


def _weights(words: pl.DataFrame, samples: int) -> pl.DataFrame:
    """sample, word, weight: share of the inside texts that hold it, against other clusters and the nearest
    outsiders."""
    texts = (
        words.select("sample", "inside", "text")
        .unique()
        .group_by("sample")
        .agg(inside_texts=pl.col("inside").sum(), outside_texts=(~pl.col("inside")).sum())
    )
    found = (
        words.filter(pl.col("allowed") & ~pl.col("function"))
        .select("sample", "inside", "text", "word")
        .unique()
        .group_by("sample", "word")
        .agg(inside_found=pl.col("inside").sum(), outside_found=(~pl.col("inside")).sum())
        .join(texts, on="sample")
        .with_columns(
            share=pl.col("inside_found") / pl.col("inside_texts"),
            near=pl.col("outside_found") / pl.max_horizontal("outside_texts", 1),
        )
    )
    elsewhere = (
        (pl.col("share").sum().over("word") - pl.col("share")) / (samples - 1)
        if samples > 1
        else pl.col("near")
    )
    reference = 0.6 * elsewhere + 0.4 * pl.col("near") + 0.01
    return (
        found.with_columns(weight=pl.col("share") * ((pl.col("share") + 0.01) / reference).log())
        .filter((pl.col("inside_found") >= 2) & (pl.col("weight") > 0.02))
        .with_columns(weight=pl.col("weight") * pl.when(_among("word", VAGUE)).then(0.25).otherwise(1.0))
        .select("sample", "word", "weight")
    )


def _spans(words: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """The best spans of each sample, best first: sample, words, text, texts (that hold it), is_act, score."""
    run = ["sample", "text", "clause"]
    base = (
        words.join(weights, on=["sample", "word"], how="left", maintain_order="left")
        .with_columns(
            weight=pl.col("weight").fill_null(0.0),
            before=pl.col("word").shift(1).over(run),
            before_that=pl.col("word").shift(2).over(run),
            # A capital says where a sentence began, or a name.
            shown=pl.col("word"),
        )
        .with_columns(stop=(~pl.col("allowed")).cum_sum().over(run))
        .filter("allowed")
    )
    base = base.with_columns(
        loose=pl.col("function") & (pl.col("language") == "en") & ~_among("word", CONNECTORS)
    )
    run = [*run, "stop"]
    lengths = []
    for length in range(1, LONGEST + 1):
        ahead = [pl.col("word").shift(-i).over(run) for i in range(length)]
        shown = [
            part
            for i in range(length)
            for part in ([pl.col("gap").shift(-i).over(run)] if i else [])
            + [pl.col("shown").shift(-i).over(run)]
        ]
        span = base.with_columns(
            words=pl.concat_list(ahead) if length > 1 else pl.col("word").reshape((-1, 1)).arr.to_list(),
            shown=pl.concat_str(shown),
            loose=pl.any_horizontal(pl.col("loose").shift(-i).over(run) for i in range(length)),
            last=pl.col("word").shift(-(length - 1)).over(run),
            vague_end=_among("word", VAGUE).shift(-(length - 1)).over(run),
            vague_start=_among("word", VAGUE) & ~_among("word", verbs()) if length > 1 else pl.lit(False),
            last_function=pl.col("function").shift(-(length - 1)).over(run),
        ).filter(pl.col("last").is_not_null() & ~pl.col("function") & ~pl.col("last_function"))
        lengths.append(
            span.filter(pl.col("words").list.n_unique() == length)
            .with_columns(length=pl.lit(length))
            .select(
                "sample",
                "text",
                "words",
                "shown",
                "before",
                "before_that",
                "length",
                "loose",
                "vague_start",
                "vague_end",
            )
        )
    wanted = (pl.col("before") == "to") & _among("before_that", WANTS_TO)
    asked = (_among("before", ASKS_BEFORE) | wanted).sum()
    named = _among("before", NOT_ASKS_BEFORE).sum()
    is_verb = pl.col("words").list.first().is_in(pl.Series(sorted(verbs()), dtype=pl.String).implode())
    spans = (
        pl.concat(lengths)
        .group_by("sample", "words", "length")
        .agg(
            texts=pl.col("text").n_unique(),
            text=pl.col("shown").mode().sort().first(),
            asked=asked,
            named=named,
            loose=pl.col("loose").first(),
            vague_ends=pl.col("vague_start").first().cast(pl.Int8)
            + pl.col("vague_end").first().cast(pl.Int8),
        )
        .with_columns(
            is_act=pl.when(is_verb)
            .then(pl.col("asked") >= pl.col("named"))
            .otherwise((pl.col("asked") > 2 * pl.col("named")) & (pl.col("asked") > 1))
        )
        .sort("sample", "words")
        .with_row_index("span")
    )
    told = (
        spans.select("sample", "span", word="words")
        .explode("word")
        .join(weights, on=["sample", "word"])
        .group_by("span")
        .agg(weight=pl.col("weight").sum(), telling=pl.len())
    )
    best = (
        spans.with_columns(cut_off=_is_cut_off(spans))
        .join(told, on="span")
        .with_columns(
            score=pl.col("weight")
            * (pl.col("texts") / (pl.col("texts") + 2.0))
            * pl.col("length").replace_strict(dict(enumerate(_LENGTH)), return_dtype=pl.Float64)
            * (pl.col("telling") / pl.col("length")).sqrt()
            * pl.when("is_act").then(1.2).otherwise(1.0)
            * pl.when("loose").then(0.5).otherwise(1.0)
            * 0.7 ** pl.col("vague_ends")
            * pl.when("cut_off").then(0.6).otherwise(1.0)
        )
    )
    return (
        best.sort(["sample", "score", "text"], descending=[False, True, False])
        .group_by("sample", maintain_order=True)
        .head(_KEPT)
    )


def _is_cut_off(spans: pl.DataFrame) -> pl.Series:
    """Whether most texts that hold a span go on with one and the same word ("shopping", of "shopping
    list")."""
    longer = (
        spans.filter(pl.col("length") > 1)
        .select("sample", words=pl.col("words").list.head(pl.col("length") - 1), further="texts")
        .group_by("sample", "words")
        .agg(pl.col("further").max())
    )
    joined = spans.join(longer, on=["sample", "words"], how="left", maintain_order="left")
    return (joined["further"].fill_null(0) > 0.6 * joined["texts"]) & (joined["texts"] > 1)


def _among(column: str, words: frozenset[str]) -> pl.Expr:
    return pl.col(column).is_in(pl.Series(sorted(words), dtype=pl.String).implode())
