"""Which conversations an event takes in: those of its window that an analyst says yes to, question by question."""

from __future__ import annotations

import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.safety.events.definitions import Event
from clio_dagster.safety.tables import EVENT_CONVERSATIONS


def screened(
    conversations: pl.DataFrame, facets: pl.DataFrame, event: Event, analyst: Analyst
) -> pl.DataFrame:
    """tables.EVENT_CONVERSATIONS of one slice of tables.RAW_CONVERSATIONS, sorted by conversation_id.

    `facets`: conversation_id, request, concerning. A conversation is asked about by one question after the other until
    one takes it in; no answer is a no. What began outside the window is not asked about.
    """
    began = pl.col("started_at")
    left = conversations.filter(began >= event.starts_at, began < event.ends_at).join(
        facets, on="conversation_id", how="left", maintain_order="left"
    )
    found = [EVENT_CONVERSATIONS.empty()]
    for number, question in enumerate(event.watch, 1):
        if left.is_empty():
            break
        relates = (
            left.select("conversation_id")
            .join(
                analyst.screen(left, question.watch), on="conversation_id", how="left", maintain_order="left"
            )["relates"]
            .fill_null(False)
        )
        found.append(
            left.filter(relates)
            .with_columns(pl.lit(event.name).alias("event"), pl.lit(number, pl.Int32).alias("question"))
            .select(pl.col(name).cast(dtype) for name, dtype in EVENT_CONVERSATIONS.schema.items())
        )
        left = left.filter(~relates)
    return pl.concat(found).sort("conversation_id")
