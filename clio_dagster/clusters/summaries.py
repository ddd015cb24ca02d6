"""Base clusters named: words that their accounts share, samples for the namer, and its answers as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst, NamingSample, Summary, Vocabulary
from clio_dagster.clusters.sampling import naming_samples
from clio_dagster.privacy.alike import began, traffic_of
from clio_dagster.privacy.naming import named as named_by
from clio_dagster.privacy.vocabulary import support, violations_of
from clio_dagster.settings import Settings
from clio_dagster.tables import CLUSTER_SUMMARIES, VOCABULARIES


def summarise(
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    facets: pl.DataFrame,
    vectors: np.ndarray,
    analyst: Analyst,
    *,
    previous: pl.DataFrame,
    settings: Settings,
    key: bytes,
    clustered_by: str = "request",
    stand_in: Analyst | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name every cluster that passes the thresholds (paper, G.5); the others never reach the analyst.

    `stand_in` names what the analyst names wrongly twice (privacy/naming.py); None where that is the analyst itself.

    `facets` (conversation_id, date, the text `clustered_by`, and started_at where known) lie row by row beside
    `vectors` (n × dimensions); everything is of that one facet. `previous` holds tables.CLUSTER_SUMMARIES of the
    window's dates: a topic that persists keeps its latest name while its words are still supported. Returns
    tables.CLUSTER_SUMMARIES and tables.VOCABULARIES.
    """
    # What the detector masked is no word of anybody's: a clause ends there.
    text = pl.col(clustered_by).str.replace_all(r"\[[a-z_ ]+\]", "…")
    texts = facets.select("conversation_id", pl.col("date").alias("day"), began(facets), text.alias("text"))
    passing = clusters.filter("passes").sort("cluster_id")
    named = (
        facets.select("conversation_id", pl.col("date").alias("day"))
        .with_row_index("vector_row")
        .join(members, on=["conversation_id", "day"], how="inner", maintain_order="left")
        .join(texts, on=["conversation_id", "day"], how="left", maintain_order="left")
    )
    words = named.filter("counted").join(
        passing.select("cluster_id", "topic"), on="cluster_id", how="inner", maintain_order="left"
    )
    vocabularies = support(words, settings=settings, key=key, traffic=traffic_of(texts["started_at"]))
    # Rows are in order and each once: where none is missing, the vectors are those that are there.
    beside = vectors if len(named) == len(vectors) else vectors[named["vector_row"].to_numpy()]
    samples = naming_samples(passing, named, beside, vocabularies, seed=settings.seed)
    chosen = chosen_names(
        passing["topic"].to_list(),
        samples,
        partial(named_by, ask=analyst.name_clusters, stand_in=stand_in.name_clusters if stand_in else None),
        previous,
    )
    summaries = passing.select("date", "clustered_by", "cluster_id", "topic").with_columns(
        pl.Series("name", [summary.name for summary in chosen], dtype=pl.String),
        pl.Series("description", [summary.description for summary in chosen], dtype=pl.String),
    )
    return summaries.select(*CLUSTER_SUMMARIES.schema), vocabularies_frame(passing, vocabularies)


def chosen_names(
    topics: Sequence[str],
    samples: Sequence[NamingSample],
    name: Callable[[Sequence[NamingSample]], list[Summary]],
    previous: pl.DataFrame,
) -> list[Summary]:
    """The name that each topic had, where its words are still supported; the others are asked for.

    Where an answer is the name that another topic had, all are asked for, so that they come out distinct, and a
    standing name stays where no answer needs it.
    """
    standing = _standing(topics, [sample.vocabulary for sample in samples], previous)
    open_ = [place for place in range(len(topics)) if place not in standing]
    answers = dict(zip(open_, name([samples[place] for place in open_]), strict=True))
    if _are_distinct({**standing, **answers}.values()):
        return [standing.get(place) or answers[place] for place in range(len(topics))]
    return _kept(standing, name(samples))


def _standing(
    topics: Sequence[str], vocabularies: Sequence[Vocabulary], previous: pl.DataFrame
) -> dict[int, Summary]:
    """By place, the latest name and description of each topic that had one whose words are all supported still."""
    had = {
        topic: Summary(name, description)
        for topic, name, description in previous.sort("date")
        .select("topic", "name", "description")
        .iter_rows()
    }
    known = [place for place, topic in enumerate(topics) if topic in had]
    texts = [text for place in known for text in (had[topics[place]].name, had[topics[place]].description)]
    broken = violations_of(texts, [vocabularies[place] for place in known for _ in range(2)])
    return {
        place: had[topics[place]]
        for number, place in enumerate(known)
        if not any(broken[2 * number : 2 * number + 2])
    }


def _kept(standing: Mapping[int, Summary], answers: Sequence[Summary]) -> list[Summary]:
    """The standing name of each place, where no other needs it; else its answer.

    Answers differ from one another and so do standing names, so a clash is between the two: the standing name
    gives way, until none is left.
    """
    standing = dict(standing)
    while True:
        chosen = [standing.get(place, answer) for place, answer in enumerate(answers)]
        uses = Counter(summary.name.casefold() for summary in chosen)
        clashing = [place for place, summary in standing.items() if uses[summary.name.casefold()] > 1]
        if not clashing:
            return chosen
        for place in clashing:
            del standing[place]


def _are_distinct(summaries: Iterable[Summary]) -> bool:
    names = [summary.name.casefold() for summary in summaries]
    return len({*names}) == len(names)


def vocabularies_frame(clusters: pl.DataFrame, vocabularies: Mapping[int, Vocabulary]) -> pl.DataFrame:
    """tables.VOCABULARIES of the given clusters."""
    rows = [vocabularies.get(cluster, Vocabulary()) for cluster in clusters["cluster_id"]]
    return clusters.select("date", "clustered_by", "cluster_id").with_columns(
        pl.Series(
            "words",
            [
                [{"word": word, "weight": weight} for word, weight in sorted(row.words.items())]
                for row in rows
            ],
            dtype=VOCABULARIES.schema["words"],
        ),
        pl.Series(
            "pairs",
            [sorted(sorted(pair) for pair in row.pairs) for row in rows],
            dtype=VOCABULARIES.schema["pairs"],
        ),
    )


def vocabularies_of(frame: pl.DataFrame) -> dict[int, Vocabulary]:
    """tables.VOCABULARIES of one date as one Vocabulary a cluster."""
    return {
        cluster: Vocabulary(
            {entry["word"]: entry["weight"] for entry in words}, frozenset(frozenset(pair) for pair in pairs)
        )
        for cluster, words, pairs in frame.select("cluster_id", "words", "pairs").iter_rows()
    }
