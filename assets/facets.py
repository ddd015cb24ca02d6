"""Each conversation reduced to its facets by the analyst, scrubbed of personal data.

Those whose text was purged keep the facets that were read from it.
"""

from collections.abc import Iterator
from functools import cache, partial

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import CLAUDE_POOL, about
from assets.contracts import FACETS
from assets.partitions import ASKS_CLAUDE, DATE_LANGUAGES, IN_BATCHES
from clio_dagster.analyst.protocol import Analyst
from clio_dagster.conversations.landed import VERSION, read_landed
from clio_dagster.facets import facets_of
from clio_dagster.key_ranges import ROWS_AT_ONCE, KeyRange, ranges_of
from clio_dagster.own_columns import fitting
from clio_dagster.retention import with_standing
from clio_dagster.shards import here
from clio_dagster.tables import FACET_BATCHES, RAW_CONVERSATIONS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, kept_embedder, make_analyst, reading
from resources.retention import as_before_purge, landed_since_purge, purged_partitions
from resources.shards import mapping
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
    def read(partition: str) -> Iterator[pl.DataFrame]:
        is_purged = partition in purged_partitions(site, RAW_CONVERSATIONS)
        tables = [raw_conversations, Reader(site.warehouse, FACETS)] if is_purged else [raw_conversations]
        ids = pl.concat(table.read(partition, ["conversation_id"])["conversation_id"] for table in tables)
        # Claude's requests wait for answers, not for a processor, and are paid for through this run's leases.
        apart = here if ASKS_CLAUDE else mapping(site.settings, FACETS.name, partition, ids.len())
        if apart is here:
            make = partial(facets_within, site, analyst.analyst, partition, is_purged)
            return apart(make, ranges_of(ids))
        rows = min(ROWS_AT_ONCE, site.settings.shard_conversations)
        return apart(partial(facets_apart, partition, is_purged), ranges_of(ids, rows))

    return Slices(context, STAGE, site, lambda partition: {FACETS.name: read(partition)})


def facets_within(
    site: Site, analyst: Analyst, partition: str, is_purged: bool, within: KeyRange
) -> pl.DataFrame:
    """tables.FACETS of a range of a partition's conversations, which do not depend on where its bounds lie."""
    own = site.settings.facets
    raw = Reader(site.warehouse, RAW_CONVERSATIONS).read(
        partition, list(RAW_CONVERSATIONS.schema), within=within
    )
    made = facets_of(raw, analyst, own)
    if not is_purged:
        return made
    stored = Reader(site.warehouse, FACETS).read(partition, list(FACETS.schema), within=within)
    landed = read_landed(site.settings.home, *partition.split("|"), columns=VERSION, within=within)
    return with_standing(made, fitting(stored, own), landed, VERSION)


def facets_apart(partition: str, is_purged: bool, within: KeyRange) -> pl.DataFrame:
    """The same where a process of the cluster makes them, which reads the conversations itself."""
    site, analyst = _kept()
    return facets_within(site, analyst, partition, is_purged, within)


@cache
def _kept() -> tuple[Site, Analyst]:
    site = Site()
    return site, make_analyst(site, kept_embedder(site.settings.embedder, 1))
