"""Names persist with their topics, as long as they are theirs to keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import NamingSample, Summary, Vocabulary
from clio_dagster.clusters.summaries import chosen_names, vocabularies_frame, vocabularies_of

WORDS = Vocabulary(
    {"bicycle": 1.0, "wheel": 1.0, "cake": 1.0, "oven": 1.0}, frozenset({frozenset({"bicycle", "wheel"})})
)


def previous(**names: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [date(2026, 11, 1)] * len(names),
            "topic": list(names),
            "name": list(names.values()),
            "description": ["Users asked about it."] * len(names),
        },
        schema={"date": pl.Date, "topic": pl.String, "name": pl.String, "description": pl.String},
    )


def answer(name: str) -> Summary:
    return Summary(name, "Users asked about it.")


def kept(answers: dict[str, str], previous: pl.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Names of the topics, each answered with the given one, and which topics were asked for, time by time."""
    samples = [NamingSample([topic], [], WORDS, "en", np.zeros(1, np.float32)) for topic in answers]
    asked: list[list[str]] = []

    def name(some: Sequence[NamingSample]) -> list[Summary]:
        asked.append([sample.inside[0] for sample in some])
        return [answer(answers[sample.inside[0]]) for sample in some]

    chosen = chosen_names(list(answers), samples, name, previous)
    return [summary.name for summary in chosen], asked


def test_a_topic_that_persists_keeps_its_name_and_is_not_asked_for() -> None:
    names, asked = kept({"t": "Oven", "new": "Wheel"}, previous(t="Cake"))
    assert names == ["Cake", "Wheel"]
    assert asked == [["new"]]


def test_a_new_topic_takes_its_answer() -> None:
    assert kept({"new": "Oven"}, previous(t="Cake"))[0] == ["Oven"]


def test_a_name_whose_words_lost_their_support_goes() -> None:
    assert kept({"t": "Oven"}, previous(t="Zeppelin"))[0] == ["Oven"]


def test_a_standing_name_gives_way_to_a_topic_that_is_now_called_so() -> None:
    names, asked = kept({"old": "Wheel", "new": "Cake"}, previous(old="Cake"))
    assert names == ["Wheel", "Cake"]
    assert asked == [["new"], ["old", "new"]]


def test_giving_way_may_take_several_steps() -> None:
    names, _ = kept({"a": "Wheel", "b": "Oven", "new": "Cake"}, previous(a="Cake", b="wheel"))
    assert names == ["Wheel", "Oven", "Cake"]


def test_vocabularies_survive_the_table() -> None:
    clusters = pl.DataFrame(
        {"date": [date(2026, 11, 1)], "clustered_by": ["request"], "cluster_id": [3]},
        schema_overrides={"cluster_id": pl.Int32},
    )
    assert vocabularies_of(vocabularies_frame(clusters, {3: WORDS})) == {3: WORDS}
