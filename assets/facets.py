"""Each conversation reduced to its facets by the analyst, scrubbed of personal data."""

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.facets import facets_of
from clio_dagster.tables import FACETS
from resources.io_manager import Reader
from resources.readers import AnalystResource
from resources.stage import Slices


@asset(**about(FACETS, group="conversations", kinds={"polars", "duckdb"}), partitions_def=DATE_LANGUAGES)
def facets(context: AssetExecutionContext, raw_conversations: Reader, analyst: AnalystResource) -> Slices:
    hashes = raw_conversations.hashes(context.partition_keys)

    def make(partition: str) -> dict[str, pl.DataFrame]:
        return {FACETS.name: facets_of(raw_conversations.read(partition), analyst.analyst)}

    return Slices(
        context,
        [FACETS],
        inputs=hashes.get,
        make=make,
        uses={"analyst": analyst.identity},
    )
