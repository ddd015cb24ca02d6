"""Message Batches over real HTTP: each question is submitted once, and each answer collected once, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clio_dagster.analyst.claude import ClaudeAnalyst
from clio_dagster.analyst.memory import BudgetReached
from clio_dagster.analyst.sending import AnalystError
from clio_dagster.work import at_work
from tests.claude import analyst, conversations, requests
from tests.messages_server import BATCHES, MESSAGES, Handle, messages_server

PARTITION = "2026-11-01|en"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with messages_server(tmp_path_factory.mktemp("server")) as handle:
        yield handle


@pytest.fixture
def server(servers: Handle) -> Handle:
    servers.end_batches()
    servers.set(
        batch_seconds=0.1, hold_batches=False, batch_faults={}, batch_create=[], seed=1, keep_bodies=False
    )
    servers.set(most_requests=100_000, most_bytes=256_000_000, fault_rate=0, wrong={}, refuse_containing="")
    (servers.folder / "requests.jsonl").open("w").close()
    return servers


@pytest.fixture
def claude(server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeAnalyst:
    return analyst(tmp_path / "home", server.url, monkeypatch, claude_mode="batch")


@pytest.fixture(autouse=True)
def work() -> Iterator[None]:
    with at_work("facets", PARTITION, "run"):
        yield


def submitted(server: Handle) -> Counter[str]:
    """How often each item was in a batch that the server took."""
    taken = [each for each in server.requests(BATCHES) if each["status"] in (200, "500", "drop")]
    return Counter(item for each in taken for item in each["items"])


def test_conversations_are_submitted_waited_for_and_collected_at_half_the_price(
    claude: ClaudeAnalyst, server: Handle
) -> None:
    found = claude.extract(conversations(requests(50)))
    assert found["status"].to_list() == ["read"] * 50
    assert found["request"][7] == requests(50)[7].split("?")[0] + "?"
    assert len(submitted(server)) == 50
    assert not server.requests(MESSAGES)
    (line,) = claude.asker.memory.bill()  # type: ignore[attr-defined]
    assert line.is_batch
    assert line.usd == pytest.approx((line.input_tokens * 0.1 + line.output_tokens * 0.5) / 2e6)
    assert claude.asker.memory.batches() == []


def test_submitting_does_not_wait_and_is_not_done_twice(claude: ClaudeAnalyst, server: Handle) -> None:
    server.set(hold_batches=True)
    asked = conversations(requests(10))
    assert claude.submit(asked) == 10
    assert claude.submit(asked) == 0
    assert claude.submit(conversations(requests(12))) == 2
    assert submitted(server).most_common(1)[0][1] == 1
    assert [each.requests for each in claude.batcher.look()] == [10, 2]
    assert [each.partition for each in claude.asker.memory.batches()] == [PARTITION] * 2


def test_a_batch_that_ends_out_of_order_is_collected_when_it_has(
    claude: ClaudeAnalyst, server: Handle
) -> None:
    server.set(hold_batches=True)
    claude.submit(conversations(requests(10)))
    claude.submit(conversations(requests(15)))
    first, second = server.open_batches()
    server.end_batches(second)
    assert claude.submit(conversations(requests(15))) == 0
    known = claude.asker.memory.recall(
        [each.key for each in claude.asker.under_keys(claude.questions(conversations(requests(15))))]
    )
    assert len(known) == 5
    server.end_batches(first)
    assert claude.extract(conversations(requests(15)))["status"].to_list() == ["read"] * 15
    assert set(submitted(server).values()) == {1}


@pytest.mark.parametrize("fault", ["errored", "expired", "canceled"])
def test_what_came_back_without_an_answer_is_submitted_again(
    fault: str, claude: ClaudeAnalyst, server: Handle
) -> None:
    server.set(batch_faults={fault: 0.4})
    asked = conversations(requests(40))
    assert claude.submit(asked) == 40
    (batch,) = claude.batcher.look()
    while batch.is_open:
        (batch,) = claude.batcher.look()
    lacking = batch.counts[fault]
    assert 0 < lacking < 40
    server.set(batch_faults={})
    assert claude.submit(asked) == lacking
    assert claude.extract(asked)["status"].to_list() == ["read"] * 40
    assert submitted(server).total() == 40 + lacking
    assert claude.asker.memory.came_back_lacking([PARTITION]) == {PARTITION: [batch.name]}  # type: ignore[attr-defined]


def test_what_never_comes_is_given_up_with_a_reason(claude: ClaudeAnalyst, server: Handle) -> None:
    server.set(batch_faults={"invalid": 1.0})
    found = claude.extract(conversations(requests(3)))
    assert found["unread_reason"].to_list() == ["no answer in 3 batches"] * 3
    assert set(submitted(server).values()) == {3}


def test_a_refusal_is_remembered_and_a_broken_rule_is_repaired(claude: ClaudeAnalyst, server: Handle) -> None:
    server.set(wrong={"concerning": "outside"}, refuse_containing="")
    found = claude.extract(conversations(requests(4)))
    assert found["status"].to_list() == ["read"] * 4
    assert len(server.requests(MESSAGES)) == 4


def test_batches_are_split_at_the_limits(
    server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.set(most_requests=20)
    claude = analyst(tmp_path / "home", server.url, monkeypatch, claude_mode="batch", batch_requests=20)
    assert claude.submit(conversations(requests(50))) == 50
    assert [len(each["items"]) for each in server.requests(BATCHES)] == [20, 20, 10]
    server.set(most_requests=100_000, most_bytes=1_000_000)
    claude = analyst(tmp_path / "other", server.url, monkeypatch, claude_mode="batch", batch_megabytes=1)
    long = [f"{text} {'word ' * 6000}" for text in requests(50)]
    assert claude.submit(conversations(long)) == 50
    assert {each["status"] for each in server.requests(BATCHES)} == {200}


@pytest.mark.parametrize("answer", ["500", "drop"])
def test_a_batch_that_arrived_unanswered_is_found_and_not_submitted_again(
    answer: str, claude: ClaudeAnalyst, server: Handle
) -> None:
    server.set(batch_create=[answer])
    found = claude.extract(conversations(requests(12)))
    assert found["status"].to_list() == ["read"] * 12
    assert set(submitted(server).values()) == {1}


@pytest.mark.parametrize("answer", ["429", "529", "drop before"])
def test_a_batch_that_did_not_arrive_is_submitted_again(
    answer: str, claude: ClaudeAnalyst, server: Handle
) -> None:
    server.set(batch_create=[answer])
    asked = conversations([f"{text} ({answer})" for text in requests(13)])
    assert claude.extract(asked)["status"].to_list() == ["read"] * 13
    assert len(submitted(server)) == 13
    assert set(submitted(server).values()) == {1}


def test_a_batch_of_somebody_else_that_looks_like_it_costs_a_round_and_no_answer(
    claude: ClaudeAnalyst, server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = analyst(tmp_path / "others", server.url, monkeypatch, claude_mode="batch")
    others.submit(conversations([f"{text} (theirs)" for text in requests(14)]))
    server.set(batch_create=["drop before"])
    asked = conversations([f"{text} (ours)" for text in requests(14)])
    assert claude.extract(asked)["status"].to_list() == ["read"] * 14
    assert set(submitted(server).values()) == {1}


def test_a_batch_that_the_api_refuses_is_none(
    server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.set(most_requests=5)
    claude = analyst(tmp_path / "home", server.url, monkeypatch, claude_mode="batch")
    with pytest.raises(AnalystError, match="request_too_large"):
        claude.submit(conversations(requests(12)))
    assert claude.asker.memory.batches() == []
    server.set(most_requests=100)
    assert claude.submit(conversations(requests(12))) == 12


KILLED = """
import os, sys
from pathlib import Path
import pytest
from clio_dagster.analyst import batches
from clio_dagster.work import at_work
from tests.claude import analyst, conversations, requests
home, url, moment = sys.argv[1:]
claude = analyst(Path(home), url, pytest.MonkeyPatch(), claude_mode="batch")
kill = lambda *_: os._exit(9)
if moment == "before submitting":
    batches.Batcher._created = kill
elif moment == "after submitting":
    type(claude.asker.memory).batch_submitted = kill
elif moment == "while collecting":
    batches.KEPT_AT_ONCE = 5
    keep, calls = claude.asker.keep, []
    def counted(*args):
        calls.append(1)
        return kill() if len(calls) == 3 else keep(*args)
    object.__setattr__(claude.asker, "keep", counted)
elif moment == "after collecting":
    type(claude.asker.memory).batch_collected = kill
with at_work("facets", "2026-11-01|en", "run"):
    claude.extract(conversations(requests(30)))
"""


@pytest.mark.parametrize(
    "moment", ["before submitting", "after submitting", "while collecting", "after collecting"]
)
def test_killed_at_any_moment_nothing_is_submitted_twice(
    moment: str, server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = [sys.executable, "-c", KILLED, str(tmp_path / "home"), server.url, moment]
    assert subprocess.run(call, cwd=Path(__file__).parents[1], timeout=60).returncode == 9
    claude = analyst(tmp_path / "home", server.url, monkeypatch, claude_mode="batch")
    found = claude.extract(conversations(requests(30)))
    assert found["status"].to_list() == ["read"] * 30
    assert submitted(server) == Counter({item: 1 for item in submitted(server)})
    assert len(submitted(server)) == 30
    # And billed once.
    assert sum(line.calls for line in claude.asker.memory.bill()) == 30  # type: ignore[attr-defined]


def test_a_batch_that_is_heard_of_while_somebody_looks_is_not_given_up(
    claude: ClaudeAnalyst, server: Handle
) -> None:
    import asyncio
    from dataclasses import replace

    server.set(hold_batches=True)
    claude.submit(conversations(requests(6)))
    (noted,) = claude.asker.memory.batches()
    # As it was read a moment ago, before its submitter had an answer.
    asyncio.run(claude.batcher._look([replace(noted, remote=None)]))
    assert claude.submit(conversations(requests(6))) == 0
    assert set(submitted(server).values()) == {1}


def test_two_that_wait_for_one_batch_collect_and_bill_it_once(
    server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server.set(batch_seconds=0.5)
    both = [analyst(tmp_path / "home", server.url, monkeypatch, claude_mode="batch") for _ in range(2)]
    asked = conversations(requests(40))
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda each: each.extract(asked), both)
    assert one.equals(other)
    assert set(submitted(server).values()) == {1}
    assert sum(line.calls for line in both[0].asker.memory.bill()) == 40  # type: ignore[attr-defined]


def test_a_conversation_erased_meanwhile_is_billed_and_not_kept(
    claude: ClaudeAnalyst, server: Handle, tmp_path: Path
) -> None:
    server.set(hold_batches=True)
    claude.submit(conversations(["How do I tune a hurdy-gurdy?", *requests(3)]))
    server.end_batches()
    left = conversations(["How do I tune a hurdy-gurdy?", *requests(3)]).slice(1)
    assert claude.extract(left)["status"].to_list() == ["read"] * 3
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert b"hurdy" not in kept
    assert sum(line.calls for line in claude.asker.memory.bill()) == 4  # type: ignore[attr-defined]


def test_a_batch_counts_against_the_budget_while_it_is_open(
    server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.set(hold_batches=True)
    claude = analyst(tmp_path / "home", server.url, monkeypatch, budget=0.01, claude_mode="batch")
    claude.submit(conversations(requests(50)))
    with pytest.raises(BudgetReached):
        claude.submit(conversations(requests(200)))
    assert sum(submitted(server).values()) == 50


def test_a_batch_left_open_is_waited_for_in_direct_mode_too(
    claude: ClaudeAnalyst, server: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.set(batch_seconds=0.3)
    claude.submit(conversations(requests(10)))
    direct = analyst(tmp_path / "home", server.url, monkeypatch)
    assert direct.extract(conversations(requests(12)))["status"].to_list() == ["read"] * 12
    assert len(server.requests(MESSAGES)) == 2


def test_no_batch_holds_what_a_prompt_may_not(claude: ClaudeAnalyst, server: Handle) -> None:
    server.set(keep_bodies=True)
    claude.extract(conversations(requests(3)))
    (body,) = server.bodies()
    assert b"account-" not in body
    assert b"2026" not in body
    assert len({each["custom_id"] for each in json.loads(body)["requests"]}) == 3
