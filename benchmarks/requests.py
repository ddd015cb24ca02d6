"""Conversations with two requests: how often the base cluster that they fall into is one of their two topics.

    python -m benchmarks.requests --data FOLDER [--cache FOLDER] [--rows N] [--pairs N]

FOLDER holds clinc150/conversations.jsonl.gz, labelled requests. Pairs of different intents are made into conversations
of two turns, of one turn with two sentences, and of one with two questions, and clustered among single
requests: by the vector of all that the user said, and by that of the request that the offline analyst reads. Accounts
are the simulator's for the singles; every pair is somebody's own. A cluster's topic is the label that most of its
single requests have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from benchmarks.clusters import DAY, arguments_of, found, load, nmi, parser, with_accounts
from clio_dagster.analyst.offline.requests import find_requests, user_turns
from clio_dagster.embedding import embed_texts, make_embedder
from clio_dagster.settings import Settings, load_settings

SHAPES: dict[str, Callable[[str, str], list[str]]] = {
    "two turns": lambda one, other: [one, other],
    "one turn": lambda one, other: [f"{one[:1].upper()}{one[1:]}. {other[:1].upper()}{other[1:]}."],
    "one turn, questions": lambda one, other: [f"{one}? {other}?"],
}
"""User turns of a conversation that asks the one and then the other."""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=18_000)
    options.add_argument("--pairs", type=int, default=2_000)
    arguments = arguments_of(options)
    settings = load_settings(threads=arguments.threads)
    facets, vectors = load("clinc150", "intent", arguments)
    single, own = with_accounts(facets, vectors, arguments.rows, 0)
    embedder = make_embedder("use", threads=arguments.threads)
    rest = facets.join(single, on="conversation_id", how="anti")
    pairs = pairs_of(rest, arguments.pairs)
    for shape, turns in SHAPES.items():
        said = [turns(one, other) for one, other in pairs.select("one", "other").iter_rows()]
        ways = {"all that was said": [" ".join(each) for each in said], "the request": requests(said)}
        for way, texts in ways.items():
            embedded = embed_texts(pl.Series(texts), embedder)
            hit, agreement = one_of_both(single, own, pairs, texts, embedded, settings)
            print(
                f"{shape}, by {way}: {hit:.3f} in a cluster of one of their topics; NMI of the others {agreement:.3f}"
            )


def pairs_of(facets: pl.DataFrame, wanted: int) -> pl.DataFrame:
    """`wanted` pairs of requests with different labels: one, other, label, label_other."""
    draw = np.random.default_rng(0)
    drawn = facets[draw.integers(len(facets), size=(2 * wanted, 2)).ravel()]
    one, other = drawn[::2], drawn[1::2]
    both = pl.DataFrame(
        {
            "one": one["request"],
            "other": other["request"],
            "label": one["label"],
            "label_other": other["label"],
        }
    )
    return both.filter(pl.col("label") != pl.col("label_other")).head(wanted)


def requests(said: list[list[str]]) -> list[str]:
    """What the offline analyst reads as the request of each conversation, given its user's turns."""
    conversations = pl.DataFrame(
        {
            "language": ["en"] * len(said),
            "messages": [[{"role": "user", "text": text} for text in turns] for turns in said],
        }
    )
    found_in = find_requests(user_turns(conversations))
    return found_in.sort("row")["request"].to_list()


def one_of_both(
    single: pl.DataFrame,
    own: np.ndarray,
    pairs: pl.DataFrame,
    texts: list[str],
    embedded: np.ndarray,
    settings: Settings,
) -> tuple[float, float]:
    """Share of the pairs whose cluster has one of their labels, and the agreement of the single requests' clusters
    with their labels."""
    ids = pl.Series([f"pair-{place}" for place in range(len(pairs))])
    added = pl.DataFrame(
        {
            "conversation_id": ids,
            "account": ids,
            "language": ["en"] * len(pairs),
            "date": [DAY] * len(pairs),
            "request": texts,
            "label": pairs["label"],
            "started_at": [None] * len(pairs),
        },
        schema_overrides={"started_at": single.schema["started_at"]},
    )
    everything = pl.concat([single, added.select(single.columns)])
    _, members, _ = found(everything, np.vstack([own, embedded]), settings)
    alone = members.head(len(single)).with_columns(single["label"])
    topics = alone.group_by("cluster_id").agg(topic=pl.col("label").mode().sort().first())
    placed = members.tail(len(pairs)).join(topics, on="cluster_id", how="left", maintain_order="left")
    topic = placed["topic"].fill_null("")
    return (
        float(((topic == pairs["label"]) | (topic == pairs["label_other"])).mean()),  # type: ignore[arg-type]
        nmi(single["label"], alone["cluster_id"]),
    )


if __name__ == "__main__":
    main()
