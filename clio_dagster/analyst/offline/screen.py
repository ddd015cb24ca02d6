"""Whether a conversation has to do with what a site watches for (paper, G.3), by keyword or by nearness to an example.

No question is understood here. A yes is a keyword of the site's in a message of the user's, or a request whose vector
lies close to that of an example; the embedder knows many languages, so that examples in one find requests in the
others. A watch with neither keywords nor examples has its own question for an example, which finds less: a question
about conversations does not read like a request.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from clio_dagster.analyst.offline.lexicon import ANY, Phrases, find_phrases, fold, folded_phrases
from clio_dagster.analyst.offline.requests import find_requests, user_turns
from clio_dagster.analyst.protocol import Watch
from clio_dagster.embedding import Embedder, embed_texts

NEAR_EXAMPLE = 0.54
"""Least cosine of a request to an example that is a yes. benchmarks/screening.py chose it on half of CLINC150's topics,
with the default embedder; another spreads its cosines otherwise."""


def screen(conversations: pl.DataFrame, watch: Watch, *, embedder: Embedder) -> pl.DataFrame:
    """Whether each conversation has to do with the question: conversation_id, relates (protocol.Analyst.screen).

    No keyword and no near example is a no where something was looked for and understood: the watch has keywords in
    the language, or the embedder knows it, and the watch has keywords of `any` or there is a request to compare with
    examples. Elsewhere relates is null. Keywords of `any` are looked for in every language, and make none understood.
    """
    asked = conversations.with_row_index("row")
    examples = watch.examples if watch.examples or watch.keywords else (watch.question,)
    mentions = pl.col("row").is_in(_mentioning(asked, watch).implode())
    listed = {language for language, keywords in watch.keywords.items() if keywords}
    sought = listed | embedder.languages if ANY in listed else listed
    return asked.join(_near(asked, examples, embedder), on="row", how="left", maintain_order="left").select(
        "conversation_id",
        relates=pl.when(mentions)
        .then(True)
        .otherwise(pl.coalesce("near", pl.when(pl.col("language").is_in(sorted(sought))).then(False))),
    )


def _mentioning(asked: pl.DataFrame, watch: Watch) -> pl.Series:
    """Rows with a keyword of their language, or of any, in a message of the user's."""

    @cache
    def phrases_of(language: str) -> Phrases:
        listed = [
            (keyword, source) for source in (language, ANY) for keyword in watch.keywords.get(source, ())
        ]
        return folded_phrases(listed, language)

    messages = (
        asked.select("row", "language", "messages")
        .explode("messages")
        .unnest("messages")
        .filter(pl.col("role") == "user")
        .select("row", "language", folded=fold(pl.col("text").fill_null("")))
    )
    return find_phrases(messages, phrases_of)["row"].unique()


def _near(asked: pl.DataFrame, examples: tuple[str, ...], embedder: Embedder) -> pl.DataFrame:
    """row, near: whether its request lies near an example. Rows without one, or in a language that the embedder does
    not know, are absent."""
    known = asked.filter(pl.col("language").is_in(sorted(embedder.languages)))
    if not examples or known.is_empty():
        return pl.DataFrame(schema={"row": asked.schema["row"], "near": pl.Boolean})
    rows, vectors = _request_vectors(known, embedder)
    sought = embed_texts(pl.Series(examples), embedder)
    closest = np.max(vectors @ sought.T, axis=1, initial=-1.0)
    return pl.DataFrame({"row": rows, "near": closest >= NEAR_EXAMPLE})


def _request_vectors(known: pl.DataFrame, embedder: Embedder) -> tuple[pl.Series, np.ndarray]:
    """Rows that have a request, and its vectors: as they are given, else made of what is given, else of what is
    found."""
    if "vector" in known.columns:
        known = known.drop_nulls("vector")
        return known["row"], known["vector"].to_numpy()
    if "request" in known.columns:
        known = known.drop_nulls("request")
    else:
        requests = find_requests(user_turns(known))
        known = requests.select("request", row=known["row"].gather(requests["row"]))
    return known["row"], embed_texts(known["request"], embedder)
