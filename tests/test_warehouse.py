"""What holds of a warehouse, whichever store keeps it: slices replaced whole, no value in any error."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from clio_dagster.key_ranges import ranges_of
from clio_dagster.tables import DAY, EMBEDDINGS, MESSAGES_TYPE, QUARANTINE, RAW_CONVERSATIONS, Table
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.slices import WarehouseError, conforming, content_hash, partition_text
from resources.spool import gathered
from resources.warehouse import Warehouse
from tests.frames import DATE, ES, SECRET, conversations, day, embeddings
from tests.s3_server import Store, s3_server


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server() as store:
        yield store


@pytest.fixture(params=["duckdb", "s3"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    if request.param == "s3":
        return request.getfixturevalue("store").warehouse()
    return DuckDBWarehouse(tmp_path, threads=2)


# Slices


def test_what_is_written_is_read_back_sorted_by_key(warehouse: Warehouse) -> None:
    warehouse.write(RAW_CONVERSATIONS, ES, conversations().reverse())
    assert_frame_equal(warehouse.read("raw_conversations"), conversations())


def test_writing_a_slice_again_replaces_it_and_no_other(warehouse: Warehouse) -> None:
    for language, count in (("es", 5), ("en", 7), ("es", 2)):
        warehouse.write(EMBEDDINGS, ES | {"language": language}, embeddings(count, language=language))
    counts = warehouse.read(EMBEDDINGS).group_by("language").len().sort("language").rows()
    assert counts == [("en", 7), ("es", 2)]


@pytest.mark.parametrize(
    ("table", "frame"), [(RAW_CONVERSATIONS, conversations()), (EMBEDDINGS, embeddings(7))]
)
def test_a_slice_in_chunks_is_stored_as_the_frame_would_be(
    warehouse: Warehouse, tmp_path: Path, table: Table, frame: pl.DataFrame
) -> None:
    known = warehouse.write(table, ES, frame)
    chunks = (frame.slice(start, 2) for start in range(0, frame.height, 2))
    found = warehouse.write(table, ES, gathered(table, ES, chunks, tmp_path), fingerprint="anew")
    assert (found.rows, found.content_hash) == (known.rows, known.content_hash)
    assert warehouse.slice_of(table, ES) == found
    assert_frame_equal(warehouse.read(table), frame)


def test_a_slice_is_read_in_ranges_of_its_key(warehouse: Warehouse, tmp_path: Path) -> None:
    frame = embeddings(30)
    chunks = (frame.slice(start, 4) for start in range(0, frame.height, 4))
    warehouse.write(EMBEDDINGS, ES, gathered(EMBEDDINGS, ES, chunks, tmp_path))
    warehouse.write(EMBEDDINGS, ES | {"language": "en"}, embeddings(30, language="en"))
    ranges = ranges_of(frame["conversation_id"], 7)
    parts = [warehouse.read(EMBEDDINGS, ES | {"conversation_id": within}) for within in ranges]
    assert [part.height for part in parts] == [7, 7, 7, 7, 2]
    assert_frame_equal(pl.concat(parts), frame)


def test_columns_are_inserted_by_name_whatever_their_order(warehouse: Warehouse) -> None:
    warehouse.write(EMBEDDINGS, ES, embeddings(2))
    shuffled = embeddings(2).select(sorted(embeddings(2).columns, reverse=True))
    warehouse.write(EMBEDDINGS, ES, shuffled)
    assert_frame_equal(warehouse.read(EMBEDDINGS), embeddings(2))


def test_empty_frame_keeps_its_schema_and_its_record(warehouse: Warehouse) -> None:
    written = warehouse.write(RAW_CONVERSATIONS, ES, RAW_CONVERSATIONS.empty())
    assert written.rows == 0
    assert warehouse.slice_of(RAW_CONVERSATIONS, ES) == written
    assert_frame_equal(warehouse.read(RAW_CONVERSATIONS), RAW_CONVERSATIONS.empty())


def test_table_that_was_never_written_is_an_empty_frame(warehouse: Warehouse) -> None:
    assert_frame_equal(
        warehouse.read("facets", {"date": DATE}, ["language"]), pl.DataFrame(schema={"language": pl.String})
    )
    assert warehouse.slices("facets") == {}


def test_column_of_the_sites_own_is_added_and_null_where_a_slice_lacks_it(warehouse: Warehouse) -> None:
    warehouse.write(DAY, {"date": DATE}, day(1))
    other = date(2026, 11, 2)
    warehouse.write(DAY, {"date": other}, day(2, on=other).with_columns(mood=pl.lit("calm")))
    warehouse.write(DAY, {"date": DATE}, day(3))
    assert warehouse.read(DAY)["mood"].to_list() == [None, "calm"]


def test_column_that_the_contract_gained_is_null_in_older_slices(warehouse: Warehouse) -> None:
    older = Table("day", "", tuple(column for column in DAY.columns if column.name != "embedded"), DAY.key)
    warehouse.write(older, {"date": DATE}, day(1).drop("embedded"))
    assert_frame_equal(warehouse.read(DAY), day(1).with_columns(embedded=pl.lit(None, pl.Int64)))
    other = date(2026, 11, 2)
    warehouse.write(DAY, {"date": other}, day(2, on=other))
    assert warehouse.read(DAY)["embedded"].to_list() == [None, 2]


def test_slices_of_many_partitions_come_from_one_query(warehouse: Warehouse) -> None:
    for language in ("de", "en", "es"):
        warehouse.write(
            EMBEDDINGS, ES | {"language": language}, embeddings(1, language=language), fingerprint=language
        )
    found = warehouse.slices(EMBEDDINGS, ["2026-11-01|es", "2026-11-01|de", "2026-11-01|fr"])
    assert {partition: slice.fingerprint for partition, slice in found.items()} == {
        "2026-11-01|de": "de",
        "2026-11-01|es": "es",
    }


def test_partition_text_joins_values_in_the_order_of_their_columns_names() -> None:
    assert partition_text(EMBEDDINGS, {"language": "es", "date": DATE}) == "2026-11-01|es"
    assert partition_text(EMBEDDINGS, {"language": "es", "date": "2026-11-01"}) == "2026-11-01|es"


# Reading


def test_rows_are_chosen_by_value_or_by_list_and_columns_by_name(warehouse: Warehouse) -> None:
    for language in ("de", "en", "es"):
        warehouse.write(EMBEDDINGS, ES | {"language": language}, embeddings(2, language=language))
    where = {"date": [DATE, date(2026, 11, 2)], "language": ["en", "es"], "conversation_id": "c00001"}
    assert warehouse.read(EMBEDDINGS, where, ["language"]).rows() == [("en",), ("es",)]
    assert warehouse.read(EMBEDDINGS, {"date": "2026-11-01"}).height == 6
    assert warehouse.read(EMBEDDINGS, {"language": []}).is_empty()


def test_value_is_bound_and_never_becomes_sql(warehouse: Warehouse) -> None:
    warehouse.write(EMBEDDINGS, ES, embeddings(2))
    assert warehouse.read(EMBEDDINGS, {"language": "es' or true --"}).is_empty()


def test_unknown_column_or_table_is_an_error_that_names_it(warehouse: Warehouse) -> None:
    warehouse.write(DAY, {"date": DATE}, day(1))
    with pytest.raises(WarehouseError, match="day has no column nowhere"):
        warehouse.read(DAY, {"nowhere": 1})
    with pytest.raises(WarehouseError, match="no table nowhere"):
        warehouse.read("nowhere")


# Vectors


def test_vectors_written_as_lists_or_arrays_are_stored_alike(warehouse: Warehouse) -> None:
    lists = embeddings(4).with_columns(pl.col("vector").arr.to_list())
    as_array = warehouse.write(EMBEDDINGS, ES, embeddings(4))
    as_list = warehouse.write(EMBEDDINGS, ES, lists)
    assert as_list.content_hash == as_array.content_hash
    assert_frame_equal(warehouse.read(EMBEDDINGS), embeddings(4))


def test_site_that_changes_its_embedder_keeps_both_widths_until_all_is_made_anew(
    warehouse: Warehouse,
) -> None:
    warehouse.write(EMBEDDINGS, ES, embeddings(4, 3))
    warehouse.write(EMBEDDINGS, ES | {"language": "en"}, embeddings(4, 5, language="en"))
    with pytest.raises(WarehouseError, match=r"embeddings\.vector holds vectors of 2 widths"):
        warehouse.read(EMBEDDINGS)
    warehouse.write(EMBEDDINGS, ES, embeddings(4, 5))
    assert warehouse.read(EMBEDDINGS).schema["vector"] == pl.Array(pl.Float32, 5)


# What is refused, before anything is written


def _bad_frames() -> Iterator[Any]:
    good = conversations()
    texts = good.with_columns(messages=pl.lit(SECRET))
    yield "messages must be List", texts
    yield "account is missing", good.drop("account")
    yield "language must not be null, 3 rows are", good.with_columns(language=pl.lit(None, pl.String))
    yield "rows have another language than the slice", good.with_columns(language=pl.lit(SECRET))
    yield "2 rows repeat a key", good.with_columns(conversation_id=pl.lit(SECRET))
    yield "extra has no type", good.with_columns(extra=pl.lit(None))


@pytest.mark.parametrize(("message", "frame"), list(_bad_frames()))
def test_frame_that_breaks_the_contract_is_refused_by_name_and_the_slice_stands(
    warehouse: Warehouse, message: str, frame: pl.DataFrame
) -> None:
    warehouse.write(RAW_CONVERSATIONS, ES, conversations())
    with pytest.raises(WarehouseError, match=rf"raw_conversations.*{message}") as caught:
        warehouse.write(RAW_CONVERSATIONS, ES, frame)
    assert SECRET not in str(caught.value)
    assert warehouse.read(RAW_CONVERSATIONS).height == 3


def test_ragged_vectors_are_refused(warehouse: Warehouse) -> None:
    ragged = embeddings(2).with_columns(vector=pl.Series([[1.0], [1.0, 2.0]], dtype=pl.List(pl.Float32)))
    with pytest.raises(WarehouseError, match=r"embeddings\.vector has vectors of 2 different widths"):
        warehouse.write(EMBEDDINGS, ES, ragged)


def test_slice_must_name_the_columns_that_the_table_is_partitioned_by(warehouse: Warehouse) -> None:
    with pytest.raises(
        WarehouseError, match="embeddings is partitioned by date, language; the slice names date"
    ):
        warehouse.write(EMBEDDINGS, {"date": DATE}, embeddings(1))


def test_duckdbs_message_does_not_carry_values_out(warehouse: Warehouse) -> None:
    warehouse.write(QUARANTINE, {"source": SECRET}, _quarantine(SECRET))
    with pytest.raises(WarehouseError, match="ConversionException") as caught:
        warehouse.query("select reason::integer from restricted.quarantine")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def _quarantine(source: str) -> pl.DataFrame:
    row = {"source": source, "record": 1, "reason": SECRET, "landed_at": datetime(2026, 11, 1, tzinfo=UTC)}
    return pl.DataFrame([row], QUARANTINE.schema)


# Content hash


@given(st.permutations(range(3)), st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_content_hash_depends_neither_on_order_nor_on_chunks(order: list[int], cut: int) -> None:
    frame = conversations()
    shuffled = frame[order]
    pieces = pl.concat([shuffled[:cut], shuffled[cut:]], rechunk=False)
    assert _hash(pieces) == _hash(frame)


@pytest.mark.parametrize(
    "change",
    [
        pl.col("turns") + 1,
        pl.lit(None, pl.String).alias("account"),
        pl.lit("", pl.String).alias("account"),
        pl.col("flagged").fill_null(False),
        pl.col("started_at").dt.offset_by("1us"),
        pl.col("messages").list.head(1),
        pl.lit([], MESSAGES_TYPE).alias("messages"),
        pl.col("conversation_id") + "0",
    ],
)
def test_content_hash_changes_with_any_value(change: pl.Expr) -> None:
    assert _hash(conversations().with_columns(change)) != _hash(conversations())


def test_content_hash_does_not_see_what_a_null_hides() -> None:
    frame = conversations()
    hidden = frame.with_columns(account=pl.when(pl.col("account") == "a").then("account"))
    assert _hash(hidden) == _hash(frame)


def test_content_hash_of_what_is_read_is_that_of_what_was_written(warehouse: Warehouse) -> None:
    written = warehouse.write(RAW_CONVERSATIONS, ES, conversations().reverse())
    assert _hash(warehouse.read(RAW_CONVERSATIONS)) == written.content_hash


def test_content_hash_stays_as_it_is_from_version_to_version() -> None:
    # A change here makes every stored slice look changed.
    assert content_hash(conforming(DAY, {"date": DATE}, day(5)))[:16] == "075f3ec97a66426a"


def _hash(frame: pl.DataFrame) -> str:
    return content_hash(conforming(RAW_CONVERSATIONS, ES, frame))


# Many at once


def test_threads_of_one_process_wait_for_each_other(warehouse: Warehouse) -> None:
    def turn(number: int) -> int:
        on = date(2026, 11, 1 + number)
        warehouse.write(DAY, {"date": on}, day(number, on=on))
        return warehouse.read(DAY, {"date": on}).height

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(turn, range(16))) == [1] * 16
    assert warehouse.read(DAY).height == 16
