"""The offline auditor: how much a name and description give away, from 1 (names a person) to 5 (fully
general).

Answers the model, whose own audit passes whatever it was talked into: this one obeys nothing. The scale is the
paper's (G.8). Plain code knows no people, so it goes by what gives a person away: personal data that the detector
finds, words that too few of the topic's accounts used, kinds of words that can hurt, digits, capitals within a
sentence, and how few of the words are generic.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clio_dagster.analyst.protocol import AuditSample
from clio_dagster.privacy.detector import detect
from clio_dagster.privacy.vocabulary import tokenize, violations_of
from clio_dagster.privacy.word_lists import every_generic_word, sensitive_words

_LONG_NUMBER = r"\p{N}{4,}"
_CAPITAL_PAIR = r"[\p{Ll},] \p{Lu}\p{Ll}+ (?:\p{Lu}\p{Ll}+)"
_CAPITAL = r"[\p{Ll}\p{N},:;“] ?\b\p{Lu}\p{L}+"
_FEW_GENERIC = 0.3
"""Share of generic words below which a summary is no longer wholly general."""


def audit_summaries(samples: Sequence[AuditSample]) -> list[int]:
    """Scores 1 to 5, in order: 1 personal data, 2 what nobody else says (words or pairs without support, long
    numbers, two capitalised words), 3 a word that can hurt or a capital, 4 mostly specific words or a digit, 5 the
    rest."""
    if not samples:
        return []
    texts = pl.Series(
        [f"{sample.summary.name}.\n{sample.summary.description}" for sample in samples], dtype=pl.String
    )
    unsupported = pl.Series(
        [bool(reasons) for reasons in violations_of(texts.to_list(), [each.vocabulary for each in samples])],
        dtype=pl.Boolean,
    )
    found = detect(texts)
    numbers = found.filter(pl.col("kind") == "number")["row"].implode()
    persons = found.filter(pl.col("kind") != "number")["row"].implode()
    tokens = tokenize(texts, pl.Series([""] * len(texts)))
    generic = pl.Series(sorted(every_generic_word()), dtype=pl.String).implode()
    sensitive = pl.Series(sorted(sensitive_words()), dtype=pl.String).implode()
    # Looked up before grouping: within a group, the list would be held once for each of its words.
    shares = (
        tokens.with_columns(generic=pl.col("word").is_in(generic), hurts=pl.col("word").is_in(sensitive))
        .group_by("row")
        .agg(pl.col("generic").mean(), pl.col("hurts").any())
    )
    row = pl.col("row")
    scored = (
        pl.DataFrame({"text": texts, "unsupported": unsupported})
        .with_row_index("row")
        .join(shares, on="row", how="left", maintain_order="left")
        .with_columns(
            score=pl.when(row.is_in(persons.cast(pl.List(pl.UInt32))))
            .then(1)
            .when(
                pl.col("unsupported")
                | row.is_in(numbers.cast(pl.List(pl.UInt32)))
                | pl.col("text").str.contains(_LONG_NUMBER)
                | pl.col("text").str.contains(_CAPITAL_PAIR)
            )
            .then(2)
            .when(pl.col("text").str.contains(_CAPITAL) | pl.col("hurts").fill_null(False))
            .then(3)
            .when(pl.col("text").str.contains(r"\p{N}") | (pl.col("generic").fill_null(1.0) < _FEW_GENERIC))
            .then(4)
            .otherwise(5)
        )
    )
    return [int(score) for score in scored["score"]]
