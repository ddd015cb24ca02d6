"""A paused site asks for no run, whoever would ask, and says who paused it and why; what is run by hand runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    ScheduleDefinition,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
    materialize,
)
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from typer.testing import CliRunner

from assets.landing import landing
from clio_dagster.cli import app
from clio_dagster.definitions import defs
from resources.ledger import Ledger
from resources.pause import LONGEST_REASON, Pause, Pauses
from resources.site import Site
from resources.sources import files_at, register
from sensors import standstill
from sensors.batches import batches
from sensors.paused import unless_paused
from sensors.pipeline import alone
from sensors.standstill import at_work, wait_for_standstill
from tests.test_landing import lines, record

ASKING = {each.name: each for each in (*(defs.sensors or ()), *(defs.schedules or ()), batches)}
"""Every sensor and schedule of the code location."""

TELLS = {"alerts"}
"""Those that ask for nothing, and go on."""

PAUSE = Pause(datetime(2026, 11, 8, 9, 30, tzinfo=UTC), "ines@clio-1", "disks are moved")
SAID = "paused since 2026-11-08 09:30 UTC by ines@clio-1: disks are moved. `clio resume` goes on"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def site(tmp_path: Path, inbox: Path) -> Site:
    places = {"home": str(tmp_path / "home"), "key_file": str(tmp_path / "key"), "inbox": str(inbox)}
    return Site(overrides=places | {"threads": 1})


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def tick(name: str, site: Site, instance: DagsterInstance, cursor: str | None = None) -> Any:
    """A look of a sensor or a schedule: what it returns."""
    asking: Any = ASKING[name]
    if isinstance(asking, ScheduleDefinition):
        at = datetime(2026, 11, 8, 2, tzinfo=UTC)
        with build_schedule_context(instance, scheduled_execution_time=at, resources={"site": site}) as to:
            return asking(to)
    with build_sensor_context(instance, cursor, resources={"site": site}) as context:
        return asking(context)


@pytest.mark.parametrize("name", sorted(ASKING.keys() - TELLS))
def test_every_look_skips_and_says_who_paused_and_why(
    name: str, site: Site, instance: DagsterInstance
) -> None:
    assert site.pauses.begin(PAUSE)
    assert tick(name, site, instance) == SkipReason(SAID)


def test_a_look_that_had_begun_before_the_pause_asks_for_nothing(site: Site) -> None:
    @unless_paused
    def slow(_context: object, site: Site) -> str:
        site.pauses.begin(PAUSE)
        return "a run"

    assert slow(None, site) == SkipReason(SAID)


def test_what_came_during_a_pause_is_asked_for_after_it(
    site: Site, inbox: Path, instance: DagsterInstance
) -> None:
    (inbox / "day.jsonl").write_bytes(lines(record(1)))
    seen = tick("arrivals", site, instance).cursor
    site.pauses.begin(PAUSE)
    assert isinstance(tick("arrivals", site, instance, seen), SkipReason)
    assert site.pauses.end() == PAUSE
    assert len(tick("arrivals", site, instance, seen).run_requests) == 1


def test_a_pause_outlives_processes_and_the_first_one_stands(site: Site) -> None:
    site.pauses.begin(PAUSE)
    restarted = Pauses(Ledger(site.settings.home, lease_seconds=60))
    assert not restarted.begin(Pause(datetime.now(UTC), "otto@clio-2", "again"))
    assert restarted.standing() == PAUSE
    restarted.end()
    assert site.pauses.standing() is None


def test_a_reason_is_one_short_line(site: Site) -> None:
    site.pauses.begin(Pause(PAUSE.since, PAUSE.who, "first\n\x85second  " + "x" * 500))
    standing = site.pauses.standing()
    assert standing and standing.reason.startswith("first second x")
    assert len(standing.reason) == LONGEST_REASON


def test_it_is_waited_for_runs_and_for_what_is_run_by_hand(site: Site, instance: DagsterInstance) -> None:
    assert at_work(site, instance).is_nothing
    run = create_run_for_test(instance, job_name="read", status=DagsterRunStatus.STARTED)
    with alone(site):
        found = at_work(site, instance)
        assert (found.begun, found.is_by_hand) == (1, True)
    heard: list[str] = []

    def end(said: str) -> None:
        heard.append(said)
        instance.report_run_canceled(run)

    standstill.WAIT_SECONDS, before = 0.01, standstill.WAIT_SECONDS
    try:
        wait_for_standstill(site, instance, end)
    finally:
        standstill.WAIT_SECONDS = before
    assert heard == ["1 runs are at work: waiting"]


def test_runs_that_are_queued_while_no_daemon_lives_are_not_waited_for(
    site: Site, instance: DagsterInstance
) -> None:
    repository = RemoteRepositoryOrigin(InProcessCodeLocationOrigin(LoadableTargetOrigin(), "clio"), "clio")
    origin = RemoteJobOrigin(repository, "read")
    create_run_for_test(instance, job_name="read", status=DagsterRunStatus.QUEUED, remote_job_origin=origin)
    assert at_work(site, instance).is_nothing


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("CLIO_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("CLIO_KEY_FILE", str(tmp_path / "key"))

    def clio(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    assert "Paused since" in clio("pause", "--reason", "disks are moved", "--wait")
    assert "Already paused since" in clio("pause")
    land_by_hand(Site(overrides={"home": str(home)}), tmp_path / "day.jsonl")
    assert "never made" in clio("pause")
    first, *others = clio("status").splitlines()
    assert first.startswith("Paused since") and "disks are moved" in first
    assert any("never made" in line for line in others)
    assert "Resumed" in clio("resume")
    assert "not paused" in clio("resume")
    assert "aused" not in clio("status")


def land_by_hand(site: Site, path: Path) -> None:
    """What `clio run` does first."""
    path.write_bytes(lines(record()))
    (found,) = files_at(path)
    with alone(site), DagsterInstance.ephemeral() as instance:
        register(site, [found])
        instance.add_dynamic_partitions("sources", [found.key])
        assert materialize(
            [landing], partition_key=found.key, instance=instance, resources={"site": site}
        ).success
