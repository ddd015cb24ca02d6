"""Dagster's own storage stays in bounds, and the newest materialization and check of every partition stay in it."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.test_utils import create_run_for_test
from typer.testing import CliRunner

from clio_dagster.cli import app
from clio_dagster.home import prepare
from clio_dagster.settings import Settings, load_settings
from resources import home_size
from resources.dagster_storage import PooledSqliteEventLogStorage
from resources.history import Trimmed, trim
from resources.home_size import compact, parts
from sensors.history import past_their_time
from sensors.reconcile import DIFFERENCE, Ask, requests_for
from sensors.runs import _SILENT, date_range

DATES = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-03")
FIRST, SECOND = "2026-11-01", "2026-11-02"
TOPICS = dg.AssetKey("topics")
GOOD = dg.AssetCheckKey(TOPICS, "good")

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=40)

ONE_DATABASE = """
telemetry:
  enabled: false
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config:
    base_dir: "{home}/events"
"""
"""Where runs have no database of their own, as in PostgreSQL."""


@dg.asset(name="topics", partitions_def=DATES)
def topics(context: dg.AssetExecutionContext) -> None:
    context.log_event(dg.AssetObservation(TOPICS, partition=context.partition_key))


@dg.asset_check(asset=topics, name="good", partitions_def=DATES)
def good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


JOB = dg.Definitions(
    assets=[topics], asset_checks=[good], jobs=[dg.define_asset_job("publish", "*")]
).resolve_job_def("publish")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", key_file=tmp_path / "key")


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """As the command line opens it: with the dagster.yaml that it renders."""
    for name in ("CLIO_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, str(settings.home))
    with dg.DagsterInstance.from_config(str(prepare(settings))) as made:
        yield made


@pytest.fixture
def one_database(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text(ONE_DATABASE.replace("{home}", str(tmp_path)))
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def run(instance: dg.DagsterInstance, partition: str) -> str:
    result = JOB.execute_in_process(instance=instance, partition_key=partition, run_config=_SILENT)
    assert result.success
    return result.run_id


def backdate(instance: dg.DagsterInstance, *runs: str, to: datetime = OLD) -> None:
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        ended = sa.update(RunsTable).where(RunsTable.c.run_id.in_(runs))
        connection.execute(ended.values(update_timestamp=to.replace(tzinfo=None)))


def told(instance: dg.DagsterInstance) -> dict[str, object]:
    """What the UI and our verdicts read of every partition."""
    log = instance.event_log_storage
    kinds = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION)
    by_partition = {
        key: log.get_latest_asset_check_execution_by_key([GOOD], PartitionKeyFilter(key=key))[GOOD]
        for key in (FIRST, SECOND)
    }
    return {
        "partitions": log.get_materialized_partitions(TOPICS),
        **{kind.value: log.get_latest_storage_id_by_partition(TOPICS, kind) for kind in kinds},
        "checks": {key: (each.run_id, each.status, each.event) for key, each in by_partition.items()},
        "asset": instance.get_latest_materialization_event(TOPICS),
    }


def rows(instance: dg.DagsterInstance, table: sa.Table) -> int:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)))


# What Dagster's own deletion takes, and leaves.


def test_dagsters_deletion_of_a_run_forgets_what_it_made_and_leaves_its_checks_and_its_log(
    instance: dg.DagsterInstance,
) -> None:
    only = run(instance, FIRST)
    records = rows(instance, AssetCheckExecutionsTable)
    instance.delete_run(only)
    log = instance.event_log_storage
    assert isinstance(log, PooledSqliteEventLogStorage)
    assert log.get_materialized_partitions(TOPICS) == set()
    assert rows(instance, AssetCheckExecutionsTable) == records == 1
    assert Path(log.path_for_shard(only)).stat().st_size > 50_000


# What ours does.


@pytest.mark.parametrize("storage", ["instance", "one_database"])
def test_runs_leave_and_the_last_word_on_every_partition_stays(
    storage: str, request: pytest.FixtureRequest
) -> None:
    instance: dg.DagsterInstance = request.getfixturevalue(storage)
    superseded, newest, other = (run(instance, day) for day in (FIRST, FIRST, SECOND))
    young = run(instance, SECOND)
    before, events = told(instance), rows(instance, SqlEventLogStorageTable)
    log_of_young = instance.all_logs(young)
    trimmed = trim(instance, [superseded, newest, other], OLD)
    assert trimmed.runs == 3
    assert told(instance) == before
    assert rows(instance, SqlEventLogStorageTable) < 0.6 * events
    assert rows(instance, AssetCheckExecutionsTable) == 2
    assert [each.run_id for each in instance.get_runs()] == [young]
    assert instance.all_logs(young) == log_of_young
    materialized = instance.fetch_materializations(TOPICS, limit=10).records
    assert [each.run_id for each in materialized] == [young, newest]
    assert instance.all_logs(superseded) == []


def test_a_runs_log_its_output_and_its_tags_leave_with_it(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    gone = run(instance, FIRST)
    young = run(instance, FIRST)
    output = settings.home / "dagster" / "logs"
    assert (output / gone).is_dir()
    assert trim(instance, [gone], OLD).logs == 1
    assert {path.name for path in output.iterdir()} == {young}
    left = {path.name.split(".")[0] for path in (settings.home / home_size.RUN_LOGS).glob("[!.]*")}
    assert left == {"index", young}
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        assert set(connection.execute(sa.select(RunTagsTable.c.run_id)).scalars()) == {young}
    assert trim(instance, [], OLD).is_nothing


def test_what_a_kept_materialization_was_kept_for_goes_with_its_successor(
    instance: dg.DagsterInstance,
) -> None:
    trim(instance, [run(instance, FIRST)], OLD)
    kept = rows(instance, SqlEventLogStorageTable)
    trim(instance, [run(instance, FIRST)], OLD)
    assert rows(instance, SqlEventLogStorageTable) == kept
    assert rows(instance, AssetCheckExecutionsTable) == 1


def test_a_check_that_died_leaves_the_verdict_before_it(instance: dg.DagsterInstance) -> None:
    said = run(instance, FIRST)
    died = create_run_for_test(instance, job_name="publish")
    wanted = AssetCheckEvaluationPlanned(
        asset_key=TOPICS, check_name="good", partitions_subset=DefaultPartitionsSubset({FIRST})
    )
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value
    instance.report_dagster_event(dg.DagsterEvent(kind, "publish", event_specific_data=wanted), died.run_id)
    trim(instance, [said, died.run_id], OLD)
    log = instance.event_log_storage
    history = log.get_asset_check_execution_history(GOOD, limit=5)
    assert [(each.run_id, each.status) for each in history] == [
        (died.run_id, Status.PLANNED),
        (said, Status.SUCCEEDED),
    ]


def test_what_no_run_wrote_stays_for_its_time_and_its_newest_for_ever(instance: dg.DagsterInstance) -> None:
    for count in range(3):
        instance.report_runless_asset_event(dg.AssetObservation("status", metadata={"count": count}))
    assert trim(instance, [], OLD).is_nothing
    assert trim(instance, [], NOW + timedelta(days=1)).rows > 0
    (left,) = instance.fetch_observations(dg.AssetKey("status"), limit=5).records
    assert left.asset_observation and left.asset_observation.metadata["count"].value == 2


def test_with_a_run_a_day_the_storage_stops_growing(
    instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_size, "WORTH_BYTES", 1)
    monkeypatch.setattr(home_size, "WORTH_SHARE", 0)
    sizes = []
    for number in range(4):
        made = run(instance, FIRST)
        backdate(instance, made, to=NOW + timedelta(days=number))
        trim(instance, past_their_time(instance, settings, NOW + timedelta(days=number + 32)), NOW)
        compact(settings.home)
        sizes.append(sum(part.size for part in parts(settings.home)))
    assert sizes[3] <= sizes[1] * 1.02
    assert instance.event_log_storage.get_materialized_partitions(TOPICS) == {FIRST}


def test_a_process_that_ends_leaves_no_log_of_a_database(tmp_path: Path) -> None:
    log = PooledSqliteEventLogStorage(str(tmp_path))
    with log.run_connection("run") as connection:
        connection.execute(sa.insert(SqlEventLogStorageTable).values(run_id="run", event="{}"))
    assert (tmp_path / "run.db-wal").exists()
    del log, connection
    gc.collect()
    assert not list(tmp_path.glob("*-wal"))


# Which runs.


def finished(instance: dg.DagsterInstance, status: str, day: str = FIRST, **tags: str) -> str:
    asked = date_range(datetime.fromisoformat(day).date(), datetime.fromisoformat(day).date())
    made = create_run_for_test(
        instance, job_name="publish", status=dg.DagsterRunStatus(status), tags=asked | tags
    )
    return made.run_id


def test_finished_runs_go_by_age_and_by_number(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        old, open_, young = (finished(instance, status) for status in ("SUCCESS", "STARTED", "SUCCESS"))
        backdate(instance, old, open_)
        assert past_their_time(instance, settings, NOW) == [old]
        more = settings.model_copy(update={"history_runs": 1, "history_days": 3000})
        assert past_their_time(instance, more, NOW) == [old]
        assert young not in past_their_time(instance, more, NOW)


def test_a_failure_is_kept_until_it_is_made_good_so_that_it_is_not_asked_for_again(
    settings: Settings,
) -> None:
    at = datetime(2026, 11, 3, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        failed = finished(instance, "FAILURE", **{DIFFERENCE: "x", "dagster/failure_reason": "STEP_FAILURE"})
        other = finished(instance, "SUCCESS", SECOND)
        backdate(instance, failed, other, to=at - timedelta(days=60))
        assert past_their_time(instance, settings, at) == [other]
        trim(instance, [other], at)
        assert list(requests_for(Ask("publish", {}, "x"), instance)) == []
        assert past_their_time(instance, settings, at + timedelta(days=93)) == [failed]
        finished(instance, "SUCCESS")
        assert past_their_time(instance, settings, at) == [failed]


# The command line, and what dagster.yaml says of ticks.


def test_on_the_command_line(instance: dg.DagsterInstance, settings: Settings) -> None:
    made = run(instance, FIRST)
    backdate(instance, made)

    def clio(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    said = clio("storage")
    assert "1 finished runs are past their time (30 days)" in said
    assert "logs of runs" in said and "are free on its disk" in said
    assert "1 finished runs are past" in clio("purge", "--dry-run")
    assert "1 finished runs left Dagster's storage" in clio("purge")
    assert "0 finished runs are past" in clio("storage")
    assert instance.event_log_storage.get_materialized_partitions(TOPICS) == {FIRST}
    assert trim(instance, [], OLD) == Trimmed()


def test_ticks_that_did_nothing_stay_for_a_day_and_others_for_thirty(instance: dg.DagsterInstance) -> None:
    kept = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert kept[TickStatus.SKIPPED] == 1
    assert kept[TickStatus.SUCCESS] == kept[TickStatus.FAILURE] == 30
    assert instance.get_tick_retention_settings(InstigatorType.SCHEDULE)[TickStatus.SKIPPED] == 30
