"""`clio dev` as a person uses it: real server, daemon and run workers, asked over GraphQL as the UI asks.

The server is started in a folder that holds an `assets.py` and a `dagster.yaml` of somebody else's.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clio_dagster.evaluation.evaluate import SECTIONS
from clio_dagster.home import environment
from clio_dagster.release.read import release_dates, verify
from clio_dagster.safety.tables import EVENT_CONVERSATIONS, SAFETY_TABLES
from clio_dagster.settings import load_settings
from clio_dagster.tables import FACETS, TABLES
from resources.contracts import models
from tests.scenario import DAGSTER, Site, shingles
from tests.server import ASSETS, Server, start, stop
from tests.unattended import until

CONVERSATIONS = 600
LANGUAGES = ("de", "en", "other")
READ = ("raw_conversations", "facets", "embeddings")
RAGGED = ("2026-11-01|de", "2026-11-03|en", "2026-11-05|other")
PLANTED = "Letters of Jane Whitcombe"
QUOTED_WORDS = 7
"""Words in a row that make a quotation: fewer are anybody's."""

OWN_COMMAND = "SupersessionWarning: Function `definitions_validate_command` is superseded"
"""What Dagster says of its own command before it looks at ours."""


EVENT = """
[[events]]
name = "kitchen-week"
start = 2026-11-05T00:00:00
end = {end}
languages = ["en"]
min_conversations = 5
min_accounts = 3
[[events.watch]]
question = "Is this conversation about cooking?"
keywords = {{ en = ["cook*", "recipe*", "oven", "fry*", "bake*", "freeze", "leftover*", "sauce"] }}
"""
"""A window that is open whenever the tests run, over the demo's last days."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("dev"), {"languages": "de,en"})
    run = site.clio("demo", "--conversations", str(CONVERSATIONS))
    assert run.returncode == 0, run.stderr
    tomorrow = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(days=1)
    (site.home / "events.toml").write_text(EVENT.format(end=tomorrow.isoformat()), "utf-8")
    return site


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    elsewhere = site.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "assets.py").write_text("raise SystemExit('not ours')\n", "utf-8")
    (elsewhere / "dagster.yaml").write_text("telemetry:\n  enabled: true\n", "utf-8")
    server = start(site, elsewhere)
    yield server
    stop(server)


@pytest.fixture(scope="module")
def days(site: Site) -> list[str]:
    return [day.isoformat() for day in release_dates(site.releases)]


@pytest.fixture(scope="module")
def nodes(server: Server) -> dict[str, Any]:
    """Assets as the UI is told of them, by name."""
    return {"/".join(node["assetKey"]["path"]): node for node in server.ask(ASSETS)["assetNodes"]}


@pytest.fixture(scope="module")
def pipeline(nodes: dict[str, Any]) -> dict[str, Any]:
    """Assets that conversations go through: all but those of an evaluation, which is of no partition."""
    return {name: node for name, node in nodes.items() if node["groupName"] != "evaluation"}


@dataclass(frozen=True)
class Backfills:
    """A backfill of the whole week and one of a ragged selection."""

    week: Any
    ragged: Any


@pytest.fixture(scope="module", autouse=True)
def asked(server: Server, days: list[str]) -> Backfills:
    """Ids of the backfills, asked for before anything else: the daemon looks every 30 seconds."""
    week = [f"{day}|{language}" for day in days for language in LANGUAGES]
    return Backfills(server.backfill(READ, week), server.backfill(READ, RAGGED))


@pytest.fixture(scope="module")
def backfills(server: Server, asked: Backfills) -> Backfills:
    """The backfills, ended."""
    return Backfills(server.backfilled(asked.week), server.backfilled(asked.ragged))


@dataclass(frozen=True)
class Refusal:
    """What came of asking for a date's release, and for its gate's check, after its tree was changed by hand."""

    day: str
    before: dict[str, bytes]
    after: dict[str, bytes]
    release: Any
    release_logs: str
    check_run: str
    gate: dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def refusal(server: Server, days: list[str], backfills: Backfills) -> Refusal:
    day = days[-2]
    before = server.site.released()
    with duckdb.connect(str(server.site.home / "clio.duckdb")) as connection:
        changed = connection.execute(
            "update restricted.audited_summaries set name = $name, privacy_score = 2 "
            "where date = $day and node_id = (select min(node_id) from restricted.audited_summaries "
            "where date = $day and status = 'published')",
            {"name": PLANTED, "day": day},
        ).fetchall()
    assert changed == [(1,)]
    release = server.launch(day, ["release"], checks=[])
    ended = server.ended(release)
    check = server.launch(day, checks=[("audited_summaries", "privacy_gate")])
    server.ended(check)
    return Refusal(
        day,
        before,
        server.site.released(),
        ended,
        json.dumps(server.logs(release)),
        check,
        {each: server.verdict("privacy_gate", each) for each in days},
    )


# What is shown.


def test_every_table_is_an_asset(nodes: dict[str, Any], pipeline: dict[str, Any]) -> None:
    unpartitioned = {"quarantine", "sources", "releases", "frozen_parts"}
    tables = set(TABLES | SAFETY_TABLES) - unpartitioned | {model.name for model in models()}
    assert set(pipeline) == tables | {"landing", "landed", "release", "status"}
    assert set(nodes) - set(pipeline) == {f"evaluation/{section}" for section in SECTIONS}


def test_every_asset_says_what_it_is(nodes: dict[str, Any]) -> None:
    for name, node in nodes.items():
        assert node["description"], name
        assert node["groupName"] != "default", name
        assert node["kinds"], name
        assert node["owners"], name


def test_every_asset_shows_its_columns(pipeline: dict[str, Any]) -> None:
    for name, node in pipeline.items():
        (schema,) = [entry["schema"] for entry in node["metadataEntries"] if "schema" in entry]
        assert schema["columns"], name
        assert [column["name"] for column in schema["columns"] if not column["description"]] == [], name


def test_the_lineage_leads_from_the_files_to_the_release(nodes: dict[str, Any]) -> None:
    found = {"release"}
    waiting = ["release"]
    while waiting:
        above = {"/".join(key["path"]) for key in nodes[waiting.pop()]["dependencyKeys"]} - found
        found |= above
        waiting += above
    assert {"landing", "landed", *READ, "clusters", "audited_summaries", "topics"} <= found


def test_every_check_is_of_a_partition_and_blocks_or_warns_of_drift(pipeline: dict[str, Any]) -> None:
    checks = [check for node in pipeline.values() for check in node["assetChecksOrError"].get("checks", ())]
    assert len(checks) > 100
    assert [check["name"] for check in checks if not check["description"]] == []
    assert {check["name"].split("_")[0] for check in checks if not check["blocking"]} == {"drift"}
    assert [check["name"] for check in checks if not check["partitionDefinition"]] == []


# What is asked of it.


def test_a_partition_is_materialized_and_its_checks_run(server: Server) -> None:
    partition = "2026-11-02|en"
    run = server.launch(partition, READ)
    assert server.ended(run)["status"] == "SUCCESS"
    for asset in READ:
        assert (partition, run) in server.materializations(asset, [partition])
    checked = [event for event in server.logs(run) if event["__typename"] == "AssetCheckEvaluationEvent"]
    assert len(checked) == 3 * len(READ)


def test_a_partition_that_is_asked_for_twice_is_made_by_one_run_at_a_time(server: Server) -> None:
    runs = [server.launch("2026-11-02|de", ["raw_conversations"], checks=[]) for _ in range(2)]
    first, second = sorted((server.ended(run) for run in runs), key=lambda run: run["startTime"])
    assert (first["status"], second["status"]) == ("SUCCESS", "SUCCESS")
    assert second["startTime"] >= first["endTime"]


def test_a_backfill_of_seven_days_in_three_languages_ends_green(backfills: Backfills) -> None:
    assert (backfills.week["status"], backfills.week["numPartitions"]) == ("COMPLETED_SUCCESS", 21)
    assert {run["status"] for run in backfills.week["runs"]} == {"SUCCESS"}


def test_a_backfill_is_a_run_a_language(backfills: Backfills) -> None:
    assert len(backfills.week["runs"]) == len(LANGUAGES)


def test_a_ragged_backfill_makes_what_was_asked_for_and_nothing_else(
    server: Server, backfills: Backfills
) -> None:
    assert backfills.ragged["status"] == "COMPLETED_SUCCESS"
    runs = {run["runId"] for run in backfills.ragged["runs"]}
    for asset in READ:
        made = [partition for partition, run in server.materializations(asset) if run in runs]
        assert sorted(made) == sorted(RAGGED)


def test_a_date_is_published_by_its_job(server: Server, days: list[str]) -> None:
    run = server.launch(days[0], job="publish")
    assert server.ended(run)["status"] == "SUCCESS"
    assert server.materializations("release", [days[0]])[0] == (days[0], run)
    assert verify(server.site.releases / days[0]) == []


def test_an_events_days_are_asked_for_by_its_sensor_and_made_in_one_run(
    server: Server, days: list[str], backfills: Backfills
) -> None:
    wanted = [f"{day}|kitchen-week" for day in days if day >= "2026-11-05"]
    deadline = time.monotonic() + 120
    while len(made := server.materializations("event_alerts", wanted)) < len(wanted):
        assert time.monotonic() < deadline, made
        time.sleep(1)
    assert {partition for partition, _ in made} == {*wanted}
    runs = {run for _, run in made[-len(wanted) :]}
    assert [server.ended(run)["status"] for run in runs] == ["SUCCESS"]
    taken = server.site.warehouse.read(EVENT_CONVERSATIONS)
    assert 0 < len(taken) < len(server.site.warehouse.read(FACETS, {"language": "en"}, ["conversation_id"]))


# The gate.


def test_a_release_asked_for_alone_refuses_a_tree_that_was_changed(refusal: Refusal) -> None:
    assert refusal.release["status"] == "FAILURE"
    assert f"Refused: release {refusal.day} refused: " in refusal.release_logs


def test_a_refusal_says_why_and_quotes_nothing(refusal: Refusal) -> None:
    assert "auditor's score below 3" in refusal.release_logs
    assert "Whitcombe" not in refusal.release_logs


def test_a_refused_release_leaves_the_old_one_in_place(refusal: Refusal) -> None:
    assert f"{refusal.day}/manifest.json" in refusal.before
    assert refusal.after == refusal.before


def test_the_gates_check_fails_for_the_changed_date_alone(refusal: Refusal) -> None:
    assert refusal.gate[refusal.day] == ("FAILED", refusal.check_run)
    assert {status for day, (status, _) in refusal.gate.items() if day != refusal.day} == {"SUCCEEDED"}


# What is left behind.


def test_logs_hold_no_conversation_facet_or_refused_name(
    server: Server, backfills: Backfills, refusal: Refusal
) -> None:
    corpus = next((server.site.home / "demo").glob("*.jsonl.gz"))
    with gzip.open(corpus, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    texts = [message["content"] for record in records for message in record["messages"]]
    texts += server.site.warehouse.read(FACETS, None, ["request"])["request"].drop_nulls().to_list()
    said = {shingle for text in texts for shingle in shingles(text, QUOTED_WORDS)}
    assert len(said) > 5_000
    logs = [(name, text) for name, text in server.site.open_texts() if name.startswith("dagster/")]
    logs.append(("dev.log", server.output.read_text("utf-8")))
    assert {Path(name).suffix for name, _ in logs} >= {".db", ".err", ".log"}
    quoted = {name for name, text in logs if not said.isdisjoint(shingles(text, QUOTED_WORDS))}
    assert quoted == set()
    assert {name for name, text in logs if "Whitcombe" in text} == set()


def test_neither_server_nor_runs_warn_of_anything(server: Server, backfills: Backfills) -> None:
    warned = [line for line in server.output.read_text("utf-8").splitlines() if "warning" in line.casefold()]
    for path in (server.site.home / "dagster" / "logs").rglob("*.err"):
        warned += [line for line in path.read_text("utf-8").splitlines() if "warning" in line.casefold()]
    assert warned == []


def test_the_definitions_validate_without_a_warning_of_ours(site: Site) -> None:
    run = subprocess.run(
        [DAGSTER, "definitions", "validate", "-m", "clio_dagster.definitions"],
        env=site.environment,
        cwd=site.folder,
        text=True,
        capture_output=True,
        timeout=120,
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    warned = [line for line in said.splitlines() if "warning" in line.casefold()]
    assert [line for line in warned if OWN_COMMAND not in line] == []


def test_the_settings_of_a_folder_reach_a_process_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CLIO_")]:
        monkeypatch.delenv(name)
    (tmp_path / "there").mkdir()
    (tmp_path / "clio.toml").write_text('languages = ["de", "en"]\nhome = "home"\nprofile = "production"\n')
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path / "there")
    assert load_settings() == settings


def test_a_code_server_that_is_killed_is_started_again(server: Server) -> None:
    (killed,) = server.processes("dagster api grpc")
    os.kill(killed, signal.SIGKILL)
    until(
        lambda: server.processes("dagster api grpc") - {killed} and server.has_loaded(), "another code server"
    )
    run = server.launch("2026-11-03|en", ["raw_conversations"], checks=[])
    assert server.ended(run)["status"] == "SUCCESS"


def test_the_server_and_all_that_it_started_end_when_told(server: Server) -> None:
    os.killpg(server.process.pid, signal.SIGTERM)
    server.process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(server.process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    raise AssertionError("processes of the server are left")
