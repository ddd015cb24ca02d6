"""The ledger's version: noted when it is made, stepped up from an older one, refused where it is newer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from clio_dagster.settings import SettingsError
from resources.ledger import Ledger
from resources.schema import STEPS, Step, upgrade, version_of


def noted(home: Path) -> list[tuple[int]]:
    with sqlite3.connect(home / "ledger.sqlite") as file:
        return file.execute("select version from schema_version").fetchall()


def of_an_earlier_version(home: Path) -> None:
    """Leases as they were before they had dollars and before a version was noted, one of them held for long."""
    home.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(home / "ledger.sqlite") as file:
        file.execute(
            "create table leases (subject varchar not null, partition varchar not null, holder varchar not null, "
            "host varchar not null, process integer not null, ends_at float not null, "
            "primary key (subject, partition))"
        )
        file.execute("insert into leases values ('facets', 'a', 'one', 'elsewhere', 1, 1e12)")


def everything(home: Path) -> list[str]:
    with sqlite3.connect(home / "ledger.sqlite") as file:
        return list(file.iterdump())


def test_a_new_ledger_has_the_newest_version(tmp_path: Path) -> None:
    Ledger(tmp_path, lease_seconds=60)
    Ledger(tmp_path, lease_seconds=60)
    assert noted(tmp_path) == [(max(STEPS),)]


def test_a_ledger_without_a_version_opens_with_what_it_holds(tmp_path: Path) -> None:
    of_an_earlier_version(tmp_path)
    ledger = Ledger(tmp_path, lease_seconds=60)
    assert ledger.take("facets", ["a", "b"], "two") == {"b"}
    assert noted(tmp_path) == [(max(STEPS),)]


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    of_an_earlier_version(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as file:
        file.execute("create table schema_version (version integer, written_by varchar)")
        file.execute("insert into schema_version values (99, '7.1.0')")
    before = everything(tmp_path)
    with pytest.raises(SettingsError, match=r"written by clio_dagster 7\.1\.0 .*version 99"):
        Ledger(tmp_path, lease_seconds=60)
    assert everything(tmp_path) == before


def test_steps_are_taken_in_order_and_none_twice(tmp_path: Path) -> None:
    taken: list[int] = []

    def step(number: int) -> Step:
        return lambda _connection: taken.append(number)

    steps = {number: step(number) for number in (3, 1, 2)}
    engine = sa.create_engine(f"sqlite:///{tmp_path}/file")
    for _ in range(2):
        with engine.begin() as connection:
            upgrade(connection, version_of(connection, steps), steps)
    assert taken == [1, 2, 3]


KILLED = """
import os, sys
from pathlib import Path
from resources import schema
def dies(connection):
    connection.exec_driver_sql("delete from leases")
    os.kill(os.getpid(), 9)
schema.upgrade.__defaults__ = ({1: schema.STEPS[1], 2: dies},)
from resources.ledger import Ledger
Ledger(Path(sys.argv[1]), lease_seconds=60)
"""


def test_a_process_killed_in_a_step_has_changed_nothing(tmp_path: Path) -> None:
    of_an_earlier_version(tmp_path)
    before = everything(tmp_path)
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=False,
    )
    assert ended.returncode == -9
    assert everything(tmp_path) == before
