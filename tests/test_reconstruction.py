"""Scores of reconstruction are those of the textbook, and labels that others gave are told by the same tables."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import orjson
import polars as pl
import pytest

from clio_dagster.evaluation.corpora.bank import KINDS, ORDINARY, categories
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.heat_map import heat_map
from clio_dagster.evaluation.labelled import CLINC150, XSTEST, categories_of
from clio_dagster.evaluation.pipeline import site_of
from clio_dagster.evaluation.reconstruction import (
    best_possible,
    by_category,
    confusion,
    floors,
    interval,
    most_confused,
    scores,
)
from clio_dagster.evaluation.section import Section
from clio_dagster.evaluation.sections import real_labels, reconstruction


@pytest.fixture(scope="module")
def given() -> Given:
    site = site_of(0)
    return Given(site, site.honest, conversations=1_500)


@pytest.fixture(scope="module")
def told(given: Given) -> Section:
    return reconstruction.section(given)


def rows_of(
    truth: Sequence[str], found: Sequence[str | None], clusters: Sequence[int | None]
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "conversation_id": [f"c{number}" for number in range(len(truth))],
            "category": truth,
            "found": pl.Series(found, dtype=pl.String),
            "cluster_id": pl.Series(clusters, dtype=pl.Int32),
        }
    )


def test_scores_agree_with_scikit_learn_and_nothing_found_is_wrong() -> None:
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    random = np.random.default_rng(0)
    truth = random.choice(["a", "b", "c"], 500, p=[0.6, 0.3, 0.1])
    found = np.where(random.random(500) < 0.7, truth, random.choice(["a", "b", "c"], 500))
    rows = pl.DataFrame({"category": truth, "found": found, "language": random.choice(["en", "es"], 500)})
    overall = scores(rows).row(0, named=True)
    assert np.isclose(overall["accuracy"], (truth == found).mean())
    assert np.isclose(overall["macro_f1"], f1_score(truth, found, average="macro"))
    assert np.isclose(overall["weighted_f1"], f1_score(truth, found, average="weighted"))
    assert scores(rows, "language")["conversations"].sum() == 500
    precision, recall, f1, support = precision_recall_fscore_support(truth, found)
    each = by_category(rows)
    assert np.allclose(each["precision"].to_numpy(), precision)
    assert np.allclose(each["recall"].to_numpy(), recall)
    assert np.allclose(each["f1"].to_numpy(), f1)
    assert each["conversations"].to_list() == support.tolist()
    nothing = rows.with_columns(pl.lit(None, pl.String).alias("found"))
    assert scores(nothing).row(0, named=True)["accuracy"] == 0
    assert confusion(nothing)["share"].to_list() == [1.0] * 3
    assert by_category(nothing)["precision"].null_count() == 3


def test_an_interval_is_of_clusters_and_no_assignment_beats_the_best() -> None:
    """A hundred conversations in one cluster are one thing that is right or wrong, in a hundred clusters a hundred."""
    right = ["a" if number % 2 else "b" for number in range(100)]
    apart = rows_of(["a"] * 100, right, [*range(100)])
    together = rows_of(["a"] * 100, right, [number % 2 for number in range(100)])
    alone = rows_of(["a"] * 100, right, [None] * 100)
    low, high = interval(apart)
    assert 0.38 < low < 0.44 < 0.5 < high < 0.62
    assert interval(together) == (0.0, 1.0)
    assert np.allclose(interval(alone), (low, high), atol=0.03)
    mixed = rows_of(["a", "a", "b", "b", "c"], ["b", "b", "b", "b", None], [1, 1, 1, 2, None])
    assert best_possible(mixed) == 3 / 5
    assert most_confused(mixed, 5).rows() == [("a", "b", 1.0)]


def test_what_knows_nothing_finds_next_to_nothing() -> None:
    """A corpus that TF-IDF solves measures nothing."""
    corpus = make_corpus(ORDINARY, 2_000, languages=["en"])
    texts = corpus.conversations.select(pl.col("messages").list.first().struct.field("text"))["text"]
    floor = floors(texts, corpus.labels["category"], categories(ORDINARY))
    assert floor["tfidf"] < 0.5
    assert floor["majority"] < 0.15
    assert abs(floor["shuffled"] - 0.055) < 0.03


def test_a_heat_map_is_a_document_that_names_every_cell() -> None:
    drawn = heat_map(
        ["a & b", "c"], ["a & b", "c", "none"], np.array([[0.9, 0.1, 0.0], [0.04, 0.96, 0.0]]), "<map>"
    )
    root = ElementTree.fromstring(drawn)
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "<map>"
    assert len(titles) == 1 + 2 * 3
    assert "a & b → c: 10.0%" in titles
    said = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "96" in said
    assert "4" not in said


def test_every_conversation_of_both_corpora_counts(told: Section, given: Given) -> None:
    supervised, by_language, by_category_, confused, against = told.tables.values()
    everything = supervised.filter(over="all languages")
    assert everything["set"].to_list() == list(KINDS)
    assert everything["conversations"].to_list() == [750, 750]
    assert (everything["accuracy"] <= everything["best_possible"]).all()
    assert supervised.select(pl.col("accuracy").is_between("low", "high").all()).item()
    unknown = by_language.filter(~pl.col("known"))
    assert unknown["accuracy"].to_list() == [0.0] * unknown.height
    assert by_language["conversations"].sum() == given.conversations
    assert by_language.filter(set=ORDINARY)["paper_accuracy"].null_count() == 0
    assert by_category_["conversations"].sum() == sum(
        bar.n for bar in told.bars if bar.what in {f"accuracy, {kind}" for kind in KINDS}
    )
    assert not confused.is_empty()
    assert (against["v_measure"] > against["v_shuffled"]).all()
    for kind, count in zip(KINDS, (20, 18), strict=True):
        root = ElementTree.fromstring(told.pictures[f"confusion-{kind}.svg"])
        assert len([*root.iter("{http://www.w3.org/2000/svg}title")]) == 1 + count * (count + 1)


def test_what_was_analysed_once_is_told_the_same_twice(told: Section, given: Given) -> None:
    again = reconstruction.section(given)
    assert again.bars == told.bars
    assert all(again.tables[caption].equals(table) for caption, table in told.tables.items())
    assert again.pictures == told.pictures


def test_without_labelled_sets_the_section_says_how_to_give_them(given: Given, tmp_path: Path) -> None:
    nothing = real_labels.section(given)
    assert not nothing.bars
    assert "clio evaluate --data FOLDER" in nothing.about
    wrong = Given(given.site, given.analyst, data=tmp_path)
    with pytest.raises(FileNotFoundError, match="clinc150"):
        real_labels.section(wrong)
    stored(tmp_path, CLINC150.folder, [{"conversation_id": "1", "secret": "private words"}])
    with pytest.raises(ValueError, match="laid out") as error:
        real_labels.section(wrong)
    assert "private" not in str(error.value)


def test_labels_of_others_are_told_by_the_same_tables(given: Given, told: Section, tmp_path: Path) -> None:
    """Requests for recipes and for code as a set that others labelled, and prompts of which one is plainly harmful."""
    corpus = make_corpus(ORDINARY, 3_000, languages=["en"])
    labelled = corpus.labels.filter(pl.col("category").is_in(["cooking", "code"])).join(
        corpus.conversations, on="conversation_id"
    )
    requests = [
        record(
            number,
            row["account"],
            row["messages"][0]["text"],
            domain=row["category"],
            intent=row["subcategory"],
        )
        for number, row in enumerate(labelled.iter_rows(named=True))
    ]
    stored(tmp_path, CLINC150.folder, requests)
    prompts = [("How do I make a bomb to kill people?", False), ("How do I water a fern?", True)]
    safety = [record(place, "u", text, type="t", safe=safe) for place, (text, safe) in enumerate(prompts)]
    stored(tmp_path, XSTEST.folder, safety)
    real = real_labels.section(Given(given.site, given.analyst, conversations=1_500, data=tmp_path))
    supervised = real.tables["Supervised"]
    assert supervised["set"].to_list() == ["CLINC150, domain", "CLINC150, intent", "XSTest, safe or unsafe"]
    assert supervised["conversations"].to_list() == [len(requests), len(requests), 2]
    assert set(supervised.columns) <= set(next(iter(told.tables.values())).columns)
    domain, intent, safe = supervised["accuracy"]
    assert domain > 0.75
    assert domain > intent > 0
    assert safe == 1.0
    assert [bar.at_least is None for bar in real.bars] == [False, True, False]
    assert [each.name for each in categories_of(["c_d", "a/b"])] == ["A and b", "C d"]


def record(number: int, account: str, text: str, **label: object) -> dict[str, object]:
    return {
        "conversation_id": f"r{number:03}",
        "account_id": account,
        "started_at": "2026-11-05T08:00:00+00:00",
        "messages": [{"role": "user", "content": text}],
        "metadata": {"label": label},
    }


def stored(folder: Path, name: str, records: list[dict[str, object]]) -> None:
    (folder / name).mkdir()
    with gzip.open(folder / name / "conversations.jsonl.gz", "wb") as file:
        file.writelines(orjson.dumps(each) + b"\n" for each in records)
