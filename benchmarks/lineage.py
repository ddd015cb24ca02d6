"""Topics from date to date: what persists keeps its id, what is born is reported on its day, and nothing else is.

    python -m benchmarks.lineage --data FOLDER [--cache FOLDER] [--threads N] [--seeds N] [--named DAYS]

CLINC150's intents: 7 days to fill the window, 7 more for a history of topics, and the 14 that are looked at. Intents
are born and die on planted days; the others go on, each at a rate of its own. A day's conversations of an intent are
made from pairs of its texts (a rotation in the plane of their deviations from the intent's mean), which keeps its mean
and spread and never says a text twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from benchmarks.clusters import KEY, arguments_of, load, parser
from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.clusters.events import lineage_events
from clio_dagster.clusters.find import find_clusters
from clio_dagster.clusters.positions import positions
from clio_dagster.clusters.summaries import summarise
from clio_dagster.clusters.vectors import normalized
from clio_dagster.embedding import Embedder, embed_texts, make_embedder
from clio_dagster.models.build import build_view, select_rows
from clio_dagster.privacy.noise import variance
from clio_dagster.privacy.parts import Day, Figures, publish_day
from clio_dagster.settings import Settings, load_settings
from clio_dagster.tables import (
    AUDITED_SUMMARIES,
    BIRTH,
    CLUSTER_SUMMARIES,
    CLUSTERS,
    LINEAGE,
    PUBLISHED,
    PUBLISHED_CELLS,
)
from resources.contracts import models
from resources.duckdb_warehouse import DuckDBWarehouse

FIRST = date(2026, 11, 1)
WARM, DAYS = 14, 14
INTENTS = 100
RATE, SPREAD = 18.0, 0.4
"""Conversations of an intent a day: median and σ of a log-normal."""

BIRTHS = (1, 3, 5, 7, 9, 11)
DEATHS = (2, 5, 8, 11)
"""Days of the 14 on which two intents are born, or die."""

BORN_RATE = 60.0
ACCOUNTS = 40
"""Accounts that talk of an intent; on one day, most of those that come come once."""


@dataclass(frozen=True)
class Corpus:
    """Conversations of all days, their vectors row by row, and when each intent lives: [first day, day of death)."""

    facets: pl.DataFrame
    vectors: np.ndarray
    lives: dict[str, tuple[int, int]]

    def window(self, day: int, days: int) -> tuple[pl.DataFrame, np.ndarray]:
        rows = self.facets["number"].is_between(day - days + 1, day).arg_true()
        return self.facets[rows], self.vectors[rows.to_numpy()]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument(
        "--named", type=int, default=0, help="Last days whose topics the offline analyst names."
    )
    arguments = arguments_of(options)
    settings = load_settings(threads=arguments.threads)
    facets, vectors = load("clinc150", "intent", arguments)
    embedder = make_embedder("use", threads=arguments.threads)
    analyst = OfflineAnalyst(embedder)
    for seed in range(arguments.seeds):
        corpus = planted(facets, vectors, seed)
        started = time.perf_counter()
        days = list(found(corpus, settings, analyst, arguments.named))
        print(f"seed {seed}: {len(corpus.facets)} conversations, {time.perf_counter() - started:.1f} s")
        print(kept_ids(corpus, days, arguments.named))
        print(reported(corpus, days, settings))
        print(mapped(days, embedder, settings.seed))


def planted(facets: pl.DataFrame, vectors: np.ndarray, seed: int) -> Corpus:
    """The corpus of a seed."""
    draw = np.random.default_rng(seed)
    intents = draw.permutation(facets["label"].unique().sort().to_numpy())[:INTENTS].tolist()
    lives = {intent: (0, WARM + DAYS) for intent in intents}
    born = iter(intents)
    for day in BIRTHS:
        lives |= {next(born): (WARM + day, WARM + DAYS) for _ in range(2)}
    for day in DEATHS:
        lives |= {next(born): (0, WARM + day) for _ in range(2)}
    parts, made = [], []
    for intent in intents:
        first, end = lives[intent]
        rate = BORN_RATE if first else RATE * draw.lognormal(sigma=SPREAD)
        counts = draw.poisson(rate, WARM + DAYS)
        counts[:first] = counts[end:] = 0
        rows = np.flatnonzero((facets["label"] == intent).to_numpy())
        pairs = np.stack([draw.choice(rows, 2, replace=False) for _ in range(counts.sum())])
        mean = vectors[rows].mean(axis=0)
        angle = draw.uniform(0, 2 * np.pi, (len(pairs), 1))
        made.append(
            normalized(
                mean
                + np.cos(angle) * (vectors[pairs[:, 0]] - mean)
                + np.sin(angle) * (vectors[pairs[:, 1]] - mean)
            )
        )
        number = np.repeat(np.arange(WARM + DAYS), counts)
        weights = draw.lognormal(sigma=0.7, size=ACCOUNTS)
        owner = draw.choice(ACCOUNTS, len(pairs), p=weights / weights.sum())
        texts = facets["request"].to_numpy()
        parts.append(
            pl.DataFrame(
                {
                    "account": [f"{intent} {each}" for each in owner],
                    "number": number,
                    "label": [intent] * len(pairs),
                    "request": [f"{texts[one]}. {texts[other]}" for one, other in pairs],
                }
            )
        )
    corpus = pl.concat(parts).with_row_index("row")
    corpus = corpus.with_columns(
        pl.format("c{}", pl.col("row")).alias("conversation_id"),
        pl.lit("en").alias("language"),
        pl.col("number").map_elements(lambda day: FIRST + timedelta(days=day), pl.Date).alias("date"),
        pl.Series("started_at", [None] * len(corpus), dtype=pl.Datetime("us", "UTC")),
    )
    return Corpus(corpus, np.concatenate(made).astype(np.float32), lives)


@dataclass(frozen=True)
class Found:
    """One date: its base clusters, their members, names, events, and published cells."""

    number: int
    clusters: pl.DataFrame
    members: pl.DataFrame
    summaries: pl.DataFrame
    events: pl.DataFrame
    cells: pl.DataFrame


def found(corpus: Corpus, settings: Settings, analyst: OfflineAnalyst, named: int) -> Iterator[Found]:
    """Each day in turn, going on from the window's earlier days; of the last `named` days the analyst names topics."""
    made: list[Found] = []
    for number in range(WARM + DAYS):
        facets, vectors = corpus.window(number, settings.window_days)
        before = made[-settings.window_days + 1 :]
        of_window = {
            name: pl.concat([table.empty(), *(getattr(each, name) for each in before)])
            for name, table in (("clusters", CLUSTERS), ("summaries", CLUSTER_SUMMARIES), ("events", LINEAGE))
        }
        date = FIRST + timedelta(days=number)
        clusters, members = find_clusters(
            facets, vectors, previous=of_window["clusters"], settings=settings, key=KEY, date=date
        )
        events = lineage_events(
            clusters,
            members,
            earlier=of_window["clusters"],
            earlier_members=before[-1].members if before else members,
            links=of_window["events"],
            date=date,
        )
        summaries = stood_in(clusters, members, facets, of_window["summaries"])
        if number >= WARM + DAYS - named:
            summaries, _ = summarise(
                clusters,
                members,
                facets,
                vectors,
                analyst,
                previous=of_window["summaries"],
                settings=settings,
                key=KEY,
            )
        own = members.filter(day=date)
        cells = published(corpus, own, audited(clusters, summaries), date, settings)
        made.append(Found(number, clusters, members, summaries, events, cells))
        yield made[-1]


def stood_in(
    clusters: pl.DataFrame, members: pl.DataFrame, facets: pl.DataFrame, previous: pl.DataFrame
) -> pl.DataFrame:
    """Clusters that pass, named by the request nearest to the centroid when they first did."""
    nearest = members.sort("distance", "conversation_id").unique("cluster_id", keep="first")
    texts = nearest.select("cluster_id", "conversation_id").join(facets, on="conversation_id")
    before = previous.sort("date").unique("topic", keep="last").select("topic", "name")
    name = pl.coalesce("name", "request").alias("name")
    return (
        clusters.filter("passes")
        .join(texts.select("cluster_id", "request"), on="cluster_id")
        .join(before, on="topic", how="left")
        .select("date", "clustered_by", "cluster_id", "topic", name, name.alias("description"))
    )


def audited(clusters: pl.DataFrame, summaries: pl.DataFrame) -> pl.DataFrame:
    """Every base cluster that passes as a published node, without parents."""
    return (
        clusters.join(summaries.select("topic", "name", "description"), on="topic")
        .with_columns(
            pl.format("0-{}", "cluster_id").alias("node_id"),
            pl.lit(None).alias("parent_id"),
            pl.lit(0).alias("level"),
            pl.lit(PUBLISHED).alias("status"),
            pl.lit(5).alias("privacy_score"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in AUDITED_SUMMARIES.schema.items())
    )


def published(
    corpus: Corpus, own: pl.DataFrame, nodes: pl.DataFrame, date: date, settings: Settings
) -> pl.DataFrame:
    """The day's published cells, with noise."""
    conversations = own.select("conversation_id", "account", "language").with_columns(
        pl.lit("published").alias("stage"),
        pl.lit(2, pl.Int32).alias("turns"),
        pl.lit(1, pl.Int8).alias("concerning"),
        pl.lit(False).alias("refused"),
        pl.lit(None, pl.String).alias("task"),
    )
    day = Day(date, conversations, own, nodes)
    figures = publish_day(day, Figures.none(), parts=0, withdrawals=0, settings=settings, key=KEY)
    return figures.cells


def trends(days: list[Found], settings: Settings) -> pl.DataFrame:
    """topic_trends as of the last day."""
    with TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(Path(folder), threads=settings.threads)
        for model in models():
            if model.materialized == "view":
                build_view(warehouse, model)
        for day in days:
            where = {"date": FIRST + timedelta(days=day.number)}
            for table, frame in (
                (PUBLISHED_CELLS, day.cells),
                (AUDITED_SUMMARIES, audited(day.clusters, day.summaries)),
                (LINEAGE, day.events),
            ):
                warehouse.write(table, where, frame)
        return select_rows(
            warehouse,
            next(model for model in models() if model.name == "topic_trends"),
            FIRST + timedelta(days=days[-1].number),
            window_days=settings.window_days,
            noise_variance=variance(settings.epsilon_of("cell"), settings.account_cap),
        )


def kept_ids(corpus: Corpus, days: list[Found], of_last: int) -> str:
    """How many topics that persist keep id and name.

    A topic persists where the intent that it holds most of lives on both dates; it keeps its id where the greatest part
    of its conversations that both windows have is in the topic of that id.
    """
    kept = total = named = of_named = 0
    for before, after in zip(days[WARM - 1 :], days[WARM:], strict=False):
        alive = [
            intent
            for intent, (first, end) in corpus.lives.items()
            if first <= before.number and after.number < end
        ]
        labels = corpus.facets.select("conversation_id", "label")
        mostly = _most(_placed(before).join(labels, on="conversation_id"), "topic", "label")
        standing = before.clusters.filter("passes").join(
            mostly.filter(pl.col("label").is_in(alive)), on="topic"
        )
        both = _placed(before).join(_placed(after).rename({"topic": "after"}), on="conversation_id")
        went = standing.select("topic").join(_most(both, "topic", "after"), on="topic", how="left")
        names = [each.summaries.select("topic", "name") for each in (before, after)]
        total += len(went)
        kept += went.filter(pl.col("topic") == pl.col("after")).height
        if after.number > WARM + DAYS - of_last:
            of_named += len(went)
            named += went.join(names[0], on="topic").join(names[1], on=["topic", "name"]).height
    return f"{kept}/{total} = {kept / total:.4f} of the topics that persist keep their id (bar .95)" + (
        f"; {named}/{of_named} = {named / of_named:.4f} their name" if of_named else ""
    )


def reported(corpus: Corpus, days: list[Found], settings: Settings) -> str:
    """Births planted, found and reported on their day; and what else was reported, on days with none and with some."""
    table = trends(days, settings)
    told = {(day, topic) for day, topic in table.filter(event="birth").select("date", "topic").iter_rows()}
    seen = hit = 0
    others = {False: 0, True: 0}
    for day in days[WARM:]:
        date = FIRST + timedelta(days=day.number)
        born = [intent for intent, (first, _) in corpus.lives.items() if first == day.number]
        labels = corpus.facets.select("conversation_id", "label")
        of_day = _placed(day).join(day.members.filter(day=date), on="conversation_id", how="semi")
        main = _most(of_day.join(labels, on="conversation_id"), "label", "topic")
        topics = set(main.filter(pl.col("label").is_in(born))["topic"])
        seen += len(topics & set(day.events.filter(kind=BIRTH)["topic"]))
        hit += sum((date, topic) in told for topic in topics)
        others[bool(born)] += sum(on == date and topic not in topics for on, topic in told)
    planted = 2 * len(BIRTHS)
    tested = table.filter(
        pl.col("p_value").is_not_null(), pl.col("date") >= FIRST + timedelta(days=WARM)
    ).height
    kinds = pl.concat(day.events for day in days[WARM:])["kind"].value_counts().sort("kind").rows()
    return (
        f"births: {planted} planted, {seen} recorded, {hit} reported on their day (bar: all); others reported: "
        f"{others[False]} on {DAYS - len(BIRTHS)} days without a birth, {others[True]} on {len(BIRTHS)} with; "
        f"{tested} tests; recorded {kinds}"
    )


def mapped(days: list[Found], embedder: Embedder, seed: int) -> str:
    """How far topics that stay move from date to date, and how well the map keeps what is near, with and without the
    date before to go on from."""
    from sklearn.manifold import trustworthiness

    told = []
    for goes_on in (False, True):
        before: pl.DataFrame | None = None
        shifts, kept = [], []
        for day in days[WARM:]:
            nodes = audited(day.clusters, day.summaries)
            lies = positions(nodes, embedder, seed=seed, previous=before if goes_on else None)
            here = lies.join(nodes.select("node_id", "topic", "name", "description"), on="node_id")
            if before is not None:
                both = here.join(before, on="topic")
                width = max(here[axis].max() - here[axis].min() for axis in ("x", "y"))  # type: ignore[operator]
                moved = np.hypot(both["x"] - both["x_right"], both["y"] - both["y_right"])
                shifts.append(float(np.median(moved)) / width)
            before = here.select("clustered_by", "topic", "x", "y")
            texts = here.select(pl.concat_str("name", "description", separator=". ")).to_series()
            vectors = embed_texts(texts, embedder)
            kept.append(
                trustworthiness(vectors, here.select("x", "y").to_numpy(), n_neighbors=15, metric="cosine")
            )
        told.append(
            f"{'going on' if goes_on else 'each date alone'}: median shift {np.mean(shifts):.3f} of the map's width, "
            f"trustworthiness@15 {np.mean(kept):.3f}"
        )
    return "map, " + "; ".join(told)


def _placed(day: Found) -> pl.DataFrame:
    """conversation_id, topic."""
    clusters = day.clusters.select("cluster_id", "topic")
    return day.members.join(clusters, on="cluster_id").select("conversation_id", "topic")


def _most(rows: pl.DataFrame, of: str, which: str) -> pl.DataFrame:
    """For each value of `of`, the most frequent one of `which`."""
    counts = rows.group_by(of, which).len().sort("len", which, descending=[True, False])
    return counts.unique(of, keep="first", maintain_order=True).select(of, which)


if __name__ == "__main__":
    main()
