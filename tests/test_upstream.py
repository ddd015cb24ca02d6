"""What this project leans on in Dagster, pinned: when one of these fails, an upgrade changed the ground."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

DATES = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-10")
SLICES = dg.MultiPartitionsDefinition(
    {"date": DATES, "language": dg.StaticPartitionsDefinition(["de", "en", "other"])}
)
RANGE = {
    "dagster/asset_partition_range_start": "2026-11-02|de",
    "dagster/asset_partition_range_end": "2026-11-03|other",
}
KEYS = [f"2026-11-0{day}|{language}" for day in (2, 3) for language in ("de", "en", "other")]


class Recorder(dg.IOManager):
    """Remembers which partitions it was asked for, and adds metadata to each one that it stores."""

    def __init__(self) -> None:
        self.loaded: list[list[str]] = []

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if obj is not None:
            for key in obj.partition_keys:
                obj.add_asset_metadata({"key": key}, asset_key=context.asset_key, partition_key=key)

    def load_input(self, context: dg.InputContext) -> None:
        self.loaded.append(list(context.asset_partition_keys))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def materialize(assets: list[Any], instance: dg.DagsterInstance, recorder: Recorder, **tags: Any) -> bool:
    defs = dg.Definitions(
        assets=[a for a in assets if not isinstance(a, dg.AssetChecksDefinition)],
        asset_checks=[a for a in assets if isinstance(a, dg.AssetChecksDefinition)],
        resources={"io": recorder},
        executor=dg.in_process_executor,
    )
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, raise_on_error=False, **tags).success


@dg.asset(partitions_def=SLICES, io_manager_key="io", backfill_policy=dg.BackfillPolicy.single_run())
def slices(context: dg.AssetExecutionContext) -> Any:
    return context


def test_a_range_over_two_dimensions_is_their_cross_product_and_keeps_metadata_apart(
    instance: dg.DagsterInstance,
) -> None:
    assert materialize([slices], instance, Recorder(), tags=RANGE)
    records = instance.fetch_materializations(dg.AssetKey("slices"), limit=100).records
    found = {
        r.asset_materialization.partition: r.asset_materialization.metadata["key"].value for r in records
    }
    assert found == {key: key for key in KEYS}


@pytest.mark.parametrize("carries_partition", [False, True])
def test_in_a_range_run_only_a_check_evaluation_of_our_own_carries_its_partition(
    instance: dg.DagsterInstance, carries_partition: bool
) -> None:
    spec = dg.AssetCheckSpec("good", asset="slices", partitions_def=SLICES, blocking=True)

    @dg.multi_asset_check(specs=[spec], can_subset=True)
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        if carries_partition:
            for key in context.partition_keys:
                yield dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey("slices"),
                    check_name="good",
                    passed=True,
                    metadata={},
                    partition=key,
                )
            yield dg.Output(None, output_name="slices_good")
        else:
            yield dg.AssetCheckResult(passed=True, asset_key="slices", check_name="good")

    assert materialize([slices, check], instance, Recorder(), tags=RANGE)
    events = instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))
    partitions = sorted(
        str(event.event_log_entry.dagster_event.event_specific_data.partition)  # type: ignore[union-attr]
        for event in events
    )
    assert partitions == (KEYS if carries_partition else ["None"])


def test_fan_in_over_languages_loads_every_language_of_the_date(instance: dg.DagsterInstance) -> None:
    @dg.asset(
        partitions_def=DATES,
        ins={"slices": dg.AssetIn(partition_mapping=dg.MultiToSingleDimensionPartitionMapping("date"))},
        io_manager_key="io",
    )
    def day(slices: Any) -> None: ...

    recorder = Recorder()
    job = dg.define_asset_job("only_day", selection=["day"])
    defs = dg.Definitions(
        assets=[slices, day], jobs=[job], resources={"io": recorder}, executor=dg.in_process_executor
    )
    defs.resolve_job_def("only_day").execute_in_process(instance=instance, partition_key="2026-11-02")
    assert [sorted(keys) for keys in recorder.loaded] == [KEYS[:3]]


def test_a_date_and_event_reads_every_language_of_its_date(instance: dg.DagsterInstance) -> None:
    """Over dynamic events, whose key is added beside the run; and a range of them is one run's."""
    events = dg.DynamicPartitionsDefinition(name="events")
    of_date = dg.MultiPartitionMapping(
        {"date": dg.DimensionPartitionMapping("date", dg.IdentityPartitionMapping())}
    )
    seen: list[list[str]] = []

    @dg.asset(
        partitions_def=dg.MultiPartitionsDefinition({"date": DATES, "event": events}),
        ins={"slices": dg.AssetIn(partition_mapping=of_date)},
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key="io",
    )
    def topics(context: dg.AssetExecutionContext, slices: Any) -> None:
        seen.append(sorted(context.partition_keys))

    instance.add_dynamic_partitions("events", ["election"])
    recorder = Recorder()
    job = dg.define_asset_job("watch", selection=["topics"])
    defs = dg.Definitions(
        assets=[slices, topics], jobs=[job], resources={"io": recorder}, executor=dg.in_process_executor
    )
    defs.resolve_job_def("watch").execute_in_process(instance=instance, partition_key="2026-11-02|election")
    assert [sorted(keys) for keys in recorder.loaded] == [KEYS[:3]]
    ends = {"start": "2026-11-02|election", "end": "2026-11-04|election"}
    tags = {f"dagster/asset_partition_range_{end}": key for end, key in ends.items()}
    defs.resolve_job_def("watch").execute_in_process(instance=instance, tags=tags)
    assert seen == [["2026-11-02|election"], [f"2026-11-0{day}|election" for day in (2, 3, 4)]]


@pytest.mark.parametrize(("date", "days"), [("2026-11-09", 7), ("2026-11-01", 1)])
def test_the_trailing_window_is_cut_at_the_first_date(
    instance: dg.DagsterInstance, date: str, days: int
) -> None:
    @dg.asset(partitions_def=DATES, io_manager_key="io")
    def day() -> None: ...

    window = dg.TimeWindowPartitionMapping(start_offset=-6, allow_nonexistent_upstream_partitions=True)

    @dg.asset(partitions_def=DATES, ins={"day": dg.AssetIn(partition_mapping=window)}, io_manager_key="io")
    def topics(day: Any) -> None: ...

    recorder = Recorder()
    job = dg.define_asset_job("only_topics", selection=["topics"])
    defs = dg.Definitions(
        assets=[day, topics], jobs=[job], resources={"io": recorder}, executor=dg.in_process_executor
    )
    defs.resolve_job_def("only_topics").execute_in_process(instance=instance, partition_key=date)
    assert [len(keys) for keys in recorder.loaded] == [days]


def test_the_pooled_storage_and_dagsters_own_read_each_other(tmp_path: Path) -> None:
    def instance(storage: str) -> dg.DagsterInstance:
        (tmp_path / "dagster.yaml").write_text(f"telemetry:\n  enabled: false\nstorage:\n{storage}")
        return dg.DagsterInstance.from_config(str(tmp_path))

    folder = tmp_path / "storage"
    own = f'  sqlite:\n    base_dir: "{folder}"\n'
    pooled = (
        "  custom:\n    module: resources.dagster_storage\n    class: PooledSqliteStorage\n"
        f'    config:\n      base_dir: "{folder}"\n'
    )
    for number, storage in enumerate((pooled, own, pooled)):
        with instance(storage) as opened:
            assert materialize([slices], opened, Recorder(), tags=RANGE)
            runs = opened.get_runs()
            assert len(runs) == number + 1
            assert {record.status for record in runs} == {dg.DagsterRunStatus.SUCCESS}
            assert len(opened.fetch_materializations(dg.AssetKey("slices"), limit=100).records) == 6 * (
                number + 1
            )
