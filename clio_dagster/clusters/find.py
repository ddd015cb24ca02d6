"""Base clusters of a window: found, given stable topics, judged by the thresholds, and small ones merged.

Which rows count and what a cluster needs stands in privacy/thresholds.py, what is done to vectors in
kmeans.py and lineage.py.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.clusters.births import births
from clio_dagster.clusters.clusterers import clusterer_of
from clio_dagster.clusters.coarse_to_fine import nearest
from clio_dagster.clusters.density import without_noise
from clio_dagster.clusters.kmeans import centroids_of
from clio_dagster.clusters.lineage import match_one_to_one, new_topic
from clio_dagster.clusters.refine import refined
from clio_dagster.clusters.vectors import ROWS_AT_ONCE, stacked
from clio_dagster.privacy.accounts import order_of, owner, place_within
from clio_dagster.privacy.alike import began, crowd_of, traffic_of
from clio_dagster.privacy.thresholds import counted, tally, verdicts
from clio_dagster.settings import Settings
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERS

SIBLINGS = 0.6
"""Least cosine of two centroids for the smaller cluster to be merged into the other. On 22,500 labelled
requests (USE) a cluster's nearest neighbour lay at 0.77 in the median and 0.59 at the fifth percentile, and
95% of all pairs below 0.50. What has no sibling stays under the smaller topics, not shoved into a foreign
one."""

IN_NO_CLUSTER = "in no cluster"
"""The reason why what HDBSCAN takes for noise does not pass."""

SIZED_BY = 4
"""Times the cap that an account's conversations count for the number of clusters: people have several topics."""


def find_clusters(
    facets: pl.DataFrame,
    vectors: np.ndarray,
    *,
    previous: pl.DataFrame,
    settings: Settings,
    key: bytes,
    date: dt.date,
    clustered_by: str = "request",
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Base clusters over a window, and who is in which: (tables.CLUSTERS, tables.CLUSTER_MEMBERS).

    `facets`: conversation_id, account, language, date (the conversation's own day), started_at where known
    (nullable) and the text column `clustered_by`; `vectors`: its unit vectors, float32, a row each. `previous`:
    tables.CLUSTERS rows of the previous date, which hand on their topics; rows of `date` itself, from an earlier
    revision, hand on topics but no standing. Members come in the order of `facets`, clusters numbered in the
    order of their topics, so that no number tells a size.

    What HDBSCAN leaves out, where CLIO_OUTLIERS is `noise`, is one row that never passes, joins nothing and hands
    on no topic: its members are counted below a threshold.

    k-means begins from the groups that the date brought and from the previous date's centroids, so that topics
    persist; then a cluster of two topics is split and two of one are merged. A cluster that fails a
    threshold is merged into its nearest sibling, one that passes before one that does not, and the result
    is judged again under the sibling's topic and noise. What still fails keeps passes=False with its
    reasons. A merge that would make a passing cluster fail is undone. Raises ValueError where rows and
    vectors differ in number.
    """
    if len(facets) != len(vectors):
        raise ValueError(
            f"clusters of {clustered_by}: {len(facets)} conversations, but {len(vectors)} vectors"
        )
    previous = previous.filter(
        pl.col("clustered_by") == clustered_by, ~pl.col("reasons").list.contains(IN_NO_CLUSTER)
    )
    # What is beyond an account's cap is assigned only: who floods a window cannot tear its topics apart.
    place = _place(facets)
    trained = (place <= settings.account_cap).to_numpy()
    sized_by = (place <= SIZED_BY * settings.account_cap).sum()
    asked = min(max(1, round(sized_by / settings.base_cluster_size)), settings.max_clusters)
    earlier = _latest_of_each_topic(previous, vectors.shape[1])
    labels = clusterer_of(settings)(
        vectors,
        asked,
        seed=settings.seed,
        threads=settings.threads,
        starts=_starts(vectors, earlier, trained, facets["date"], date, settings),
        trained=trained,
    )
    if settings.outliers == "assign":
        labels = without_noise(vectors, labels)
    if labels.min(initial=0) >= 0:
        labels = refined(
            vectors,
            labels,
            trained,
            least=settings.min_conversations,
            aimed_at=max(settings.base_cluster_size, round(sized_by / asked)),
            most=settings.max_clusters,
            seed=settings.seed,
            threads=settings.threads,
        )
    members = facets.select(
        "conversation_id",
        "account",
        "language",
        pl.col("date").alias("day"),
        pl.col(clustered_by).alias("text"),
        began(facets),
    )
    standing = frozenset(previous.filter(pl.col("passes") & (pl.col("date") < date))["topic"])
    work = _Work(members, vectors, labels, settings, key, standing)
    work.topics = _topics(
        work.centroids,
        earlier,
        settings=settings,
        key=key,
        date=date,
        clustered_by=clustered_by,
        noise=work.noise,
    )
    work.judge(range(len(work.topics)))
    work.merge_small()
    return _frames(work, date, clustered_by)


def _place(facets: pl.DataFrame) -> pl.Series:
    """Which of its account's conversations each is, from 1, in the order of the hash of conversation_id."""
    rows = facets.select(owner().alias("account"), order_of(facets["conversation_id"]).alias("order"))
    return rows.select(place_within("account").alias("place"))["place"]


@dataclass
class _Verdict:
    conversations: int
    accounts: int
    top_account_share: float
    passes: bool
    reasons: list[str]


class _Work:
    """Clusters while small ones are merged: labels, what counts, centroids and verdicts, kept in step."""

    def __init__(
        self,
        members: pl.DataFrame,
        vectors: np.ndarray,
        labels: np.ndarray,
        settings: Settings,
        key: bytes,
        standing: frozenset[str],
    ) -> None:
        self.members, self.vectors, self.labels = members, vectors, labels
        self.settings, self.key, self.standing = settings, key, standing
        clusters = int(labels.max()) + 1 if len(labels) else 0
        self.noise = clusters if len(labels) and labels.min() < 0 else None
        if self.noise is not None:
            self.labels, clusters = np.where(labels < 0, clusters, labels).astype(np.int32), clusters + 1
        self.traffic = traffic_of(members["started_at"])
        self.counted = np.zeros(len(labels), dtype=bool)
        self.centroids = np.zeros((clusters, vectors.shape[1]), dtype=np.float32)
        self.topics: list[str] = []
        self.verdicts: dict[int, _Verdict] = {}
        self._count(range(clusters))

    def judge(self, clusters: range | set[int]) -> None:
        """Tally and judge these clusters by what counts in them now."""
        rows = np.flatnonzero(np.isin(self.labels, list(clusters)))
        if not len(rows):
            return
        tallies = tally(self._rows(rows).with_columns(pl.Series("counted", self.counted[rows])))
        topics = pl.Series(
            "topic", [self.topics[cluster] for cluster in tallies["cluster_id"]], dtype=pl.String
        )
        judged = verdicts(
            tallies.with_columns(topics), settings=self.settings, key=self.key, standing=self.standing
        )
        for row in judged.iter_rows(named=True):
            lost = row["cluster_id"] == self.noise
            self.verdicts[row["cluster_id"]] = _Verdict(
                row["conversations"],
                row["accounts"],
                row["top_account_share"],
                row["passes"] and not lost,
                [*row["reasons"], *([IN_NO_CLUSTER] if lost else [])],
            )

    def merge_small(self) -> None:
        """Merge failing clusters, round by round, until none has a sibling left that it may join."""
        stays = set() if self.noise is None else {self.noise}
        while moves := self._moves(stays):
            targets = set(moves.values())
            before = self.labels.copy(), self.counted.copy(), self.centroids.copy(), dict(self.verdicts)
            self._apply(moves)
            broken = {
                target for target in targets if before[3][target].passes and not self.verdicts[target].passes
            }
            if broken:
                self.labels, self.counted, self.centroids, self.verdicts = before
                stays |= {cluster for cluster, target in moves.items() if target in broken}
                self._apply({cluster: target for cluster, target in moves.items() if target not in broken})

    def _apply(self, moves: dict[int, int]) -> None:
        if not moves:
            return
        place = np.arange(len(self.topics), dtype=np.int32)
        place[list(moves)] = list(moves.values())
        self.labels = place[self.labels]
        for cluster in moves:
            del self.verdicts[cluster]
        self._count(set(moves.values()))
        self.judge(set(moves.values()))

    def _moves(self, stays: set[int]) -> dict[int, int]:
        """Which failing cluster joins which: smallest first, none both joining and joined in one round."""
        passing = sorted(cluster for cluster, verdict in self.verdicts.items() if verdict.passes)
        failing = sorted(
            (cluster for cluster, verdict in self.verdicts.items() if not verdict.passes),
            key=lambda cluster: (self.verdicts[cluster].conversations, self.topics[cluster]),
        )
        to_passing = self._nearest(failing, passing)
        to_failing = self.centroids[failing] @ self.centroids[failing].T
        moves: dict[int, int] = {}
        joined: set[int] = set()
        for place, cluster in enumerate(failing):
            if cluster in stays or cluster in joined:
                continue
            target = to_passing[place]
            if target is None:
                open_ = [other != cluster and other not in moves and other not in stays for other in failing]
                target = _best(np.where(open_, to_failing[place], -np.inf), failing)
            if target is not None:
                moves[cluster] = target
                joined.add(target)
        return moves

    def _nearest(self, clusters: list[int], among: list[int]) -> list[int | None]:
        cosines = self.centroids[clusters] @ self.centroids[among].T
        return [_best(row, among) for row in cosines]

    def _count(self, clusters: range | set[int]) -> None:
        """Apply cap and collapse within these clusters, and take their centroids over what counts."""
        chosen = np.array(sorted(clusters), dtype=np.int32)
        rows = np.flatnonzero(np.isin(self.labels, chosen))
        if not len(rows):
            return
        marks = counted(
            self._rows(rows),
            self.settings.account_cap,
            self.settings.max_account_share,
            traffic=self.traffic,
            crowd=crowd_of(self.settings.min_accounts),
        ).to_numpy()
        self.counted[rows] = marks
        places = np.searchsorted(chosen, self.labels[rows])
        self.centroids[chosen] = centroids_of(self.vectors, rows, places, len(chosen), marks)

    def _rows(self, rows: np.ndarray) -> pl.DataFrame:
        frame = self.members.select("conversation_id", "account", "text", "started_at")[rows]
        return frame.with_columns(pl.Series("cluster_id", self.labels[rows], dtype=pl.Int32))


def _best(cosines: np.ndarray, clusters: list[int]) -> int | None:
    """The cluster of the greatest cosine, where that makes it a sibling."""
    if not len(cosines):
        return None
    nearest = int(np.argmax(cosines))
    return clusters[nearest] if cosines[nearest] >= SIBLINGS else None


def _latest_of_each_topic(previous: pl.DataFrame, dimensions: int) -> pl.DataFrame:
    """One row a topic, the largest first. None where another embedder made them: topics then begin anew."""
    return (
        previous.filter(pl.col("centroid").cast(pl.List(pl.Float32)).list.len() == dimensions)
        .sort("date")
        .unique("topic", keep="last", maintain_order=True)
        .sort(-pl.col("conversations"), "topic")
    )


def _starts(
    vectors: np.ndarray,
    earlier: pl.DataFrame,
    trained: np.ndarray,
    days: pl.Series,
    date: dt.date,
    settings: Settings,
) -> np.ndarray:
    """Centroids that k-means begins from: of groups that are new, then of the topics there were."""
    known = stacked(earlier["centroid"])
    rows = np.flatnonzero(trained)
    if not len(known) or not len(rows):
        return known
    labels = nearest(vectors, rows, known, seed=settings.seed, threads=settings.threads)
    is_own = (days == date).to_numpy()[rows]
    new = births(vectors, rows, labels, is_own, least=settings.min_conversations)
    return np.concatenate([new, known])


def _topics(
    centroids: np.ndarray,
    earlier: pl.DataFrame,
    *,
    settings: Settings,
    key: bytes,
    date: dt.date,
    clustered_by: str,
    noise: int | None,
) -> list[str]:
    """A topic for each cluster: the previous one that it continues, else a new one made from its centroid.

    `noise`, the last cluster where there is one, continues none.
    """
    matched = match_one_to_one(centroids[:noise], stacked(earlier["centroid"]), earlier["topic"].to_list())
    matched += [] if noise is None else [None]
    about = (clustered_by, date.isoformat(), str(settings.seed))
    return [
        topic
        or new_topic(key, *about, str(cluster), np.round(centroids[cluster] * 1_000).astype("<i2").tobytes())
        for cluster, topic in enumerate(matched)
    ]


def _frames(work: _Work, date: dt.date, clustered_by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    order = sorted(work.verdicts, key=lambda cluster: work.topics[cluster])
    place = np.zeros(len(work.topics), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    kept = [work.verdicts[cluster] for cluster in order]
    clusters = pl.DataFrame(
        {
            "date": pl.Series([date] * len(order), dtype=pl.Date),
            "clustered_by": pl.Series([clustered_by] * len(order), dtype=pl.String),
            "cluster_id": np.arange(len(order), dtype=np.int32),
            "topic": pl.Series([work.topics[cluster] for cluster in order], dtype=pl.String),
            "conversations": pl.Series([verdict.conversations for verdict in kept], dtype=pl.Int64),
            "accounts": pl.Series([verdict.accounts for verdict in kept], dtype=pl.Int64),
            "top_account_share": pl.Series([verdict.top_account_share for verdict in kept], dtype=pl.Float64),
            "passes": pl.Series([verdict.passes for verdict in kept], dtype=pl.Boolean),
            "reasons": pl.Series([verdict.reasons for verdict in kept], dtype=pl.List(pl.String)),
            "centroid": pl.Series(work.centroids[order].tolist(), dtype=CLUSTERS.schema["centroid"]),
        }
    )
    members = work.members.select(
        pl.lit(date, dtype=pl.Date).alias("date"),
        pl.lit(clustered_by).alias("clustered_by"),
        "conversation_id",
        "account",
        "language",
        pl.Series("cluster_id", place[work.labels], dtype=pl.Int32),
        pl.Series("distance", _distances(work.vectors, work.centroids, work.labels), dtype=pl.Float32),
        "day",
        pl.Series("counted", work.counted),
    )
    return clusters.select(list(CLUSTERS.schema)), members.select(list(CLUSTER_MEMBERS.schema))


def _distances(vectors: np.ndarray, centroids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cosine distance of each row to its own cluster's centroid, 0 to 2."""
    distances = np.empty(len(labels), dtype=np.float32)
    for start in range(0, len(labels), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        distances[rows] = 1.0 - np.einsum("ij,ij->i", vectors[rows], centroids[labels[rows]])
    return np.clip(distances, 0.0, 2.0)
