"""What is asked of a conversation, and what of an answer may be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from clio_dagster.analyst.memory import Remembered
from clio_dagster.analyst.questions import NUMBER, TEXT, YES_NO, Value, object_of, one_of
from clio_dagster.facets import checked
from clio_dagster.own_columns import TYPES
from clio_dagster.own_facets import Facet
from clio_dagster.settings import OTHER, Settings
from clio_dagster.tables import READ, UNREAD

NO_VALUE = "none of these"
"""Answer to a category that no value fits: it is kept as null."""


def facet_schema(own: Sequence[Facet]) -> dict[str, Any]:
    """One object with every facet, the site's own last."""
    return object_of(
        request=TEXT,
        task=TEXT,
        language=TEXT,
        concerning=one_of(1, 2, 3, 4, 5),
        refused=YES_NO,
        **{facet.name: own_schema(facet) for facet in own},
    )


def facets_frame(
    ids: pl.Series, outcomes: Sequence[Remembered], languages: Sequence[str], own: Sequence[Facet]
) -> pl.DataFrame:
    """Answers as an analyst gives them: conversation_id, status, unread_reason, the facets, the site's own last."""
    values = [each.value or {} for each in outcomes]

    def column(name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
        return pl.Series(name, [value.get(name) for value in values], dtype=dtype, strict=False)

    return pl.DataFrame(
        [
            ids,
            pl.Series("status", [READ if each.value else UNREAD for each in outcomes], dtype=pl.String),
            pl.Series(
                "unread_reason", [None if each.value else each.reason for each in outcomes], dtype=pl.String
            ),
            column("request", pl.String),
            column("task", pl.String),
            pl.Series("read_language", _languages(outcomes, languages), dtype=pl.String),
            column("concerning", pl.Int8),
            column("refused", pl.Boolean),
            *(column(facet.name, TYPES[facet.kind]) for facet in own),
        ]
    )


def scrubbed(values: Sequence[Value], settings: Settings) -> list[Value | None]:
    """Facets as they may be kept; None where nothing is left of one."""
    ids = pl.Series("conversation_id", [str(place) for place in range(len(values))], dtype=pl.String)
    outcomes = [Remembered(value) for value in values]
    kept = checked(
        facets_frame(ids, outcomes, settings.partition_languages, settings.facets), settings.facets
    )
    names = ("request", "task", "concerning", "refused", *(facet.name for facet in settings.facets))
    return [
        {"language": row["read_language"] or ""} | {name: row[name] for name in names}
        if row["status"] == READ
        else None
        for row in kept.iter_rows(named=True)
    ]


def own_questions(own: Sequence[Facet]) -> str:
    """The site's own facets as the prompt asks them, a line each."""
    return "\n".join(f"{facet.name}: {facet.question}{_bounds_in_words(facet)}" for facet in own)


def _bounds_in_words(facet: Facet) -> str:
    if facet.kind == "scale":
        low, high = facet.bounds
        return f" From {low} to {high}."
    if facet.kind == "number":
        told = [
            f"{word} {bound:g}"
            for word, bound in (("at least", facet.minimum), ("at most", facet.maximum))
            if bound is not None
        ]
        return f" A number{', ' + ' and '.join(told) if told else ''}."
    return ""


def own_schema(facet: Facet) -> dict[str, Any]:
    """What an answer to one of the site's own facets may be, as far as a schema says it."""
    if facet.kind == "category":
        return one_of(*facet.values, NO_VALUE)
    if facet.kind == "scale":
        low, high = facet.bounds
        return one_of(*range(low, high + 1))
    return {"text": TEXT, "number": NUMBER, "boolean": YES_NO}[facet.kind]


def _languages(outcomes: Sequence[Remembered], known: Sequence[str]) -> list[str | None]:
    """Languages that were answered, where they are some of the site's; `other` for any other code."""
    answers = [each.value["language"].strip().casefold()[:2] if each.value else None for each in outcomes]
    return [answer if answer in known else OTHER if answer else None for answer in answers]


def facet_faults(value: Value) -> list[str]:
    """What a schema cannot say: that something is said at all."""
    return [f"{name} is empty" for name in ("request", "task") if not value[name].strip()]
