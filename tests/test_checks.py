"""The checks as Dagster runs them: on every table, a verdict a partition, and one bad date holds back itself alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb
import orjson
import polars as pl
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetSelection,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    define_asset_job,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.test_utils import create_run_for_test

from assets.accounting import ACCOUNTS
from assets.checks import check_key, written_at
from assets.partitions import DATE_LANGUAGES, slices_of
from assets.verdicts import of_slices
from clio_dagster.conversations.landing import source_key
from clio_dagster.definitions import build_definitions
from clio_dagster.quality.drift import STRAYS
from clio_dagster.quality.suites import FAMILIES
from clio_dagster.synthetic.corpus import DAYS, generate
from clio_dagster.tables import FACETS, SOURCES, TABLES
from resources.site import Site
from sensors.pipeline import run_sources
from sensors.runs import date_range, partition_range, slice_range

KEY = bytes(range(32))
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
FIRST, SECOND, THIRD = (day.isoformat() for day in DAYS[:3])
GATE = "audited_summaries:privacy_gate"
AFTER_THE_GATE = AssetSelection.assets("audited_summaries").downstream() - AssetSelection.assets(
    "audited_summaries"
)

Verdicts = dict[str, dict[str, AssetCheckEvaluation]]
"""The last evaluation by check and partition."""


@dataclass
class Run:
    """What a run came to: whether it succeeded, its check results, the steps it began, and what failed."""

    success: bool
    verdicts: Verdicts = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)

    def failed(self, check: str) -> set[str]:
        return {partition for partition, each in self.verdicts[check].items() if not each.passed}


@dataclass
class Home:
    """A site in this process, with its definitions and an instance of its own."""

    site: Site
    definitions: Definitions
    instance: DagsterInstance

    def run(self, selection: AssetSelection, tags: dict[str, str], partition: str | None = None) -> Run:
        job = define_asset_job("chosen", selection=selection)
        result = (
            Definitions.merge(self.definitions, Definitions(jobs=[job]))
            .resolve_job_def("chosen")
            .execute_in_process(
                instance=self.instance,
                tags=tags,
                partition_key=partition,
                raise_on_error=False,
                run_config=SILENT,
            )
        )
        run = Run(result.success)
        for event in result.all_events:
            if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
                note(run.verdicts, event.event_specific_data)
            elif event.event_type == DagsterEventType.STEP_START:
                run.begun.add(str(event.step_key))
            elif event.event_type == DagsterEventType.STEP_FAILURE:
                error = event.step_failure_data.error
                run.failures[str(event.step_key)] = str(error.cause or error)
        return run

    def edit(self, statement: str) -> None:
        with duckdb.connect(str(self.site.settings.home / "clio.duckdb")) as connection:
            connection.execute(statement)

    def released(self, day: str) -> dict[str, bytes]:
        folder = self.site.settings.home / "releases" / day
        return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def forget_releases(self, *days: str) -> None:
        for day in days:
            for path in (self.site.settings.home / "releases" / day).rglob("*.*"):
                path.unlink()


def note(verdicts: Verdicts, found: Any) -> None:
    assert isinstance(found, AssetCheckEvaluation)
    assert found.partition is not None
    verdicts.setdefault(f"{found.asset_key.to_user_string()}:{found.check_name}", {})[found.partition] = found


@contextmanager
def new_home(folder: Path) -> Iterator[Home]:
    (folder / "key").write_bytes(KEY)
    (folder / "key").chmod(0o600)
    (folder / "home").mkdir()
    overrides = {"home": str(folder / "home"), "key_file": str(folder / "key")}
    with DagsterInstance.ephemeral() as instance:
        yield Home(Site(overrides=overrides), build_definitions(**overrides), instance)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Three dates, as `clio run` makes them."""
    folder = tmp_path_factory.mktemp("checks")
    generate(folder / "corpus.jsonl.gz", conversations=300, days=DAYS[:3])
    with new_home(folder) as made:
        outcome = run_sources(made.definitions, made.instance, made.site, [folder / "corpus.jsonl.gz"])
        assert outcome.failures == []
        assert len(outcome.dates) == 3
        yield made


@pytest.fixture(scope="module")
def verdicts(home: Home) -> Verdicts:
    """Every verdict of `clio run` on a new home."""
    found: Verdicts = {}
    for record in reversed(home.instance.get_runs()):
        for entry in home.instance.all_logs(record.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
            note(found, entry.dagster_event.event_specific_data)  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_checked_on_each_partition_that_was_made(
    home: Home, verdicts: Verdicts, name: str
) -> None:
    table = TABLES[name]
    made = set(home.site.warehouse.slices(table))
    assert made
    for family in (*FAMILIES, *(["accounted_for"] if name in ACCOUNTS else [])):
        key = check_key(table, family)
        found = verdicts[f"{key.asset_key.to_user_string()}:{key.name}"]
        assert set(found) == made
        assert {each.passed for each in found.values()} == {True}


def test_drift_is_looked_at_on_each_date(verdicts: Verdicts) -> None:
    for check in STRAYS:
        found = verdicts[f"exact_coverage:drift_{check}"]
        assert set(found) == {FIRST, SECOND, THIRD}
        assert {each.metadata["compared"].value for each in found.values()} == {"not enough days"}


def test_every_check_says_what_it_means(home: Home) -> None:
    graph = home.definitions.resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert [spec.key for spec in specs if not spec.description] == []
    specs = [spec for spec in specs if graph.get(spec.asset_key).group_name != "evaluation"]
    assert [spec.key for spec in specs if spec.partitions_def is None] == []
    assert {spec.name for spec in specs if not spec.blocking} == {f"drift_{check}" for check in STRAYS}


def test_a_manifest_tells_warnings_from_errors(home: Home) -> None:
    manifest = orjson.loads(home.released(THIRD)["manifest.json"])
    warnings = {check["name"] for check in manifest["checks"] if check["severity"] == "warn"}
    assert warnings == {f"exact_coverage: drift_{check}" for check in STRAYS}
    assert "facets: accounted_for" in {check["name"] for check in manifest["checks"]} - warnings


def test_sources_that_land_in_one_run_are_checked_one_by_one(tmp_path: Path) -> None:
    """A range over dynamic partitions."""
    with new_home(tmp_path) as home:
        keys = []
        for seed in (1, 2):
            path = tmp_path / f"corpus-{seed}.jsonl.gz"
            generate(path, conversations=100, seed=seed, days=DAYS[:1])
            keys.append(source_key(path))
            row = SOURCES.empty().clear(1).with_columns(source=pl.lit(keys[-1]), path=pl.lit(str(path)))
            home.site.warehouse.write(SOURCES, {"source": keys[-1]}, row)
        home.instance.add_dynamic_partitions("sources", keys)
        run = home.run(AssetSelection.assets("landing"), partition_range(*keys))
        told = home.instance.fetch_materializations(AssetKey("landed"), limit=100).records
    assert run.failures == {}
    # Both have conversations in every language that has any; of the others each is told of once.
    assert {count for count in Counter(record.partition_key for record in told).values()} == {1, 2}
    assert {str(record.partition_key) for record in told} == set(slices_of(FIRST))
    assert set(run.verdicts) == {
        f"landing:{table}_{family}" for table in ("quarantine", "sources") for family in FAMILIES
    }
    assert {frozenset(found) for found in run.verdicts.values()} == {frozenset(keys)}


def test_a_lost_conversation_fails_its_own_slice_and_its_date_is_refused(home: Home) -> None:
    home.edit(
        "delete from restricted.facets where conversation_id in ("
        f"select min(conversation_id) from restricted.facets where date = '{SECOND}' and language = 'en')"
    )
    checks = AssetSelection.checks_for_assets("facets", "embeddings")
    run = home.run(checks, slice_range(DAYS[0], DAYS[2]))
    assert run.success
    assert len(run.verdicts["facets:accounted_for"]) == 3 * len(slices_of(FIRST))
    assert run.failed("facets:accounted_for") == {f"{SECOND}|en"}
    lost = run.verdicts["facets:accounted_for"][f"{SECOND}|en"].metadata
    assert {name: lost[name].value for name in ("missing", "extra")} == {"missing": 1, "extra": 0}
    assert run.failed("embeddings:accounted_for") == {f"{SECOND}|en"}
    assert run.failed("facets:contract") == set()

    standing = home.released(SECOND)
    home.forget_releases(FIRST, THIRD)
    run = home.run(AssetSelection.assets("release").without_checks(), date_range(DAYS[0], DAYS[2]))
    assert SECOND in run.failures["release"]
    assert "facets: accounted_for has not passed" in run.failures["release"]
    assert FIRST not in run.failures["release"]
    assert THIRD not in run.failures["release"]
    assert home.released(FIRST)
    assert home.released(THIRD)
    assert home.released(SECOND) == standing

    read = AssetSelection.assets("raw_conversations", "facets", "embeddings")
    assert home.run(read, slice_range(DAYS[1], DAYS[1])).failed("facets:accounted_for") == set()
    assert home.run(AssetSelection.assets("release"), date_range(DAYS[0], DAYS[2])).success


@contextmanager
def reading(home: Home, partition: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """A run of another process that has written facets anew and has yet to look at them: its id, and the looks."""
    keys = [check_key(FACETS, family) for family in (*FAMILIES, "accounted_for")]
    run = create_run_for_test(home.instance, job_name="read", status=DagsterRunStatus.STARTED).run_id

    def report(kind: DagsterEventType, what: Any) -> None:
        event = DagsterEvent(kind.value, "read", event_specific_data=what)
        home.instance.report_dagster_event(event, run)

    def look() -> None:
        seen = written_at(home.site.warehouse.slices(FACETS)[partition])
        for key in keys:
            said = AssetCheckEvaluation(key.asset_key, key.name, True, seen, partition=partition)
            report(DagsterEventType.ASSET_CHECK_EVALUATION, said)

    for key in keys:
        planned = AssetCheckEvaluationPlanned(
            asset_key=key.asset_key,
            check_name=key.name,
            partitions_subset=DATE_LANGUAGES.subset_with_partition_keys([partition]),
        )
        report(DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)
    yield run, look
    home.instance.report_run_failed(home.instance.get_run_by_id(run))  # type: ignore[arg-type]


def written_again(home: Home, partition: str) -> None:
    """The same facets, of a later time."""
    day, language = partition.split("|")
    values = {"date": day, "language": language}
    stored = home.site.warehouse.slices(FACETS)[partition]
    rows = home.site.warehouse.read(FACETS, values)
    home.site.warehouse.write(FACETS, values, rows, fingerprint=stored.fingerprint)


def verdict(home: Home, partition: str) -> tuple[bool | None, str | None]:
    stored = home.site.warehouse.slices_on([THIRD])
    (found,) = [
        each
        for each in of_slices(home.instance, THIRD, stored)
        if each.partition == partition and each.spec.key == check_key(FACETS, "accounted_for")
    ]
    return found.passed, found.due_by


def test_what_a_check_has_said_stands_until_something_else_is_stored(home: Home) -> None:
    partition = f"{THIRD}|en"
    assert verdict(home, partition) == (True, None)
    with reading(home, partition) as (run, look):
        assert verdict(home, partition) == (True, run)
        written_again(home, partition)
        assert verdict(home, partition) == (None, run)
        look()
        assert verdict(home, partition) == (True, None)
    with reading(home, partition):
        written_again(home, partition)
    assert verdict(home, partition) == (
        None,
        None,
    )  # of a run that failed before it looked nothing is awaited
    read = AssetSelection.assets("facets", "embeddings")
    assert home.run(read, slice_range(DAYS[2], DAYS[2])).success


@pytest.mark.parametrize("shift", ["+ interval 1 day", "- interval 1 day"], ids=["back", "forward"])
def test_a_clock_that_is_set_between_a_slice_and_its_check_changes_no_verdict(home: Home, shift: str) -> None:
    partition = f"{THIRD}|en"
    with reading(home, partition) as (run, look):
        home.edit(f"update restricted.slices set written_at = written_at {shift} where table_name = 'facets'")
        assert verdict(home, partition) == (None, run)
        look()
        assert verdict(home, partition) == (True, None)
        written_again(home, partition)
        assert verdict(home, partition) == (None, None)
    read = AssetSelection.assets("facets", "embeddings")
    assert home.run(read, slice_range(DAYS[0], DAYS[2])).success


def test_a_release_waits_for_a_run_that_has_yet_to_look(home: Home) -> None:
    release = AssetSelection.assets("release").without_checks()
    with reading(home, f"{THIRD}|en") as (_, look):
        written_again(home, f"{THIRD}|en")
        looking = Timer(3.0, look)
        looking.start()
        run = home.run(release, date_range(DAYS[2], DAYS[2]))
    assert looking.finished.is_set()
    assert run.failures == {}


def test_a_closed_gate_holds_back_its_own_date_alone_in_a_range_run(home: Home) -> None:
    home.edit(f"update restricted.audited_summaries set description = name where date = '{SECOND}'")
    standing = home.released(SECOND)
    home.forget_releases(FIRST, THIRD)
    chosen = AssetSelection.checks_for_assets("audited_summaries") | AFTER_THE_GATE

    run = home.run(chosen, date_range(DAYS[0], DAYS[2]))
    assert run.failed(GATE) == {SECOND}
    assert set(run.verdicts[GATE]) == {FIRST, SECOND, THIRD}
    assert set(run.failures) == {"release"}
    assert f"release {SECOND} refused" in run.failures["release"]
    assert home.released(FIRST)
    assert home.released(THIRD)
    assert home.released(SECOND) == standing

    alone = home.run(chosen, {}, partition=SECOND)
    assert alone.failed(GATE) == {SECOND}
    assert "published_cells" not in alone.begun
    assert "release" not in alone.begun
    assert home.released(SECOND) == standing

    mended = AssetSelection.assets("audited_summaries") | AFTER_THE_GATE
    again = home.run(mended, date_range(DAYS[0], DAYS[2]))
    assert again.success
    assert again.failed(GATE) == set()


def test_checks_look_at_no_message_and_no_vector(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = home.site.warehouse
    seen: set[str] = set()
    read = type(warehouse).read

    def watched(self: Any, table: Any, where: Any = None, columns: Any = None) -> Any:
        seen.update(columns or ["everything"])
        return read(self, table, where, columns)

    monkeypatch.setattr(type(warehouse), "read", watched)
    checks = AssetSelection.checks_for_assets("raw_conversations", "facets", "embeddings")
    assert home.run(checks, slice_range(DAYS[0], DAYS[0])).success
    assert "conversation_id" in seen
    assert seen.isdisjoint({"everything", "messages", "vector"})


@pytest.mark.parametrize("rows", [100, 7], ids=["many groups", "slices in parts"])
def test_the_verdict_on_a_partition_is_its_own_however_it_is_checked(
    home: Home, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("assets.checks.ROWS_AT_ONCE", rows)
    run = home.run(AssetSelection.checks_for_assets("facets", "embeddings"), slice_range(DAYS[0], DAYS[2]))
    assert run.success
    assert set(run.verdicts["facets:accounted_for"]) == {
        key for day in (FIRST, SECOND, THIRD) for key in slices_of(day)
    }
