"""The synthetic corpus and its accounts: what is planted is there, the rest reads and behaves like people."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from clio_dagster.synthetic import corpus
from clio_dagster.synthetic.accounts import MAX_TOPICS, assign_accounts, heavy_tailed, simulate
from clio_dagster.synthetic.grammar import Grammar
from clio_dagster.synthetic.topics import LANGUAGES, load_languages

WEEK = [date(2026, 11, 1) + timedelta(days=number) for number in range(7)]
ORDINARY = (corpus.ORDINARY, corpus.CANARY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[corpus.Truth, list[dict[str, Any]], Path]:
    path = tmp_path_factory.mktemp("synthetic") / "demo.jsonl.gz"
    truth = corpus.generate(path)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return truth, [json.loads(line) for line in file], path


def asked_first(records: list[dict[str, Any]]) -> list[str]:
    return [record["messages"][0]["content"] for record in records]


def masked(text: str) -> str:
    """The template of a text: digits, quotations and capitalised words are slots."""
    text = re.sub(r'"[^"]*"|“[^”]*”|„[^“]*“|「[^」]*」', "…", text)
    text = re.sub(r"\d+", "#", text)
    return re.sub(r"\w+", lambda word: "…" if word[0][0].isupper() else word[0], text)


# Accounts.


def simulated(n: int = 4000, **changes: Any) -> pl.DataFrame:
    arguments: dict[str, Any] = {
        "topics": 12,
        "languages": {"en": 0.6, "de": 0.3, "ja": 0.1},
        "days": WEEK,
    } | changes
    return simulate(n, rng=np.random.default_rng(1), **arguments)


def test_accounts_have_the_mean_that_was_asked_for() -> None:
    frame = simulated(mean_conversations=5.0)
    assert len(frame) == 4000
    assert len(frame) / frame["account_id"].n_unique() == pytest.approx(5.0, abs=0.05)


def test_few_accounts_hold_many_conversations() -> None:
    sizes = np.sort(heavy_tailed(5000, 5.0, np.random.default_rng(0)))[::-1]
    assert sizes.sum() == 5000
    assert sizes[: len(sizes) // 10].sum() > 0.3 * sizes.sum()
    assert (sizes == 1).mean() > 0.1


def test_an_account_has_one_language_and_few_topics() -> None:
    each = simulated().group_by("account_id").agg(pl.col("language").n_unique(), pl.col("topic").n_unique())
    assert each["language"].max() == 1
    assert each["topic"].max() <= MAX_TOPICS  # type: ignore[operator]


def test_topic_mixes_differ_by_language() -> None:
    frame = simulated(20_000)
    shares = (
        frame.group_by("language", "topic")
        .len()
        .with_columns((pl.col("len") / pl.col("len").sum().over("language")).alias("share"))
    )
    wide = shares.pivot("language", index="topic", values="share").fill_null(0.0)
    assert (wide["en"] - wide["de"]).abs().sum() > 0.2


def test_topics_stay_within_the_mix_of_their_language() -> None:
    mixes = {"en": {"topic-0": 1.0, "topic-1": 1.0}, "de": {"topic-2": 1.0}}
    frame = simulated(500, topics=3, languages={"en": 1, "de": 1}, mixes=mixes)
    assert set(frame.filter(pl.col("language") == "de")["topic"]) == {"topic-2"}
    assert set(frame.filter(pl.col("language") == "en")["topic"]) == {"topic-0", "topic-1"}


def test_nights_and_weekends_are_quieter() -> None:
    started = simulated(20_000)["started_at"]
    hours = Counter(started.dt.hour().to_list())
    assert hours[3] < 0.3 * hours[14]
    days = Counter(started.dt.date().to_list())
    assert set(days) == set(WEEK)
    assert days[date(2026, 11, 7)] < 0.85 * np.mean([days[date(2026, 11, number)] for number in range(2, 7)])


def test_one_seed_makes_one_set_of_accounts() -> None:
    assert simulated().equals(simulated())


@pytest.mark.parametrize("changes", [{"topics": 0}, {"languages": {}}, {"days": []}])
def test_a_simulation_needs_topics_languages_and_days(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        simulated(10, **changes)


def labelled() -> tuple[pl.Series, pl.Series]:
    rng = np.random.default_rng(3)
    return pl.Series(rng.integers(30, size=6000)), pl.Series(rng.choice(["en", "es", "fr"], size=6000))


def test_accounts_put_on_labelled_texts_are_loyal_to_few_labels_and_one_language() -> None:
    labels, languages = labelled()
    frame = assign_accounts(labels, languages, rng=np.random.default_rng(0), days=WEEK)
    frame = frame.with_columns(label=labels, language=languages)
    each = frame.group_by("account_id").agg(
        pl.len(), pl.col("label").n_unique(), pl.col("language").n_unique()
    )
    assert len(frame) / len(each) == pytest.approx(5.0, abs=0.1)
    assert each["label"].max() <= MAX_TOPICS  # type: ignore[operator]
    assert each["language"].max() == 1
    assert each["len"].max() > 20  # type: ignore[operator]


def test_accounts_can_be_put_on_texts_of_no_stated_language() -> None:
    labels, _ = labelled()
    frame = assign_accounts(labels, None, rng=np.random.default_rng(0), days=WEEK, mean_conversations=4.0)
    assert len(frame) / frame["account_id"].n_unique() == pytest.approx(4.0, abs=0.1)


def test_labels_and_languages_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="one for each row"):
        assign_accounts(pl.Series([1, 2]), pl.Series(["en"]), rng=np.random.default_rng(0), days=WEEK)


# Grammar.


def test_a_slot_keeps_its_value_through_a_conversation() -> None:
    grammar = Grammar({"ask": ["[How|Why] {thing}?"], "thing": ["tea", "rain", "snow"]})
    random = Random(0)
    bound: dict[str, str] = {}
    thing = grammar.say("ask", random, bound).split()[1]
    assert all(grammar.say("ask", random, bound).split()[1] == thing for _ in range(20))


def test_a_backslash_keeps_brackets() -> None:
    assert Grammar({"code": [r"a\[0\] = \{x\} | y"]}).say("code", Random(0), {}) == "a[0] = {x} | y"


@pytest.mark.parametrize("line", ["[a|b", "a]"])
def test_brackets_that_do_not_match_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        Grammar({"ask": [line]})


def test_every_rule_of_every_topic_can_be_said() -> None:
    random = Random(0)
    for language in load_languages().values():
        for topic in language.topics.values():
            for rule in (
                "opening",
                "ask",
                "context",
                "constraint",
                "closing",
                "follow",
                "any_follow",
                "reply",
            ):
                texts = [topic.grammar.say(rule, random, {}) for _ in range(20)]
                assert not any(set("[]{}|") & set(text) for text in texts)


# The corpus.


def test_one_seed_makes_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        corpus.generate(tmp_path / name, conversations=300, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_truth_agrees_with_the_file(made: tuple[corpus.Truth, list[dict[str, Any]], Path]) -> None:
    truth, records, _ = made
    assert len(records) == 5000
    written = pl.DataFrame(
        {key: [record[key] for record in records] for key in ("conversation_id", "account_id", "flagged")}
    )
    assert written.equals(truth.conversations.select("conversation_id", "account_id", "flagged"))
    assert truth.conversations["conversation_id"].is_unique().all()
    assert set(truth.conversations["started_at"].dt.date()) == set(WEEK)


def test_twenty_topics_in_nine_languages_whose_mixes_differ(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    ordinary = made[0].conversations.filter(pl.col("kind").is_in(ORDINARY))
    assert ordinary["topic"].n_unique() == 20
    assert set(ordinary["language"]) == set(LANGUAGES)
    by_language = ordinary.group_by("language").agg(pl.col("topic").n_unique().alias("topics"))
    assert by_language.filter(pl.col("language") == "en")["topics"].item() == 20
    assert by_language.filter(pl.col("language") != "en")["topics"].max() < 20  # type: ignore[operator]


def test_ordinary_conversations_are_not_copies_of_one_template(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    truth, records, _ = made
    texts = [
        text
        for text, kind in zip(asked_first(records), truth.conversations["kind"], strict=True)
        if kind in ORDINARY
    ]
    assert len(set(texts)) > 0.99 * len(texts)
    assert max(Counter(map(masked, texts)).values()) <= 10


def test_the_nearest_topic_name_does_not_tell_the_topic(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    truth, records, _ = made
    right = 0
    frame = truth.conversations.with_columns(text=pl.Series(asked_first(records)))
    frame = frame.filter(pl.col("kind").is_in(ORDINARY))
    for code, language in load_languages().items():
        rows = frame.filter(pl.col("language") == code)
        names = [topic.name for topic in language.topics.values()]
        unspaced = {"analyzer": "char", "ngram_range": (1, 2)} if code in ("ja", "zh") else {}
        vectors = TfidfVectorizer(**unspaced).fit([*rows["text"], *names])
        nearest = (vectors.transform(rows["text"]) @ vectors.transform(names).T).toarray().argmax(axis=1)
        guessed = pl.Series(list(language.topics)).gather(nearest)
        right += int((guessed == rows["topic"]).sum())
    assert right < 0.5 * len(frame)


def test_every_canary_occurs_in_its_conversation_and_nowhere_else(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    truth, records, _ = made
    texts = {
        record["conversation_id"]: "\n".join(message["content"] for message in record["messages"])
        for record in records
    }
    for conversation_id, text in truth.canaries.select("conversation_id", "text").iter_rows():
        assert [key for key, content in texts.items() if text in content] == [conversation_id]
    assert truth.canaries["kind"].n_unique() == 8
    assert 100 < len(truth.canaries) < 200


def test_cards_and_ibans_have_right_check_digits(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    for kind, text in made[0].canaries.select("kind", "text").iter_rows():
        if kind == "card":
            digits = [int(digit) for digit in text if digit.isdigit()][::-1]
            assert sum(digits[::2]) % 10 == -sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) % 10
        if kind == "iban":
            code = text.replace(" ", "")
            assert int("".join(str(int(letter, 36)) for letter in code[4:] + code[:4])) % 97 == 1


def test_three_accounts_alone_discuss_the_small_topic(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    truth = made[0]
    assert len(truth.small_accounts) == 3
    small = truth.conversations.filter(pl.col("topic") == corpus.SMALL_TOPIC)
    assert len(small) == 40
    assert set(small["account_id"]) == set(truth.small_accounts)


def test_the_ring_writes_in_step_with_other_words_in_its_slots(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    truth, records, _ = made
    assert len(truth.ring_accounts) == 12
    is_ring = truth.conversations["kind"] == corpus.RING
    per_hour = truth.conversations.filter(is_ring).group_by(pl.col("started_at").dt.truncate("1h")).len()
    assert (per_hour["len"] % 12 == 0).all()
    words = [text.split() for text, ring in zip(asked_first(records), is_ring, strict=True) if ring]
    assert 60 <= len(words) <= 100
    shingles = [set(zip(each, each[1:], each[2:], strict=False)) for each in words]
    overlap = [len(a & b) / len(a | b) for place, a in enumerate(shingles) for b in shingles[:place]]
    assert max(overlap) < 0.5


def test_the_sites_classifier_misses_translations_and_flags_the_harmless(
    made: tuple[corpus.Truth, list[dict[str, Any]], Path],
) -> None:
    rows = made[0].conversations
    harmful = rows.filter("harmful")
    caught = harmful.group_by(pl.col("language") == "en").agg(pl.col("flagged").mean()).sort("language")
    assert caught["flagged"][0] < 0.5 < 0.75 < caught["flagged"][1]
    assert rows.filter(pl.col("topic") == "web_security")["flagged"].mean() > 0.15  # type: ignore[operator]
    assert harmful["refused"].mean() > 0.7  # type: ignore[operator]
    assert not rows.filter(~pl.col("harmful"))["refused"].any()


def test_a_small_corpus_plants_less(tmp_path: Path) -> None:
    truth = corpus.generate(tmp_path / "small.jsonl.gz", conversations=400)
    kinds = Counter(truth.conversations["kind"])
    assert kinds[corpus.SMALL] == 40
    assert kinds[corpus.RING] <= 40
    assert len(truth.conversations) == 400


def test_a_corpus_needs_conversations_and_a_day(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 100"):
        corpus.generate(tmp_path / "none.jsonl.gz", conversations=10)
