"""A site whose ledger and Dagster storage lie in PostgreSQL: settings, restarts, containers, a trimmed history."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from clio_dagster.analyst.memory import Answered, Remembered
from clio_dagster.analyst.prices import Usage
from clio_dagster.failures import StageError
from clio_dagster.home import PROJECT, prepare
from clio_dagster.postgres_url import database_of, with_driver
from clio_dagster.settings import Settings, SettingsError, load_settings
from clio_dagster.shared_state import shared_state_problem
from clio_dagster.work import Work
from resources import processes
from resources.answers import Answers
from resources.history import trim
from resources.home_size import databases
from resources.ledger import LeaseLost, Ledger, leases_table
from sensors.runs import _SILENT
from tests.postgres_proxy import Cut, proxy
from tests.postgres_server import IS_THERE, PG_CTL, Server, server
from tests.test_storage_bounds import FIRST, JOB, OLD, SECOND, TOPICS, run, told

SECRET = "hunter2"
URL = f"postgresql://clio:{SECRET}@db.example:6543/history"
WORK = Work("facets", "2026-11-01|en", "run")

needs_server = pytest.mark.skipif(not IS_THERE, reason="no PostgreSQL server is installed")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="clio-") as folder, server(Path(folder) / "pg") as made:
        yield made


@pytest.fixture(scope="module")
def ledger_url(postgres: Server) -> str:
    return postgres.new_database("ledger")


@pytest.fixture
def ledger(ledger_url: str, tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path, lease_seconds=60, url=ledger_url)
    with made.engine.begin() as connection:
        for table in ("answers", "bill", "leases", "quoted_conversations"):
            connection.execute(sa.text(f"delete from {table}"))
    return made


@pytest.fixture(scope="module")
def history(postgres: Server) -> str:
    return postgres.new_database("history").replace("postgresql+psycopg://", "postgres://")


@pytest.fixture
def settings(tmp_path: Path, history: str) -> Settings:
    return load_settings(home=tmp_path / "home", key_file=tmp_path / "key", history_url=history)


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name in ("CLIO_HOME", "DAGSTER_HOME", "CLIO_HISTORY_URL"):
        monkeypatch.setenv(name, "")
    with dg.DagsterInstance.from_config(str(prepare(settings))) as made:
        yield made
        made.wipe()


def answered(number: int) -> Answered:
    value = Remembered({"request": "bake bread"})
    return Answered(f"{number:064}", "extract-1", "m", value, Usage(100, 10), 1.0, day=date(2026, 11, 1))


# Settings.


@pytest.mark.parametrize(
    "scheme", ["postgres://", "postgresql://", "postgresql+psycopg://", "postgresql+psycopg2://"]
)
def test_a_url_is_taken_however_it_begins(scheme: str) -> None:
    url = URL.replace("postgresql://", scheme)
    read = load_settings(history_url=url).history_url
    assert read and with_driver(read.get_secret_value(), "psycopg2") == URL.replace("://", "+psycopg2://", 1)
    assert database_of(url) == ("db.example", 6543, "history")


@pytest.mark.parametrize(
    "url", [f"mysql://clio:{SECRET}@host/db", f"postgresql://clio:{SECRET}@host", SECRET]
)
def test_another_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match=r"CLIO_HISTORY_URL.*PostgreSQL alone") as refused:
        load_settings(history_url=url)
    assert SECRET not in str(refused.value)


def test_the_ledger_and_dagster_have_a_database_each() -> None:
    other_user = URL.replace("clio:", "dagster:").replace("postgresql:", "postgresql+psycopg:")
    with pytest.raises(SettingsError, match="a database each"):
        load_settings(history_url=URL, ledger_url=other_user)


def test_what_keeps_a_site_on_one_machine_is_said() -> None:
    problem = shared_state_problem(load_settings())
    assert problem
    assert all(name in problem for name in ("CLIO_STORAGE=s3", "CLIO_LEDGER_URL", "CLIO_HISTORY_URL"))
    ledger = URL.replace("/history", "/ledger")
    shared = {"storage": "s3", "s3_bucket": "b", "history_url": URL}
    assert "CLIO_LEDGER_URL" in (
        shared_state_problem(load_settings(**shared, ledger_url="sqlite:///a")) or ""
    )
    assert shared_state_problem(load_settings(**shared, ledger_url=ledger)) is None


# Which process is which.


def test_a_number_that_was_given_out_again_is_another_process(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, lease_seconds=60)
    ledger.take("facets", ["a", "b"], "one")
    with ledger.engine.begin() as connection:
        earlier = sa.update(leases_table).where(leases_table.c.partition == "a")
        connection.execute(earlier.values(began=leases_table.c.began - 1))
    assert ledger.take("facets", ["a", "b"], "two") == {"a"}


@pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(["unshare", "-pf", "true"], capture_output=True).returncode != 0,
    reason="no namespaces may be made here",
)
def test_a_container_of_the_same_name_frees_nothing_of_another(tmp_path: Path) -> None:
    """Numbers of processes count anew in it: ours is nobody's there."""
    ledger = Ledger(tmp_path, lease_seconds=60)
    ledger.take("facets", ["a"], "one")
    there = (
        "from pathlib import Path; from resources.ledger import Ledger; import os, socket\n"
        f"os.kill(os.getpid(), 0); assert os.getpid() != {os.getpid()}\n"
        f"print(Ledger(Path({str(tmp_path)!r}), lease_seconds=60).take('facets', ['a', 'b'], 'two'))"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", there]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=60)
    assert done.stdout.strip() == "{'b'}", done.stderr
    # That process is gone; its lease ends in its own time, since nobody here can tell.
    assert ledger.take("facets", ["b"], "one") == set()


def test_this_process_is_known_by_when_it_began() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("no /proc")
    assert processes.is_alive(os.getpid(), processes.began(os.getpid()))
    assert not processes.is_alive(os.getpid(), processes.began(os.getpid()) + 1)


# The ledger, and a database that goes away.


@needs_server
@pytest.mark.parametrize("cut", ["before", "after"])
def test_an_answer_whose_commit_was_cut_off_is_booked_once(
    cut: Cut, postgres: Server, ledger: Ledger, tmp_path: Path
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="clio-") as folder,
        proxy(postgres, Path(folder) / "p") as between,
    ):
        answers = Answers(Ledger(tmp_path, lease_seconds=60, url=between.url("ledger")))
        seen = between.commits
        between.cuts.append(cut)
        answers.remember([answered(1)], "one", WORK)
        assert not between.cuts
        assert between.commits - seen == {"before": 2, "after": 1}[cut]
    (line,) = Answers(ledger).bill()
    assert (line.calls, line.usd) == (1, 1.0)


@needs_server
def test_work_goes_on_through_a_restart_and_nothing_is_lost_or_booked_twice(
    postgres: Server, ledger: Ledger
) -> None:
    answers, at_once, each = Answers(ledger), 3, 60
    begun = threading.Barrier(at_once + 1)
    failed: list[BaseException] = []

    def work(first: int) -> None:
        begun.wait()
        try:
            with answers.claiming("a run") as holder:
                for number in range(first, first + each):
                    assert answers.claim({f"{number:064}": 1.0}, holder).mine
                    answers.remember([answered(number)], holder, WORK)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(place * each,)) for place in range(at_once)]
    for thread in threads:
        thread.start()
    begun.wait()
    for _ in range(2):
        postgres.restart()
    assert any(thread.is_alive() for thread in threads), "the restarts came too late to disturb anybody"
    for thread in threads:
        thread.join(60)
    assert not failed
    (line,) = answers.bill()
    assert line.calls == at_once * each
    assert len(answers.recall([f"{number:064}" for number in range(at_once * each)])) == at_once * each
    assert ledger.leases() == []


@needs_server
def test_a_lease_is_renewed_after_a_restart(postgres: Server, ledger_url: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, lease_seconds=3, url=ledger_url)
    with ledger.renewing("one"):
        ledger.take("facets", ["renewed"], "one")
        before = _ends_at(ledger)
        postgres.restart()
        until = time.monotonic() + 20
        while _ends_at(ledger) <= before + 1.5 and time.monotonic() < until:
            time.sleep(0.05)
        ledger.check("facets", ["renewed"], "one")
    with pytest.raises(LeaseLost):
        ledger.check("facets", ["renewed"], "one")


def _ends_at(ledger: Ledger) -> float:
    with ledger.engine.connect() as connection:
        return float(connection.scalar(sa.select(leases_table.c.ends_at)) or 0.0)


def test_a_ledger_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://clio:{SECRET}@127.0.0.1:9/ledger"
    with pytest.raises(SettingsError, match=r"CLIO_LEDGER_URL.*'ledger' on 127.0.0.1, port 9") as refused:
        Ledger(tmp_path, lease_seconds=60, url=url)
    assert SECRET not in str(refused.value)
    with pytest.raises(StageError, match=r"CLIO_HISTORY_URL.*port 9") as failed:
        prepare(load_settings(home=tmp_path / "home", key_file=tmp_path / "key", history_url=url))
    assert SECRET not in str(failed.value)


# Dagster's own storage.


@needs_server
def test_the_homes_dagster_yaml_names_the_variable_and_not_the_url(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    rendered = settings.home / "dagster.yaml"
    assert settings.history_url
    assert settings.history_url.get_secret_value() not in rendered.read_text("utf-8")
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700
    assert not (settings.home / "dagster" / "history").exists()


@needs_server
def test_runs_leave_postgresql_and_the_last_word_on_every_partition_stays(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    superseded, newest, other = (run(instance, day) for day in (FIRST, FIRST, SECOND))
    before = told(instance)
    assert trim(instance, [superseded, newest, other], OLD).runs == 3
    assert told(instance) == before
    assert instance.get_runs() == []
    assert instance.all_logs(superseded) == []
    assert instance.get_latest_materialization_event(TOPICS)
    (size,) = (part.size for part in databases(settings))
    assert size > 1_000_000


@needs_server
def test_a_run_goes_on_through_a_restart_of_dagsters_database(
    postgres: Server, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def disturbed(context: dg.AssetExecutionContext) -> None:
        postgres.restart()
        context.log.info("still here")

    result = dg.materialize([disturbed], instance=instance, run_config=_SILENT)
    assert result.success
    stored = instance.get_run_by_id(result.run_id)
    assert stored and stored.status == dg.DagsterRunStatus.SUCCESS
    assert any("still here" in each.user_message for each in instance.all_logs(result.run_id))
    again = JOB.execute_in_process(instance=instance, partition_key=FIRST, run_config=_SILENT)
    assert again.success


@needs_server
def test_no_event_is_lost_in_a_restart(postgres: Server, instance: dg.DagsterInstance) -> None:
    stored, events = [], 600

    def store() -> None:
        for number in range(events):
            instance.report_engine_event(f"event {number}", job_name="a job", run_id="a run")
            stored.append(number)

    thread = threading.Thread(target=store)
    thread.start()
    while len(stored) < 20 and thread.is_alive():
        time.sleep(0.001)
    postgres.restart()
    assert thread.is_alive(), "the restart came too late to disturb anybody"
    thread.join(60)
    told = [each.get_dagster_event().message for each in instance.all_logs("a run")]
    assert set(told) == {f"event {number}" for number in range(events)}
    assert len(told) <= events + 1


# Roles.


@needs_server
def test_each_role_opens_its_own_database_alone(tmp_path: Path) -> None:
    psql = shutil.which("psql") or str(Path(str(PG_CTL)).with_name("psql"))
    sql = PROJECT / "deploy" / "postgres" / "databases.sql"
    with tempfile.TemporaryDirectory(prefix="clio-") as folder, server(Path(folder) / "pg") as fresh:
        environment = os.environ | {"LEDGER_PASSWORD": "it's", "HISTORY_PASSWORD": SECRET}
        made = [
            psql,
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(fresh.folder),
            "-U",
            "clio",
            "-d",
            "postgres",
            "-f",
            str(sql),
        ]
        done = subprocess.run(made, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        own = fresh.url("ledger").replace("clio@", "ledger@")
        assert Ledger(tmp_path, lease_seconds=60, url=own).leases() == []
        other = fresh.url("ledger").replace("clio@", "history@")
        with pytest.raises(SettingsError, match="cannot be opened"):
            Ledger(tmp_path, lease_seconds=60, url=other)
        engine = sa.create_engine(fresh.url("history").replace("clio@", "history@"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("select current_user")) == "history"


# Programs of Dagster's, each on its own.


def test_a_command_is_given_a_home_that_is_ready(tmp_path: Path) -> None:
    environment = {**os.environ, "CLIO_HOME": str(tmp_path / "home"), "CLIO_KEY_FILE": str(tmp_path / "key")}
    environment.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "clio_dagster.home", "sh", "-c", 'pwd; cat "$DAGSTER_HOME/dagster.yaml"']
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / "home")
    assert f'base_dir: "{tmp_path}/home/dagster"' in done.stdout


def test_a_command_is_not_begun_with_settings_that_are_wrong(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CLIO_HISTORY_URL": f"mysql://clio:{SECRET}@host/db",
        "CLIO_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "clio_dagster.home", "echo", "begun"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("clio: CLIO_HISTORY_URL:")
    assert SECRET not in done.stderr
