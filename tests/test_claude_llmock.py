"""Claude against llmock, a fake of the Messages API that nobody here wrote: what it can serve, ends the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clio_dagster.analyst.claude import ClaudeAnalyst
from clio_dagster.analyst.protocol import AuditSample, Summary, Vocabulary
from clio_dagster.analyst.sending import AnalystError
from tests.claude import analyst, conversations, requests
from tests.llmock_server import MESSAGES, Handle, llmock_server

FACETS = {
    "request": "bake bread",
    "task": "explain baking",
    "language": "en",
    "concerning": 1,
    "refused": False,
}
ANSWERS = {"claude-haiku-5-5": FACETS, "claude-sonnet-5-5": {"score": 4}}


@pytest.fixture(scope="module")
def servers() -> Iterator[Handle]:
    with llmock_server() as handle:
        yield handle


@pytest.fixture
def server(servers: Handle) -> Handle:
    servers.reset()
    servers.set(answers=ANSWERS)
    return servers


@pytest.fixture
def claude(server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeAnalyst:
    return analyst(tmp_path / "home", server.url, monkeypatch)


def test_one_call_a_conversation_gives_every_facet(claude: ClaudeAnalyst, server: Handle) -> None:
    found = claude.extract(conversations(requests(10)))
    assert found["status"].to_list() == ["read"] * 10
    assert found["request"].to_list() == ["bake bread"] * 10
    assert len(server.requests(MESSAGES)) == 10
    claude.extract(conversations(requests(10)))
    assert len(server.requests(MESSAGES)) == 10
    assert claude.audit([AuditSample(Summary("Bake bread", "Users asked."), Vocabulary())]) == [4]


def test_errors_are_waited_out_as_the_server_says(claude: ClaudeAnalyst, server: Handle) -> None:
    server.set(faults=["429", "529", "500", "slow"], answers=ANSWERS)
    assert claude.extract(conversations(requests(10)))["status"].to_list() == ["read"] * 10
    assert len([each for each in server.requests(MESSAGES) if each["status"] == 200]) == 10
    assert server.faults_of_client() == []


@pytest.mark.parametrize(
    ("status", "told"), [("401", "ANTHROPIC_API_KEY"), ("404", "CLIO_CLAUDE_FACET_MODEL")]
)
def test_what_would_fail_every_request_ends_it(
    status: str, told: str, claude: ClaudeAnalyst, server: Handle
) -> None:
    server.set(faults=[status] * 10, answers=ANSWERS)
    with pytest.raises(AnalystError, match=told):
        claude.extract(conversations(requests(3)))


@pytest.mark.parametrize(
    ("fault", "reason"), [("refusal", "refused by the model"), ("max_tokens", "cut off at max_tokens")]
)
def test_an_answer_that_is_none_leaves_its_conversation_unread(
    fault: str, reason: str, claude: ClaudeAnalyst, server: Handle
) -> None:
    server.set(faults=[fault], answers=ANSWERS)
    found = claude.extract(conversations(requests(8)))
    assert sorted(found["status"]) == ["read"] * 7 + ["unread"]
    assert found["unread_reason"].drop_nulls().to_list() == [reason]


def test_prose_is_asked_for_once_more_and_then_unread(claude: ClaudeAnalyst, server: Handle) -> None:
    server.set()
    found = claude.extract(conversations(requests(2)))
    assert found["unread_reason"].to_list() == ["it is not JSON"] * 2
    assert len(server.requests(MESSAGES)) == 4


def test_a_batch_is_submitted_and_looked_at(
    server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = analyst(tmp_path / "home", server.url, monkeypatch, claude_mode="batch")
    assert claude.submit(conversations(requests(5))) == 5
    (batch,) = claude.batcher.look()
    assert (batch.requests, batch.is_open) == (5, True)
    assert claude.submit(conversations(requests(5))) == 0
