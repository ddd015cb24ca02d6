"""`clio` with an analyst that also answers a site's own facets: `python -m tests.own_analyst run FILE`.

It reads as the offline one does, and answers by plain rules what these tests can foretell.
"""

from __future__ import annotations

import polars as pl

from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.embedding import Embedder
from resources.site import Site

FACETS = """
[[facets]]
name = "ending"
question = "How did the conversation end?"
kind = "category"
values = ["Answered at once", "After a while", "Never happens"]

[[facets]]
name = "goal"
question = "What does the user want it for?"
kind = "text"
"""

CLUSTERED = FACETS + "clustered = true\n"


class Answering(OfflineAnalyst):
    """`ending` by the number of turns, in capitals; a goal for English alone, which is what was asked for."""

    name = "answering"

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        read = super().extract(conversations)
        known = conversations.select("conversation_id", "language", "turns")
        return read.join(known, on="conversation_id", how="left").with_columns(
            pl.when(pl.col("turns") <= 2)
            .then(pl.lit("ANSWERED AT ONCE"))
            .otherwise(pl.lit("after a while"))
            .alias("ending"),
            pl.when(pl.col("language") == "en").then("request").alias("goal"),
        )


def make_answering(_site: Site, embedder: Embedder) -> Answering:
    return Answering(embedder)


if __name__ == "__main__":
    from clio_dagster.cli import main
    from resources import readers

    readers.make_analyst = make_answering
    main()
