"""Names persist with their topics, as long as they are theirs to keep."""

from __future__ import annotations

from datetime import date

import polars as pl

from clio_dagster.analyst.protocol import Summary, Vocabulary
from clio_dagster.clusters.summaries import keep_standing_names, vocabularies_frame, vocabularies_of

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


def test_a_topic_that_persists_keeps_its_name() -> None:
    (kept,) = keep_standing_names(["t"], [answer("Oven")], [WORDS], previous(t="Cake"))
    assert kept.name == "Cake"


def test_a_new_topic_takes_its_answer() -> None:
    (kept,) = keep_standing_names(["new"], [answer("Oven")], [WORDS], previous(t="Cake"))
    assert kept.name == "Oven"


def test_a_name_whose_words_lost_their_support_goes() -> None:
    (kept,) = keep_standing_names(["t"], [answer("Oven")], [WORDS], previous(t="Zeppelin"))
    assert kept.name == "Oven"


def test_a_standing_name_gives_way_to_a_topic_that_is_now_called_so() -> None:
    kept = keep_standing_names(
        ["old", "new"], [answer("Wheel"), answer("Cake")], [WORDS, WORDS], previous(old="Cake")
    )
    assert [summary.name for summary in kept] == ["Wheel", "Cake"]


def test_giving_way_may_take_several_steps() -> None:
    kept = keep_standing_names(
        ["a", "b", "new"],
        [answer("Wheel"), answer("Oven"), answer("Cake")],
        [WORDS] * 3,
        previous(a="Cake", b="wheel"),
    )
    assert [summary.name for summary in kept] == ["Wheel", "Oven", "Cake"]


def test_vocabularies_survive_the_table() -> None:
    clusters = pl.DataFrame(
        {"date": [date(2026, 11, 1)], "clustered_by": ["request"], "cluster_id": [3]},
        schema_overrides={"cluster_id": pl.Int32},
    )
    assert vocabularies_of(vocabularies_frame(clusters, {3: WORDS})) == {3: WORDS}
