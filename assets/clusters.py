"""Base clusters of a date, found over its trailing window, and which conversation fell into which."""

from datetime import date, timedelta

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, AssetIn, multi_asset

from assets.common import MANY_A_RUN, outs
from assets.partitions import DATES, SETTINGS, WINDOW, settings_used
from clio_dagster.clusters.find import find_clusters
from clio_dagster.facets import CLUSTERED_BY
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERS, EMBEDDINGS, FACETS, RELEASES
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices, Written, write

USES = (
    "window_days",
    "seed",
    "base_cluster_size",
    "min_conversations",
    "min_accounts",
    "max_account_share",
    "account_cap",
    "epsilon",
)


@multi_asset(
    outs=outs(CLUSTERS, CLUSTER_MEMBERS, group="topics", kinds={"python", "duckdb"}),
    partitions_def=DATES,
    backfill_policy=MANY_A_RUN,
    ins={"day": AssetIn(partition_mapping=WINDOW)},
)
def clusters(context: AssetExecutionContext, day: Reader, site: Site) -> tuple[Written, Written]:
    hashes = day.hashes(sorted({each for key in context.partition_keys for each in window(key)}))

    def make(key: str) -> dict[str, pl.DataFrame]:
        facets, vectors = read_window(site, key)
        found, members = find_clusters(
            facets,
            vectors,
            previous=site.warehouse.read(CLUSTERS, {"date": earlier(site, key)}),
            settings=site.settings,
            key=site.settings.key,
            date=date.fromisoformat(key),
            clustered_by=CLUSTERED_BY,
        )
        return {CLUSTERS.name: found, CLUSTER_MEMBERS.name: members}

    written = write(
        site.warehouse,
        Slices(
            context,
            [CLUSTERS, CLUSTER_MEMBERS],
            inputs=lambda key: {each: hashes.get(each) for each in window(key)} if key in hashes else None,
            make=make,
            uses=settings_used(*USES),
        ),
    )
    return written, written


def window(key: str) -> list[str]:
    """Days of a date's trailing window, oldest first."""
    last = date.fromisoformat(key)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(SETTINGS.window_days))]


def earlier(site: Site, key: str) -> list[str]:
    """Dates whose names and ids a date goes on from: those before it, and its own where it has been released.

    A date that was made and not released starts over, so that making it again gives the same.
    """
    days = window(key)
    return days if site.warehouse.slice_of(RELEASES, {"date": key}) else days[:-1]


def latest(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the newest date: what names and ids persist from, across days without traffic too."""
    return frame.filter(pl.col("date") == pl.col("date").max())


def read_window(site: Site, key: str) -> tuple[pl.DataFrame, np.ndarray]:
    """Facets of the window's conversations that have a vector, and the vectors, row by row."""
    embedded = site.warehouse.read(EMBEDDINGS, {"date": window(key), "clustered_by": CLUSTERED_BY})
    facets = site.warehouse.read(
        FACETS, {"date": window(key)}, ["conversation_id", "account", "language", "date", "request"]
    )
    joined = embedded.select("conversation_id", "date", "vector").join(
        facets, on=["conversation_id", "date"], how="inner", maintain_order="left"
    )
    vectors = joined["vector"].to_numpy() if joined.height else np.zeros((0, 1), np.float32)
    return joined.drop("vector"), vectors
