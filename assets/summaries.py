"""Names and descriptions of the base clusters that pass the thresholds, from words that their accounts share."""

import polars as pl
from dagster import AssetExecutionContext, multi_asset

from assets.clusters import earlier, read_window
from assets.common import CHAIN, CLAUDE_POOL, outs
from assets.contracts import CLUSTERINGS
from assets.partitions import DATES, settings_used
from clio_dagster.clusters.summaries import summarise
from clio_dagster.privacy.key import key_identity
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTER_SUMMARIES, CLUSTERS, VOCABULARIES
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, identities
from resources.site import Site
from resources.stage import Slices, Written, write

USES = (
    "seed",
    "min_accounts",
    "word_min_accounts",
    "sensitive_word_min_accounts",
    "pair_min_accounts",
    "epsilon",
    "epsilon_word",
    "epsilon_pair",
    "epsilon_sensitive",
)

STAGE = Stage(
    (CLUSTER_SUMMARIES, VOCABULARIES),
    (Input(CLUSTERS), Input(CLUSTER_MEMBERS)),
    uses=lambda site: (
        settings_used(*USES)
        | {
            "analyst": identities(site.settings, "cluster_summaries")[0],
            "key": key_identity(site.settings.key),
        }
    ),
    goes_on=True,
)


@multi_asset(
    outs=outs(CLUSTER_SUMMARIES, VOCABULARIES, group="topics", kinds={"python", "duckdb"}),
    partitions_def=DATES,
    backfill_policy=CHAIN,
    pool=CLAUDE_POOL,
)
def cluster_summaries(
    context: AssetExecutionContext,
    clusters: Reader,
    cluster_members: Reader,
    site: Site,
    analyst: AnalystResource,
) -> tuple[Written, Written]:
    def summaries_of(key: str, clustered_by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        facets, vectors = read_window(site, key, clustered_by)
        return summarise(
            clusters.read(key).filter(clustered_by=clustered_by),
            cluster_members.read(key).filter(clustered_by=clustered_by),
            facets,
            vectors,
            analyst.analyst,
            previous=site.warehouse.read(
                CLUSTER_SUMMARIES, {"date": earlier(site, key), "clustered_by": clustered_by}
            ),
            settings=site.settings,
            key=site.settings.key,
            clustered_by=clustered_by,
            stand_in=analyst.stand_in,
        )

    def make(key: str) -> dict[str, pl.DataFrame]:
        summaries, vocabularies = zip(*(summaries_of(key, by) for by in CLUSTERINGS), strict=True)
        return {CLUSTER_SUMMARIES.name: pl.concat(summaries), VOCABULARIES.name: pl.concat(vocabularies)}

    written = write(Slices(context, STAGE, site, make))
    return written, written
