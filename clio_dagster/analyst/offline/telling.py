"""The words of what a namer sees: which may stand in a name, and how well each tells a cluster from others.

A word may stand in a name where it is generic or supported (P5), and it tells something where it is no word of
grammar. Each text's own language decides which list applies, so that no name mixes languages. How words make
phrases is in phrases.py; which words are supported is decided in privacy/vocabulary.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import polars as pl

from clio_dagster.analyst.offline.english import NUMBER_WORDS, VAGUE
from clio_dagster.analyst.offline.tongues import tongues
from clio_dagster.analyst.protocol import NamingSample
from clio_dagster.privacy.given_names import GIVEN
from clio_dagster.privacy.segmentation import segment
from clio_dagster.privacy.word_lists import (
    fold,
    frequent_words,
    function_words,
    generic_words,
    listed_languages,
)

_SHAPES = {
    "ja": r"^[\p{Han}\p{Katakana}ー]{2,}$",
    "zh": r"^\p{Han}{2,4}$",
    "ko": r"^\p{Hangul}{2,}$",
    "th": r"^\p{Thai}{3,}$",
}


def sample_words(samples: Sequence[NamingSample]) -> pl.DataFrame:
    """Every word of every sample: sample, inside, tongue, text (number), clause, place, gap, surface, word,
    allowed, function, telling."""
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
    distinct = distinct.join(tongues(distinct, cut.select("row", "word")), on="row", maintain_order="left")
    texts = (
        texts.with_row_index("text").join(distinct, on=["content", "language"]).drop("content", "language")
    )
    supported = pl.DataFrame(
        [(number, word) for number, sample in enumerate(samples) for word in sample.vocabulary.words],
        schema={"sample": pl.Int64, "word": pl.String},
        orient="row",
    ).with_columns(supported=True)
    return (
        texts.join(cut, on="row")
        .join(supported, on=["sample", "word"], how="left")
        .join(_listed(), on=["tongue", "word"], how="left")
        .with_columns(
            pl.col("function", "frequent").fill_null(False),
            allowed=(pl.col("supported") | pl.col("generic")).fill_null(False)
            & ~pl.col("word").str.contains(r"\p{N}")
            & ~among("word", NUMBER_WORDS)
            & ~among("word", _given_names()),
        )
        .with_columns(
            telling=pl.col("allowed")
            & ~pl.col("function")
            & ((pl.col("tongue") == "en") | (~pl.col("frequent") & _is_a_whole_word()))
        )
        .select(
            "sample",
            "inside",
            "tongue",
            "text",
            "clause",
            "place",
            "gap",
            "surface",
            "word",
            "allowed",
            "function",
            "telling",
        )
        .sort("text", "place")
    )


@cache
def _given_names() -> frozenset[str]:
    """Given names, which stand in no name however many share them, and with the English genitive."""
    names = {fold(name) for name in GIVEN}
    return frozenset(names | {f"{name}'s" for name in names})


def _listed() -> pl.DataFrame:
    """tongue, word, function, frequent, generic: what the lists of each language hold."""
    languages = listed_languages()
    return pl.DataFrame(
        [
            (language, word, word in function_words(language), word in frequent_words(language), True)
            for language in languages
            for word in sorted(generic_words(language) | function_words(language))
        ],
        schema={
            "tongue": pl.String,
            "word": pl.String,
            "function": pl.Boolean,
            "frequent": pl.Boolean,
            "generic": pl.Boolean,
        },
        orient="row",
    )


def _is_a_whole_word() -> pl.Expr:
    """Whether a word can stand alone: in scripts without spaces, one without endings of grammar."""
    shape = pl.col("tongue").replace_strict(_SHAPES, default=r"^.{3,}$", return_dtype=pl.String)
    return pl.col("word").str.contains(shape)


def language_shares(words: pl.DataFrame) -> dict[int, dict[str, float]]:
    """For each sample, the share of its inside texts in each language, largest first."""
    counts = (
        words.filter("inside")
        .group_by("sample", "tongue")
        .agg(texts=pl.col("text").n_unique())
        .with_columns(share=pl.col("texts") / pl.col("texts").sum().over("sample"))
        .sort("sample", "share", "tongue", descending=[False, True, False])
    )
    shares: dict[int, dict[str, float]] = {}
    for sample, tongue, share in counts.select("sample", "tongue", "share").iter_rows():
        shares.setdefault(sample, {})[tongue] = share
    return shares


def word_weights(words: pl.DataFrame, samples: Sequence[NamingSample]) -> pl.DataFrame:
    """sample, word, weight: share of those inside that use it, against other clusters and the nearest outsiders.

    Of a supported word the share is the one of its cluster's accounts, with its noise: which of the words that
    enough accounts used is the most telling must not hang on one of them. Of a generic word it is that of the
    texts.
    """
    texts = (
        words.select("sample", "inside", "text")
        .unique()
        .group_by("sample")
        .agg(inside_texts=pl.col("inside").sum(), outside_texts=(~pl.col("inside")).sum())
    )
    noised = pl.DataFrame(
        [
            (number, word, share)
            for number, sample in enumerate(samples)
            for word, share in sample.vocabulary.shares.items()
        ],
        schema={"sample": pl.Int64, "word": pl.String, "noised": pl.Float64},
        orient="row",
    )
    found = (
        words.filter("telling")
        .select("sample", "inside", "tongue", "text", "word")
        .unique()
        .group_by("sample", "tongue", "word")
        .agg(inside_found=pl.col("inside").sum(), outside_found=(~pl.col("inside")).sum())
        .join(texts, on="sample")
        .join(noised, on=["sample", "word"], how="left")
        .with_columns(
            share=pl.coalesce("noised", pl.col("inside_found") / pl.col("inside_texts")),
            near=pl.col("outside_found") / pl.max_horizontal("outside_texts", 1),
        )
    )
    elsewhere = (
        (pl.col("share").sum().over("tongue", "word") - pl.col("share")) / (len(samples) - 1)
        if len(samples) > 1
        else pl.col("near")
    )
    reference = 0.6 * elsewhere + 0.4 * pl.col("near") + 0.01
    return (
        found.with_columns(weight=pl.col("share") * ((pl.col("share") + 0.01) / reference).log())
        .filter((pl.col("inside_found") >= 2) & (pl.col("weight") > 0.02))
        .with_columns(weight=pl.col("weight") * pl.when(among("word", VAGUE)).then(0.25).otherwise(1.0))
        .select("sample", "tongue", "word", "weight")
    )


def among(column: str, words: frozenset[str]) -> pl.Expr:
    return pl.col(column).is_in(pl.Series(sorted(words), dtype=pl.String).implode())
