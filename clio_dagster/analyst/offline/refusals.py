"""Whether the assistant refused: read from the assistant's turns alone, whatever the user says about them.

A refusal is the assistant declining to do what was asked. An apology, a hedge, not knowing and not being able
to see or hear are none.
"""

from __future__ import annotations

import polars as pl

from clio_dagster.analyst.offline.lexicon import find, fold

OPENING = 280
"""Characters of a turn in which a refusal is looked for: assistants decline first and explain afterwards."""


def find_refusals(conversations: pl.DataFrame) -> pl.Series:
    """Whether any turn of the assistant declines, one Boolean a conversation, in order.

    Assistants at times decline in English whatever the language of the conversation, so both are looked for.
    """
    openings = (
        conversations.select("language", "messages")
        .with_row_index("row")
        .explode("messages")
        .unnest("messages")
        .filter(pl.col("role") == "assistant")
        .with_row_index("turn")
        .with_columns(folded=fold(pl.col("text").fill_null("").str.slice(0, OPENING)))
    )
    in_english = openings.filter(pl.col("language") != "en").with_columns(language=pl.lit("en"))
    texts = pl.concat([openings, in_english]).select("language", "folded", row="turn")
    counts = find(texts, "refusal").group_by("row", "kind").agg(found=pl.len())
    declines = counts.filter(pl.col("kind") == "decline").select("row", declines="found")
    idioms = counts.filter(pl.col("kind") == "not_decline").select("row", idioms="found")
    refused = (
        openings.select("row", "turn")
        .join(declines, left_on="turn", right_on="row", how="inner")
        .join(idioms, left_on="turn", right_on="row", how="left")
        .filter(pl.col("idioms").is_null())["row"]
        .unique()
    )
    rows = pl.int_range(conversations.height, dtype=pl.UInt32, eager=True)
    return rows.is_in(refused.implode()).alias("refused")
