"""Planted private items are followed through the stages, and the auditor's set asks what it says it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random

import polars as pl
import pytest

from clio_dagster.analyst.protocol import AuditSample, Vocabulary
from clio_dagster.evaluation.attacks import canaries
from clio_dagster.evaluation.auditor_set import RARE_PAIR, Example, auditor_set
from clio_dagster.evaluation.auditor_texts import KINDS
from clio_dagster.evaluation.auditor_texts import LANGUAGES as AUDITED
from clio_dagster.evaluation.corpora.bank import HELD_OUT, LANGUAGES, ORDINARY, TUNING
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.given import Analysed, Given
from clio_dagster.evaluation.leakage import PLANTED_SHARE, leak, plant
from clio_dagster.evaluation.pipeline import Site, site_of
from clio_dagster.evaluation.private_items import PAIR, UNKNOWN, Items
from clio_dagster.evaluation.sections import leakage
from clio_dagster.evaluation.sections.auditor import GATE, OWN, PUBLISHES, bars_of, judged
from clio_dagster.privacy.gate import LOWEST_SCORE
from tests.test_corpora import modules_of, reachable

Followed = tuple[Analysed, pl.DataFrame]


class Trusting:
    """The site's own analyst, but for an audit that finds nothing."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        return [5] * len(samples)


@pytest.fixture(scope="module")
def site() -> Site:
    return site_of(0)


@pytest.fixture(scope="module")
def followed(site: Site) -> Followed:
    corpus = make_corpus(ORDINARY, 450, languages=LANGUAGES)
    return leak(corpus, site.honest, site, seed=0)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return auditor_set([], half=HELD_OUT, size=12 * len(AUDITED))


@pytest.fixture(scope="module")
def found(site: Site, examples: list[Example]) -> tuple[pl.DataFrame, int, int]:
    return judged(Given(site, site.honest, conversations=0), examples)


def test_texts_and_items_know_nothing_of_the_lists_that_judge_them() -> None:
    """Over all that either imports, however far."""
    writers = reachable(["clio_dagster.evaluation.auditor_texts", "clio_dagster.evaluation.private_items"])
    judges = (modules_of("analyst") | modules_of("privacy")) - {
        "clio_dagster.analyst",
        "clio_dagster.analyst.protocol",
    }
    assert len(judges) > 50
    assert not writers & judges
    assert not {name for name in reachable(judges) if ".evaluation." in name or ".synthetic" in name}


def test_every_language_has_every_kind_of_item_and_tells_none_twice() -> None:
    items = Items(Random(1), ["cooking", "travel"], LANGUAGES)
    for language in LANGUAGES:
        drawn = [items.draw("cooking", language) for _ in range(120)]
        assert {item.kind for item in drawn} >= {"illness", "employer", "name", "email", "phone"}
        texts = [item.text for item in drawn]
        assert len(texts) == len(set(texts))
        assert all(canaries.holds(item.sentence, item.kind, item.text) for item in drawn)


def test_an_item_stands_in_its_conversation_and_belongs_to_one_account() -> None:
    corpus = make_corpus(ORDINARY, 3_000, languages=LANGUAGES)
    with_items, planted = plant(corpus, seed=1)
    said = with_items.conversations.select(
        "conversation_id", "account", pl.col("messages").list.first().struct.field("text").alias("said")
    )
    both = planted.join(said, on="conversation_id")
    assert both.height / 3_000 == pytest.approx(PLANTED_SHARE, abs=0.02)
    assert all(canaries.holds(*row) for row in both.select("said", "kind", "text").iter_rows())
    tellers = both.group_by("text").agg(pl.col("account").n_unique(), pl.len())
    assert tellers["account"].max() == 1
    assert tellers["len"].max() > 1
    assert set(planted["kind"]) > set(UNKNOWN)
    assert with_items.conversations.equals(plant(corpus, seed=1)[0].conversations)


def test_items_are_found_in_conversations_and_facets_and_nothing_is_published(followed: Followed) -> None:
    section = leakage.told({ORDINARY: followed})
    assert not section.missed
    stages = section.tables["Conversations with a private item"].filter(over="all")
    hits = dict(stages.select("stage", "with_an_item").iter_rows())
    assert hits["raw"] > hits["facet"] > 0 == hits["published"]
    assert section.pictures["leakage.svg"].startswith("<svg")


def test_an_item_that_is_published_or_supported_is_found_and_misses_the_bar(followed: Followed) -> None:
    done, found = followed
    item = found.filter("facet").row(0, named=True)
    planted = found.select(*canaries.PLANTED)
    corpus = canaries.Corpus(done.corpus.conversations, planted)
    published = canaries.found_in(corpus, done.facets, done.made, [f"Living with {item['text'].title()}"])
    hits = published.filter("published")
    assert set(hits["text"]) == {item["text"]}
    missed = leakage.told({ORDINARY: (done, published.with_columns(read=True, met="published"))}).missed
    assert [bar.what for bar in missed] == ["private items published, ordinary"]
    every_word = [word for words in canaries.words_of(planted["text"], planted["language"]) for word in words]
    pairs = frozenset(frozenset(pair) for pair in combinations(set(every_word), 2))
    lax = dict.fromkeys(done.made.vocabularies, Vocabulary(dict.fromkeys(every_word, 1.0), pairs))
    supported = canaries.found_in(corpus, done.facets, replace(done.made, vocabularies=lax), [])
    assert supported["cluster"].sum() > found["cluster"].sum()


def test_rare_pairs_are_of_words_that_one_topic_has() -> None:
    corpus = make_corpus(ORDINARY, 3_000, languages=LANGUAGES)
    _, planted = plant(corpus, seed=0)
    pairs = (
        planted.filter(kind=PAIR)
        .unique("text", keep="first", maintain_order=True)  # an account may tell its own elsewhere again
        .join(corpus.labels, on="conversation_id")
        .select("language", "category", pl.col("text").str.split(" ").list.gather([0, -1]).alias("word"))
        .explode("word")
    )
    assert pairs["language"].n_unique() > 1
    assert pairs.group_by("language", "word").agg(pl.col("category").n_unique())["category"].max() == 1


def test_the_set_is_balanced_and_its_halves_share_no_text(examples: list[Example]) -> None:
    private = [example for example in examples if example.is_private]
    assert 2 * len(private) == len(examples)
    assert {example.kind for example in private} == {*KINDS, RARE_PAIR}
    assert {example.language for example in private} == set(AUDITED)
    other = {example.sample.summary for example in auditor_set([], half=TUNING, size=len(private))}
    assert not other & {example.sample.summary for example in examples}
    assert auditor_set([], half=HELD_OUT, size=len(private)) == examples


def test_a_detail_decides_and_not_the_sentence_that_tells_it(site: Site, examples: list[Example]) -> None:
    bare = [example.bare for example in examples if example.bare]
    private = site.honest.audit(bare)
    clean = site.honest.audit([example.sample for example in examples if not example.is_private])
    assert len(bare) == len(clean) and sum(score < LOWEST_SCORE for score in clean) < len(clean) / 20
    assert sum(score < LOWEST_SCORE for score in private) <= sum(score < LOWEST_SCORE for score in clean)


def test_the_offline_auditor_finds_details_and_no_order_raises_a_score(
    found: tuple[pl.DataFrame, int, int],
) -> None:
    table, raised, ordered = found
    assert ordered > 20
    held = {bar.what: bar.held for bar in bars_of(table, raised, ordered)}
    assert held.pop("accuracy") and held.pop("accuracy of the analyst's own auditor")
    assert all(value is not False for value in held.values())
    assert table.filter(pl.col(PUBLISHES) & ~pl.col(GATE)).is_empty()


def test_an_auditor_that_finds_nothing_misses_its_bar_and_the_site_does_not(
    site: Site, examples: list[Example], found: tuple[pl.DataFrame, int, int]
) -> None:
    table, raised, ordered = judged(Given(site, Trusting(site.honest), conversations=0), examples)  # type: ignore[arg-type]
    missed = [bar.what for bar in bars_of(table, raised, ordered) if bar.held is False]
    assert missed == ["accuracy of the analyst's own auditor"]
    assert not table[OWN].any()
    assert table[PUBLISHES].equals(found[0][PUBLISHES])
