"""The evaluation's corpora are whole, honest, and the same for the same seed."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from clio_dagster.cli import app
from clio_dagster.conversations.landing import readable
from clio_dagster.evaluation.corpora.bank import (
    CONCERNING,
    HELD_OUT,
    KINDS,
    LANGUAGES,
    ORDINARY,
    TUNING,
    Category,
    categories,
    half_of,
    is_tuning,
)
from clio_dagster.evaluation.corpora.corpus import Corpus, corpus_in_batches, make_corpus, permuted
from clio_dagster.evaluation.corpora.files import read_corpus, write_corpus
from clio_dagster.evaluation.corpora.honesty import (
    SAID,
    SOLVED,
    DishonestCorpusError,
    check_honest,
    name_words,
    requests_of,
)
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.pipeline import site_of
from clio_dagster.evaluation.sections.corpora import section
from clio_dagster.failures import CallError
from clio_dagster.settings import Settings
from clio_dagster.tables import RAW_CONVERSATIONS

ENGINE = Path(__file__).parents[1] / "clio_dagster"


def stored(language: str) -> dict:
    bank = files("clio_dagster.evaluation.corpora") / f"banks/{language}.toml"
    return tomllib.loads(bank.read_text("utf-8"))


@pytest.fixture(scope="module")
def corpora() -> dict[str, Corpus]:
    """Every kind in every language."""
    return {kind: make_corpus(kind, 5_000, languages=LANGUAGES) for kind in KINDS}


@pytest.fixture(scope="module")
def honest(corpora: dict[str, Corpus]) -> dict[str, pl.DataFrame]:
    return {kind: check_honest(corpus, kind) for kind, corpus in corpora.items()}


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


def test_halves_share_neither_request_nor_filler_nor_all_categories(corpora: dict[str, Corpus]) -> None:
    for kind in KINDS:
        tuned = [each.id for each in categories(kind) if is_tuning(each.id)]
        assert len(tuned) == len(categories(kind)) // 2
    tuning = make_corpus(ORDINARY, 3_000, languages=LANGUAGES, half=TUNING).labels
    held_out = corpora[ORDINARY].labels
    assert set(tuning["category"]) < set(held_out["category"])
    slots = [
        each.explode("slots").drop("conversation_id", "also").drop_nulls() for each in (tuning, held_out)
    ]
    assert set(slots[0]["language"]) == set(slots[1]["language"]) == set(LANGUAGES)
    assert slots[0].join(slots[1], on=["language", "category", "subcategory", "slots"]).is_empty()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_of_a_bank_is_in_one_half(language: str) -> None:
    for kind in KINDS:
        for category, subcategories in stored(language)[kind].items():
            for subcategory, rules in subcategories.items():
                for name, lines in rules.items():
                    of = " ".join((language, kind, category, subcategory, name))
                    halves = [half_of(lines, of, half) for half in (TUNING, HELD_OUT)]
                    assert sorted([*halves[0], *halves[1]]) == sorted(lines)
                    assert len(halves[0]) == len(halves[1])


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    one, same, other = (make_corpus(ORDINARY, 300, languages=["en", "zh"], seed=seed) for seed in (1, 1, 2))
    assert one.conversations.equals(same.conversations)
    assert one.labels.equals(same.labels)
    assert not one.labels.drop("conversation_id").equals(other.labels.drop("conversation_id"))
    assert one.conversations.schema == RAW_CONVERSATIONS.empty().schema


def test_batches_hold_the_rows_of_the_whole() -> None:
    whole = make_corpus(ORDINARY, 500, languages=["en", "zh"])
    parts = list(corpus_in_batches(ORDINARY, 500, languages=["en", "zh"], at_once=200))
    assert [part.labels.height for part in parts] == [200, 200, 100]
    assert pl.concat(part.conversations for part in parts).equals(whole.conversations)
    assert pl.concat(part.labels for part in parts).equals(whole.labels)


def test_a_file_is_landed_whole_and_read_back_with_its_labels(
    corpora: dict[str, Corpus], tmp_path: Path
) -> None:
    some = corpora[CONCERNING]
    some = Corpus(some.conversations.head(200), some.labels.head(200))
    path = tmp_path / "corpus.jsonl.gz"
    assert write_corpus([some], path) == 200
    settings = Settings(home=tmp_path / "home", key_file=tmp_path / "key")
    landed = list(readable(path, settings, datetime(2026, 11, 8, tzinfo=UTC)))
    assert [each.conversation_id for each in landed] == some.conversations["conversation_id"].to_list()
    again = read_corpus(path)
    assert again.conversations.equals(some.conversations)
    assert again.labels.equals(some.labels)
    assert {each.name for each in tmp_path.iterdir()} == {path.name, "corpus.labels.parquet"}


def test_a_null_keeps_tails_and_unties_topics_from_accounts(corpora: dict[str, Corpus]) -> None:
    corpus = corpora[ORDINARY]
    null = permuted(corpus, seed=1)
    account = ["account", "started_at", "date", "language"]
    texts = ["conversation_id", "language", "messages"]
    assert null.conversations.select(texts).equals(corpus.conversations.select(texts))
    assert (
        null.conversations.select(account)
        .sort(account)
        .equals(corpus.conversations.select(account).sort(account))
    )
    loyal, untied = (
        each.conversations.join(each.labels, on="conversation_id")
        .group_by("account")
        .agg(pl.len(), pl.col("category").n_unique())
        .filter(pl.col("len") >= 8)["category"]
        .mean()
        for each in (corpus, null)
    )
    assert loyal < 4.5 < untied


def test_in_no_language_do_names_of_categories_occur_or_find_them(honest: dict[str, pl.DataFrame]) -> None:
    for found in honest.values():
        assert set(found["language"]) == set(LANGUAGES)
        assert found["names_said"].max() < SAID
        assert found["tfidf"].max() < SOLVED
        assert found["tfidf"].max() > 0


@pytest.mark.parametrize(("told", "why"), [("name", "said in"), ("description", "TF-IDF finds")])
def test_a_corpus_that_measures_nothing_is_rejected(corpora: dict[str, Corpus], told: str, why: str) -> None:
    """One in which people say the category's name; one in which they say what describes it, and not its name."""
    corpus = corpora[ORDINARY]
    texts = {each.id: _about(each, told) for each in categories(ORDINARY)}
    user = pl.struct(pl.lit("user").alias("role"), pl.col("category").replace_strict(texts).alias("text"))
    conversations = corpus.conversations.join(
        corpus.labels.select("conversation_id", "category"), on="conversation_id", maintain_order="left"
    ).with_columns(pl.concat_list(user).alias("messages"))
    with pytest.raises(DishonestCorpusError, match=why):
        check_honest(Corpus(conversations.drop("category"), corpus.labels), ORDINARY)


def _about(category: Category, told: str) -> str:
    """One word of the name, which TF-IDF is too little for; or the description without a word of the name."""
    words = name_words(category.name)
    if told == "name":
        return f"please help with this: {words[0]}" if category.id in ("money", "faith") else "please help"
    return re.sub(rf"(?i)\b({'|'.join(words)})\b", "", category.description)


def test_whoever_is_declined_insists_and_does_not_thank(corpora: dict[str, Corpus]) -> None:
    bank = stored("en")
    thanks, follows = bank["turns"]["thanks"], bank["turns"]["follow"]
    asked = requests_of(corpora[CONCERNING]).filter(language="en")
    last = asked["all_text"].str.split("\n").list.last()
    assert not last.filter(asked["refused"]).is_in([*thanks, *follows]).any()
    assert last.filter(~asked["refused"]).is_in(thanks).any()


class Dull(Given):
    """Everybody asks the same once, in the words of the category's name."""

    def corpus(self, kind: str) -> Corpus:
        whole = super().corpus(kind)
        names = {each.id: each.name for each in categories(kind)}
        user = pl.struct(pl.lit("user").alias("role"), pl.col("category").replace_strict(names).alias("text"))
        conversations = whole.conversations.with_columns(
            pl.col("conversation_id").alias("account"),
            whole.labels.select(pl.concat_list(user).alias("messages"))["messages"],
        )
        return Corpus(conversations, whole.labels)


def test_the_section_holds_for_the_corpora_and_is_missed_by_dull_ones() -> None:
    site = site_of()
    found = section(Given(site, site.honest, conversations=1_500))
    assert not found.missed
    assert found.tables["By language"].height == len(KINDS) * len(LANGUAGES)
    dull = section(Dull(site, site.honest, conversations=1_500))
    assert dull.missed == dull.bars


def test_the_command_writes_a_corpus_of_the_languages_that_it_is_given(tmp_path: Path) -> None:
    call = ["evaluate", "corpus", "--conversations", "300", "--out", str(tmp_path / "made.jsonl.gz")]
    assert isinstance(CliRunner().invoke(app, [*call, "--languages", "en,xx"]).exception, CallError)
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(app, [*call, "--languages", "en, hy"]).exit_code == 0
    made = read_corpus(tmp_path / "made.jsonl.gz")
    assert made.conversations.equals(make_corpus(ORDINARY, 300, languages=["en", "hy"]).conversations)


def test_the_generator_and_the_analyst_know_nothing_of_each_other() -> None:
    """Over all that either imports, however far. What asks Claude for a corpus shares the asking, and no word list."""
    analyst, offline = modules_of("analyst"), modules_of("analyst/offline")
    assert offline < analyst
    assert not reachable(["clio_dagster.evaluation.corpora.corpus"]) & analyst
    assert not reachable(["clio_dagster.evaluation.corpora.claude"]) & offline
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
