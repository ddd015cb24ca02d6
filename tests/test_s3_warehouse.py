"""The S3 warehouse: an object a slice, what is fetched and what is not, many at once, S3's refusals in our words."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clio_dagster.key_ranges import KeyRange
from clio_dagster.models.build import build_view, select_rows
from clio_dagster.models.column_tests import run
from clio_dagster.models.loader import load_models
from clio_dagster.safety.tables import EVENT_ALERTS
from clio_dagster.settings import Settings
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    DAY,
    EMBEDDINGS,
    FACETS,
    POSITIONS,
    PUBLISHED_CELLS,
    PUBLISHED_COVERAGE,
    RAW_CONVERSATIONS,
    SOURCES,
    Table,
)
from resources import s3_objects, s3_slices, spool
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.s3_objects import Entry, Objects
from resources.s3_options import Options
from resources.s3_warehouse import S3Warehouse
from resources.slices import WarehouseError, content_hash
from resources.warehouse import Warehouse, open_warehouse
from tests.frames import DATE, ES, SECRET, conversations, day, embeddings
from tests.s3_server import Store, s3_server
from tests.test_own_facets import gains_and_loses

ONCE = Options(attempts=1)
MODELS = load_models(Path(__file__).parents[1] / "dbt_like_sql")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture
def bucket(store: Store) -> str:
    return store.bucket()


@pytest.fixture
def warehouse(store: Store, bucket: str) -> S3Warehouse:
    return store.warehouse(bucket)


@dataclass
class Asked:
    """What was asked of S3: bytes of each answer to a GET, and names in each page of a listing."""

    got: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)

    def clear(self) -> None:
        self.got.clear()
        self.pages.clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    get, pages = Objects._get, Objects._pages

    def counted_get(self: Objects, name: str, **given: str) -> tuple[bytes, str]:
        content, etag = get(self, name, **given)
        asked.got.append(len(content))
        return content, etag

    def counted_pages(self: Objects, **given: Any) -> Iterator[dict[str, Any]]:
        for page in pages(self, **given):
            asked.pages.append(len(page.get("Contents", ())))
            yield page

    monkeypatch.setattr(Objects, "_get", counted_get)
    monkeypatch.setattr(Objects, "_pages", counted_pages)
    return asked


def days(count: int, first: date = DATE) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def write_days(warehouse: Warehouse, count: int, languages: tuple[str, ...] = ("en", "es")) -> None:
    for on in days(count):
        for language in languages:
            frame = embeddings(1, language=language).with_columns(date=pl.lit(on))
            warehouse.write(
                EMBEDDINGS, {"date": on, "language": language}, frame, fingerprint=f"{on} {language}"
            )


# Objects


def names_in(store: Store, bucket: str) -> list[str]:
    return [row["Key"] for row in store.client.list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_slice_is_one_object_named_for_its_values(store: Store, bucket: str, warehouse: S3Warehouse) -> None:
    source = pl.DataFrame([{"source": "Año 1/a=b|c.jsonl", "path": "/x"}], SOURCES.schema)
    warehouse.write(EMBEDDINGS, ES, embeddings(2))
    warehouse.write(DAY, {"date": DATE}, day(1))
    warehouse.write(SOURCES, {"source": "Año 1/a=b|c.jsonl"}, source)
    assert names_in(store, bucket) == [
        "site/restricted/day/date=2026-11-01.parquet",
        "site/restricted/embeddings/date=2026-11-01/language=es.parquet",
        "site/restricted/sources/source=A%C3%B1o%201%2Fa%3Db%7Cc.jsonl.parquet",
    ]
    assert list(warehouse.slices(SOURCES)) == ["Año 1/a=b|c.jsonl"]
    assert warehouse.slice_of(SOURCES, {"source": "Año 1/a=b|c.jsonl"}) is not None
    assert_frame_equal(warehouse.read(SOURCES, {"source": ["Año 1/a=b|c.jsonl", "no"]}), source)


def test_value_that_begins_like_another_is_another(warehouse: S3Warehouse) -> None:
    for source in ("a", "ab", "a-b"):
        warehouse.write(
            SOURCES, {"source": source}, pl.DataFrame([{"source": source, "path": "/"}], SOURCES.schema)
        )
    assert warehouse.read(SOURCES, {"source": ["a", "ab"]})["source"].to_list() == ["a", "ab"]
    assert list(warehouse.slices(SOURCES, ["a", "a-b"])) == ["a", "a-b"]


def test_object_is_parquet_that_any_tool_reads(store: Store, bucket: str, warehouse: S3Warehouse) -> None:
    warehouse.write(RAW_CONVERSATIONS, ES, conversations())
    key = names_in(store, bucket)[0]
    content = store.client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert_frame_equal(pl.read_parquet(io.BytesIO(content)), conversations())


def test_record_of_any_length_travels_in_the_object(
    store: Store, bucket: str, warehouse: S3Warehouse
) -> None:
    for fingerprint in ("", "ü" * 1000, "x" * 3 * s3_slices.TAIL_BYTES):
        written = warehouse.write(EMBEDDINGS, ES, embeddings(3000), fingerprint=fingerprint)
        assert store.warehouse(bucket).slice_of(EMBEDDINGS, ES) == written
        assert written.fingerprint == fingerprint


def test_what_another_program_put_there_counts_as_not_made_and_is_replaced(
    store: Store, bucket: str, warehouse: S3Warehouse
) -> None:
    warehouse.write(EMBEDDINGS, ES, embeddings(2))
    key = names_in(store, bucket)[0]
    foreign = io.BytesIO()
    embeddings(1).write_parquet(foreign)
    store.client.put_object(Bucket=bucket, Key=key, Body=foreign.getvalue())
    assert warehouse.slices(EMBEDDINGS) == {}
    assert warehouse.read(EMBEDDINGS).height == 1
    for content in (b"", SECRET.encode(), foreign.getvalue()[:-20]):
        store.client.put_object(Bucket=bucket, Key=key, Body=content)
        assert warehouse.slices_on(["2026-11-01"]) == {}
        with pytest.raises(WarehouseError, match=r"reading embeddings 2026-11-01\|es failed") as caught:
            warehouse.read(EMBEDDINGS)
        assert SECRET not in str(caught.value)
    written = warehouse.write(EMBEDDINGS, ES, embeddings(2))
    store.client.put_object(Bucket=bucket, Key="site/restricted/embeddings/_SUCCESS", Body=b"")
    assert warehouse.slices_on(["2026-11-01"]) == {"embeddings": {"2026-11-01|es": written}}


def test_own_column_of_several_types_is_an_error_that_names_it(warehouse: S3Warehouse) -> None:
    warehouse.write(EMBEDDINGS, ES, embeddings(1).with_columns(extra=pl.lit(1)))
    english = embeddings(1, language="en").with_columns(extra=pl.lit("text"))
    warehouse.write(EMBEDDINGS, ES | {"language": "en"}, english)
    with pytest.raises(WarehouseError, match=r"embeddings\.extra has several types \(Int32, String\)"):
        warehouse.read(EMBEDDINGS)
    assert warehouse.read(EMBEDDINGS, {"language": "en"})["extra"].to_list() == ["text"]


def test_a_table_gains_and_loses_a_facet(warehouse: S3Warehouse) -> None:
    gains_and_loses(warehouse)


def test_slice_of_a_contract_with_other_types_is_cast_or_refused_without_its_values(
    warehouse: S3Warehouse,
) -> None:
    def with_type(column: str, dtype: Any) -> Table:
        columns = tuple(replace(each, dtype=dtype) if each.name == column else each for each in DAY.columns)
        return replace(DAY, columns=columns)

    narrow = day(1).with_columns(pl.col("embedded").cast(pl.Int32))
    warehouse.write(with_type("embedded", pl.Int32), {"date": DATE}, narrow)
    assert_frame_equal(warehouse.read(DAY), day(1))
    texts = day(1).with_columns(pl.lit(SECRET).alias("embedded"))
    warehouse.write(with_type("embedded", pl.String), {"date": DATE}, texts)
    with pytest.raises(WarehouseError, match="reading day failed") as caught:
        warehouse.read(DAY)
    assert SECRET not in str(caught.value)


def test_own_column_is_null_in_a_slice_that_was_written_without_it(warehouse: S3Warehouse) -> None:
    warehouse.write(DAY, {"date": DATE}, day(1))
    other = days(2)[1]
    warehouse.write(DAY, {"date": other}, day(2, on=other).with_columns(mood=pl.lit("calm")))
    expected = pl.DataFrame({"mood": [None]}, {"mood": pl.String})
    assert_frame_equal(warehouse.read(DAY, {"date": DATE}, ["mood"]), expected)
    assert warehouse.read(DAY, {"date": DATE, "mood": "calm"}).is_empty()


# Listing, and what is remembered


def test_asking_for_slices_again_costs_the_listing_alone(
    store: Store, bucket: str, warehouse: S3Warehouse, asked: Asked
) -> None:
    write_days(warehouse, 5)
    reader = store.warehouse(bucket)
    first = reader.slices(EMBEDDINGS)
    assert len(asked.got) == 10
    asked.clear()
    assert reader.slices(EMBEDDINGS) == first == warehouse.slices(EMBEDDINGS)
    assert asked.got == []
    assert len(asked.pages) == 2


def test_what_another_process_replaced_is_seen_at_once(
    store: Store, bucket: str, warehouse: S3Warehouse, asked: Asked
) -> None:
    write_days(warehouse, 3)
    reader = store.warehouse(bucket)
    assert {stored.rows for stored in reader.slices(EMBEDDINGS).values()} == {1}
    asked.clear()
    written = warehouse.write(EMBEDDINGS, ES, embeddings(2), fingerprint="again")
    assert reader.slice_of(EMBEDDINGS, ES) == written
    assert len(asked.got) == 1
    assert reader.read(EMBEDDINGS, ES).height == 2
    store.client.delete_object(
        Bucket=bucket, Key="site/restricted/embeddings/date=2026-11-01/language=es.parquet"
    )
    assert reader.slice_of(EMBEDDINGS, ES) is None
    assert reader.read(EMBEDDINGS, ES).is_empty()


def test_listing_goes_on_from_page_to_page(warehouse: S3Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(warehouse, 7)
    monkeypatch.setattr(s3_objects, "PAGE", 3)
    assert len(warehouse.slices(EMBEDDINGS)) == 14
    assert len(warehouse.slices_on([on.isoformat() for on in days(7)])["embeddings"]) == 14
    assert warehouse.read(EMBEDDINGS).height == 14


def test_slices_of_some_days_list_those_days_and_no_others(
    warehouse: S3Warehouse, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    write_days(warehouse, 31)
    warehouse.write(DAY, {"date": DATE}, day(1))
    warehouse.write(replace(DAY, name="unknown"), {"date": DATE}, day(1))
    monkeypatch.setattr(s3_objects, "PAGE", 4)
    wanted = [on.isoformat() for on in days(31)[9:12]]
    asked.clear()
    found = warehouse.slices_on(wanted)
    assert list(found) == ["embeddings"]
    assert list(found["embeddings"]) == [f"{on}|{language}" for on in wanted for language in ("en", "es")]
    assert sum(asked.pages) <= 9
    asked.clear()
    far = [days(31)[0].isoformat(), days(31)[30].isoformat()]
    assert list(warehouse.slices(EMBEDDINGS, [f"{on}|en" for on in far])) == [f"{on}|en" for on in far]
    assert sum(asked.pages) == 4
    assert warehouse.slices(EMBEDDINGS, []) == {}
    many = [f"{on}|en" for on in days(92, date(2026, 9, 1))[::2]]
    assert list(warehouse.slices(EMBEDDINGS, many)) == [
        key for key in many if "2026-11-01" <= key < "2026-12-02"
    ]


def test_one_process_opens_a_bucket_once(store: Store, bucket: str, tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home",
        key_file=tmp_path / "key",
        storage="s3",
        s3_bucket=bucket,
        s3_prefix="site",
        s3_endpoint=store.endpoint,
    )
    opened = open_warehouse(settings)
    assert isinstance(opened.of(FACETS), S3Warehouse)
    assert opened.of(EVENT_ALERTS) is not opened.of(FACETS)
    assert open_warehouse(settings) is opened


# What is fetched


def test_row_groups_outside_a_range_are_not_fetched(
    warehouse: S3Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: Asked
) -> None:
    monkeypatch.setattr(spool, "ROWS_READ", 5)
    frame = embeddings(50, width=10_000)
    chunks = (frame.slice(start, 5) for start in range(0, 50, 5))
    warehouse.write(EMBEDDINGS, ES, spool.gathered(EMBEDDINGS, ES, chunks, tmp_path))
    asked.clear()
    within = KeyRange("c00019", "c00024")
    found = warehouse.read(EMBEDDINGS, ES | {"conversation_id": within}, list(EMBEDDINGS.schema))
    assert_frame_equal(found, frame.slice(20, 5))
    assert 200_000 <= sum(asked.got) < 400_000 < 2_000_000 <= frame["vector"].estimated_size()


def test_columns_that_are_not_asked_for_are_not_fetched(
    warehouse: S3Warehouse, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    noise = random.Random(0)
    texts = [noise.randbytes(20_000).hex() for _ in range(100)]
    rows = [
        {
            "conversation_id": f"c{number:03}",
            "account": "a",
            "started_at": datetime(2026, 11, 1, tzinfo=UTC),
            "date": DATE,
            "language": "es",
            "turns": 1,
            "messages": [{"role": "user", "text": text}],
        }
        for number, text in enumerate(texts)
    ]
    warehouse.write(RAW_CONVERSATIONS, ES, pl.DataFrame(rows, RAW_CONVERSATIONS.schema))
    asked.clear()
    whole = warehouse.read(RAW_CONVERSATIONS, ES)
    size = sum(asked.got)
    assert size > 2_000_000
    asked.clear()
    columns = [column for column in RAW_CONVERSATIONS.schema if column != "messages"]
    assert_frame_equal(warehouse.read(RAW_CONVERSATIONS, ES, columns), whole.drop("messages"))
    assert sum(asked.got) < size / 10


def test_only_objects_of_the_slices_asked_for_are_fetched(warehouse: S3Warehouse, asked: Asked) -> None:
    write_days(warehouse, 10)
    asked.clear()
    where = {"date": [on.isoformat() for on in days(4)], "language": "en", "clustered_by": "request"}
    assert warehouse.read(EMBEDDINGS, where).height == 4
    assert len(asked.got) == 4


def test_object_that_is_replaced_while_it_is_read_is_read_anew(
    store: Store, bucket: str, warehouse: S3Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_slices, "WHOLE_BYTES", 0)
    warehouse.write(EMBEDDINGS, ES, embeddings(3))
    other, read_range, replaced = store.warehouse(bucket), Objects.get_range, []

    def replace_first(self: Objects, entry: Entry, start: int, end: int) -> bytes:
        if not replaced:
            replaced.append(other.write(EMBEDDINGS, ES, embeddings(5)))
        return read_range(self, entry, start, end)

    monkeypatch.setattr(Objects, "get_range", replace_first)
    assert warehouse.read(EMBEDDINGS, ES, ["conversation_id"]).height == 5
    assert replaced


@pytest.mark.parametrize("whole_bytes", [1_000_000, 0])
def test_whatever_bit_of_its_rows_is_another_no_reader_takes_them_for_what_was_written(
    store: Store, bucket: str, warehouse: S3Warehouse, monkeypatch: pytest.MonkeyPatch, whole_bytes: int
) -> None:
    monkeypatch.setattr(s3_slices, "WHOLE_BYTES", whole_bytes)
    written = embeddings(300, 16).with_columns(clustered_by=pl.lit(SECRET))
    warehouse.write(EMBEDDINGS, ES, written)
    columns = ["conversation_id", "vector"]
    right = warehouse.read(EMBEDDINGS, ES, columns)
    select = "select conversation_id, vector from restricted.embeddings order by all"
    key = f"site/restricted/embeddings/date={DATE.isoformat()}/language=es.parquet"
    content = store.client.get_object(Bucket=bucket, Key=key)["Body"].read()
    rows = len(content) - int.from_bytes(content[-8:-4], "little") - 8
    refused = 0
    for at in range(4, rows, rows // 40):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        store.client.put_object(Bucket=bucket, Key=key, Body=bytes(changed))
        for read in (lambda: warehouse.read(EMBEDDINGS, ES, columns), lambda: warehouse.query(select)):
            try:
                assert_frame_equal(read(), right)
            except WarehouseError as error:
                refused += 1
                assert "embeddings" in str(error)
                assert SECRET not in str(error)
    assert refused > 40


# Many at once


def test_of_many_writers_of_one_slice_one_wins_whole(store: Store, bucket: str) -> None:
    writers = [store.warehouse(bucket) for _ in range(6)]

    def write(number: int) -> None:
        for count in range(5):
            frame = embeddings(200 + 10 * number + count, seed=number)
            writers[number].write(EMBEDDINGS, ES, frame, fingerprint=f"{number} {count}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    seen = [(writer.slice_of(EMBEDDINGS, ES), writer.read(EMBEDDINGS, ES)) for writer in writers]
    for stored, rows in seen:
        assert stored == seen[0][0]
        assert content_hash(rows) == stored.content_hash
    assert seen[0][0].fingerprint.endswith(" 4")


def test_killed_writer_leaves_a_whole_object(store: Store, bucket: str) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_write_forever, args=(bucket, store.endpoint, theirs))
    process.start()
    try:
        ours.recv()
        time.sleep(0.2)
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    warehouse = store.warehouse(bucket)
    rows, stored = warehouse.read(EMBEDDINGS, ES), warehouse.slice_of(EMBEDDINGS, ES)
    assert rows.height == 3000
    assert content_hash(rows) == stored.content_hash
    assert len(names_in(store, bucket)) == 1


def _write_forever(bucket: str, endpoint: str, connection: Any) -> None:
    warehouse = S3Warehouse(bucket, "site", endpoint)
    for number in range(10_000):
        warehouse.write(EMBEDDINGS, ES, embeddings(3000, 64, seed=number))
        connection.send("written") if number == 0 else None


# SQL


def _published(warehouse: Warehouse) -> None:
    """Three days of cells, coverage, a tree and positions."""
    for number, on in enumerate(days(3)):
        cells = [
            (topic, facet, value, count + number)
            for topic, count in (("", 400), ("rain", 60), ("snow", 30))
            for facet, value in (("all", ""), ("language", "en"), ("language", "es"), ("refused", "true"))
        ]
        nodes = [("1-0", None, "weather", 1, "published"), ("0-1", "1-0", "rain", 0, "published")]
        nodes.append(("0-2", "1-0", "snow", 0, "withheld"))
        part = {"part": 1, "is_withdrawn": False}
        coverage = {"language": "es", "stage": "published", "conversations": 40, **part}
        write(warehouse, PUBLISHED_COVERAGE, on, [coverage])
        names = ("topic", "facet", "value", "conversations")
        write(warehouse, PUBLISHED_CELLS, on, [dict(zip(names, cell, strict=True)) | part for cell in cells])
        write(warehouse, POSITIONS, on, [{"node_id": "0-1", "x": 0.25, "y": -1.5}])
        names = ("node_id", "parent_id", "topic", "level", "status")
        said = {"name": "Weather", "description": "What it is about.", "reasons": [], "privacy_score": 4}
        counted = {"conversations": 60, "accounts": 20}
        tree = [dict(zip(names, node, strict=True)) | said | counted for node in nodes]
        write(warehouse, AUDITED_SUMMARIES, on, tree)


def write(warehouse: Warehouse, table: Table, on: date, rows: list[dict[str, Any]]) -> None:
    rows = [{"date": on, "clustered_by": "request", **row} for row in rows]
    warehouse.write(table, {"date": on}, pl.DataFrame(rows, table.schema))


def test_sql_models_give_what_duckdb_gives(store: Store, tmp_path: Path) -> None:
    last = days(3)[-1]
    duck, s3 = DuckDBWarehouse(tmp_path, threads=1), store.warehouse()
    for warehouse in (duck, s3):
        _published(warehouse)
    for model in MODELS:
        if model.materialized == "view":
            build_view(duck, model)
            build_view(s3, model)
            assert_frame_equal(s3.read(model.name), duck.read(model.name))
            continue
        made = []
        for warehouse in (duck, s3):
            rows = select_rows(warehouse, model, last, window_days=7)
            made.append(warehouse.write(model.table, {model.partitioned_by: last}, rows))
            assert all(result.passed for result in run(warehouse, model, last))
        assert made[0].rows > 0 or model.group == "restricted"  # Nothing was clustered here.
        assert made[0].content_hash == made[1].content_hash, model.name
        assert_frame_equal(s3.read(model.table), duck.read(model.table))
        assert_frame_equal(s3.read(model.name), duck.read(model.name))


def test_column_that_a_later_slice_has_is_null_in_sql_for_the_others(warehouse: S3Warehouse) -> None:
    older = Table("day", "", tuple(column for column in DAY.columns if column.name != "embedded"), DAY.key)
    warehouse.write(older, {"date": DATE}, day(1).drop("embedded"))
    other = days(2)[1]
    warehouse.write(DAY, {"date": other}, day(2, on=other).with_columns(mood=pl.lit("calm")))
    rows = warehouse.query("select embedded, mood from restricted.day order by date").rows()
    assert rows == [(None, None), (2, "calm")]


def test_view_of_a_view_is_seen_by_other_processes_and_replaced_at_once(
    store: Store, bucket: str, warehouse: S3Warehouse
) -> None:
    warehouse.write(DAY, {"date": DATE}, day(3))
    warehouse.replace_view("inner", "select conversations as n from restricted.day")
    warehouse.replace_view(
        "outer", 'with day as (select n from restricted."inner") select sum(n) as n from day'
    )
    reader = store.warehouse(bucket)
    assert reader.query('select n from restricted."outer"').rows() == [(3,)]
    warehouse.replace_view(
        "inner", "select 2 * conversations as n from restricted.day where date <> '2026-11-02'"
    )
    assert reader.read("outer", {"n": [6, 7]}).rows() == [(6,)]
    assert names_in(store, bucket)[:2] == [
        f"site/restricted/_views/{name}.sql" for name in ("inner", "outer")
    ]
    assert list(reader.slices_on(["2026-11-01"])) == ["day"]


def test_view_that_duckdb_refuses_is_not_stored(store: Store, bucket: str, warehouse: S3Warehouse) -> None:
    for select in ("select nothing from restricted.day", "select 1 from restricted.nowhere", "selec"):
        with pytest.raises(WarehouseError, match="creating the view bad failed in DuckDB"):
            warehouse.replace_view("bad", select)
    assert names_in(store, bucket) == []


def test_copies_are_fetched_once_kept_while_the_object_is_the_same_and_gone_with_the_process(
    warehouse: S3Warehouse, asked: Asked
) -> None:
    for on in days(3):
        warehouse.write(DAY, {"date": on}, day(1, on=on))
    total = "select sum(conversations)::bigint from restricted.day"
    assert warehouse.query(total).item() == 3
    folder = Path(warehouse._sql._folder.name)
    assert folder.stat().st_mode & 0o077 == 0
    asked.clear()
    warehouse.write(DAY, {"date": DATE}, day(5))
    assert warehouse.query(total).item() == 7
    assert len(asked.got) == 1
    assert len(list((folder / "day").iterdir())) == 4
    warehouse._sql = None
    with pytest.warns(ResourceWarning):
        gc.collect()
    assert not folder.exists()


# What S3 refuses


def test_bucket_that_is_not_there_is_named(store: Store) -> None:
    warehouse = store.warehouse("no-such-bucket")
    expected = "there is no bucket no-such-bucket: create it, or set CLIO_S3_BUCKET"
    for act in (
        lambda: warehouse.read(FACETS),
        lambda: warehouse.slices(FACETS),
        lambda: warehouse.slices_on(["2026-11-01"]),
        lambda: warehouse.write(DAY, {"date": DATE}, day(1)),
        lambda: warehouse.query("select * from restricted.day"),
    ):
        with pytest.raises(WarehouseError, match=expected) as caught:
            act()
        assert caught.value.__cause__ is None


def test_name_that_no_bucket_can_have_is_named(store: Store) -> None:
    with pytest.raises(WarehouseError, match="set CLIO_S3_BUCKET"):
        store.warehouse("No Bucket!").slices(DAY)


def test_missing_credentials_say_which(store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WarehouseError, match="there are no credentials: set AWS_ACCESS_KEY_ID"):
        store.warehouse(bucket).slices(DAY)


def test_endpoint_that_does_not_answer_is_named(store: Store) -> None:
    with pytest.raises(WarehouseError, match=r"http://127\.0\.0\.1:9 \(CLIO_S3_ENDPOINT\) cannot be reached"):
        S3Warehouse("bucket", "site", "http://127.0.0.1:9", options=ONCE).slices(DAY)
    with pytest.raises(WarehouseError, match="CLIO_S3_ENDPOINT is not a URL"):
        S3Warehouse("bucket", "site", "localhost:9")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "AccessDenied", r"may not do this \(AccessDenied\): they need s3:ListBucket"),
        (403, "InvalidAccessKeyId", "does not accept the credentials"),
        (400, "ExpiredToken", "does not accept the credentials"),
        (301, "PermanentRedirect", "lies in another region: set AWS_DEFAULT_REGION"),
        (503, "SlowDown", "S3 is busy"),
        (418, "Teapot", r"S3 answered Teapot \(HTTP 418\)"),
    ],
)
def test_each_refusal_has_its_sentence_and_quotes_nothing(
    store: Store, status: int, code: str, message: str
) -> None:
    body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
    with answering([(status, body, len(body)), (403, b"", 0)]) as endpoint:
        warehouse = S3Warehouse("bucket", "site", endpoint, options=ONCE)
        with pytest.raises(WarehouseError, match=message) as caught:
            warehouse.slices(DAY)
    assert SECRET not in str(caught.value)


def test_answer_that_is_cut_off_is_asked_for_again(store: Store) -> None:
    with answering([(200, b"half", 8), (200, b"half", 8), (200, b"a whole", 7)]) as endpoint:
        assert Objects("bucket", "site", endpoint).get("name") == b"a whole"
    with (
        answering([(200, b"half", 8)]) as endpoint,
        pytest.raises(WarehouseError, match="cannot be reached"),
    ):
        Objects("bucket", "site", endpoint).get("name")


@contextmanager
def answering(answers: list[tuple[int, bytes, int]]) -> Iterator[str]:
    """A server with these answers in turn, the last for ever: status, body, and the length that it claims to have."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, length = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", '"e"')
            self.end_headers()
            self.wfile.write(body if self.command == "GET" else b"")
            self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
