"""Base clusters of a date, found over its trailing window, and which conversation fell into which."""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, multi_asset

from assets.common import CHAIN, outs
from assets.contracts import CLUSTERINGS, FACETS
from assets.partitions import DATES, groups, settings_used, window
from clio_dagster.clusters.find import find_clusters
from clio_dagster.privacy.key import key_identity
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERS, DAY, EMBEDDINGS, FROZEN_PARTS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.site import Site
from resources.stage import Slices, Written, write

USES = (
    "window_days",
    "seed",
    "base_cluster_size",
    "max_clusters",
    "clusterer",
    "outliers",
    "min_conversations",
    "min_accounts",
    "max_account_share",
    "account_cap",
    "epsilon",
    "epsilon_topic",
)

VECTORS_READ = 16_384
"""Read at once, about: 32 MB of the default embedder's. Small slices are read together, for the file is attached anew
for each read."""

STAGE = Stage(
    (CLUSTERS, CLUSTER_MEMBERS),
    (Input(DAY, window, others_may_lack=True),),
    uses=lambda site: settings_used(*USES) | {"key": key_identity(site.settings.key)},
    goes_on=True,
)


@multi_asset(
    outs=outs(CLUSTERS, CLUSTER_MEMBERS, group="topics", kinds={"python", "duckdb"}),
    partitions_def=DATES,
    backfill_policy=CHAIN,
)
def clusters(context: AssetExecutionContext, day: Reader, site: Site) -> tuple[Written, Written]:
    def find(key: str, clustered_by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        facets, vectors = read_window(site, key, clustered_by)
        return find_clusters(
            facets,
            vectors,
            previous=site.warehouse.read(CLUSTERS, {"date": earlier(site, key)}),
            settings=site.settings,
            key=site.settings.key,
            date=date.fromisoformat(key),
            clustered_by=clustered_by,
        )

    def make(key: str) -> dict[str, pl.DataFrame]:
        found, members = zip(*(find(key, by) for by in CLUSTERINGS), strict=True)
        return {CLUSTERS.name: pl.concat(found), CLUSTER_MEMBERS.name: pl.concat(members)}

    written = write(Slices(context, STAGE, site, make))
    return written, written


def earlier(site: Site, key: str) -> list[str]:
    """Dates whose names and ids a date goes on from: those before it, and its own where its figures are frozen.

    A date that was made and that no release has shown starts over, so that making it again gives the same.
    """
    days = window(key)
    return days if site.warehouse.slice_of(FROZEN_PARTS, {"date": key}) else days[:-1]


def latest(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the newest date: what names and ids persist from, across days without traffic too."""
    return frame.filter(pl.col("date") == pl.col("date").max())


def read_window(
    site: Site, key: str, clustered_by: str, also: Sequence[str] = ()
) -> tuple[pl.DataFrame, np.ndarray]:
    """Facets of the window's conversations that have a vector of `clustered_by`, and the vectors, row by row.

    A conversation that came under two days or languages is taken once, on the last of its days. `also`: further columns
    of facets.
    """
    of_window = {"date": window(key)}
    facets = site.warehouse.read(
        FACETS,
        of_window,
        ["conversation_id", "account", "language", "date", "started_at", clustered_by, *also],
    )
    embedded = site.warehouse.read(
        EMBEDDINGS,
        of_window | {"clustered_by": clustered_by},
        ["conversation_id", "date", "language"],
    )
    rows = (
        embedded.join(facets, on=["conversation_id", "date", "language"], how="inner", maintain_order="left")
        .sort("conversation_id", "date", "language")
        .unique("conversation_id", keep="last", maintain_order=True)
    )
    return rows, read_vectors(site, rows, clustered_by)


def topics_of(clusters: Reader, cluster_members: Reader, key: str, clustered_by: str) -> pl.DataFrame:
    """conversation_id and topic of the members of a date's clusters."""
    found = clusters.read(key, ["clustered_by", "cluster_id", "topic"]).filter(clustered_by=clustered_by)
    members = cluster_members.read(key, ["conversation_id", "clustered_by", "cluster_id"])
    return members.join(found, on=["clustered_by", "cluster_id"]).select("conversation_id", "topic")


def read_vectors(
    site: Site, rows: pl.DataFrame, clustered_by: str, *, at_once: int = VECTORS_READ
) -> np.ndarray:
    """The vectors of the rows (conversation_id, date, language), about `at_once` a read: the window is held once."""
    vectors = np.zeros((0, 1), np.float32)
    keys = ["conversation_id", "date", "language"]
    for part in _parts(rows.select(keys).with_row_index("row"), at_once):
        read = site.warehouse.read(
            EMBEDDINGS,
            {
                "clustered_by": clustered_by,
                "date": part["date"].unique().to_list(),
                "language": part["language"].unique().to_list(),
            },
            [*keys, "vector"],
        )
        found = read["vector"].to_numpy()
        if not vectors.size:
            vectors = np.empty((len(rows), found.shape[1]), np.float32)
        at = read.select(keys).with_row_index("at").join(part, on=keys)
        vectors[at["row"]] = found[at["at"]]
    return vectors


def _parts(placed: pl.DataFrame, at_once: int) -> Iterator[pl.DataFrame]:
    """The rows of whole days, as many together as `at_once` lets; of a day with more, those of a language at a time.

    Whole days, since what is read is every given day in every given language.
    """
    of_day = dict(placed.group_by("date").len().sort("date").iter_rows())
    for days in groups(of_day, of_day, at_once):
        part = placed.filter(pl.col("date").is_in(days))
        yield from [part] if part.height <= at_once else part.partition_by("language")
