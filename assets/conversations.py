"""Landed conversations of a day and language, in the warehouse."""

import datetime as dt

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.conversations.landing import read_landed, slice_hash
from clio_dagster.tables import RAW_CONVERSATIONS
from resources.fingerprints import Stage
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
    home = site.settings.home

    def make(key: str) -> dict[str, pl.DataFrame]:
        return {RAW_CONVERSATIONS.name: read_landed(home, *_place(key))}

    return Slices(context, STAGE, site, make)
