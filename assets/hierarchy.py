"""The tree of topics: parents proposed, deduplicated, assigned and renamed, level by level."""

from datetime import date

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.clusters import earlier, latest
from assets.common import CLAUDE_POOL, about
from assets.partitions import DATES, settings_used
from clio_dagster.clusters.summaries import vocabularies_of
from clio_dagster.facets import CLUSTERED_BY
from clio_dagster.hierarchy.hierarchizer import build_hierarchy
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTER_SUMMARIES, CLUSTERS, HIERARCHY, VOCABULARIES
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, identities
from resources.site import Site
from resources.stage import Slices

USES = ("seed", "top_topics")

STAGE = Stage(
    (HIERARCHY,),
    (Input(CLUSTERS), Input(CLUSTER_MEMBERS), Input(CLUSTER_SUMMARIES), Input(VOCABULARIES)),
    uses=lambda site: settings_used(*USES) | {"analyst": identities(site.settings, "hierarchy")[0]},
    goes_on=True,
)


@asset(**about(HIERARCHY, group="topics", kinds={"python", "duckdb"}), pool=CLAUDE_POOL, partitions_def=DATES)
def hierarchy(
    context: AssetExecutionContext,
    clusters: Reader,
    cluster_members: Reader,
    cluster_summaries: Reader,
    vocabularies: Reader,
    site: Site,
    analyst: AnalystResource,
) -> Slices:
    def make(key: str) -> dict[str, pl.DataFrame]:
        tree, _ = build_hierarchy(
            cluster_summaries.read(key),
            clusters.read(key),
            cluster_members.read(key),
            vocabularies_of(vocabularies.read(key)),
            analyst.analyst,
            previous=latest(site.warehouse.read(HIERARCHY, {"date": earlier(site, key)})),
            settings=site.settings,
            date=date.fromisoformat(key),
            clustered_by=CLUSTERED_BY,
            stand_in=analyst.stand_in,
            at_once=analyst.at_once,
        )
        return {HIERARCHY.name: tree}

    return Slices(context, STAGE, site, make)
