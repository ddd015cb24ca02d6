"""Coordinated activity: rings are found whole, ordinary accounts are not, and nothing but counts is said about them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clio_dagster.conversations.layouts import recognise
from clio_dagster.embedding import embed_texts, make_embedder
from clio_dagster.safety.coordination import find_groups
from clio_dagster.safety.coordination.frames import GROUPS_SCHEMA, MEMBERS_SCHEMA
from clio_dagster.safety.coordination.groups import group_id
from clio_dagster.safety.coordination.null import false_rates
from clio_dagster.safety.coordination.resale import typing
from clio_dagster.safety.coordination.signals import SIGNALS, sameness
from clio_dagster.safety.coordination.structure import structures
from clio_dagster.synthetic import rings
from clio_dagster.synthetic.corpus import DAYS, RING, generate

DATE = DAYS[-1]
RINGS = (
    rings.Ring("casino pages", rings.NARROW_TOPIC, 30, 5, "casino_pages"),
    rings.Ring("tavern game", rings.SHARED_PROMPT, 24, 4, "tavern_game", paraphrase=2),
    rings.Ring("resold access", rings.RESALE, 3, 40),
)

Corpus = tuple[pl.DataFrame, np.ndarray]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """2,500 ordinary conversations and three rings, with the vectors of the default embedder."""
    path = tmp_path_factory.mktemp("coordination") / "corpus.jsonl.gz"
    truth = generate(path, conversations=2500, seed=100)
    with gzip.open(path) as file:
        said = {each["conversation_id"]: each["messages"] for each in map(json.loads, file)}
    ordinary = truth.conversations.filter(pl.col("kind") != RING).select(
        "conversation_id",
        "started_at",
        "language",
        "topic",
        account="account_id",
        ring=pl.lit(None, pl.String),
    )
    messages = [said[name] for name in ordinary["conversation_id"]]
    ordinary = ordinary.with_columns(
        pl.Series("text", [each[0]["content"] for each in messages]),
        pl.Series("turns", [len(each) for each in messages]),
    )
    planted = rings.plant_rings(RINGS, rng=np.random.default_rng(100), days=DAYS).select(
        "conversation_id",
        "started_at",
        "language",
        "topic",
        pl.col("account_id").alias("account"),
        "ring",
        pl.col("messages").list.first().struct.field("content").alias("text"),
        pl.col("messages").list.len().cast(pl.Int64).alias("turns"),
    )
    frame = pl.concat([ordinary, planted])
    return frame, embed_texts(frame["text"], make_embedder("use", threads=1))


@pytest.fixture(scope="module")
def found(corpus: Corpus) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame, vectors = corpus
    return find_groups(frame.drop("ring"), vectors, date=DATE)


def test_each_ring_is_found_whole_and_called_what_it_is(
    corpus: Corpus, found: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    ring_of = corpus[0].group_by("account").agg(pl.col("ring").first())
    groups, members = found
    placed = members.join(groups.select("group_id", "kind"), on="group_id").join(ring_of, on="account")
    for ring in RINGS:
        own = placed.filter(pl.col("kind") == ring.kind)
        assert (own["ring"] == ring.name).mean() >= 0.9, ring.name
        assert own["account"].n_unique() >= 0.9 * ring.accounts, ring.name


def test_ordinary_accounts_make_no_group(corpus: Corpus) -> None:
    frame, vectors = corpus
    plain = frame["ring"].is_null()
    groups, members = find_groups(frame.filter(plain).drop("ring"), vectors[plain.to_numpy()], date=DATE)
    assert groups.is_empty() and members.is_empty()
    assert groups.schema == GROUPS_SCHEMA and members.schema == MEMBERS_SCHEMA


def test_neither_the_order_of_rows_nor_the_threads_change_anything(
    corpus: Corpus, found: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    frame, vectors = corpus
    order = np.random.default_rng(1).permutation(len(frame))
    groups, members = find_groups(frame[order].drop("ring"), vectors[order], date=DATE, threads=2)
    assert groups.equals(found[0]) and members.equals(found[1])


def test_a_conversation_without_an_account_belongs_to_no_group(
    corpus: Corpus, found: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    frame, vectors = corpus
    tavern = pl.col("ring").eq_missing("tavern game")
    without = frame.with_columns(account=pl.when(~tavern).then("account")).drop("ring")
    _, members = find_groups(without, vectors, date=DATE)
    told = frame.filter(tavern)["account"].unique()
    assert set(told) & set(found[1]["account"]) and not set(told) & set(members["account"])


def test_frames_agree_with_each_other(found: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    groups, members = found
    assert groups.schema == GROUPS_SCHEMA and members.schema == MEMBERS_SCHEMA
    counted = members.group_by("group_id").agg(pl.len().cast(pl.Int64), pl.col("conversations").sum())
    both = groups.select("group_id", "accounts", "conversations").join(
        counted, on="group_id", suffix=" counted"
    )
    assert len(both) == len(groups)
    assert both.filter(
        (pl.col("accounts") != pl.col("len")) | (pl.col("conversations") != pl.col("conversations counted"))
    ).is_empty()
    assert members["account"].is_unique().all()
    assert groups["false_rate"].is_between(0, 0.1).all() and members["membership"].is_between(0.5, 1).all()
    assert groups["topic"].to_list()[0] == "casino_pages"


def test_reasons_hold_no_word_of_a_conversation_and_no_account(
    corpus: Corpus, found: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    groups, members = found
    said = " ".join([*groups["reasons"].explode(), *members["reasons"].explode()]).lower()
    assert "accounts of two or more conversations do one thing only" in said
    telling = ("casino", "keyword", "bonus", "brannoch", "tavern", "trust", "bracket", "ring-", "user-")
    assert not [word for word in telling if word in said]


def test_without_the_repertoire_and_the_kinds_left_out_less_is_found(corpus: Corpus) -> None:
    frame, vectors = corpus
    groups, _ = find_groups(frame.drop("ring"), vectors, date=DATE, without=(*SIGNALS, "resale"))
    assert groups.is_empty()


def test_false_rates_are_how_many_come_by_chance() -> None:
    draw = np.random.default_rng(0)
    exchanged = [draw.exponential(1 / np.log(10), 1000) for _ in range(20)]
    runs = [(false_rates(draw.exponential(1 / np.log(10), 1000), exchanged) <= 1).sum() for _ in range(400)]
    assert 0.8 <= np.mean(runs) <= 1.25
    assert false_rates(np.array([9.0]), exchanged)[0] == pytest.approx(1e-6, rel=3)


def test_sameness_is_of_accounts_that_differ_less_than_others() -> None:
    draw = np.random.default_rng(0)
    ranks = draw.random(2000)
    home = np.repeat([0, 1], 1000)
    ranks[:40] = 0.5 + 0.01 * draw.random(40)
    home[40:1000] = -1
    alike, others = sameness(home, ranks, 2)
    assert alike > 6 and abs(others) < 3


def test_one_structure_has_one_key_whatever_is_in_its_slots() -> None:
    names = pl.Series(
        [
            'Write a long and friendly letter to "Anna" about the 3 lost parcels that never came to our house.',
            'Write a long and friendly letter to "Boris" about the 48 lost parcels that never came to our house.',
            "Tell me in a few words why the sky is blue at noon and red when the sun goes down at sea.",
            None,
        ]
    )
    keys, words = structures(names)
    assert keys["form"][0] == keys["form"][1] != keys["form"][2]
    assert keys["form"][3] == -1 and words[3] == 0 and words[0] > 12


def test_typing_tells_lower_case_and_a_missing_mark_apart() -> None:
    assert typing(pl.Series(["Hello.", "hello.", "Hello", "hello", "你好。"])).tolist() == [0, 2, 1, 3, 0]


def test_a_group_keeps_its_id_whoever_is_named_first() -> None:
    assert (
        group_id("resale", ["a", "b"])
        == group_id("resale", ["b", "a"])
        != group_id("shared_prompt", ["a", "b"])
    )


def test_what_does_not_fit_is_refused(corpus: Corpus) -> None:
    frame, vectors = corpus
    with pytest.raises(ValueError, match="one for each row"):
        find_groups(frame, vectors[1:], date=DATE)
    with pytest.raises(ValueError, match="conversation_id once"):
        find_groups(pl.concat([frame[:600], frame[:600]]), np.tile(vectors[:600], (2, 1)), date=DATE)
    with pytest.raises(ValueError, match="false_rate"):
        find_groups(frame, vectors, date=DATE, false_rate=0)


def test_planted_rings_are_records_of_the_projects_own_layout(tmp_path: Path) -> None:
    planted = rings.plant_rings(RINGS, rng=np.random.default_rng(3), days=DAYS)
    again = rings.plant_rings(RINGS, rng=np.random.default_rng(3), days=DAYS)
    assert planted.equals(again)
    read = [recognise(record) for record in rings.records(planted)]
    assert len(read) == len(planted) and all(each is not None and each.messages for each in read)
    assert planted["started_at"].min() >= datetime(2026, 11, 1, tzinfo=UTC)
    assert planted.group_by("ring").agg(pl.col("account_id").n_unique())["account_id"].sum() == 57


def test_those_who_paraphrase_share_no_form() -> None:
    def forms(paraphrase: int) -> int:
        ring = rings.Ring("game", rings.SHARED_PROMPT, 20, 3, "tavern_game", paraphrase=paraphrase)
        planted = rings.plant_rings([ring], rng=np.random.default_rng(0), days=DAYS)
        texts = planted.select(
            "account_id", pl.col("messages").list.first().struct.field("content").alias("text")
        )
        key = structures(texts["text"])[0]["fragment 0"]
        shared = texts.with_columns(key=key).group_by("key").agg(pl.col("account_id").n_unique())
        return int(shared["account_id"].max())

    assert forms(0) >= 15 and forms(3) <= 10
