"""Alerts: nothing private leaves, nothing is lost or told twice, and nobody but the configured URL is asked."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    DagsterInstance,
    DefaultSensorStatus,
    MaterializeResult,
    asset,
    build_sensor_context,
    materialize,
    multi_asset,
)
from dagster._core.definitions.freshness_evaluator import CronFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import create_run_for_test, freeze_time
from typer.testing import CliRunner

from assets.evaluation import BARS_HOLD, NO_WORSE, key_of
from assets.gate import GATE, gate_check
from assets.partitions import DATES
from assets.release import Refused
from clio_dagster.alerts.alert import TEST, Alert, roughly, run_failed
from clio_dagster.alerts.deadline import due_at, newest_due
from clio_dagster.alerts.formats import body
from clio_dagster.alerts.webhook import Patience, is_webhook, post
from clio_dagster.analyst.memory import BudgetReached
from clio_dagster.analyst.sending import AnalystError
from clio_dagster.cli import app
from clio_dagster.definitions import defs
from clio_dagster.home import prepare
from clio_dagster.privacy.silence import quiet
from clio_dagster.release.read import MANIFEST
from clio_dagster.safety.tables import EVENT_ALERTS, EVENT_TOPICS, GROWTH, NEW_TOPIC, RESTRICTED
from clio_dagster.settings import Settings, SettingsError, load_settings
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED
from resources.site import Site
from resources.stage import MissingInput
from sensors import alerts as module
from sensors.alerts import Cursor, alerts, look
from sensors.runs import date_range

PRIVATE = "my number is 0171 2345678"
SECRET_PATH = "/services/T0/B0/secret"
NOW = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)
QUICK = Patience(timeout=0.3, attempts=2, pause=0.01, total=1.0)


class EngineError(RuntimeError):
    """Bears the name of one of the project's own, and is none."""


class Receiver:
    """A webhook: what was posted to it, and what it answers, each answer once and the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[int | str] = [200]
        self.posted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.retry_after = 0
        self.ended = Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{SECRET_PATH}"

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # where a redirect of a POST leads
                receiver.paths.append(self.path)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.paths.append(self.path)
                answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                if answer == "hang":
                    receiver.ended.wait(5)
                elif answer == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    while not receiver.ended.wait(0.05):
                        self.wfile.write(b"x")
                elif isinstance(answer, str):
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                else:
                    if answer == 200:
                        receiver.posted.append(json.loads(content))
                    self.send_response(answer)
                    self.send_header("Retry-After", str(receiver.retry_after))
                    self.end_headers()
                    self.wfile.write(b"ok" if answer == 200 else b"no_service")

            def log_message(self, *_: Any) -> None: ...

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", QUICK)


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> dict[str, Any]:
    return {
        "home": str(tmp_path / "home"),
        "key_file": str(tmp_path / "key"),
        "alert_webhook": receiver.url,
        "alert_format": "json",
        "dagster_url": "https://dagster.example.org/",
    }


@pytest.fixture
def site(settings: dict[str, Any]) -> Site:
    return Site(overrides=settings)


def fail(
    instance: DagsterInstance, error: BaseException, partition: str | None = None, *, step: str = "facets"
) -> None:
    """A run whose step fails with an error, as a stage raises it."""

    @asset(name=step)
    def failing() -> None:
        if isinstance(error, KeyError):
            with quiet("facets", "2026-11-01|en"):
                raise error
        raise error

    tags = {"clio/asked_by": "reconcile", "note": PRIVATE}
    tags |= {"dagster/partition": partition} if partition else {}
    materialize([failing], instance=instance, raise_on_error=False, tags=tags)


def looked(site: Site, instance: DagsterInstance, cursor: Cursor | None = None) -> tuple[Cursor, str]:
    return look(site, instance, cursor or Cursor(), datetime.now(UTC))


# What leaves


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(PRIVATE), "ValueError"),
        (ValueError(f"clio_dagster.privacy.silence.EngineError: {PRIVATE}"), "ValueError"),
        (EngineError(PRIVATE), "EngineError"),
        (AnalystError(f"reached at https://{PRIVATE}"), "AnalystError: the model could not be asked"),
        (Refused("2026-11-01", [PRIVATE]), "Refused: the release was refused"),
        (KeyError(PRIVATE), "EngineError: facets 2026-11-01|en: KeyError at tests/test_alerts.py:"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else "",
)
def test_a_failed_run_is_told_without_what_its_error_says(
    error: BaseException, told: str, site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    fail(instance, error, "2026-11-01|en")
    looked(site, instance)
    (posted,) = receiver.posted
    (run,) = instance.get_runs()
    assert posted["error"].startswith(told)
    assert posted["url"] == f"https://dagster.example.org/runs/{run.run_id}"
    shown = {name: posted[name] for name in ("run", "partitions", "steps", "asked_by", "site", "kind")}
    assert shown == {
        "run": run.run_id[:8],
        "partitions": "2026-11-01|en",
        "steps": "facets",
        "asked_by": "reconcile",
        "site": "clio",
        "kind": "run failed",
    }
    assert "0171" not in json.dumps(posted) and "number" not in json.dumps(posted)


def test_a_source_is_told_by_its_digest_and_not_by_its_files_name(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    key = "maria-lopez-jsonl-gz-23ff512a3dc6"
    fail(instance, MissingInput(f"landing {key}: materialize /home/maria/x.gz first"), key)
    looked(site, instance)
    (posted,) = receiver.posted
    assert posted["partitions"] == "source …23ff512a3dc6"
    assert posted["error"] == "MissingInput: landing source …23ff512a3dc6: materialize … first"


def test_a_run_that_died_is_told_with_its_reason(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    run = create_run_for_test(
        instance, job_name="publish", tags=date_range(date(2026, 11, 1), date(2026, 11, 3))
    )
    instance.report_run_failed(run, PRIVATE)
    looked(site, instance)
    (posted,) = receiver.posted
    assert posted["title"] == "A run of publish failed"
    assert posted["partitions"] == "2026-11-01 to 2026-11-03"
    assert posted["error"] == "its process ended before it did"
    assert "steps" not in posted and "0171" not in json.dumps(posted)


def test_a_budget_that_is_reached_is_told_once_a_day(
    settings: dict[str, Any], instance: DagsterInstance, receiver: Receiver
) -> None:
    site = Site(overrides=settings | {"budget_usd": 5})
    for _ in range(2):
        fail(instance, BudgetReached("the budget of $5 within 30 days is reached"), "2026-11-01|en")
    cursor, _ = looked(site, instance)
    looked(site, instance, cursor)
    assert [posted["kind"] for posted in receiver.posted] == ["budget reached"]
    assert receiver.posted[0]["error"] == "BudgetReached: the budget of $5 within 30 days is reached"


def write_event(site: Site, kinds: dict[str, str]) -> None:
    """A date of an event with an alert a topic, `kinds` by status."""
    on = {"date": date(2026, 11, 8), "event": "election"}
    topics = [
        on
        | {
            "topic": f"t-{status}",
            "cluster_id": 0,
            "name": f"Ask about {status} polls",
            "description": "",
            "conversations": 137,
            "accounts": 61,
            "mean_concerning": 2.0,
            "status": status,
            "reasons": [],
            "published_conversations": 140,
            "centroid": [1.0, 0.0],
        }
        for status in kinds
    ]
    raised = [
        on
        | {
            "topic": f"t-{status}",
            "kind": kind,
            "conversations": 137,
            "accounts": 61,
            "baseline_conversations": 3,
            "p_value": 0.001,
            "adjusted_p": 0.002,
            "evidence": "59 of its 61 accounts",
            "first_seen_at": NOW,
            "status": status,
        }
        for status, kind in kinds.items()
    ]
    schema = {**EVENT_TOPICS.schema, "centroid": pl.Array(pl.Float32, 2)}
    key = {"date": "2026-11-08", "event": "election"}
    site.warehouse.write(EVENT_TOPICS, key, pl.DataFrame(topics, schema))
    site.warehouse.write(EVENT_ALERTS, key, pl.DataFrame(raised, EVENT_ALERTS.schema))


def test_an_event_tells_names_and_counts_of_published_topics_alone_and_each_alert_once(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    write_event(site, {PUBLISHED: NEW_TOPIC})
    cursor, _ = looked(site, instance)
    write_event(site, {PUBLISHED: NEW_TOPIC, RESTRICTED: GROWTH})
    looked(site, instance, cursor)
    shown, hidden = receiver.posted
    assert (shown["topic"], shown["conversations"]) == ("Ask about published polls", "140, with noise")
    assert shown["title"] == "New topic in the event election"
    assert "accounts" not in shown
    assert hidden["topic"] == "a topic that is not published"
    assert (hidden["conversations"], hidden["accounts"]) == ("100 or more", "50 or more")
    assert not {"137", "61", "59"} & {word for value in receiver.posted for word in json.dumps(value).split()}
    assert "restricted" not in json.dumps(hidden)


def test_counts_that_are_not_published_are_rounded_down() -> None:
    told = {count: roughly(count) for count in (0, 4, 5, 9, 10, 19, 20, 499, 500, 12_345)}
    assert list(told.values()) == [
        *("fewer than 5", "fewer than 5", "5 or more", "5 or more", "10 or more", "10 or more"),
        *("20 or more", "200 or more", "500 or more", "10,000 or more"),
    ]


# Formats


def test_a_slack_message_is_one_and_nothing_in_it_is_a_mention() -> None:
    alert = run_failed(
        "0123456789",
        "read",
        partitions="2026-11-01|<!channel>",
        steps=["s" * 4_000],
        errors=["a & b"] * 12,
        asked_by="reconcile",
        at=NOW,
    )
    alert = replace(alert, facts=alert.facts * 2)
    made = json.loads(body(alert, "slack", site="<@U1> prod", ui="https://dagster.example.org"))
    texts = [
        each
        for block in made["blocks"]
        for each in (block.get("text"), *block.get("fields", ()), *block.get("elements", ()))
        if each
    ]
    assert set(made) == {"text", "blocks"}
    assert {block["type"] for block in made["blocks"]} == {"section", "context"}
    assert max(len(block.get("fields", ())) for block in made["blocks"]) == 10
    assert all(text["type"] == "mrkdwn" and text["verbatim"] and len(text["text"]) <= 2_000 for text in texts)
    whole = made["text"] + "".join(text["text"] for text in texts)
    assert whole.count("<") == 1 and "<https://dagster.example.org/runs/0123456789|open in Dagster>" in whole
    assert "&lt;!channel&gt;" in whole and "a &amp; b" in whole


def test_flat_json_is_flat_and_an_alert_is_read_back_as_it_was() -> None:
    alert = Alert("1", TEST, "A test", NOW, (("asked by", "x"),), "runs/1")
    assert all(isinstance(each, str) for each in json.loads(body(alert, "json", site="s", ui=None)).values())
    assert Alert.from_json(alert.to_json()) == alert


# Nothing is lost, nothing is told twice


def test_what_a_dead_webhook_did_not_take_is_posted_once_it_lives(
    settings: dict[str, Any], instance: DagsterInstance, receiver: Receiver
) -> None:
    site = Site(overrides=settings)
    receiver.answers = [503]
    fail(instance, ValueError())
    fail(instance, ValueError())
    now = datetime.now(UTC)
    cursor, told = look(site, instance, Cursor(), now)
    assert told == "0 alerts posted, 2 wait: it answered 503"
    assert len(receiver.paths) == QUICK.attempts  # the second alert is not tried on a dead webhook

    receiver.answers = [503, 200]  # mended, after one more
    restarted = Cursor.read(str(cursor))
    _, told = look(Site(overrides=settings), instance, restarted, now + timedelta(seconds=30))
    assert told.startswith("2 alerts wait; the webhook is tried again at")
    cursor, told = look(Site(overrides=settings), instance, restarted, now + timedelta(seconds=61))
    assert told == "2 alerts posted"
    assert len({posted["alert_id"] for posted in receiver.posted}) == 2
    assert (cursor.failures, cursor.silent_until) == (0, None)


def test_a_look_whose_cursor_was_lost_posts_nothing_twice(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    fail(instance, ValueError())
    for cursor in (Cursor(), Cursor(), looked(site, instance)[0]):
        _, told = looked(site, instance, cursor)
    assert told == "nothing to tell"
    assert len(receiver.posted) == 1


def test_what_was_found_and_not_posted_before_a_kill_is_posted_after_it(
    site: Site, instance: DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit

    fail(instance, ValueError())
    monkeypatch.setattr(module, "send", killed)
    with pytest.raises(SystemExit):
        looked(site, instance)
    monkeypatch.undo()
    for run in instance.get_runs():
        instance.delete_run(run.run_id)
    looked(site, instance)
    assert len(receiver.posted) == 1


def test_a_message_that_is_refused_stops_no_other_and_is_sent_again_later(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    receiver.answers = [400, 200]
    fail(instance, ValueError())
    fail(instance, ValueError())
    now = datetime.now(UTC)
    cursor, told = look(site, instance, Cursor(), now)
    assert told == "1 alerts posted, 1 wait: it answered 400"
    assert look(site, instance, cursor, now + timedelta(minutes=1))[1] == "nothing to tell"
    assert look(site, instance, cursor, now + timedelta(minutes=61))[1] == "1 alerts posted"


def test_many_failures_are_told_look_by_look(
    site: Site, instance: DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.alert_sources.RUNS_A_LOOK", 2)
    for _ in range(5):
        instance.report_run_failed(create_run_for_test(instance, job_name="read"))
    cursor = Cursor()
    for _ in range(3):
        cursor, _ = looked(site, instance, cursor)
    assert len(receiver.posted) == 5


def test_two_daemons_do_not_post_at_once(site: Site, instance: DagsterInstance, receiver: Receiver) -> None:
    fail(instance, ValueError())
    site.ledger.take(module.POSTING, ["*"], "another:1")
    assert looked(site, instance) == (Cursor(), "another process is posting alerts")
    assert receiver.paths == []


def test_a_source_that_cannot_be_looked_at_stops_no_other_and_is_looked_at_again(
    site: Site, instance: DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(PRIVATE)

    write_event(site, {RESTRICTED: GROWTH})
    fail(instance, ValueError())
    with monkeypatch.context() as patch:
        patch.setattr(type(site.warehouse), "slices", broken)
        cursor, told = looked(site, instance)
    assert told == "1 alerts posted; events could not be looked at (RuntimeError)"
    cursor, told = looked(site, instance, cursor)
    assert told == "1 alerts posted"


def test_the_sensor_is_on_where_there_is_a_webhook_and_never_raises(
    settings: dict[str, Any], instance: DagsterInstance, receiver: Receiver
) -> None:
    assert alerts.default_status == DefaultSensorStatus.STOPPED  # no webhook is set where tests run
    fail(instance, ValueError())
    receiver.answers = [404]
    with build_sensor_context(instance, resources={"site": Site(overrides=settings)}) as context:
        assert alerts(context).skip_message == "0 alerts posted, 1 wait: it answered 404"
        assert Cursor.read(context.cursor).failures == 1
    without = {name: value for name, value in settings.items() if name != "alert_webhook"}
    with build_sensor_context(instance, resources={"site": Site(overrides=without)}) as context:
        assert alerts(context).skip_message == "no webhook: set CLIO_ALERT_WEBHOOK"


# The webhook


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_webhook_that_never_ends_is_given_up_in_time(answer: str, receiver: Receiver) -> None:
    receiver.answers = [answer]
    started = time.monotonic()
    assert str(post(receiver.url, b"{}", QUICK)) == "no answer within 0.3 s"
    assert time.monotonic() - started < QUICK.total


def test_a_webhook_that_asks_for_time_is_given_it(receiver: Receiver) -> None:
    receiver.answers = [429, 200]
    assert post(receiver.url, b"{}", QUICK).is_taken
    receiver.answers, receiver.retry_after = [429, 200], 3_600
    assert str(post(receiver.url, b"{}", QUICK)) == "it answered 429"
    assert len(receiver.paths) == 3


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    other = Receiver()
    receiver.answers = [other.url]
    answer = post(receiver.url, b"{}", QUICK)
    other.close()
    assert not answer.is_taken
    assert str(answer) == "it answered 302, and redirects are not followed"
    assert (len(receiver.paths), other.paths) == (1, [])


def test_what_is_said_of_a_failure_names_no_address() -> None:
    said = str(post(f"http://127.0.0.1:9{SECRET_PATH}", b"{}", QUICK))
    assert said == "it could not be reached (ConnectionRefusedError)"


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://hooks.example.org/services/T0", True),
        ("http://127.0.0.1:9000/x", True),
        ("http://[::1]/x", True),
        ("http://localhost/x", True),
        ("http://hooks.example.org/x", False),
        ("http://10.0.0.1/x", False),
        ("http://localhost.example.org/x", False),
        ("https://user:word@hooks.example.org/x", False),
        ("https://hooks.example.org/x y", False),
        ("https://hooks.example.org:port/x", False),
        ("https:///x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_a_webhook_is_https_or_on_this_machine(url: str, is_one: bool) -> None:
    assert is_webhook(url) is is_one


def test_a_wrong_webhook_is_refused_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CLIO_ALERT_WEBHOOK: use the https URL") as caught:
        load_settings(home=tmp_path / "home", alert_webhook=f"http://hooks.example.org{SECRET_PATH}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "code", "said"), [(200, 0, "it answered 200: ok"), (404, 1, "it answered 404: no_service")]
)
def test_the_command_says_what_came_back(
    answer: int,
    code: int,
    said: str,
    settings: dict[str, Any],
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"CLIO_{name.upper()}", value)
    receiver.answers = [answer]
    result = CliRunner().invoke(app, ["alerts", "test"])
    assert said in f"{result.output}{result.exception or ''}"
    assert bool(result.exception) == bool(code)
    assert [posted["kind"] for posted in receiver.posted] == ([] if code else ["test"])


# Releases and the gate


@pytest.mark.parametrize(
    ("day", "at"),
    [
        ("2026-11-07", "2026-11-08T07:00+00:00"),  # winter: 02:00 in Berlin is 01:00
        ("2026-10-24", "2026-10-25T06:00+00:00"),  # the clock goes back: 02:00 comes twice, the first counts
        ("2027-03-27", "2027-03-28T07:00+00:00"),  # the clock goes forward: there is no 02:00
        ("2026-07-01", "2026-07-02T06:00+00:00"),
    ],
)
def test_a_release_is_due_some_hours_after_its_day_is_closed(day: str, at: str) -> None:
    settings = Settings(timezone="Europe/Berlin")
    due, moment = date.fromisoformat(day), datetime.fromisoformat(at)
    assert due_at(due, settings) == moment
    assert newest_due(moment, settings) == due
    assert newest_due(moment - timedelta(seconds=1), settings) == due - timedelta(days=1)


def publish(site: Site, day: str) -> None:
    folder = site.settings.home / "releases" / day
    folder.mkdir(parents=True)
    (folder / MANIFEST).touch()


def test_a_late_release_is_told_once_and_so_is_its_coming(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    cursor = Cursor()

    def until(hour: int, day: int) -> list[str]:
        """A look every two hours up to a moment; what was posted in that time."""
        nonlocal now, cursor
        before = len(receiver.posted)
        while now < datetime(2026, 11, day, hour, tzinfo=UTC):
            now += timedelta(hours=2)
            cursor, _ = look(site, instance, Cursor.read(str(cursor)), now)
        return [posted["title"] for posted in receiver.posted[before:]]

    now = datetime(2026, 11, 5, 0, tzinfo=UTC)
    assert until(0, 6) == []  # nothing landed, nothing published: a new site is not late
    publish(site, "2026-11-05")
    assert until(6, 7) == []
    assert until(2, 8) == ["The release of 2026-11-06 is late"]
    publish(site, "2026-11-06")
    assert until(6, 8) == ["The release of 2026-11-06 is there"]
    assert until(0, 10) == ["The release of 2026-11-07 is late"]
    publish(site, "2026-11-07")
    assert until(0, 11) == []  # that of the 9th is late now
    publish(site, "2026-11-09")
    assert until(2, 11) == ["The release of 2026-11-09 is there"]
    late, there = receiver.posted[0], receiver.posted[1]
    assert (late["due"], late["newest"]) == ("2026-11-06", "2026-11-05")
    assert late["conversations"] == "none landed for 2026-11-06"
    assert (late["state"], there["state"], there["resolves"]) == ("found", "resolved", late["alert_id"])


def test_a_closed_gate_is_told_once_each_time_and_its_failed_run_is_not_told_beside_it(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    @asset(key=GATE.asset_key, partitions_def=DATES)
    def audited() -> None: ...

    cursor = Cursor()

    def judge(day: str, *, passes: bool) -> list[str]:
        """The gate's own check of a date without a topic, or of one that its stage has not made."""
        nonlocal cursor
        before = len(receiver.posted)
        if passes:
            site.warehouse.write(AUDITED_SUMMARIES, {"date": day}, AUDITED_SUMMARIES.empty())
        result = materialize(
            [audited, gate_check],
            partition_key=day,
            instance=instance,
            resources={"site": site},
            raise_on_error=False,
        )
        assert result.success is passes
        cursor, _ = looked(site, instance, cursor)
        return [posted["title"] for posted in receiver.posted[before:]]

    assert judge("2026-11-06", passes=False) == ["The privacy gate is closed for 2026-11-06"]
    assert judge("2026-11-06", passes=False) == []
    assert judge("2026-11-07", passes=True) == []
    assert judge("2026-11-05", passes=False) == ["The privacy gate is closed for 2026-11-05"]
    assert judge("2026-11-06", passes=True) == ["The privacy gate is open for 2026-11-06"]

    fail(instance, ValueError(PRIVATE), step=GATE.name)  # one that could not look has said nothing
    looked(site, instance, cursor)
    assert receiver.posted[-1]["title"] == "A run of assets failed"


def test_an_evaluation_that_has_fallen_is_told_by_section_and_check_until_it_is_over(
    site: Site, instance: DagsterInstance, receiver: Receiver
) -> None:
    @multi_asset(
        specs=[AssetSpec(key_of("leakage"))],
        check_specs=[AssetCheckSpec(name, asset=key_of("leakage")) for name in (BARS_HOLD, NO_WORSE)],
    )
    def made() -> Iterator[MaterializeResult | AssetCheckResult]:
        yield MaterializeResult()
        for name, passed in verdicts.items():
            yield AssetCheckResult(check_name=name, passed=passed, metadata={"told": PRIVATE})

    verdicts: dict[str, bool] = {}
    cursor = Cursor()

    def evaluated(*, bars: bool, no_worse: bool) -> list[dict[str, Any]]:
        nonlocal cursor
        before = len(receiver.posted)
        verdicts.update({BARS_HOLD: bars, NO_WORSE: no_worse})
        assert materialize([made], instance=instance).success
        cursor, _ = looked(site, instance, cursor)
        return receiver.posted[before:]

    assert evaluated(bars=True, no_worse=True) == []
    (worse,) = evaluated(bars=True, no_worse=False)
    assert (worse["kind"], worse["section"]) == ("evaluation", "leakage")
    assert worse["found"] == "a figure is worse than in the last evaluation"
    (missed,) = evaluated(bars=False, no_worse=False)
    assert missed["found"] == "a figure misses its bar"
    assert evaluated(bars=False, no_worse=False) == []
    over = evaluated(bars=True, no_worse=True)
    assert {each["resolves"] for each in over} == {worse["alert_id"], missed["alert_id"]}


def test_the_release_is_overdue_in_the_ui_too_and_the_daemon_looks_for_that(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's own evaluation: fresh until the deadline of 06:00, overdue, and fresh again with the late one."""
    graph = defs.get_repository_def().asset_graph
    node: Any = graph.get(AssetKey("release"))

    def state(day: int, hour: int, minute: int = 0) -> str:
        with freeze_time(datetime(2026, 11, day, hour, minute, tzinfo=UTC)):
            context = LoadingContextForTest(instance)
            evaluation = CronFreshnessPolicyEvaluator().evaluate_freshness(context=context, node=node)
            return str(asyncio.run(evaluation).value)

    def publish_at(day: int, hour: int) -> None:
        with freeze_time(datetime(2026, 11, day, hour, tzinfo=UTC)):
            instance.report_runless_asset_event(
                AssetMaterialization("release", partition=f"2026-11-0{day - 1}")
            )

    publish_at(6, 3)
    assert (state(6, 7), state(7, 5, 59), state(7, 6, 1)) == ("PASS", "PASS", "FAIL")
    publish_at(7, 9)
    assert (state(7, 10), state(8, 5, 59), state(8, 6, 1)) == ("PASS", "PASS", "FAIL")

    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("CLIO_HOME", "")
    home = prepare(Settings(home=tmp_path / "home", key_file=tmp_path / "key"))
    with DagsterInstance.from_config(str(home)) as configured:
        assert "FRESHNESS_DAEMON" in configured.get_required_daemon_types()
