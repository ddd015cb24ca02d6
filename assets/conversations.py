"""Landed conversations of a day and language, in the warehouse: those whose landed text was purged stay as they are."""

import datetime as dt

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.conversations.landing import read_landed, slice_hash
from clio_dagster.retention import with_stored
from clio_dagster.tables import RAW_CONVERSATIONS
from resources.fingerprints import Stage
from resources.site import Site
from resources.stage import Slices, partition_values


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
    home, table = site.settings.home, RAW_CONVERSATIONS

    def make(key: str) -> dict[str, pl.DataFrame]:
        landed = read_landed(home, *_place(key))
        if (landed["messages"].list.len() > 0).all():
            return {table.name: landed}
        stored = site.warehouse.read(table, partition_values(table, key), list(table.schema))
        return {table.name: with_stored(landed, stored)}

    return Slices(context, STAGE, site, make)
