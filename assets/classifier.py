"""The audit of the site's classifier: its agreement with the analyst over clusters, and what it flagged alone."""

from datetime import date

import polars as pl
from dagster import AssetExecutionContext, multi_asset

from assets.clusters import read_window, topics_of
from assets.common import MANY_A_RUN, outs
from assets.contracts import CLUSTERINGS
from assets.partitions import DATES, settings_used, window
from clio_dagster.safety.classifier_audit import correlations, flagged_clusters
from clio_dagster.safety.tables import CLASSIFIER_AUDIT, FLAGGED_CLUSTERS
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERS, DAY
from resources.contracts import contracts
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices, Written, write

BY_CLUSTER = contracts()["classifier_clusters"]

STAGE = Stage(
    (CLASSIFIER_AUDIT, FLAGGED_CLUSTERS),
    (
        Input(DAY, window, others_may_lack=True),
        Input(CLUSTERS),
        Input(CLUSTER_MEMBERS),
        Input(BY_CLUSTER),
    ),
    uses=lambda _: settings_used("window_days", "seed"),
)


@multi_asset(
    outs=outs(CLASSIFIER_AUDIT, FLAGGED_CLUSTERS, group="safety", kinds={"python", "duckdb"}),
    partitions_def=DATES,
    backfill_policy=MANY_A_RUN,
    deps=[DAY.name],
)
def classifier_audit(
    context: AssetExecutionContext,
    classifier_clusters: Reader,
    clusters: Reader,
    cluster_members: Reader,
    site: Site,
) -> tuple[Written, Written]:
    def flagged(key: str, clustered_by: str) -> pl.DataFrame:
        rows, vectors = read_window(site, key, clustered_by, also=("concerning", "flagged"))
        topics = topics_of(clusters, cluster_members, key, clustered_by)
        return flagged_clusters(
            rows.join(topics, on="conversation_id", how="left", maintain_order="left"),
            vectors,
            date=date.fromisoformat(key),
            clustered_by=clustered_by,
            seed=site.settings.seed,
            threads=site.settings.threads,
        )

    def make(key: str) -> dict[str, pl.DataFrame]:
        agreement = correlations(
            classifier_clusters.read(key), date=date.fromisoformat(key), seed=site.settings.seed
        )
        alone = pl.concat(flagged(key, by) for by in CLUSTERINGS)
        return {CLASSIFIER_AUDIT.name: agreement, FLAGGED_CLUSTERS.name: alone}

    written = write(Slices(context, STAGE, site, make))
    return written, written
