"""The offline auditor: how much a name and description give away, from 1 (names a person) to 5 (fully
general).

The scale is the paper's (G.8). Plain code knows no people, so it goes by what gives a person away in writing:
personal data that the detector finds, digits, capitals within a sentence, and how few of the words are
generic.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clio_dagster.analyst.protocol import Summary
from clio_dagster.privacy.detector import detect
from clio_dagster.privacy.vocabulary import tokenize
from clio_dagster.privacy.word_lists import every_generic_word

_LONG_NUMBER = r"\p{N}{4,}"
_CAPITAL_PAIR = r"[\p{Ll},] \p{Lu}\p{Ll}+ (?:\p{Lu}\p{Ll}+)"
_CAPITAL = r"[\p{Ll}\p{N},:;“] ?\b\p{Lu}\p{L}+"
_FEW_GENERIC = 0.3
"""Share of generic words below which a summary is no longer wholly general."""


def audit_summaries(summaries: Sequence[Summary]) -> list[int]:
    """Scores 1 to 5, in order."""
    if not summaries:
        return []
    texts = pl.Series([f"{summary.name}.\n{summary.description}" for summary in summaries], dtype=pl.String)
    found = detect(texts)
    numbers = found.filter(pl.col("kind") == "number")["row"].implode()
    persons = found.filter(pl.col("kind") != "number")["row"].implode()
    tokens = tokenize(texts, pl.Series([""] * len(texts)))
    generic = pl.Series(sorted(every_generic_word()), dtype=pl.String).implode()
    shares = tokens.group_by("row").agg(generic=pl.col("word").is_in(generic).mean())
    row = pl.col("row")
    scored = (
        texts.to_frame("text")
        .with_row_index("row")
        .join(shares, on="row", how="left", maintain_order="left")
        .with_columns(
            score=pl.when(row.is_in(persons.cast(pl.List(pl.UInt32))))
            .then(1)
            .when(
                row.is_in(numbers.cast(pl.List(pl.UInt32)))
                | pl.col("text").str.contains(_LONG_NUMBER)
                | pl.col("text").str.contains(_CAPITAL_PAIR)
            )
            .then(2)
            .when(pl.col("text").str.contains(_CAPITAL))
            .then(3)
            .when(pl.col("text").str.contains(r"\p{N}") | (pl.col("generic").fill_null(1.0) < _FEW_GENERIC))
            .then(4)
            .otherwise(5)
        )
    )
    return [int(score) for score in scored["score"]]
