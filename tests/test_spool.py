"""A slice in chunks is the slice that it would be in one frame, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clio_dagster.key_ranges import EVERY_KEY, ranges_of
from clio_dagster.tables import EMBEDDINGS, RAW_CONVERSATIONS, Table
from resources.slices import WarehouseError, stored_hash
from resources.spool import Spool, columns_of, gathered
from tests.frames import ES, SECRET, conversations, embeddings

SLICES = {
    "text, lists of structs and nulls": (RAW_CONVERSATIONS, conversations()),
    "nothing but nulls": (RAW_CONVERSATIONS, conversations().with_columns(account=pl.lit(None, pl.String))),
    "vectors": (EMBEDDINGS, embeddings(9)),
    "columns of the site's own": (
        EMBEDDINGS,
        embeddings(9).with_columns(mood=pl.lit("calm"), silence=pl.lit(None, pl.String)),
    ),
}


def in_pieces(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    return (frame.slice(start, rows) for start in range(0, frame.height, rows))


def spooled(table: Table, frame: pl.DataFrame, rows: int, folder: Path) -> Spool:
    spool = gathered(table, ES, in_pieces(frame, rows), folder)
    assert isinstance(spool, Spool)
    return spool


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("name", SLICES)
def test_chunks_hash_and_read_like_the_frame(name: str, rows: int, tmp_path: Path) -> None:
    table, frame = SLICES[name]

    spool = spooled(table, frame, rows, tmp_path)

    assert spool.content_hash() == stored_hash(table, frame)
    assert_frame_equal(spool.read(list(table.schema)), frame.select(*table.schema))
    assert_frame_equal(columns_of(spool, ["language", "none such"]), frame.select("language"))
    spool.close()
    assert columns_of(spool, ["none such"]).is_empty()


def test_a_slice_of_one_chunk_is_held_as_the_frame_it_is(tmp_path: Path) -> None:
    assert gathered(EMBEDDINGS, ES, iter([embeddings(2)]), tmp_path).equals(embeddings(2))  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [[1, 0], [0, 0]], ids=["out of order", "twice"])
def test_chunks_that_do_not_go_on_by_the_key_are_refused(order: list[int], tmp_path: Path) -> None:
    pieces = list(in_pieces(embeddings(4), 2))
    with pytest.raises(WarehouseError, match=r"embeddings: .*repeat a key"):
        gathered(EMBEDDINGS, ES, (pieces[each] for each in order), tmp_path)


def test_a_later_chunk_is_held_to_the_contract_like_the_first(tmp_path: Path) -> None:
    wrong = embeddings(2).with_columns(conversation_id=pl.lit(None, pl.String))
    with pytest.raises(WarehouseError, match=r"embeddings\.conversation_id must not be null"):
        gathered(EMBEDDINGS, ES, iter([embeddings(2), wrong]), tmp_path)
    with pytest.raises(WarehouseError, match="other columns or types"):
        gathered(EMBEDDINGS, ES, iter([embeddings(2), embeddings(2, width=5)]), tmp_path)


def test_what_waits_on_disk_has_no_name_that_a_killed_run_could_leave(tmp_path: Path) -> None:
    seen: list[list[Path]] = []

    def pieces() -> Iterator[pl.DataFrame]:
        for piece in in_pieces(conversations().with_columns(account=pl.lit(SECRET)), 1):
            yield piece
            seen.append(list(tmp_path.iterdir()))

    gathered(RAW_CONVERSATIONS, ES, pieces(), tmp_path)

    assert seen == [[], [], []]


def test_ranges_hold_every_key_once_and_no_more_than_asked_for() -> None:
    keys = pl.Series("conversation_id", ["b", "é", "", "a", "aa", "z", "a", "B"])
    for rows in (1, 2, 3, 7, 8):
        parts = [
            keys.to_frame().filter(within.holds("conversation_id"))["conversation_id"].unique().sort()
            for within in ranges_of(keys, rows)
        ]
        assert max(map(len, parts)) <= rows
        assert pl.concat(parts).equals(keys.unique().sort())
    assert ranges_of(keys.clear()) == ranges_of(keys, 100) == [EVERY_KEY]
