"""Each conversation reduced to its facets by the analyst, scrubbed of personal data.

Those whose text was purged keep the facets that were read from it.
"""

from collections.abc import Iterator

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import CLAUDE_POOL, about
from assets.contracts import FACETS
from assets.partitions import DATE_LANGUAGES, IN_BATCHES
from clio_dagster.conversations.landed import VERSION, read_landed
from clio_dagster.facets import facets_of
from clio_dagster.key_ranges import ranges_of
from clio_dagster.own_columns import fitting
from clio_dagster.retention import with_standing
from clio_dagster.tables import FACET_BATCHES, RAW_CONVERSATIONS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, reading
from resources.retention import as_before_purge, landed_since_purge, purged_partitions
from resources.site import Site
from resources.stage import Slices

STAGE = Stage(
    (FACETS,),
    (Input(RAW_CONVERSATIONS),),
    uses=lambda site: reading(site.settings),
    facts=landed_since_purge,
    sees=as_before_purge,
)


@asset(
    **about(FACETS, group="conversations", kinds={"polars", "duckdb"}),
    # In batches nothing is asked while this waits for them: it takes no place in the pool.
    pool=None if IN_BATCHES else CLAUDE_POOL,
    deps=[FACET_BATCHES.name] if IN_BATCHES else [],
    partitions_def=DATE_LANGUAGES,
)
def facets(
    context: AssetExecutionContext, raw_conversations: Reader, site: Site, analyst: AnalystResource
) -> Slices:
    own, standing = site.settings.facets, Reader(site.warehouse, FACETS)

    def read(partition: str) -> Iterator[pl.DataFrame]:
        is_purged = partition in purged_partitions(site, RAW_CONVERSATIONS)
        tables = [raw_conversations, standing] if is_purged else [raw_conversations]
        ids = pl.concat(table.read(partition, ["conversation_id"])["conversation_id"] for table in tables)
        for within in ranges_of(ids):
            raw = raw_conversations.read(partition, list(RAW_CONVERSATIONS.schema), within=within)
            made = facets_of(raw, analyst.analyst, own)
            if is_purged:
                stored = standing.read(partition, list(FACETS.schema), within=within)
                landed = read_landed(
                    site.settings.home, *partition.split("|"), columns=VERSION, within=within
                )
                made = with_standing(made, fitting(stored, own), landed, VERSION)
            yield made

    return Slices(context, STAGE, site, lambda partition: {FACETS.name: read(partition)})
