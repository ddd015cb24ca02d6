"""From conversations to facets, vectors and days: frames that keep each table's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.embedding import Embedder, embed_texts
from clio_dagster.tables import DAY, EMBEDDINGS, FACETS

CLUSTERED_BY = "request"
"""The text facet that is clustered by default, as in the paper's main analyses."""


def facets_of(conversations: pl.DataFrame, analyst: Analyst) -> pl.DataFrame:
    """tables.FACETS of one slice of tables.RAW_CONVERSATIONS: one row a conversation, whatever the analyst does."""
    answers = analyst.extract(conversations)
    return (
        conversations.drop("messages", "started_at")
        .join(answers, on="conversation_id", how="left", validate="1:1")
        .with_columns(pl.lit(f"{analyst.name} {analyst.version}").alias("extractor"))
        .select(pl.col(name).cast(dtype) for name, dtype in FACETS.schema.items())
        .sort("conversation_id")
    )


def vectors_of(facets: pl.DataFrame, embedder: Embedder) -> pl.DataFrame:
    """tables.EMBEDDINGS of one slice: a unit vector for each request there is; identical texts are embedded once."""
    texts = facets.filter(pl.col(CLUSTERED_BY).is_not_null())
    vectors = embed_texts(texts[CLUSTERED_BY], embedder)
    return texts.select(
        "conversation_id",
        "date",
        "language",
        pl.lit(CLUSTERED_BY).alias("clustered_by"),
        pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, embedder.dimensions)),
    ).select(*EMBEDDINGS.schema)


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
        .join(embeddings.group_by("language").agg(pl.len().alias("embedded")), on="language", how="left")
        .fill_null(0)
    )
    return counts.select(
        pl.lit(date.fromisoformat(day)).alias("date"),
        "language",
        pl.col("conversations").cast(pl.Int64),
        pl.col("embedded").cast(pl.Int64),
        pl.col("language").replace_strict(dict(fingerprints), default="").alias("fingerprint"),
    ).select(*DAY.schema)
