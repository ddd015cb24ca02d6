"""Answers to the site's own facets as columns: what may be kept of them, and what is counted.

Answers the model that answers as it likes: what is not as the facet allows is null, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from clio_dagster.own_facets import Facet, Kind
from clio_dagster.tables import COUNTED_CONVERSATIONS, FACETS, TABLES, Column, Table

TYPES: dict[Kind, Any] = {
    "text": pl.String,
    "category": pl.String,
    "scale": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
}


def tables_of(facets: Sequence[Facet]) -> dict[str, Table]:
    """tables.TABLES as a site with these facets has them: facets and counted_conversations have a column for each.

    The former holds the answer, the latter the value under which it was counted, as text.
    """
    answers = [_answer_column(facet) for facet in facets]
    counted = [
        replace(column, dtype=pl.String, minimum=None, maximum=None, accepted=None) for column in answers
    ]
    return TABLES | {
        table.name: replace(table, columns=(*table.columns, *columns))
        for table, columns in ((FACETS, answers), (COUNTED_CONVERSATIONS, counted))
    }


def fitting(answers: pl.DataFrame, facets: Sequence[Facet]) -> pl.DataFrame:
    """`answers` with one column for each facet, of its type, null where what is there does not fit or nothing is.

    A category's value is taken whatever its case, and written as the site writes it; a scale's must be whole. Texts
    are taken as they are (facets.py scrubs and cuts them).
    """
    return answers.with_columns(_fitting(answers, facet).alias(facet.name) for facet in facets)


def as_counted(facets: Sequence[Facet]) -> list[pl.Expr]:
    """The value of each facet under which a conversation is counted, as text: a number by its bin."""
    return [_counted(facet).alias(facet.name) for facet in facets]


def names_of(counted: pl.DataFrame) -> list[str]:
    """Own facets that a frame of conversations counted has values of, those that the site had before too."""
    return sorted(set(counted.columns) - set(COUNTED_CONVERSATIONS.schema))


def closed_lists(facets: Sequence[Facet]) -> dict[str, tuple[str, ...]]:
    """Every value that may be published of each facet but texts."""
    return {facet.name: values for facet in facets if (values := facet.published_values) is not None}


def _answer_column(facet: Facet) -> Column:
    is_listed = facet.kind == "category"
    return Column(
        facet.name,
        TYPES[facet.kind],
        f"The site's own facet: {facet.question}",
        nullable=True,
        minimum=facet.minimum,
        maximum=facet.maximum,
        accepted=facet.values if is_listed else None,
        is_own=True,
    )


def _fitting(answers: pl.DataFrame, facet: Facet) -> pl.Series:
    dtype = TYPES[facet.kind]
    given = answers[facet.name] if facet.name in answers.columns else pl.Series([], dtype=pl.Null)
    if isinstance(given.dtype, pl.Categorical | pl.Enum):
        given = given.cast(pl.String)
    is_of_type = given.dtype.is_numeric() if dtype.is_numeric() else given.dtype == dtype
    if not is_of_type:
        return pl.repeat(None, answers.height, dtype=dtype, eager=True)
    if facet.kind == "category":
        return _listed(given, facet.values)
    if dtype.is_numeric():
        value = given.cast(pl.Float64, strict=False).to_frame("value")
        fits = pl.col("value").is_finite()
        if facet.minimum is not None:
            fits &= pl.col("value") >= facet.minimum
        if facet.maximum is not None:
            fits &= pl.col("value") <= facet.maximum
        if facet.kind == "scale":
            fits &= pl.col("value") == pl.col("value").round()
        return value.select(pl.when(fits).then("value").cast(dtype))["value"]
    return given


def _listed(given: pl.Series, values: Sequence[str]) -> pl.Series:
    by_form = {value.casefold(): value for value in values}
    distinct = given.drop_nulls().unique()
    known = [by_form.get(each.strip().casefold()) for each in distinct]
    return given.replace_strict(
        distinct, pl.Series(known, dtype=pl.String), default=None, return_dtype=pl.String
    )


def _counted(facet: Facet) -> pl.Expr:
    value = pl.col(facet.name)
    if facet.kind != "number":
        return value.cast(pl.String).str.strip_chars()
    labels = facet.published_values or ()
    binned = pl.lit(labels[0])
    for edge, label in zip(facet.edges, labels[1:], strict=True):
        binned = pl.when(value >= edge).then(pl.lit(label)).otherwise(binned)
    return pl.when(value.is_not_null()).then(binned)
