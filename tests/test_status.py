"""What is told of a site: by `clio status`, and by the asset of that name with its freshness policy."""

from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test
from rich.console import Console

from assets.staleness import Day, Standing, State
from assets.status import COLUMNS, summary
from clio_dagster.definitions import defs
from resources.site import Site
from sensors.runs import date_range
from sensors.status import Row, rows, table

FIRST = date(2026, 11, 1)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(overrides={"home": str(tmp_path / "home"), "key_file": str(tmp_path / "key")})


def day(number: int, state: State = State.FRESH, why: str = "") -> Day:
    on = FIRST + timedelta(days=number)
    read = tuple(Standing("facets", f"{on}|{language}", State.FRESH) for language in ("en", "es"))
    return Day(on, read, (Standing("topics", str(on), state, (why,) if why else ()),))


def printed(told: list[Row], **options: bool) -> str:
    console = Console(width=120, record=True, file=StringIO())
    console.print(table(told, **options))
    return console.export_text()


def test_fresh_dates_are_one_line(site: Site, instance: DagsterInstance) -> None:
    said = printed(rows(site, instance, [day(number) for number in range(4)]))
    assert "2026-11-01 … 2026-11-04" in said
    assert "topics" not in said


def test_a_stale_stage_says_why_and_leaves_the_others_out(site: Site, instance: DagsterInstance) -> None:
    said = printed(rows(site, instance, [day(0), day(1, State.STALE, "seed changed"), day(2)]))
    (line,) = [line for line in said.splitlines() if "topics" in line]
    assert "stale" in line and "seed changed" in line
    assert "facets" not in said


def test_one_date_is_shown_stage_by_stage(site: Site, instance: DagsterInstance) -> None:
    said = printed(rows(site, instance, [day(0)]), every_stage=True)
    assert "facets (en, es)" in said and "topics" in said


def test_what_is_being_made_is_running_and_what_is_queued_is_asked_for(
    site: Site, instance: DagsterInstance
) -> None:
    days = [day(0, State.STALE), day(1, State.STALE)]
    run = create_run_for_test(
        instance,
        job_name="publish",
        tags=date_range(FIRST, FIRST + timedelta(days=1)),
        status=DagsterRunStatus.STARTED,
    )
    site.ledger.take("topics", ["2026-11-01"], f"{run.run_id}:1")
    states = {
        row.partition: (row.state, row.run) for row in rows(site, instance, days) if row.stage == "topics"
    }
    assert states == {
        "2026-11-01": ("running", run.run_id[:8]),
        "2026-11-02": ("asked for", run.run_id[:8]),
    }


def test_the_asset_counts_dates_and_names_the_oldest_that_is_not_fresh() -> None:
    event = summary([day(0), day(1, State.STALE), day(2, State.MISSING)])
    metadata = {name: value.value for name, value in event.metadata.items() if name != "state"}
    assert metadata == {"dates": 3, "fresh_dates": 1, "stale_dates": 2, "oldest_stale": "2026-11-02"}


def test_the_table_of_the_asset_has_the_columns_that_it_says() -> None:
    records = summary([day(0)]).metadata["state"].records  # type: ignore[attr-defined]
    assert list(records[0].data) == [column.name for column in COLUMNS.columns]


def test_whoever_does_not_look_after_the_site_is_overdue() -> None:
    """The status must be told every few hours, a release made every day after the closed day's hour."""
    graph = defs.get_repository_def().asset_graph
    status = graph.get(AssetKey("status")).freshness_policy
    assert status is not None and status.fail_window.to_timedelta() == timedelta(hours=3)  # type: ignore[attr-defined]
    release = graph.get(AssetKey("release")).freshness_policy
    assert release is not None and release.deadline_cron == "0 6 * * *"  # type: ignore[attr-defined]
