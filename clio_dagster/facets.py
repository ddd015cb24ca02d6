"""From conversations to facets, vectors and days: frames that keep each table's contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.embedding import Embedder, Encoding, embed_in_chunks
from clio_dagster.key_ranges import ROWS_AT_ONCE
from clio_dagster.own_columns import fitting, tables_of
from clio_dagster.own_facets import Facet
from clio_dagster.privacy.detector import scrub
from clio_dagster.tables import CLUSTERED_BY, DAY, EMBEDDINGS, FACETS, NOT_UNDERSTOOD, READ, UNREAD

LONGEST_FACET = 600
"""Characters that are kept of a text facet: two long sentences. A model that answers with the conversation itself is
cut off there."""

_LOOKED_AT = 4_000
"""Characters of an answer that are scrubbed before it is cut to LONGEST_FACET."""


SAID_BY_SOME = ("unread_reason", "read_language")
"""Columns that not every analyst answers with."""


def facets_of(conversations: pl.DataFrame, analyst: Analyst, own: Sequence[Facet] = ()) -> pl.DataFrame:
    """tables.FACETS of one slice of tables.RAW_CONVERSATIONS: one row a conversation, whatever the analyst does.

    A column more for each of the site's `own` facets.
    """
    table = tables_of(own)[FACETS.name]
    if conversations.is_empty():
        # Of a site's languages, many have no conversation on a day.
        return table.empty()
    answers = checked(analyst.extract(conversations), own)
    answers = answers.with_columns(
        pl.lit(None, pl.String).alias(name) for name in SAID_BY_SOME if name not in answers.columns
    )
    return (
        conversations.drop("messages")
        .join(answers, on="conversation_id", how="left", validate="1:1")
        .with_columns(
            pl.col("status").fill_null(UNREAD),
            pl.lit(f"{analyst.name} {analyst.version}").alias("extractor"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
        .sort("conversation_id")
    )


def checked(answers: pl.DataFrame, own: Sequence[Facet] = ()) -> pl.DataFrame:
    """An analyst's facets as they may be kept: text scrubbed of personal data (P3) and cut, values in their bounds.

    Answers the model that copies a private string into a facet: whoever wrote them, they pass here. What was not
    answered as asked is `unread`, with no facet; of two answers for one conversation the first counts. An answer to
    one of the site's `own` facets that it does not allow is null, and the conversation read all the same.
    """
    own_texts = [facet.name for facet in own if facet.kind == "text"]
    texts = ["request", "task", *own_texts]
    answers = (
        fitting(answers, own)
        .unique("conversation_id", keep="first", maintain_order=True)
        .with_columns(pl.col(texts).str.slice(0, _LOOKED_AT).str.strip_chars())
    )
    # All at once: a call of the detector costs more than a hundred texts in it.
    scrubbed = _scrubbed(pl.concat([answers[name].rename("text") for name in texts]))
    kept = answers.with_columns(
        scrubbed.slice(place * answers.height, answers.height).alias(name) for place, name in enumerate(texts)
    ).with_columns(pl.when(pl.col(name).str.len_chars() > 0).then(name).alias(name) for name in own_texts)
    kept_if_read = ("request", "task", "concerning", "refused", *(facet.name for facet in own))
    is_read = (
        (pl.col("status") == READ)
        & (pl.col("request").str.len_chars() > 0)
        & pl.col("concerning").is_between(1, 5)
    )
    return kept.with_columns(
        pl.when(is_read)
        .then(pl.lit(READ))
        .when(pl.col("status") == NOT_UNDERSTOOD)
        .then("status")
        .otherwise(pl.lit(UNREAD))
        .alias("status"),
        *(pl.when(is_read).then(name).alias(name) for name in kept_if_read),
    )


def _scrubbed(texts: pl.Series) -> pl.Series:
    distinct = texts.drop_nulls().unique()
    # A mark that the cut went through is no mark.
    clean = scrub(distinct).str.slice(0, LONGEST_FACET).str.replace(r"\[[a-z_ ]*$", "")
    return texts.replace_strict(distinct, clean, default=None, return_dtype=pl.String)


def vectors_of(
    facets: pl.DataFrame,
    embedder: Embedder,
    clustered_by: str = CLUSTERED_BY,
    *,
    folder: Path | None = None,
    encoding: Encoding | None = None,
) -> Iterator[pl.DataFrame]:
    """tables.EMBEDDINGS of one slice, in chunks, at least one: a unit vector for each text of the facet `clustered_by`.

    Rows are in the order of their conversations' ids. Identical texts are embedded once. Vectors wait in `folder`;
    `encoding` as in `embed_in_chunks`.
    """
    texts = facets.filter(pl.col(clustered_by).is_not_null()).sort("conversation_id")
    named = texts.select("conversation_id", "date", "language", pl.lit(clustered_by).alias("clustered_by"))
    start = 0
    column = texts[clustered_by]
    for vectors in embed_in_chunks(column, embedder, rows=ROWS_AT_ONCE, folder=folder, encoding=encoding):
        made = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, embedder.dimensions))
        yield named.slice(start, len(vectors)).with_columns(made).select(*EMBEDDINGS.schema)
        start += len(vectors)


def day_of(
    day: str,
    languages: Sequence[str],
    facets: pl.DataFrame,
    embeddings: pl.DataFrame,
    fingerprints: Mapping[str, str],
) -> pl.DataFrame:
    """tables.DAY: one row for each language, those without traffic included."""
    counts = (
        pl.DataFrame({"language": list(languages)})
        .join(facets.group_by("language").agg(pl.len().alias("conversations")), on="language", how="left")
        .join(
            embeddings.group_by("language").agg(pl.col("conversation_id").n_unique().alias("embedded")),
            on="language",
            how="left",
        )
        .fill_null(0)
    )
    return counts.select(
        pl.lit(date.fromisoformat(day)).alias("date"),
        "language",
        pl.col("conversations").cast(pl.Int64),
        pl.col("embedded").cast(pl.Int64),
        pl.col("language").replace_strict(dict(fingerprints), default="").alias("fingerprint"),
    ).select(*DAY.schema)
