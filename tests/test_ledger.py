"""Leases: one holder at a time, renewed while it lives, free when it is dead, at once where that can be seen."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from resources.ledger import LeaseLost, Ledger

SECONDS = 60


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, lease_seconds=SECONDS)


def test_a_partition_has_one_holder(ledger: Ledger) -> None:
    assert ledger.take("facets", ["a", "b"], "one") == {"a", "b"}
    assert ledger.take("facets", ["b", "c"], "two") == {"c"}
    assert ledger.take("facets", ["a", "b"], "one") == {"a", "b"}


def test_stages_do_not_hold_each_others_partitions(ledger: Ledger) -> None:
    ledger.take("facets", ["a"], "one")
    assert ledger.take("embeddings", ["a"], "two") == {"a"}


def test_what_is_given_back_is_free(ledger: Ledger) -> None:
    ledger.take("facets", ["a", "b"], "one")
    ledger.give("facets", ["a", "never held"], "one")
    assert ledger.take("facets", ["a", "b"], "two") == {"a"}


def test_nobody_gives_back_what_another_holds(ledger: Ledger) -> None:
    ledger.take("facets", ["a"], "one")
    ledger.give("facets", ["a"], "two")
    assert ledger.take("facets", ["a"], "two") == set()


def test_a_lease_ends_unless_it_is_renewed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, lease_seconds=0.4)
    with ledger.renewing("one"):
        ledger.take("facets", ["a"], "one")
        time.sleep(1)
        assert ledger.take("facets", ["a"], "two") == set()
    ledger.take("facets", ["b"], "one")
    time.sleep(0.6)
    assert ledger.take("facets", ["a", "b"], "two") == {"a", "b"}


def test_whoever_was_taken_over_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, lease_seconds=0.2)
    ledger.take("facets", ["a", "b"], "one")
    ledger.check("facets", ["a", "b"], "one")
    time.sleep(0.4)
    ledger.take("facets", ["a"], "two")
    with pytest.raises(LeaseLost, match="facets: 2 partitions"):
        ledger.check("facets", ["a", "b"], "one")


def _hold(home: Path, started: multiprocessing.Queue[int]) -> None:
    ledger = Ledger(home, lease_seconds=SECONDS)
    with ledger.renewing("a run:1"), ledger.living("a run"):
        ledger.take("facets", ["a"], "a run:1")
        started.put(os.getpid())
        time.sleep(SECONDS)


def test_a_killed_process_of_this_machine_holds_nothing(tmp_path: Path, ledger: Ledger) -> None:
    context = multiprocessing.get_context("spawn")
    started: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_hold, args=(tmp_path, started))
    process.start()
    pid = started.get(timeout=30)
    assert ledger.take("facets", ["a"], "two") == set()
    assert ledger.living_runs() == {"a run"}
    os.kill(pid, signal.SIGKILL)
    process.join()
    assert ledger.living_runs() == set()
    assert ledger.take("facets", ["a"], "two") == {"a"}


def test_everything_is_given_back_at_the_end(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.renewing("one"):
        ledger.take("facets", ["a"], "one")
        raise RuntimeError
    assert ledger.leases() == []


def test_a_run_lives_until_its_outermost_call_ends(ledger: Ledger) -> None:
    with ledger.living("a run"):
        with ledger.living("a run"):
            pass
        assert ledger.living_runs() == {"a run"}
    assert ledger.living_runs() == set()


def test_of_many_who_ask_at_once_one_gets_each_partition(tmp_path: Path) -> None:
    ledgers = [Ledger(tmp_path, lease_seconds=SECONDS) for _ in range(8)]
    partitions = [str(number) for number in range(40)]
    got: dict[int, set[str]] = {}

    def take(number: int) -> None:
        got[number] = ledgers[number].take(
            "facets", partitions[number:] + partitions[:number], f"run {number}"
        )

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(partition for each in got.values() for partition in each) == sorted(partitions)


def test_whoever_waits_gets_it_next(ledger: Ledger) -> None:
    order: list[str] = []

    def second() -> None:
        with ledger.holding("releases", "2026-11-01", "two"):
            order.append("two")

    with ledger.holding("releases", "2026-11-01", "one"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("one")
    thread.join()
    assert order == ["one", "two"]


def test_only_its_owner_reads_the_file(tmp_path: Path, ledger: Ledger) -> None:
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o077 == 0
