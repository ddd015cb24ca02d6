"""The evaluation's corpora are whole, honest, and the same for the same seed."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

from clio_dagster.evaluation.corpora.bank import (
    HELD_OUT,
    KINDS,
    LANGUAGES,
    ORDINARY,
    TUNING,
    categories,
    is_tuning,
    load_bank,
)
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.tables import RAW_CONVERSATIONS

ENGINE = Path(__file__).parents[1] / "clio_dagster"
GENERIC = {"and", "of", "the", "to", "in", "do-it-yourself", "self", "against", "care", "design", "events"}
"""Words of categories' names that say nothing of them."""


def stored(language: str) -> dict:
    bank = files("clio_dagster.evaluation.corpora") / f"banks/{language}.toml"
    return tomllib.loads(bank.read_text("utf-8"))


def requests(kind: str, language: str, count: int = 2_000) -> pl.DataFrame:
    corpus = make_corpus(kind, count, languages=[language])
    asked = corpus.conversations.select(
        "conversation_id",
        pl.col("messages")
        .list.eval(pl.element().struct.field("text").filter(pl.element().struct.field("role") == "user"))
        .list.join("\n")
        .alias("text"),
    )
    return asked.join(corpus.labels, on="conversation_id")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bank_has_every_subcategory_and_no_line_twice(language: str) -> None:
    bank = stored(language)
    assert bank["language"] == language
    asked = []
    for kind in KINDS:
        for category in categories(kind):
            assert bank[kind][category.id].keys() == category.subcategories.keys()
            for rules in bank[kind][category.id].values():
                assert len(rules["ask"]) == 4
                wanted = {slot for line in rules["ask"] for slot in re.findall(r"\{(\w+)\}", line)}
                assert wanted == rules.keys() - {"ask"}
                assert all(len(set(rules[slot])) == 6 for slot in wanted)
                asked += rules["ask"]
    assert len(asked) == len(set(asked)) == 4 * 114


def test_halves_share_neither_request_nor_filler_nor_all_categories() -> None:
    for kind in KINDS:
        tuned = [each.id for each in categories(kind) if is_tuning(each.id)]
        assert len(tuned) == len(categories(kind)) // 2
    texts = {}
    for half in (TUNING, HELD_OUT):
        corpus = make_corpus(ORDINARY, 1_500, languages=["en"], half=half)
        texts[half] = corpus.labels.explode("slots").select("category", "subcategory", "slots").unique()
    assert texts[TUNING].join(texts[HELD_OUT], on=texts[TUNING].columns).is_empty()
    assert set(texts[TUNING]["category"]) < set(texts[HELD_OUT]["category"])
    asks = [load_bank("en", half).subjects.keys() for half in (TUNING, HELD_OUT)]
    assert asks[0] == asks[1]


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    one, same, other = (make_corpus(ORDINARY, 300, languages=["en", "zh"], seed=seed) for seed in (1, 1, 2))
    assert one.conversations.equals(same.conversations)
    assert one.labels.equals(same.labels)
    assert not one.labels.drop("conversation_id").equals(other.labels.drop("conversation_id"))
    assert one.conversations.schema == RAW_CONVERSATIONS.empty().schema


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_categories_hardly_occur_in_what_people_write(kind: str) -> None:
    asked = requests(kind, "en")
    hits = pl.zeros(asked.height, eager=True)
    for category in categories(kind):
        words = [
            word
            for word in re.findall(r"[a-z-]+", category.name.lower())
            if word not in GENERIC and len(word) > 2
        ]
        of_category = asked["category"] == category.id
        said = asked["text"].str.contains(rf"(?i)\b(?:{'|'.join(words)})\b")
        hits = hits + (of_category & said).cast(pl.Float64)
    assert hits.mean() < 0.02


def test_the_generator_and_the_analyst_know_nothing_of_each_other() -> None:
    """Over all that either imports, however far."""
    analyst = modules_of("analyst")
    assert analyst
    assert not reachable(["clio_dagster.evaluation.corpora.corpus"]) & analyst
    assert not {name for name in reachable(analyst) if ".evaluation." in name or ".synthetic" in name}


def modules_of(folder: str) -> set[str]:
    return {name_of(path) for path in (ENGINE / folder).rglob("*.py")}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ENGINE.parent).with_suffix("").parts).removesuffix(".__init__")


def reachable(modules: Iterable[str]) -> set[str]:
    found, waiting = set(), [*modules]
    while waiting:
        name = waiting.pop()
        path = ENGINE.parent / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found.add(name)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clio_dagster"):
                waiting += [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
    return found
