"""Each conversation reduced to its facets by the analyst, scrubbed of personal data."""

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.facets import facets_of
from clio_dagster.tables import FACETS, RAW_CONVERSATIONS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, identities
from resources.site import Site
from resources.stage import Slices

STAGE = Stage(
    (FACETS,), (Input(RAW_CONVERSATIONS),), uses=lambda site: {"analyst": identities(site.settings)[0]}
)


@asset(**about(FACETS, group="conversations", kinds={"polars", "duckdb"}), partitions_def=DATE_LANGUAGES)
def facets(
    context: AssetExecutionContext, raw_conversations: Reader, site: Site, analyst: AnalystResource
) -> Slices:
    def make(partition: str) -> dict[str, pl.DataFrame]:
        return {FACETS.name: facets_of(raw_conversations.read(partition), analyst.analyst)}

    return Slices(context, STAGE, site, make)
