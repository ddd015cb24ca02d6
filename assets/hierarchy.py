"""The tree of topics: parents proposed, deduplicated, assigned and renamed, level by level."""

from datetime import date

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.clusters import earlier, latest
from assets.common import about
from assets.partitions import DATES, settings_used
from clio_dagster.clusters.summaries import vocabularies_of
from clio_dagster.facets import CLUSTERED_BY
from clio_dagster.hierarchy.hierarchizer import build_hierarchy
from clio_dagster.tables import HIERARCHY
from resources.io_manager import Reader, hashes_of
from resources.readers import AnalystResource
from resources.site import Site
from resources.stage import Slices

USES = ("seed", "top_topics")


@asset(**about(HIERARCHY, group="topics", kinds={"python", "duckdb"}), partitions_def=DATES)
def hierarchy(
    context: AssetExecutionContext,
    clusters: Reader,
    cluster_members: Reader,
    cluster_summaries: Reader,
    vocabularies: Reader,
    site: Site,
    analyst: AnalystResource,
) -> Slices:
    upstream = (clusters, cluster_members, cluster_summaries, vocabularies)
    hashes = hashes_of(upstream, context.partition_keys)

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
        )
        return {HIERARCHY.name: tree}

    return Slices(
        context,
        [HIERARCHY],
        inputs=hashes,
        make=make,
        uses={"analyst": analyst.identity} | settings_used(*USES),
    )
