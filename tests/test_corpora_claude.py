"""Corpora that Claude writes: planned by a seed, paid for once, and of the concerning kind without anything usable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from clio_dagster.analyst.prices import PRICES
from clio_dagster.analyst.sending import AnalystError
from clio_dagster.cli import app
from clio_dagster.evaluation.corpora.bank import CONCERNING, ORDINARY, categories
from clio_dagster.evaluation.corpora.claude import NO_REQUEST, NOT_CLEARED, Written, written
from clio_dagster.evaluation.corpora.claude_plan import Plan, cost_of, plan
from clio_dagster.evaluation.corpora.claude_questions import Writer
from clio_dagster.evaluation.corpora.files import read_corpus
from clio_dagster.failures import CallError
from clio_dagster.tables import RAW_CONVERSATIONS
from tests.claude import analyst
from tests.messages_corpora import USABLE
from tests.messages_server import MESSAGES, Handle, messages_server

MODEL = "claude-haiku-5-5"
COUNT = 30


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with messages_server(tmp_path_factory.mktemp("server")) as handle:
        yield handle


@pytest.fixture
def server(servers: Handle) -> Handle:
    servers.reset()
    (servers.folder / "requests.jsonl").open("w").close()
    return servers


@pytest.fixture
def writer(server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    return Writer(analyst(tmp_path / "home", server.url, monkeypatch, claude_retries=0).asker.ask, MODEL)


def of(kind: str, seed: int = 4) -> Plan:
    return plan(kind, COUNT, languages=["es"], seed=seed)


def test_an_ordinary_corpus_is_whole_and_written_as_it_was_planned(writer: Writer) -> None:
    planned = of(ORDINARY)
    found = written(planned, writer)
    assert not found.left_out
    conversations, labels = found.corpus.conversations, found.corpus.labels
    assert conversations.schema == RAW_CONVERSATIONS.empty().schema
    assert labels["category"].to_list() == planned.conversations["topic"].to_list()
    assert conversations["account"].to_list() == planned.conversations["account_id"].to_list()
    seconds = labels["also"].is_not_null()
    assert 0 < seconds.sum() < COUNT
    assert (conversations["turns"] == 2 * (planned.conversations["turns"] + seconds.cast(pl.Int64))).all()
    asked = conversations["messages"].list.first().struct.field("text")
    assert all(part in text for text, parts in zip(asked, labels["slots"], strict=True) for part in parts)


def test_the_same_corpus_again_costs_nothing(writer: Writer, server: Handle) -> None:
    first = written(of(ORDINARY), writer)
    calls = len(server.requests(MESSAGES))
    again = written(of(ORDINARY), writer)
    assert again.corpus.conversations.equals(first.corpus.conversations)
    assert again.corpus.labels.equals(first.corpus.labels)
    assert len(server.requests(MESSAGES)) == calls
    written(of(ORDINARY, seed=1), writer)
    assert len(server.requests(MESSAGES)) > calls


def test_an_interrupted_corpus_goes_on_where_it_stopped(writer: Writer, server: Handle) -> None:
    planned = of(ORDINARY)
    whole = sum(each.calls for each in cost_of(planned, MODEL, PRICES, is_batch=False))
    server.set(fault_rate=0.02, faults=["500"])
    with pytest.raises(AnalystError):
        written(planned, writer)
    server.set(fault_rate=0)
    assert written(planned, writer).corpus.labels.height == COUNT
    answered = [each for each in server.requests(MESSAGES) if each["status"] == 200]
    assert len(answered) == len({each["digest"] for each in answered}) == whole


def test_nobody_who_writes_a_request_is_told_its_category(writer: Writer, server: Handle) -> None:
    server.set(keep_bodies=True)
    written(of(CONCERNING), writer)
    bodies = [body.decode() for body in server.bodies()]
    assert bodies
    assert not [each.name for each in categories(CONCERNING) if any(each.name in body for body in bodies)]


@pytest.fixture
def concerning(writer: Writer) -> Written:
    return written(of(CONCERNING), writer)


def test_what_the_judge_does_not_clear_is_left_out(concerning: Written) -> None:
    texts = concerning.corpus.conversations["messages"].explode().struct.field("text")
    assert not texts.str.contains(USABLE).any()
    assert 0 < concerning.left_out[NOT_CLEARED] < COUNT // 2
    assert concerning.corpus.labels.height == COUNT - concerning.left_out.total()
    assert concerning.corpus.labels["refused"].all()


def test_a_refusal_that_could_be_used_is_asked_for_again_and_then_left_out(
    writer: Writer, server: Handle
) -> None:
    server.set(wrong={"reply": "digit"}, wrong_once=True)
    repaired = written(of(CONCERNING), writer).corpus.conversations
    assert repaired.height
    assert not any(re.search(r"\d", each["text"]) for talk in repaired["messages"] for each in talk)
    server.set(wrong_once=False)
    assert written(of(CONCERNING, seed=1), writer).corpus.labels.is_empty()


def test_particulars_that_nobody_wrote_are_no_labels(writer: Writer, server: Handle) -> None:
    server.set(wrong={"particulars": "elsewhere"}, wrong_once=False)
    assert written(of(ORDINARY), writer).left_out == {NO_REQUEST: COUNT}


def test_the_command_says_the_cost_and_writes_what_was_answered(
    server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**server.environment, "CLIO_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLIO_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "written.jsonl.gz"
    call = [
        "evaluate",
        "corpus",
        "--by",
        "claude",
        "--conversations",
        "40",
        "--languages",
        "en",
        "--out",
        str(out),
    ]
    told = CliRunner().invoke(app, call)
    assert "USD" in told.output
    assert isinstance(told.exception, CallError)
    assert not out.exists()
    assert not server.requests(MESSAGES)
    assert CliRunner().invoke(app, [*call, "--yes"]).exit_code == 0
    assert read_corpus(out).labels.height == 40
