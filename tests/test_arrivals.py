"""Files that come to the inbox land once, whatever their times, however they are replaced, wherever a tick stops."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SensorResult,
    build_sensor_context,
    materialize,
)

from assets.landing import landing
from clio_dagster.conversations.landing import read_landed
from clio_dagster.tables import SOURCES
from resources.site import Site
from resources.sources import withdraw_source
from sensors import arrivals as module
from sensors.arrivals import FILES_A_TICK, UNFINISHED_RUNS, Cursor, arrivals
from sensors.sources import sources_of
from tests.s3_server import Store, s3_server
from tests.test_landing import DAY, lines, record

NEXT_DAY = "2026-11-02T09:00:00Z"


class Daemon:
    """What the daemon does with the sensor: keeps its cursor, adds partitions, and runs each run key once."""

    def __init__(self, folder: Path, inbox: str, **settings: str) -> None:
        places = {"home": str(folder / "home"), "key_file": str(folder / "key"), "inbox": inbox}
        self.site = Site(overrides=places | {"threads": 1} | settings)
        self.instance = DagsterInstance.ephemeral()
        self.cursor: str | None = None
        self.run_keys: set[str] = set()

    def evaluate(self) -> SensorResult:
        """A tick of which nothing is kept, as when the daemon dies in it."""
        resources = {"site": self.site}
        with build_sensor_context(self.instance, self.cursor, resources=resources) as context:
            result = arrivals(context)
        assert isinstance(result, SensorResult)
        return result

    def tick(self) -> list[str]:
        """A tick and the runs that it asks for; the sources that they were for."""
        result = self.evaluate()
        self.cursor = result.cursor
        for request in result.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        asked = [each for each in result.run_requests or () if each.run_key not in self.run_keys]
        for request in asked:
            self.run_keys.add(str(request.run_key))
            self.land(request)
        order = self.instance.get_dynamic_partitions("sources")
        return [key for request in asked for key in order if key in sources_of(_tags(request), order)]

    def land(self, request: RunRequest) -> bool:
        """A run of `landing`; whether it succeeded."""
        return materialize(
            [landing],
            partition_key=request.partition_key,
            tags=request.tags,
            instance=self.instance,
            resources={"site": self.site},
            raise_on_error=False,
        ).success

    def landed(self, day: object = DAY) -> list[str]:
        return read_landed(self.site.settings.home, str(day), "en")["conversation_id"].to_list()


def _tags(request: RunRequest) -> dict[str, str]:
    return dict(request.tags) | (
        {"dagster/partition": request.partition_key} if request.partition_key else {}
    )


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def daemon(tmp_path: Path, inbox: Path) -> Daemon:
    return Daemon(tmp_path, str(inbox))


def settle(daemon: Daemon) -> list[str]:
    """Two looks: a file is taken at the second at which it is the same."""
    return daemon.tick() + daemon.tick()


def test_a_file_lands_once_it_has_stopped_changing(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    assert daemon.tick() == []
    path.write_bytes(lines(record(1), record(2)))
    assert daemon.tick() == []
    assert len(daemon.tick()) == 1
    assert daemon.landed() == ["c1", "c2"]
    assert daemon.tick() == []


def test_files_with_one_time_all_land_and_one_that_comes_with_an_older_time(
    daemon: Daemon, inbox: Path
) -> None:
    for number in range(3):
        path = inbox / f"{number}.jsonl"
        path.write_bytes(lines(record(number)))
        os.utime(path, ns=(10**18, 10**18))
    assert len(settle(daemon)) == 3
    late = inbox / "late.jsonl"
    late.write_bytes(lines(record(3)))
    os.utime(late, ns=(1, 1))
    assert len(settle(daemon)) == 1
    assert daemon.landed() == ["c0", "c1", "c2", "c3"]


def test_a_file_written_over_with_the_same_size_and_time_is_noticed(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    status = path.stat()
    settle(daemon)
    fresh = inbox / "fresh.tmp"
    fresh.write_bytes(lines(record(2)))
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fresh.stat().st_size == status.st_size
    fresh.replace(path)
    assert len(settle(daemon)) == 1
    assert daemon.landed() == ["c2"]


def test_a_file_that_was_only_touched_is_not_landed_again(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    settle(daemon)
    os.utime(path, ns=(1, 1))
    assert settle(daemon) == []


def test_a_file_that_goes_leaves_the_cursor_and_keeps_what_it_landed(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    settle(daemon)
    path.unlink()
    daemon.tick()
    assert not Cursor.read(daemon.cursor).taken
    assert daemon.landed() == ["c1"]


def test_a_file_that_is_put_back_as_it_was_counts_again(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "chats.jsonl"
    for number in (1, 2, 1, 2, 1):
        path.write_bytes(lines(record(number)))
        os.utime(path, ns=(number, number))
        assert len(settle(daemon)) == 1
        assert daemon.landed() == [f"c{number}"]


@pytest.mark.parametrize(
    "name",
    [
        "c.jsonl.part",
        "c.tmp",
        ".c.jsonl",
        "c.jsonl.crdownload",
        "_SUCCESS",
        "_temporary/c.jsonl",
        ".d/c.csv",
        "notes.txt",
    ],
)
def test_hidden_and_temporary_names_and_other_kinds_are_passed_over(
    daemon: Daemon, inbox: Path, name: str
) -> None:
    path = inbox / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lines(record(1)))
    (inbox / "empty.jsonl").touch()
    assert settle(daemon) == []
    assert str(daemon.evaluate().skip_reason).count("0 files in the inbox") == 1


def test_files_below_folders_are_found(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "2026" / "11" / "chats.JSONL"
    path.parent.mkdir(parents=True)
    path.write_bytes(lines(record(1)))
    assert len(settle(daemon)) == 1


def test_a_tick_that_is_lost_at_whatever_moment_is_done_again_and_doubles_nothing(
    daemon: Daemon, inbox: Path
) -> None:
    (inbox / "chats.jsonl").write_bytes(lines(record(1)))
    daemon.tick()
    lost = daemon.evaluate()  # registered, and nothing of the result kept
    again = daemon.evaluate()
    assert [each.run_key for each in again.run_requests] == [each.run_key for each in lost.run_requests]
    assert len(daemon.tick()) == 1
    assert daemon.tick() == []
    assert daemon.landed() == ["c1"]


def test_more_files_than_a_tick_takes_wait_for_the_next(daemon: Daemon, inbox: Path) -> None:
    for number in range(FILES_A_TICK + 2):
        (inbox / f"{number}.jsonl").write_bytes(lines(record(number)))
    daemon.tick()
    first = daemon.evaluate()
    (added,) = first.dynamic_partitions_requests
    assert len(added.partition_keys) == FILES_A_TICK
    daemon.cursor = first.cursor
    assert len(daemon.tick()) == 2
    assert len(daemon.run_keys) == 1


def test_a_file_that_cannot_land_holds_up_none_that_came_with_it(daemon: Daemon, inbox: Path) -> None:
    for number in range(3):
        (inbox / f"{number}.jsonl").write_bytes(lines(record(number)))
    daemon.tick()
    result = daemon.evaluate()
    (request,) = result.run_requests
    for each in result.dynamic_partitions_requests:
        daemon.instance.add_dynamic_partitions("sources", each.partition_keys)
    middle = daemon.instance.get_dynamic_partitions("sources")[1]
    (inbox / f"{middle.split('-')[0]}.jsonl").unlink()
    assert not daemon.land(request)
    assert len(daemon.landed()) == 2
    assert daemon.instance.get_materialized_partitions(AssetKey("landing")) == set(
        daemon.instance.get_dynamic_partitions("sources")
    ) - {middle}


def test_no_file_is_taken_while_many_runs_are_unfinished(daemon: Daemon, inbox: Path) -> None:
    (inbox / "chats.jsonl").write_bytes(lines(record(1)))
    for _ in range(UNFINISHED_RUNS):
        daemon.instance.add_run(DagsterRun(job_name="land", status=DagsterRunStatus.STARTED))
    daemon.tick()
    assert daemon.evaluate().run_requests == []


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    daemon: Daemon, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    daemon.tick()

    def hash_and_change(file: Path) -> str:
        file.write_bytes(lines(record(1), record(2)))
        return "half-000000000000"

    monkeypatch.setattr(module, "source_key", hash_and_change)
    assert daemon.evaluate().run_requests == []
    assert daemon.site.warehouse.read(SOURCES).is_empty()


def test_a_file_replaced_between_its_registration_and_its_run_lands_as_what_it_is_now(
    daemon: Daemon, inbox: Path
) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    daemon.tick()
    result = daemon.evaluate()
    path.write_bytes(lines(record(2)))
    daemon.cursor = result.cursor
    (request,) = result.run_requests
    daemon.instance.add_dynamic_partitions("sources", [request.partition_key])
    assert not daemon.land(request)
    settle(daemon)
    assert daemon.landed() == ["c2"]


def test_a_withdrawn_file_stays_withdrawn_though_it_is_touched_and_the_cursor_is_lost(
    daemon: Daemon, inbox: Path
) -> None:
    path = inbox / "chats.jsonl"
    path.write_bytes(lines(record(1)))
    (key,) = settle(daemon)
    withdraw_source(daemon.site, daemon.instance, key)
    os.utime(path, ns=(1, 1))
    daemon.cursor = None
    assert settle(daemon) == []
    assert daemon.landed() == []


def test_a_rolling_file_loses_only_days_that_its_new_version_has(daemon: Daemon, inbox: Path) -> None:
    path = inbox / "rolling.jsonl"
    path.write_bytes(lines(record(1), record(2, started_at=NEXT_DAY)))
    settle(daemon)
    path.write_bytes(lines(record(3, started_at=NEXT_DAY), record(4, started_at="2026-11-03T09:00:00Z")))
    settle(daemon)
    assert [daemon.landed(day) for day in ("2026-11-01", "2026-11-02", "2026-11-03")] == [
        ["c1"],
        ["c3"],
        ["c4"],
    ]


@pytest.mark.parametrize("inbox_setting", ["relative/folder", "/nowhere/at/all", ""])
def test_an_inbox_that_cannot_be_looked_at_says_what_to_set_and_keeps_the_cursor(
    tmp_path: Path, inbox_setting: str
) -> None:
    daemon = Daemon(tmp_path, inbox_setting)
    daemon.cursor = Cursor(frozenset([b"12345678"])).text()
    result = daemon.evaluate()
    assert "CLIO_INBOX" in str(result.skip_reason)
    assert result.cursor == daemon.cursor


def test_a_tick_over_ten_thousand_files_that_did_not_change_takes_less_than_a_second(
    daemon: Daemon, inbox: Path
) -> None:
    for number in range(10_000):
        (inbox / f"{number}.jsonl").write_bytes(b"{}")
    marks = frozenset(each.mark for each in module.look(daemon.site.settings))
    assert len(marks) == 10_000
    daemon.cursor = Cursor(marks).text()
    assert len(daemon.cursor) < 120_000
    started = time.process_time()
    assert daemon.evaluate().run_requests == []
    assert time.process_time() - started < 1


# In a bucket.


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as running:
        yield running


def put(store: Store, bucket: str, name: str, content: bytes) -> None:
    store.client.put_object(Bucket=bucket, Key=name, Body=content)


def test_objects_below_a_prefix_land_at_once_and_nothing_of_them_stays_in_staging(
    tmp_path: Path, store: Store
) -> None:
    bucket = store.bucket()
    daemon = Daemon(tmp_path, f"s3://{bucket}/in", s3_endpoint=store.endpoint)
    for name in ("in/2026/chats.jsonl", "in/_SUCCESS", "in/_temporary/x.jsonl", "inside/other.jsonl"):
        put(store, bucket, name, lines(record(1)))
    (key,) = daemon.tick()
    path = daemon.site.warehouse.read(SOURCES, {"source": key})["path"].item()
    assert path == f"s3://{bucket}/in/2026/chats.jsonl"
    assert daemon.landed() == ["c1"]
    assert not list((daemon.site.settings.home / "landing" / ".staging").glob("*.fetched"))
    assert daemon.tick() == []


def test_more_objects_than_a_page_of_a_listing_are_seen(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.s3_objects.PAGE", 2)
    bucket = store.bucket()
    daemon = Daemon(tmp_path, f"s3://{bucket}/", s3_endpoint=store.endpoint)
    for number in range(5):
        put(store, bucket, f"{number}.jsonl", lines(record(number)))
    assert len(daemon.tick()) == 5


def test_an_object_that_is_replaced_gives_way(tmp_path: Path, store: Store) -> None:
    bucket = store.bucket()
    daemon = Daemon(tmp_path, f"s3://{bucket}", s3_endpoint=store.endpoint)
    for number in (1, 2, 1):
        put(store, bucket, "chats.jsonl", lines(record(number)))
        assert len(daemon.tick()) == 1
        assert daemon.landed() == [f"c{number}"]


def test_a_bucket_that_does_not_answer_is_an_error_that_says_so(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "s3://arrivals", s3_endpoint="nowhere")
    with pytest.raises(ValueError, match="CLIO_S3_ENDPOINT"):
        daemon.evaluate()
