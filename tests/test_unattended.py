"""A site that nobody attends: files come, and real daemon, sensors and run workers do the rest."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from clio_dagster.release.read import release_dates
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED
from tests.scenario import Site
from tests.server import Server
from tests.unattended import (
    FIRST,
    attended_by_its_daemon,
    day,
    drop,
    made,
    new_site,
    revision,
    settle,
    status,
    until,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("unattended"))


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    with attended_by_its_daemon(site) as servers:
        yield servers[-1]


def test_a_cold_site_publishes_the_one_day_that_came(site: Site, server: Server) -> None:
    drop(site, 0, seed=1)
    until(lambda: revision(site, 0), "the first release")
    assert release_dates(site.releases) == [FIRST]


def test_a_site_with_holes_goes_on(site: Site, server: Server) -> None:
    """The second hole is as long as the first day's window reaches."""
    drop(site, 4, seed=2)
    drop(site, 9, seed=3)
    until(lambda: revision(site, 4) and revision(site, 9), "releases behind the holes")
    assert [each.isoformat() for each in release_dates(site.releases)] == [day(0), day(4), day(9)]


def test_a_late_file_remakes_its_window_and_nothing_else(site: Site, server: Server) -> None:
    before = {number: made(site, "clusters")[day(number)] for number in (0, 4, 9)}
    drop(site, 0, seed=4)
    until(lambda: revision(site, 0) == 2, "the late day's revision")
    settle(site, server)
    after = {number: made(site, "clusters")[day(number)] for number in (0, 4, 9)}
    assert {number: after[number] - before[number] for number in after} == {0: 1, 4: 1, 9: 0}
    assert made(site, "topics")[day(9)] == 1
    assert revision(site, 9) == 1


def test_a_closed_gate_holds_its_date_alone_and_opens_when_a_run_again_passes(
    site: Site, server: Server
) -> None:
    before = revision(site, 4), revision(site, 9)
    table = site.warehouse.read(AUDITED_SUMMARIES, {"date": day(4)})
    stored = site.warehouse.slice_of(AUDITED_SUMMARIES, {"date": day(4)})
    assert stored is not None
    shown = table.with_columns(
        pl.when(pl.col("status") == PUBLISHED)
        .then(pl.lit("Letters of Jane Whitcombe"))
        .otherwise("name")
        .alias("name")
    )
    site.warehouse.write(AUDITED_SUMMARIES, {"date": day(4)}, shown, fingerprint=stored.fingerprint)
    until(lambda: server.verdict("privacy_gate", day(4))[0] == "FAILED", "the gate to be closed")
    found = until(lambda: (states := status(site))[day(4)]["held"] and states, "the date to be held")
    told = site.clio("status", "--date", day(4)).stdout
    assert "audited_summaries: privacy_gate has not passed" in told
    assert "Whitcombe" not in told
    assert server.verdict("privacy_gate", day(9))[0] == "SUCCEEDED"
    assert all(set(states) == {"fresh"} for each, states in found.items() if each != day(4))
    assert (revision(site, 4), revision(site, 9)) == before
    again = server.launch(day(4), ["audited_summaries"], tags={"clio/remake": "yes"})
    assert server.ended(again)["status"] == "SUCCESS"
    settle(site, server)
    assert server.verdict("privacy_gate", day(4))[0] == "SUCCEEDED"
