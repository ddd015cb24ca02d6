"""Which topics appeared or ended on a date, and how."""

from datetime import date

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.clusters import latest
from assets.common import about
from assets.contracts import CLUSTERINGS
from assets.partitions import DATES, settings_used, window
from clio_dagster.clusters.events import lineage_events
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERS, LINEAGE
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices

STAGE = Stage(
    (LINEAGE,),
    (Input(CLUSTERS), Input(CLUSTER_MEMBERS)),
    uses=lambda _: settings_used("window_days", "seed"),
    goes_on=True,
)


@asset(**about(LINEAGE, group="topics", kinds={"polars", "duckdb"}), partitions_def=DATES)
def lineage(context: AssetExecutionContext, clusters: Reader, cluster_members: Reader, site: Site) -> Slices:
    def events(key: str, clustered_by: str) -> pl.DataFrame:
        before = {"date": window(key)[:-1], "clustered_by": clustered_by}
        earlier = site.warehouse.read(CLUSTERS, before)
        newest = latest(earlier)["date"].unique().to_list()
        return lineage_events(
            clusters.read(key).filter(clustered_by=clustered_by),
            cluster_members.read(key).filter(clustered_by=clustered_by),
            earlier=earlier,
            earlier_members=site.warehouse.read(CLUSTER_MEMBERS, before | {"date": newest}),
            links=site.warehouse.read(LINEAGE, before),
            date=date.fromisoformat(key),
            seed=site.settings.seed,
            threads=site.settings.threads,
        )

    def make(key: str) -> dict[str, pl.DataFrame]:
        return {LINEAGE.name: pl.concat(events(key, by) for by in CLUSTERINGS)}

    return Slices(context, STAGE, site, make)
