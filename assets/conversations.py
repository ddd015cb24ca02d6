"""Landed conversations of a day and language, in the warehouse."""

import datetime as dt

from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.conversations.landing import read_landed, slice_hash
from clio_dagster.tables import RAW_CONVERSATIONS
from resources.site import Site
from resources.stage import Slices


@asset(
    **about(RAW_CONVERSATIONS, group="conversations", kinds={"polars", "duckdb"}),
    partitions_def=DATE_LANGUAGES,
    deps=["landed"],
)
def raw_conversations(context: AssetExecutionContext, site: Site) -> Slices:
    home = site.settings.home

    def key(partition: str) -> tuple[dt.date, str]:
        date, language = partition.split("|")
        return dt.date.fromisoformat(date), language

    return Slices(
        context,
        [RAW_CONVERSATIONS],
        inputs=lambda partition: slice_hash(home, *key(partition)),
        make=lambda partition: {RAW_CONVERSATIONS.name: read_landed(home, *key(partition))},
        uses={},
    )
