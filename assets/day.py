"""The languages of a day gathered: what the date-partitioned stages build on."""

import polars as pl
from dagster import AssetExecutionContext, AssetIn, asset

from assets.common import about
from assets.partitions import ALL_LANGUAGES, DATES, SETTINGS, settings_used, slices_of
from clio_dagster.facets import day_of
from clio_dagster.tables import DAY, EMBEDDINGS, FACETS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices

STAGE = Stage(
    (DAY,),
    (Input(FACETS, slices_of), Input(EMBEDDINGS, slices_of)),
    uses=lambda _: settings_used("languages"),
)


@asset(
    **about(DAY, group="topics", kinds={"polars", "duckdb"}),
    partitions_def=DATES,
    ins={
        "facets": AssetIn(partition_mapping=ALL_LANGUAGES),
        "embeddings": AssetIn(partition_mapping=ALL_LANGUAGES),
    },
)
def day(context: AssetExecutionContext, facets: Reader, embeddings: Reader, site: Site) -> Slices:
    def make(date: str) -> dict[str, pl.DataFrame]:
        of_day = {table.name: site.warehouse.slices(table, slices_of(date)) for table in (FACETS, EMBEDDINGS)}
        return {
            DAY.name: day_of(
                date,
                SETTINGS.partition_languages,
                facets.read_days([date], ["language", "conversation_id"]),
                embeddings.read_days([date], ["language", "conversation_id"]),
                {
                    key.split("|")[1]: ":".join(found[key].content_hash for found in of_day.values())
                    for key in slices_of(date)
                },
            )
        }

    return Slices(context, STAGE, site, make)
