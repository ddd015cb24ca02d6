"""The DuckDB warehouse: one file, by many processes, through kills."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from clio_dagster.tables import CLUSTER_MEMBERS, DAY, EMBEDDINGS
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.file_queue import FileQueue
from resources.slices import WarehouseError, content_hash
from tests.frames import DATE, ES, day, embeddings


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path, threads=2)


def test_reading_makes_no_file(warehouse: DuckDBWarehouse) -> None:
    assert warehouse.read("facets").is_empty()
    assert warehouse.slices("facets") == {}
    assert not warehouse.path.exists()


def test_slices_that_belong_together_are_written_all_or_none(warehouse: DuckDBWarehouse) -> None:
    warehouse.write(DAY, {"date": DATE}, day(1))
    warehouse.write(EMBEDDINGS, ES, embeddings(1).with_columns(extra=pl.lit(1)))
    with pytest.raises(WarehouseError, match=r"embeddings\.extra"):
        # The second is refused by the stored table, after the first was replaced.
        warehouse.write_many(
            [
                (DAY, {"date": DATE}, day(2), ""),
                (EMBEDDINGS, ES, embeddings(1).with_columns(extra=pl.lit("text")), ""),
            ]
        )
    assert warehouse.read(DAY)["conversations"].to_list() == [1]


def test_vectors_are_of_fixed_width_in_the_file_even_after_an_empty_first_slice(
    warehouse: DuckDBWarehouse,
) -> None:
    warehouse.write(EMBEDDINGS, ES | {"language": "en"}, EMBEDDINGS.empty())
    warehouse.write(EMBEDDINGS, ES, embeddings(4, 3))
    dtype = warehouse.query("select data_type from duckdb_columns() where column_name = 'vector'")
    assert dtype.item() == "FLOAT[3]"


def test_file_that_another_program_holds_is_an_error_that_says_so(warehouse: DuckDBWarehouse) -> None:
    warehouse.write(DAY, {"date": DATE}, day(1))
    with _process(_hold_like_a_shell, warehouse.path) as (_, connection):
        connection.recv()
        warehouse.patience_seconds = 1
        with pytest.raises(WarehouseError, match="another program has it open"):
            warehouse.write(DAY, {"date": DATE}, day(2))


def test_file_that_another_program_holds_for_a_moment_is_waited_for(warehouse: DuckDBWarehouse) -> None:
    warehouse.write(DAY, {"date": DATE}, day(1))
    with _process(_hold_like_a_shell, warehouse.path) as (process, connection):
        connection.recv()
        threading.Timer(2, process.kill).start()
        warehouse.write(DAY, {"date": DATE}, day(2))
    assert warehouse.read(DAY)["conversations"].to_list() == [2]


def test_what_spilled_is_gone_with_the_statement(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path, memory_limit="60MB", threads=1)
    spilled = tmp_path / "clio.duckdb.tmp"
    warehouse.write(DAY, {"date": DATE}, day(1))
    with warehouse._reading("sorting") as connection:
        assert connection is not None
        sorting = "select range, repeat('x', 100) from range(1000000) order by hash(range) limit 900000"
        assert connection.sql(sorting).pl().height == 900_000
        assert any(spilled.iterdir())
    assert not spilled.exists()
    assert warehouse.read(DAY).height == 1


# Many at once


def test_threads_that_read_and_write_at_once_are_told_what_was_written(warehouse: DuckDBWarehouse) -> None:
    """With one that fails among them: the others' reading goes on."""

    def work(number: int) -> int:
        on = date(2026, 11, number)
        warehouse.write(DAY, {"date": on}, day(number).with_columns(date=pl.lit(on)))
        with pytest.raises(WarehouseError, match="nowhere"):
            warehouse.query("select * from restricted.nowhere")
        return int(warehouse.read(DAY, {"date": on})["conversations"].item())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(1, 17))) == list(range(1, 17))


def test_eight_processes_writing_different_partitions_at_once_lose_nothing(tmp_path: Path) -> None:
    languages = ("de", "en", "es", "fr", "it", "nl", "pl", "pt")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_days, args=(tmp_path, code)) for code in languages]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    counts = DuckDBWarehouse(tmp_path).read(EMBEDDINGS).group_by("language", "date").len()
    assert counts.height == 8 * 5
    assert counts["len"].unique().to_list() == [50]
    assert len(DuckDBWarehouse(tmp_path).slices(EMBEDDINGS)) == 8 * 5


def _write_days(home: Path, language: str) -> None:
    warehouse = DuckDBWarehouse(home, threads=1)
    for number in range(1, 6):
        on = date(2026, 11, number)
        frame = embeddings(50, language=language).with_columns(date=pl.lit(on))
        warehouse.write(EMBEDDINGS, {"date": on, "language": language}, frame)
        assert warehouse.read(EMBEDDINGS, {"date": on, "language": language}).height == 50


def test_killed_writer_leaves_the_old_slice_or_the_new_one_and_lets_the_next_in(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path, threads=2)
    for attempt in range(3):
        with _process(_write_forever, tmp_path) as (process, connection):
            connection.recv()
            time.sleep(0.05 + 0.13 * attempt)
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
        rows = warehouse.read(CLUSTER_MEMBERS)
        assert rows.height == 5000
        assert rows["cluster_id"].n_unique() == 1
        stored = warehouse.slice_of(CLUSTER_MEMBERS, {"date": DATE})
        assert stored is not None
        assert stored.content_hash == content_hash(rows)


def _write_forever(home: Path, connection: Any) -> None:
    warehouse = DuckDBWarehouse(home, threads=1)
    count = 5000
    for number in range(10_000):
        frame = pl.DataFrame(
            {
                "date": [DATE] * count,
                "clustered_by": ["request"] * count,
                "conversation_id": [f"c{each:05}" for each in range(count)],
                "account": ["a"] * count,
                "language": ["es"] * count,
                "cluster_id": [number] * count,
                "distance": [0.5] * count,
                "day": [DATE] * count,
                "counted": [True] * count,
            },
            CLUSTER_MEMBERS.schema,
        )
        warehouse.write(CLUSTER_MEMBERS, {"date": DATE}, frame)
        if number == 0:
            connection.send("written once")


def _hold_like_a_shell(path: Path, connection: Any) -> None:
    with duckdb.connect(str(path)):
        connection.send("open")
        connection.recv()


@contextmanager
def _process(target: Any, argument: Path) -> Iterator[tuple[BaseProcess, Any]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(argument, theirs))
    process.start()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()


def test_waiting_writer_goes_before_readers_that_come_after_it(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "file")
    order = []

    def enter(name: str, shared: bool) -> None:
        with queue.shared() if shared else queue.exclusive():
            order.append(name)

    with ThreadPoolExecutor(3) as pool:
        with queue.shared():
            waiting = pool.submit(enter, "writer", False)
            time.sleep(0.1)
            late = pool.submit(enter, "late reader", True)
            time.sleep(0.1)
            assert order == []
        waiting.result()
        late.result()
    assert order == ["writer", "late reader"]


def test_readers_share_the_file(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "file")
    with queue.shared(), queue.shared():
        pass
