"""The offline reading of one slice: each conversation's request, task, concern and refusal (paper, G.4).

It puts together what `requests`, `tasks`, `concern` and `refusals` find; what leaves as text is scrubbed where
facets are kept. It needs no vectors: the embedder is asked only which languages it knows, because a request that
cannot be clustered is better counted as not understood than given a topic at random.
"""

from __future__ import annotations

import polars as pl

from clio_dagster.analyst.offline.concern import concern_scores, rate
from clio_dagster.analyst.offline.lexicon import fold, reading_languages
from clio_dagster.analyst.offline.refusals import find_refusals
from clio_dagster.analyst.offline.requests import find_requests, user_turns
from clio_dagster.analyst.offline.tasks import find_tasks
from clio_dagster.embedding import Embedder
from clio_dagster.tables import NOT_UNDERSTOOD, READ, UNREAD

_SCHEMA = {
    "conversation_id": pl.String,
    "status": pl.String,
    "request": pl.String,
    "task": pl.String,
    "concerning": pl.Int8,
    "refused": pl.Boolean,
}


def extract(conversations: pl.DataFrame, *, embedder: Embedder) -> pl.DataFrame:
    """Facets of each conversation, in the given order (protocol.Analyst.extract).

    `conversations` are rows of tables.RAW_CONVERSATIONS, of any languages. Returns conversation_id, status,
    request (in the user's language, at most about 300 characters), task (one of tasks.TASKS, in
    English), concerning (1 to 5) and refused; the last four are null unless status is `read`. A conversation
    is `unread` where the user wrote no words of their own, and `language not understood` where the embedder
    or the word lists do not know its language. Each row depends on its own conversation alone (P11).
    """
    known = sorted(embedder.languages & set(reading_languages()))
    understood = conversations.select(
        "conversation_id", "language", "messages", place=pl.int_range(pl.len(), dtype=pl.UInt32)
    ).filter(pl.col("language").is_in(known))
    read = _read(understood)
    return (
        conversations.select("conversation_id", "language", place=pl.int_range(pl.len(), dtype=pl.UInt32))
        .join(read, on="place", how="left", maintain_order="left")
        .with_columns(
            status=pl.when(~pl.col("language").is_in(known))
            .then(pl.lit(NOT_UNDERSTOOD))
            .when(pl.col("request").is_null())
            .then(pl.lit(UNREAD))
            .otherwise(pl.lit(READ))
        )
        .select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items())
    )


def _read(understood: pl.DataFrame) -> pl.DataFrame:
    """The facets of those with a request: place, request, task, concerning, refused."""
    turns = user_turns(understood)
    requests = find_requests(turns)
    tasks = find_tasks(requests.with_columns(folded=fold(pl.col("request"))))
    places = understood.select("place", refused=find_refusals(understood)).with_row_index("row")
    return (
        requests.join(tasks, on="row", how="left", maintain_order="left")
        .join(_worst(turns), on="row", how="left", maintain_order="left")
        .join(places, on="row", how="left", maintain_order="left")
        .select(
            "place",
            "request",
            "task",
            "refused",
            concerning=rate(pl.col("score").fill_null(1.0), pl.col("refused")),
        )
    )


def _worst(turns: pl.DataFrame) -> pl.DataFrame:
    """The highest score among a conversation's user turns: row, score. Padding one turn does not hide
    another."""
    spoken = (
        turns.filter(pl.col("lines").list.len() > 0)
        .select("language", conversation="row", folded=fold(pl.col("lines").list.join(" ")))
        .with_row_index("row")
    )
    return (
        spoken.select(pl.col("conversation").alias("row"), score=concern_scores(spoken))
        .group_by("row", maintain_order=True)
        .agg(pl.col("score").max())
    )
