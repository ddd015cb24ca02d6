"""The tree of topics: parents proposed, deduplicated, assigned and renamed, level by level."""

from datetime import date

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.clusters import earlier, latest
from assets.common import CLAUDE_POOL, about
from assets.contracts import CLUSTERINGS
from assets.partitions import DATES, settings_used
from clio_dagster.clusters.summaries import vocabularies_of
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
    def tree_of(key: str, clustered_by: str) -> pl.DataFrame:
        summaries, found, members, words = (
            each.read(key).filter(clustered_by=clustered_by)
            for each in (cluster_summaries, clusters, cluster_members, vocabularies)
        )
        before = {"date": earlier(site, key), "clustered_by": clustered_by}
        tree, _ = build_hierarchy(
            summaries,
            found,
            members,
            vocabularies_of(words),
            analyst.analyst,
            previous=latest(site.warehouse.read(HIERARCHY, before)),
            settings=site.settings,
            date=date.fromisoformat(key),
            clustered_by=clustered_by,
            stand_in=analyst.stand_in,
            at_once=analyst.at_once,
        )
        return tree

    def make(key: str) -> dict[str, pl.DataFrame]:
        return {HIERARCHY.name: pl.concat(tree_of(key, by) for by in CLUSTERINGS)}

    return Slices(context, STAGE, site, make)
