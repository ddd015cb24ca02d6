"""The pipeline with Claude, from the command line and unattended, over real HTTP: paid once, in time, and never above
the budget."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from clio_dagster.release.read import read_release, release_dates
from clio_dagster.synthetic.corpus import DAYS, Truth, generate
from clio_dagster.tables import FACETS
from tests.messages_server import BATCHES, MESSAGES, Handle, messages_server
from tests.scenario import SMALL, Site
from tests.server import start, stop
from tests.unattended import UNATTENDED, until

CONVERSATIONS, CONCURRENCY = 200, 8
CLAUDE = {
    "analyst": "claude",
    "claude_concurrency": str(CONCURRENCY),
    "batch_poll_seconds": "0.2",
    "claude_retries": "10",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with (
        messages_server(tmp_path_factory.mktemp("server")) as handle,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("ANTHROPIC_BASE_URL", handle.url)
        environment.setenv("ANTHROPIC_API_KEY", "test")
        yield handle


@pytest.fixture(autouse=True)
def fresh(server: Handle) -> None:
    """Nothing received, and no control of another test."""
    server.end_batches()
    server.set(
        latency_ms=0, fault_rate=0, hold_batches=False, batch_seconds=0.1, batch_faults={}, naming="words"
    )
    (server.folder / "requests.jsonl").open("w").close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    path = tmp_path_factory.mktemp("corpus") / "conversations.jsonl.gz"
    return path, generate(path, conversations=CONVERSATIONS, days=DAYS[:1])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site", SMALL | CLAUDE)


def asked(server: Handle) -> Counter[str]:
    """How often each question was answered."""
    return Counter(each["digest"] for each in server.requests(MESSAGES) if each["status"] == 200)


def quoted(site: Site) -> set[str]:
    """Conversations that some answer in the ledger is about."""
    with closing(sqlite3.connect(site.home / "ledger.sqlite")) as connection:
        return {row[0] for row in connection.execute("select conversation_id from quoted_conversations")}


def test_a_run_publishes_says_who_did_it_and_pays_for_nothing_twice(
    server: Handle, site: Site, corpus: tuple[Path, Truth]
) -> None:
    path, truth = corpus
    server.set(fault_rate=0.05, faults=["429", "529", "500", "drop"])
    estimate = site.clio("run", "--dry-run", path)
    assert estimate.returncode == 0, estimate.stderr
    assert f"{CONVERSATIONS} conversations" in estimate.stdout
    assert not server.requests()
    assert not (site.home / "landing").exists()
    run = site.clio("run", path)
    assert run.returncode == 0, run.stderr
    (day,) = release_dates(site.releases)
    release = read_release(site.releases / day.isoformat())
    assert release.manifest.models.analyst.name == "claude"
    assert release.manifest.models.analyst.version == "claude-haiku-5-5, claude-sonnet-5-5"
    assert release.manifest.prompts["extract"] == "1"
    assert 0 < release.manifest.cost.usd < 1
    assert release.tables["topics"].height >= 3
    facets = site.warehouse.read(FACETS)
    assert facets.height == facets["conversation_id"].n_unique() == CONVERSATIONS
    assert set(facets["extractor"]) == {"claude claude-haiku-5-5 extract-1"}
    # One call a conversation, and little for all the rest.
    assert set(asked(server).values()) == {1}
    assert asked(server).total() <= 1.3 * CONVERSATIONS
    assert max(each["tokens"] for each in server.requests(MESSAGES) if "name" in each["fields"]) <= 3_000
    before = len(server.requests())
    again = site.clio("backfill", "--again", *(f"{day}|{language}" for language in ("en", "es", "other")))
    assert again.returncode == 0, again.stderr
    assert site.clio("run", path).returncode == 0
    assert len(server.requests()) == before
    costs = site.clio("costs", "--json")
    lines = json.loads(costs.stdout)
    assert sum(line["calls"] for line in lines if line["stage"] == "facets") == CONVERSATIONS
    assert {line["stage"] for line in lines} >= {"facets", "cluster_summaries", "audited_summaries"}
    assert site.clio("costs", "--by", "date").returncode == 0
    assert site.clio("costs", "--by", "nonsense").returncode == 2
    # Neither what was said nor who said it is anywhere that an engineer looks, and no raw text in the ledger.
    canaries = truth.canaries["text"].to_list()
    for name, text in site.open_texts():
        assert not [canary for canary in canaries if canary in text], name
    # An account that is erased takes its answers with it.
    account = truth.conversations["account_id"].drop_nulls()[0]
    theirs = set(truth.conversations.filter(account_id=account)["conversation_id"])
    assert quoted(site) & theirs
    assert site.clio("forget", "--account", account).returncode == 0
    assert quoted(site)
    assert not quoted(site) & theirs


@pytest.mark.slow
def test_killed_at_any_moment_it_asks_again_only_for_what_was_in_flight(
    server: Handle, site: Site, corpus: tuple[Path, Truth]
) -> None:
    server.set(latency_ms=60)
    kills = 0
    for after in (6, 7, 8):
        killed = site.killed(after, "run", corpus[0])
        kills += killed.returncode != 0
    assert kills == 3
    run = site.clio("run", corpus[0])
    assert run.returncode == 0, run.stderr
    facets = site.warehouse.read(FACETS)
    assert facets.height == facets["conversation_id"].n_unique() == CONVERSATIONS
    assert (asked(server) - Counter(asked(server).keys())).total() <= kills * CONCURRENCY


@pytest.mark.slow
def test_a_budget_ends_a_run_cleanly_and_it_goes_on_under_a_larger_one(
    server: Handle, site: Site, corpus: tuple[Path, Truth]
) -> None:
    site.settings["budget_usd"] = "0.015"
    run = site.clio("run", corpus[0])
    assert run.returncode == 1
    assert "the budget of $0.015" in run.stderr
    assert "CLIO_BUDGET_USD" in run.stderr
    paid = asked(server).total()
    assert 0 < paid < CONVERSATIONS
    costs = site.clio("costs")
    assert "of $0.015 spent" in costs.stdout
    site.settings["budget_usd"] = "5"
    run = site.clio("run")
    assert run.returncode == 0, run.stderr
    assert set(asked(server).values()) == {1}
    assert len(release_dates(site.releases)) == 1


def test_an_unknown_model_is_refused_before_anything_is_sent(
    server: Handle, site: Site, corpus: tuple[Path, Truth]
) -> None:
    site.settings["claude_facet_model"] = "some-model"
    run = site.clio("run", corpus[0])
    assert run.returncode != 0
    assert "CLIO_PRICES" in run.stdout + run.stderr
    estimate = site.clio("run", "--dry-run", corpus[0])
    assert estimate.returncode == 2
    assert "CLIO_PRICES" in estimate.stderr
    assert not server.requests()


@pytest.mark.slow
def test_in_batch_mode_a_run_submits_all_waits_and_publishes(
    server: Handle, site: Site, corpus: tuple[Path, Truth]
) -> None:
    server.set(batch_seconds=1, batch_faults={"errored": 0.05, "expired": 0.05})
    site.settings["claude_mode"] = "batch"
    run = site.clio("run", corpus[0])
    assert run.returncode == 0, run.stderr
    assert len(release_dates(site.releases)) == 1
    # Of 200 a tenth fail, of those a tenth again: a third time hardly any, and that is as often as one is asked.
    unread = site.warehouse.read(FACETS).filter(pl.col("status") != "read")
    assert unread.height <= 3
    assert set(unread["unread_reason"]) <= {"no answer in 3 batches"}
    bill = json.loads(site.clio("costs", "--json").stdout)
    assert all(line["is_batch"] for line in bill if line["stage"] == "facets")
    again = len(server.requests(BATCHES))
    assert site.clio("run", corpus[0]).returncode == 0
    assert len(server.requests(BATCHES)) == again


@pytest.mark.slow
def test_unattended_facets_are_made_when_their_batch_has_ended_and_nothing_before(
    server: Handle, tmp_path: Path, corpus: tuple[Path, Truth]
) -> None:
    settings = UNATTENDED | CLAUDE | {"claude_mode": "batch", "inbox": str(tmp_path / "inbox")}
    site = Site(tmp_path / "site", settings)
    (tmp_path / "inbox").mkdir()
    server.set(hold_batches=True)
    dagster = start(site, site.folder)
    try:
        (tmp_path / "inbox" / "day.jsonl.gz").write_bytes(corpus[0].read_bytes())
        until(lambda: len(server.open_batches()) >= 2, "the batches")
        day = DAYS[0].isoformat()

        def states() -> set[tuple[str, str]]:
            rows = json.loads(site.clio("status", "--json").stdout)
            return {(row["stage"], row["state"]) for row in rows if row["date"] == day}

        until(lambda: ("facets", "in a batch") in states(), "facets to wait")
        until(lambda: not dagster.unfinished(), "the runs to end")
        assert dagster.materializations("facet_batches")
        assert not dagster.materializations("facets")
        # A person who asks for them all the same waits, and does not fail.
        held = server.open_batches()
        waiting = dagster.launch(f"{day}|en", ["facets"])
        server.end_batches(*held[:1])
        server.set(hold_batches=False)
        server.end_batches()
        assert dagster.ended(waiting)["status"] == "SUCCESS"
        until(lambda: release_dates(site.releases), "the release")
        items = Counter(item for each in server.requests(BATCHES) for item in each["items"])
        assert set(items.values()) == {1}
    finally:
        stop(dagster)
