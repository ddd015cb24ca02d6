"""The event_windows sensor over a real home: its file edited, broken and emptied; days that land, are read and run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from dagster import DagsterInstance, Definitions, RunRequest, SensorResult

from clio_dagster.definitions import build_definitions
from clio_dagster.safety.tables import EVENT_ALERTS, EVENT_CONVERSATIONS, EVENT_TOPICS, EVENTS
from clio_dagster.tables import PUBLISHED, RAW_CONVERSATIONS
from resources.io_manager import Reader
from resources.site import Site
from resources.sources import files_at, register
from sensors.events import refresh, tick
from sensors.pipeline import CLIO_RUN
from sensors.runs import RANGE_END, RANGE_START, partition_range, run_here, slice_range
from tests.test_event_definitions import VOTE
from tests.test_landing import lines, record, says

DAY, NEXT = date(2026, 11, 3), date(2026, 11, 4)
ENGLISH = partition_range(f"{DAY}|en", f"{DAY}|en")
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
EVENT = VOTE.replace("America/New_York", "UTC")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ASKED = "Where do I drop off my ballot before the town hall closes?"


@dataclass
class Daemon:
    """What the daemon does with the sensor: keeps its cursor, adds partitions, and runs each run key once."""

    site: Site
    instance: DagsterInstance
    cursor: str | None = None
    run_keys: set[str] = field(default_factory=set)
    said: str = ""

    @cached_property
    def definitions(self) -> Definitions:
        return build_definitions(**self.site.overrides)

    def tick(self, now: datetime) -> list[RunRequest]:
        result, _ = tick(self.site, self.instance, self.cursor, now)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        self.said = result.skip_reason.skip_message or "" if result.skip_reason else ""
        for request in result.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        asked = [each for each in result.run_requests or () if str(each.run_key) not in self.run_keys]
        self.run_keys |= {str(each.run_key) for each in asked}
        return asked

    def run(self, request: RunRequest) -> list[str]:
        """What failed in the run that was asked for."""
        return self._job("watch", dict(request.tags), request.partition_key)

    def land(self, name: str, *records: dict[str, object]) -> None:
        path = self.site.settings.home.parent / name
        path.write_bytes(lines(*records))
        found = files_at(path)
        register(self.site, found)
        self.instance.add_dynamic_partitions("sources", [each.key for each in found])
        for each in found:
            assert self._job("land", {}, each.key) == []

    def read(self, tags: dict[str, str]) -> None:
        assert self._job("read", tags, None) == []

    def _job(self, job: str, tags: dict[str, str], partition: str | None) -> list[str]:
        return run_here(self.definitions, job, self.instance, tags=tags, partition=partition)


def asked(number: int, hour: int = 9, day: date = DAY) -> dict[str, object]:
    return record(
        number, account_id=f"user-{number}", started_at=f"{day}T{hour:02}:00:00Z", messages=says(ASKED)
    )


def site_at(folder: Path) -> Site:
    site = Site(overrides={"home": str(folder / "home"), "key_file": str(folder / "key"), "threads": 1})
    site.settings.home.mkdir(parents=True)
    return site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_at(tmp_path)


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    with DagsterInstance.ephemeral() as instance:
        yield Daemon(site, instance)


def write(site: Site, text: str) -> None:
    site.settings.events_path.write_text(text, "utf-8")


# The file.


def test_a_site_without_events_says_so(daemon: Daemon) -> None:
    assert daemon.tick(NOON) == []
    assert daemon.said == "no event is watched: see docs/events.md"


def test_an_event_becomes_a_partition_and_waits_for_what_lands(daemon: Daemon) -> None:
    write(daemon.site, EVENT)
    assert daemon.tick(NOON - 9 * HOUR) == []
    assert daemon.said == "election-2026 starts in 3 h 0 min"
    assert daemon.instance.get_dynamic_partitions("events") == ["election-2026"]
    assert daemon.tick(NOON) == []
    assert daemon.said == "election-2026: nothing has been landed for 2026-11-03 yet"


def test_a_broken_file_leaves_every_event_as_it_was_read_and_is_told_at_each_tick(site: Site) -> None:
    write(site, EVENT)
    before = refresh(site, NOON).events
    write(site, EVENT + "x = = 1")
    for _ in range(2):
        broken = refresh(site, NOON + HOUR)
        assert broken.events == before
        assert "events.toml is not valid TOML" in broken.problems[0]
        assert broken.problems[1] == "election-2026 goes on as it was read before"


def test_a_broken_event_stops_no_other_and_keeps_its_last_valid_definition(site: Site) -> None:
    other = EVENT.replace("election-2026", "world-cup")
    write(site, EVENT + other)
    refresh(site, NOON)
    write(site, EVENT.replace("= 15", "= 0") + other.replace("= 15", "= 30"))
    found = refresh(site, NOON + HOUR)
    assert [(event.name, event.min_conversations) for event in found.events] == [
        ("election-2026", 15),
        ("world-cup", 30),
    ]
    assert found.problems[0].startswith("events.toml: event election-2026, field min_conversations:")


def test_an_event_that_is_taken_out_is_kept_and_asked_for_no_more_until_it_comes_back(daemon: Daemon) -> None:
    write(daemon.site, EVENT)
    daemon.tick(NOON)
    write(daemon.site, "")
    assert daemon.tick(NOON + MINUTE) == []
    assert daemon.said == (
        "election-2026 was taken out of events.toml: its partitions stay, and nothing is asked for"
    )
    assert daemon.instance.get_dynamic_partitions("events") == ["election-2026"]
    (row,) = daemon.site.warehouse.read(EVENTS).to_dicts()
    assert row["removed_at"] == NOON + MINUTE
    write(daemon.site, EVENT)
    daemon.tick(NOON + HOUR)
    (row,) = daemon.site.warehouse.read(EVENTS).to_dicts()
    assert (row["removed_at"], row["registered_at"], row["changed_at"]) == (None, NOON, NOON)


def test_nothing_is_asked_for_while_clio_run_is_at_work(daemon: Daemon) -> None:
    write(daemon.site, EVENT)
    with daemon.site.ledger.holding(CLIO_RUN, "*", "test"):
        assert daemon.tick(NOON) == []
    assert daemon.said == "`clio run` is at work on this home"


# A day.


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Two days of which something has landed and is read, with an event's window open."""
    site = site_at(tmp_path_factory.mktemp("events"))
    write(site, EVENT)
    with DagsterInstance.ephemeral() as instance:
        daemon = Daemon(site, instance)
        elsewhere = record(90, account_id="user-90", started_at=f"{DAY}T09:00:00Z")
        daemon.land(
            "a.jsonl",
            *(asked(number) for number in range(6)),
            asked(20, hour=5),
            elsewhere,
            asked(8, day=NEXT),
        )
        daemon.tick(NOON)
        daemon.read(slice_range(DAY, NEXT))
        yield daemon


def test_a_day_is_asked_for_once_it_is_read_and_takes_in_what_the_window_and_the_question_do(
    landed: Daemon,
) -> None:
    assert landed.said == "election-2026 waits for 2026-11-03 to be read"
    (request,) = landed.tick(NOON + MINUTE)
    assert request.partition_key == "2026-11-03|election-2026"
    assert landed.run(request) == []
    assert landed.tick(NOON + 2 * MINUTE) == []
    taken = landed.site.warehouse.read(EVENT_CONVERSATIONS)
    assert taken["conversation_id"].to_list() == [f"c{number}" for number in range(6)]
    assert {*taken["question"]} == {1}
    assert PUBLISHED not in landed.site.warehouse.read(EVENT_TOPICS)["status"].to_list()
    assert set(landed.site.warehouse.slices(EVENT_ALERTS)) == {"2026-11-03|election-2026"}


def test_what_comes_late_waits_to_be_read_and_takes_the_days_after_it_along_in_one_run(
    landed: Daemon,
) -> None:
    landed.land("b.jsonl", asked(9, hour=13))
    assert landed.tick(NOON + 24 * HOUR) == []
    assert landed.said == "election-2026 waits for 2026-11-03 to be read"
    landed.read(ENGLISH)
    (request,) = landed.tick(NOON + 24 * HOUR + MINUTE)
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (
        "2026-11-03|election-2026",
        "2026-11-04|election-2026",
    )
    assert landed.run(request) == []
    reader = Reader(landed.site.warehouse, EVENT_CONVERSATIONS)
    assert reader.read("2026-11-04|election-2026")["conversation_id"].to_list() == ["c8"]
    assert "c9" in reader.read("2026-11-03|election-2026")["conversation_id"]


def test_what_event_windows_write_lies_in_the_safety_zone_and_holds_no_text(landed: Daemon) -> None:
    home = landed.site.settings.home
    safety = (home / "safety.duckdb").read_bytes()
    assert b"event_conversations" in safety
    assert b"town hall" not in safety
    assert b"town hall" in (home / "clio.duckdb").read_bytes()
    assert "messages" in RAW_CONVERSATIONS.schema
