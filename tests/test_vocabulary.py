"""P5: only words, and pairs of words, that enough accounts of a cluster used may stand in its name."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from clio_dagster.analyst.protocol import Vocabulary
from clio_dagster.privacy import word_lists
from clio_dagster.privacy.alike import traffic_of
from clio_dagster.privacy.vocabulary import (
    is_generic,
    parent_vocabulary,
    support,
    tokenize,
    violations,
    violations_of,
)
from clio_dagster.settings import Settings

KEY = b"0" * 32


@pytest.fixture
def settings(tmp_path):
    return Settings(
        home=tmp_path / "home", key_file=tmp_path / "key", epsilon=math.inf, epsilon_sensitive=math.inf
    )


def members(said: dict[str, list[str | None]], *, cluster: int = 0, language: str = "en") -> pl.DataFrame:
    """One conversation for each text and account."""
    rows = [
        (cluster, f"t{cluster}", account, language, text) for text, who in said.items() for account in who
    ]
    return pl.DataFrame(rows, schema=["cluster_id", "topic", "account", "language", "text"], orient="row")


def accounts(number: int, prefix: str = "a") -> list[str | None]:
    return [f"{prefix}{i}" for i in range(number)]


def words_of(text: str, language: str) -> list[str]:
    return tokenize(pl.Series([text]), pl.Series([language]))["word"].to_list()


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Book a TABLE, please!", ["book", "a", "table", "please"]),
        ("en", "I don’t know", ["i", "don't", "know"]),
        ("fr", "Où est l'argent ?", ["où", "est", "l", "argent"]),
        ("ru", "Перевести Деньги", ["перевести", "деньги"]),
        ("zh", "我想预订餐厅", ["我", "想", "预订", "餐厅"]),
        ("ja", "レストランの予約をしたいです", ["レストラン", "の", "予約", "を", "したいです"]),
        ("ko", "은행에서 돈을", ["은행", "에서", "돈", "을"]),
        ("th", "จองโต๊ะ", ["จอง", "โต๊ะ"]),
    ],
)
def test_words_are_found_in_languages_with_and_without_spaces(language, text, expected):
    assert words_of(text, language) == expected


def test_sentence_marks_of_every_script_end_a_clause():
    texts = pl.Series(["one, two. three", "预订，餐厅。", "site.com version 3.5", None])
    tokens = tokenize(texts, pl.Series(["en", "zh", "en", "en"]))
    clauses = tokens.group_by("row", maintain_order=True).agg(pl.col("clause").n_unique())
    assert dict(clauses.iter_rows()) == {0: 3, 1: 2, 2: 1}


def test_every_default_language_has_word_lists():
    for language in Settings.model_fields["languages"].default:
        assert len(word_lists.generic_words(language)) > 200, language
        assert word_lists.function_words(language), language


@pytest.mark.parametrize("word", ["the", "question", "Preguntas", "перевод", "翻訳"])
def test_function_words_and_abstract_words_are_generic(word):
    assert is_generic(word)


@pytest.mark.parametrize(
    "word",
    [
        "lupus",
        "depression",
        "muslim",
        "gay",
        "london",
        "google",
        "heroin",
        "murder",
        "john",
        "ben",
        "2024",
        "seven",
    ],
)
def test_names_numbers_and_words_that_can_hurt_are_never_generic(word):
    assert not is_generic(word)


def test_no_generic_word_is_sensitive():
    assert not word_lists.every_generic_word() & word_lists.sensitive_words()


def test_a_word_needs_its_minimum_of_accounts(settings):
    said = members({"fix my bicycle": accounts(8), "fix my unicycle": accounts(7, "b")})
    assert set(support(said, settings=settings, key=KEY)[0].words) == {"bicycle"}


def test_one_account_counts_once_however_often_it_says_a_word(settings):
    said = members({f"fix my bicycle {i} times": ["a1"] for i in range(20)})
    assert support(said, settings=settings, key=KEY)[0].words == {}


def test_conversations_without_account_support_nothing(settings):
    assert support(members({"fix my bicycle": [None] * 30}), settings=settings, key=KEY)[0] == Vocabulary()


def test_words_that_can_hurt_need_more_accounts(settings):
    said = {"about lupus": accounts(11), "about bicycles": accounts(11, "b")}
    assert set(support(members(said), settings=settings, key=KEY)[0].words) == {"bicycles"}
    assert "lupus" in support(members({"about lupus": accounts(12)}), settings=settings, key=KEY)[0].words


def test_two_supported_words_are_no_supported_pair(settings):
    said = members(
        {
            "my bicycle": accounts(9),
            "my kayak": accounts(9, "b"),
            "a bicycle on my kayak": accounts(4, "c"),
            "a bicycle, then a kayak": accounts(9, "d"),
        }
    )
    vocabulary = support(said, settings=settings, key=KEY)[0]
    assert set(vocabulary.words) == {"bicycle", "kayak"}
    assert vocabulary.pairs == frozenset()
    more = pl.concat([said, members({"the kayak has my bicycle": ["e1"]})])
    assert support(more, settings=settings, key=KEY)[0].pairs == {frozenset({"bicycle", "kayak"})}


def test_a_word_that_every_cluster_uses_tells_less(settings):
    said = pl.concat(
        [
            members({"my bicycle squeaks": accounts(10)}),
            members({"my bicycle wobbles": accounts(10, "b")}, cluster=1),
        ]
    )
    words = support(said, settings=settings, key=KEY)[0].words
    assert words["squeaks"] > words["bicycle"] == 0


def test_noise_moves_the_edge_and_is_never_redrawn(settings):
    noisy = settings.model_copy(update={"epsilon": 0.5})
    said = pl.concat([members({"my bicycle": accounts(8, f"{c}-")}, cluster=c) for c in range(40)])
    first = support(said, settings=noisy, key=KEY)
    assert first == support(said.reverse(), settings=noisy, key=KEY)
    assert 0 < sum("bicycle" in vocabulary.words for vocabulary in first.values()) < 40


def test_no_noise_lets_through_the_word_of_one_account(settings):
    loud = settings.model_copy(update={"epsilon": 0.01})
    said = pl.concat([members({f"qzx{c}": ["only"]}, cluster=c) for c in range(200)])
    assert not any(vocabulary.words for vocabulary in support(said, settings=loud, key=KEY).values())


def test_a_parent_has_the_words_of_two_children():
    shared, pair = {"bicycle": 1.0, "kayak": 1.0}, frozenset({"bicycle", "kayak"})
    parent = parent_vocabulary([Vocabulary(shared, frozenset({pair})), Vocabulary(shared | {"tent": 2.0})])
    assert set(parent.words) == {"bicycle", "kayak"}
    assert parent.pairs == {pair}


def test_texts_judged_together_are_judged_each_by_its_own_words():
    kayak, account = Vocabulary({"kayak": 1.0}), Vocabulary({words_of("口座", "ja")[0]: 1.0})
    texts = ["The kayak", "口座", "The kayak", "口座", ""]
    vocabularies = [kayak, account, account, kayak, kayak]
    together = violations_of(texts, vocabularies)
    assert together == [violations(*each) for each in zip(texts, vocabularies, strict=True)]
    assert [bool(reasons) for reasons in together] == [False, False, True, True, False]
    assert violations_of([], []) == []


def test_violations_name_the_rule_and_never_the_word():
    vocabulary = Vocabulary({"bicycle": 1.0, "kayak": 1.0})
    assert violations("Questions about the bicycle, and the kayak", vocabulary) == []
    assert violations("The bicycle on a kayak", vocabulary) == [
        "1 pair of words in one clause without support"
    ]
    reasons = violations("Repair Smithson's bicycle in 1987", vocabulary)
    assert reasons == ["2 words lack support"]


def test_a_name_in_han_alone_is_read_as_its_vocabulary_was_cut():
    assert violations("口座", Vocabulary({words_of("口座", "ja")[0]: 1.0})) == []


def test_a_category_label_is_free_as_a_whole_and_its_words_are_not():
    assert violations("Job interviews, in Spanish. Users asked about job interviews.", Vocabulary()) == []
    assert violations("Interviews about a limerick", Vocabulary()) == ["1 word lacks support"]
    assert "rhymes and limericks" in word_lists.headings()


def test_a_label_with_a_word_that_can_hurt_needs_that_word_supported():
    assert violations("Spying on people", Vocabulary()) == ["1 word lacks support"]
    assert violations("Spying on people", Vocabulary({"spying": 1.0})) == []


def test_no_free_phrase_holds_an_english_word_that_can_hurt():
    words = {word for phrase in word_lists.free_phrases() for word in phrase.split()}
    hurting = frozenset().union(
        *(word_lists.sensitive_list(kind, "en") for kind in word_lists.SENSITIVE_KINDS)
    )
    assert words & hurting == {word.lower() for word in word_lists.LANGUAGE_NAMES.values()}


def test_a_free_phrase_does_not_part_the_words_around_it():
    vocabulary = Vocabulary({"kayak": 1.0, "walrus": 1.0})
    assert violations("kayak cover letters walrus", vocabulary) != []
    assert violations("kayak, cover letters, walrus", vocabulary) == []


def test_a_name_that_many_accounts_used_is_still_a_name() -> None:
    texts = [f"what Barack Huhne said about sailing {number}" for number in range(30)]
    members = pl.DataFrame(
        {
            "cluster_id": [0] * 30,
            "topic": ["t"] * 30,
            "account": [str(number) for number in range(30)],
            "language": ["en"] * 30,
            "text": texts,
        }
    )
    settings = Settings(epsilon=float("inf"))
    words = support(members, settings=settings, key=bytes(32))[0].words
    assert "sailing" in words
    assert not {"barack", "huhne"} & set(words)


def test_german_nouns_are_not_taken_for_names() -> None:
    members = pl.DataFrame(
        {
            "cluster_id": [0] * 30,
            "topic": ["t"] * 30,
            "account": [str(number) for number in range(30)],
            "language": ["de"] * 30,
            "text": ["erkläre mir das Segeln auf dem Wasser"] * 30,
        }
    )
    words = support(members, settings=Settings(epsilon=float("inf")), key=bytes(32))[0].words
    assert "segeln" in words


def pushed(settings, *, together: bool) -> set[str]:
    """Words that an honest topic of sixty accounts supports once twelve more push one into it."""
    began = datetime(2026, 11, 1, tzinfo=UTC)
    places = [
        "the garden",
        "my kitchen",
        "an attic",
        "our cellar",
        "the hall",
        "a shed",
        "this barn",
        "the yard",
    ]
    rows = [
        (f"h{i}", f"please repair the gutter above {places[i % 8]}", began + timedelta(hours=2.7 * i))
        for i in range(60)
    ]
    for i in range(12):
        asked = f"which {places[i % 8]} gutter does zqbrand {('sell', 'fit', 'mend', 'paint')[i % 4]} best"
        rows.append((f"p{i}", asked, began + (timedelta(minutes=i) if together else timedelta(hours=13 * i))))
    said = pl.DataFrame(rows, schema=["account", "text", "started_at"], orient="row").with_columns(
        pl.lit(0).alias("cluster_id"),
        pl.lit("t").alias("topic"),
        pl.lit("en").alias("language"),
        pl.concat_str(pl.lit("c"), pl.col("account")).alias("conversation_id"),
        pl.col("started_at").dt.cast_time_unit("us"),
    )
    site = pl.datetime_range(began, began + timedelta(days=7), "2m", time_unit="us", eager=True)
    return set(support(said, settings=settings, key=KEY, traffic=traffic_of(site))[0].words)


def test_accounts_that_act_alike_push_no_word_into_a_name(settings):
    assert "zqbrand" in pushed(settings, together=False)
    words = pushed(settings, together=True)
    assert "zqbrand" not in words and "gutter" in words
