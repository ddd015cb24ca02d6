"""What Dagster makes of a selection under the policies of our assets: every key once, none missing, none more."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain, product
from pathlib import Path
from random import Random

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRun,
    Definitions,
    PartitionKeyRange,
    PartitionsDefinition,
    RunRequest,
)
from dagster._core.definitions.automation_tick_evaluation_context import (
    build_run_requests_with_backfill_policies,
)
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.test_utils import create_run_for_test

from assets.common import CHAIN, MANY_A_RUN
from assets.partitions import DATE_LANGUAGES, DATES, LANGUAGES
from benchmarks.backfill import published
from benchmarks.month import site_runs
from clio_dagster.definitions import build_definitions
from clio_dagster.home import prepare
from clio_dagster.release.read import release_dates
from clio_dagster.settings import Settings
from resources.lanes import LANE
from sensors.runs import RANGE_END, RANGE_START, partition_range, run_here, selection, slice_ranges
from tests.corpora import write_day
from tests.scenario import SMALL, Site
from tests.server import start, stop
from tests.unattended import made, until

READ = ("raw_conversations", "facets", "embeddings")
PUBLISH = ("day", "clusters", "hierarchy", "release")
DAYS = [f"2026-10-{number:02}" for number in range(1, 31)]
CODES = list(LANGUAGES.get_partition_keys())
MONTH = [f"{day}|{language}" for day, language in product(DAYS, CODES)]


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return build_definitions()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    """As `clio` sets it up."""
    folder = tmp_path_factory.mktemp("backfills")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("CLIO_HOME", "")
        patch.setenv("CLIO_KEY_FILE", str(folder / "key"))
        home = prepare(Settings(home=folder / "home", key_file=folder / "key"))
        with DagsterInstance.from_config(str(home)) as opened:
            yield opened


def runs_for(
    definitions: Definitions, instance: DagsterInstance, assets: Sequence[str], keys: Sequence[str]
) -> list[RunRequest]:
    """Runs that a backfill of these keys asks for, as its daemon does."""
    wanted = [AssetKeyPartitionKey(AssetKey(name), key) for name in assets for key in keys]
    graph = definitions.resolve_asset_graph()
    return list(build_run_requests_with_backfill_policies(wanted, graph, instance))


def keys_of(run: RunRequest, partitions: PartitionsDefinition) -> list[str]:
    ends = PartitionKeyRange(run.tags[RANGE_START], run.tags[RANGE_END])
    return [str(key) for key in partitions.get_partition_keys_in_range(ends)]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(MONTH, id="a month in all languages"),
        pytest.param([f"2026-10-05|{code}" for code in CODES], id="a day in all languages"),
        pytest.param([f"{day}|en" for day in DAYS], id="a language on all days"),
        pytest.param(MONTH[::2], id="every other slice"),
        pytest.param(MONTH[::-1], id="in reverse"),
        pytest.param(
            ["2026-10-01|de", "2026-10-01|en", "2026-10-02|es", "2026-10-03|en", "2026-10-03|other"],
            id="three days in different languages",
        ),
        *(pytest.param(Random(seed).sample(MONTH, 40 * (seed + 1)), id=f"drawn {seed}") for seed in range(4)),
    ],
)
def test_slices_asked_for_are_made_once_each(
    definitions: Definitions, instance: DagsterInstance, keys: list[str]
) -> None:
    runs = runs_for(definitions, instance, READ, keys)
    made = [key for run in runs for key in keys_of(run, DATE_LANGUAGES)]
    assert sorted(made) == sorted(keys)
    assert {len(run.asset_selection or ()) for run in runs} == {len(READ)}


def test_a_month_in_all_languages_is_a_run_a_language(
    definitions: Definitions, instance: DagsterInstance
) -> None:
    assert len(runs_for(definitions, instance, READ, MONTH)) == len(CODES)


def test_a_selection_of_dates_is_not_carried_on_to_the_dates_whose_windows_hold_them(
    definitions: Definitions, instance: DagsterInstance
) -> None:
    graph = definitions.resolve_asset_graph()
    dated = [key for key in graph.materializable_asset_keys if graph.get(key).partitions_def == DATES]
    days = [*DAYS[:2], *DAYS[5:9]]
    target = AssetBackfillData.from_asset_partitions(
        graph, days, dated, instance, backfill_start_timestamp=time.time(), all_partitions=False
    ).target_subset
    assert len(dated) > 20
    for key in dated:
        found = target.get_asset_subset(key)
        assert found is not None
        assert sorted(found.subset_value.get_partition_keys()) == days, key


@pytest.mark.parametrize("days", [DAYS, DAYS[::-1], DAYS[:4] + DAYS[6:9] + DAYS[20:]])
def test_dates_asked_for_are_made_in_order(
    definitions: Definitions, instance: DagsterInstance, days: list[str]
) -> None:
    runs = runs_for(definitions, instance, PUBLISH, days)
    assert [key for run in runs for key in keys_of(run, DATES)] == sorted(days)


def test_more_dates_than_a_run_makes_are_several_runs_in_order(
    definitions: Definitions, instance: DagsterInstance
) -> None:
    days = [str(key) for key in DATES.get_partition_keys()[-70:]]
    runs = [keys_of(run, DATES) for run in runs_for(definitions, instance, PUBLISH, days)]
    assert [len(run) for run in runs] == [32, 32, 6]
    assert list(chain(*runs)) == days


def test_assets_of_a_chain_share_a_policy(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    policies = {
        key.to_user_string(): graph.get(key).backfill_policy
        for key in graph.materializable_asset_keys
        if graph.get(key).group_name != "evaluation"
    }
    assert CHAIN is MANY_A_RUN
    assert {name for name, policy in policies.items() if policy != MANY_A_RUN} == set()


@pytest.mark.parametrize(
    ("job", "tags", "lane"),
    [
        ("__ASSET_JOB", partition_range("2026-10-01", "2026-10-04"), "publish"),
        ("__ASSET_JOB", {"dagster/partition": "2026-10-01"}, "publish"),
        ("__ASSET_JOB", partition_range("2026-10-01|en", "2026-10-04|en"), None),
        ("__ASSET_JOB", {"dagster/partition": "day-csv-23ff512a3dc6"}, None),
        ("inspect", partition_range("2026-10-01", "2026-10-04"), None),
    ],
)
def test_runs_over_dates_that_somebody_chose_are_in_the_lane_of_publish(
    instance: DagsterInstance, job: str, tags: dict[str, str], lane: str | None
) -> None:
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("clio"), "__repository__").get_job_origin(
        job
    )
    run = create_run_for_test(instance, job_name=job, tags=tags, remote_job_origin=origin)
    queued: DagsterRun = instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type, union-attr]
    assert queued.status.value == "QUEUED"
    assert queued.tags.get(LANE) == lane


@pytest.mark.parametrize(
    ("job", "ends"),
    [
        ("read", ("2026-10-05|de", "2026-10-01|other")),
        ("read", ("2026-10-01|es", "2026-10-05|en")),
        ("publish", ("2026-10-05", "2026-10-01")),
    ],
)
def test_a_range_that_ends_before_it_begins_fails_and_says_so(
    definitions: Definitions, instance: DagsterInstance, job: str, ends: tuple[str, str]
) -> None:
    said = run_here(definitions, job, instance, tags=partition_range(*ends))
    assert "the range has no partition; its end comes before its beginning" in said[0]


@pytest.mark.parametrize("keys", [MONTH, MONTH[::2], Random(7).sample(MONTH, 90)])
def test_slices_named_on_the_command_line_are_asked_for_once_each(keys: list[str]) -> None:
    asked = [(tags[RANGE_START], tags[RANGE_END]) for tags in slice_ranges(keys)]
    ranges = [PartitionKeyRange(first, last) for first, last in asked]
    made = [str(key) for each in ranges for key in DATE_LANGUAGES.get_partition_keys_in_range(each)]
    assert sorted(made) == sorted(keys)


def test_a_selection_is_dates_ranges_and_slices_in_any_mixture() -> None:
    dates, slices = selection(["2026-10-04..2026-10-05", "2026-10-01", "2026-10-30..2026-11-01|es"])
    assert [day.isoformat() for day in dates] == ["2026-10-01", "2026-10-04", "2026-10-05"]
    assert slices == ["2026-10-30|es", "2026-10-31|es", "2026-11-01|es"]
    for wrong in (
        "2026-10-05..2026-10-04",
        "2026-10-05..2026-10-04|es",
        "2026-10-05|",
        "2026-10-05..",
        "|es",
    ):
        with pytest.raises(ValueError, match="is no selection"):
            selection([wrong])


TERMINATE = """
mutation($id: String!) { terminateRun(runId: $id, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename } }"""
LAND = """
import sys
from pathlib import Path
from benchmarks.backfill import landed

for source in sys.argv[1:]:
    landed(Path(source))
"""


@pytest.mark.slow
def test_a_backfill_whose_run_is_killed_goes_on_when_it_is_launched_again(tmp_path: Path) -> None:
    """Ragged, in the UI, under a daemon: slices, then dates with a hole; no partition is made twice or too many."""
    site = Site(tmp_path, SMALL | {"lease_seconds": "5"})
    days = [date(2026, 11, number) for number in (1, 2, 3, 6)]
    files = [write_day(tmp_path / f"{day}.jsonl.gz", day, seed=day.day, conversations=300) for day in days]
    ran = site.start("-c", LAND, *files, program=Path(sys.executable)).communicate(timeout=300)
    assert site.clio("pause", "--reason", "a test").returncode == 0, ran
    slices = [f"{day}|{code}" for day in days for code in ("en", "es", "other")]
    dates = [day.isoformat() for day in days]
    server = start(site, site.folder)
    try:
        ragged = [slices[0], slices[4], slices[5], slices[9]]
        assert server.backfilled(server.backfill(READ, ragged))["status"] == "COMPLETED_SUCCESS"
        assert made(site, "embeddings") == Counter(ragged)
        assert server.backfilled(server.backfill(READ, slices))["status"] == "COMPLETED_SUCCESS"
        server.backfill(published(), dates)
        until(lambda: made(site, "clusters"), "clusters")
        (run,) = until(lambda: site_runs(site), "a run at work")
        os.kill(run, signal.SIGKILL)
        until(lambda: not site_runs(site), "its lease to end")
        for left in server.unfinished():
            server.ask(TERMINATE, id=left)
        again = server.backfilled(server.backfill(published(), dates))
        assert again["status"] == "COMPLETED_SUCCESS"
    finally:
        stop(server)
    for name in READ:
        assert made(site, name) == Counter(slices)
    for name in ("day", "clusters", "hierarchy", "published_cells"):
        assert {*made(site, name)} == {*dates}
        assert made(site, name).total() <= len(dates) + 1, name
    assert [day.isoformat() for day in release_dates(site.releases)] == dates
