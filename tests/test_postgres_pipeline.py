"""A whole site in PostgreSQL whose server goes away during `clio demo`: it goes on, or the next call ends it."""

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from clio_dagster.release.read import release_dates
from resources.history import trim
from tests.postgres_server import IS_THERE, Server, server
from tests.scenario import Site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not IS_THERE, reason="no PostgreSQL server is installed"),
]

STAGES = ("facets", "hierarchy")
"""When one of these is first being made, the server is restarted."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="clio-") as folder, server(Path(folder) / "pg") as made:
        yield made


def wait_for_lease(ledger: sa.Engine, stage: str, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    asked = sa.text("select count(*) from leases where subject = :stage")
    while time.monotonic() < until:
        with ledger.connect() as connection:
            if connection.execute(asked, {"stage": stage}).scalar():
                return
        time.sleep(0.05)
    raise TimeoutError(stage)


def test_a_site_comes_through_restarts_and_a_trimmed_history(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, ledger = postgres.new_database("history"), postgres.new_database("ledger")
    settings = {"languages": "de,en", "threads": "1", "history_url": history, "ledger_url": ledger}
    site = Site(tmp_path, settings)
    working = site.start("demo", "--conversations", "600")
    engine = sa.create_engine(ledger, poolclass=sa.NullPool)
    with engine.connect() as connection:
        until = time.monotonic() + 60
        while not connection.execute(sa.text("select to_regclass('leases')")).scalar():
            assert time.monotonic() < until
            time.sleep(0.1)
    for stage in STAGES:
        wait_for_lease(engine, stage)
        postgres.restart()
    out, err = working.communicate(timeout=600)
    assert "Traceback" not in err
    assert history not in out + err
    print(f"ended with {working.returncode} after two restarts: {err[-600:]}")
    if working.returncode:
        done = site.clio("run")
        assert done.returncode == 0, done.stderr

    told = json.loads(site.clio("status", "--json").stdout)
    assert len(release_dates(site.releases)) == 7
    assert {each["state"] for each in told} == {"fresh"}

    monkeypatch.setenv("CLIO_HISTORY_URL", history)
    with dg.DagsterInstance.from_config(str(site.home)) as instance:
        runs = [run.run_id for run in instance.get_runs()]
        assert trim(instance, runs, datetime.now(UTC)).rows
        assert instance.get_runs() == []
    assert json.loads(site.clio("status", "--json").stdout) == told
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from leases")).scalar() == 0
