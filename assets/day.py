"""The languages of a day gathered: what the date-partitioned stages build on."""

import polars as pl
from dagster import AssetExecutionContext, AssetIn, asset

from assets.common import about
from assets.partitions import ALL_LANGUAGES, DATES, SETTINGS, slices_of
from clio_dagster.facets import day_of
from clio_dagster.tables import DAY
from resources.io_manager import Reader
from resources.stage import Slices


@asset(
    **about(DAY, group="topics", kinds={"polars", "duckdb"}),
    partitions_def=DATES,
    ins={
        "facets": AssetIn(partition_mapping=ALL_LANGUAGES),
        "embeddings": AssetIn(partition_mapping=ALL_LANGUAGES),
    },
)
def day(context: AssetExecutionContext, facets: Reader, embeddings: Reader) -> Slices:
    keys = [key for date in context.partition_keys for key in slices_of(date)]
    hashes = {reader.table.name: reader.hashes(keys) for reader in (facets, embeddings)}

    def inputs(date: str) -> dict[str, list[str | None]]:
        return {name: [found.get(key) for key in slices_of(date)] for name, found in hashes.items()}

    def make(date: str) -> dict[str, pl.DataFrame]:
        missing = [key for key in slices_of(date) if key not in hashes["embeddings"]]
        if missing:
            raise ValueError(
                f"day {date} lacks {len(missing)} slices: materialize facets and embeddings of that date"
            )
        return {
            DAY.name: day_of(
                date,
                SETTINGS.partition_languages,
                facets.read_days([date], ["language", "conversation_id"]),
                embeddings.read_days([date], ["language", "conversation_id"]),
                {
                    key.split("|")[1]: f"{hashes['facets'][key]}:{hashes['embeddings'][key]}"
                    for key in slices_of(date)
                },
            )
        }

    return Slices(context, [DAY], inputs=inputs, make=make, uses={})
