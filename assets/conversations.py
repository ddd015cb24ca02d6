"""Landed conversations of a day and language, in the warehouse: those whose landed text was purged stay as they are."""

import datetime as dt
from collections.abc import Iterator

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.conversations.landed import read_landed, slice_hash, slice_rows
from clio_dagster.key_ranges import EVERY_KEY, ROWS_AT_ONCE, ranges_of
from clio_dagster.retention import with_stored
from clio_dagster.tables import RAW_CONVERSATIONS
from resources.fingerprints import Stage
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices


def _place(partition: str) -> tuple[dt.date, str]:
    date, language = partition.split("|")
    return dt.date.fromisoformat(date), language


STAGE = Stage(
    (RAW_CONVERSATIONS,),
    facts=lambda site, keys: {key: slice_hash(site.settings.home, *_place(key)) for key in keys},
)


@asset(
    **about(RAW_CONVERSATIONS, group="conversations", kinds={"polars", "duckdb"}),
    partitions_def=DATE_LANGUAGES,
    deps=["landed"],
)
def raw_conversations(context: AssetExecutionContext, site: Site) -> Slices:
    home, raw = site.settings.home, Reader(site.warehouse, RAW_CONVERSATIONS)

    def conversations(key: str) -> Iterator[pl.DataFrame]:
        ranges = [EVERY_KEY]
        if slice_rows(home, *_place(key)) > ROWS_AT_ONCE:
            ranges = ranges_of(
                read_landed(home, *_place(key), columns=["conversation_id"])["conversation_id"]
            )
        for within in ranges:
            landed = read_landed(home, *_place(key), within=within)
            if (landed["messages"].list.len() > 0).all():
                yield landed
            else:
                yield with_stored(landed, raw.read(key, list(raw.table.schema), within=within))

    return Slices(context, STAGE, site, lambda key: {RAW_CONVERSATIONS.name: conversations(key)})
