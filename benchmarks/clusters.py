"""Base clusters against labels: agreement, coverage under the thresholds, and what language does to them.

    python -m benchmarks.clusters --data FOLDER [--cache FOLDER] [--threads N]

FOLDER holds clinc150/conversations.jsonl.gz and sib200/conversations.jsonl.gz in the project's own layout,
with metadata.label. Embeddings are kept in the cache folder, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import polars as pl

from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.analyst.protocol import Vocabulary
from clio_dagster.clusters.find import find_clusters
from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.embedding import embed_texts, make_embedder
from clio_dagster.evaluation.pipeline import Base, Made, Site, name
from clio_dagster.privacy.vocabulary import tokenize
from clio_dagster.privacy.word_lists import every_generic_word, function_words
from clio_dagster.settings import USE_LANGUAGES, Settings, load_settings
from clio_dagster.synthetic.accounts import assign_accounts
from clio_dagster.tables import CLUSTERS

KEY = bytes(32)
DAY = date(2026, 11, 7)
WINDOW = [DAY - timedelta(days=back) for back in range(7)]


def main() -> None:
    arguments = arguments_of(parser(__doc__))
    settings = load_settings(threads=arguments.threads)

    clinc, vectors = load("clinc150", "intent", arguments)
    agreement(clinc, vectors, settings)
    for rows in (5_000, 20_000):
        coverage(clinc, vectors, rows, settings)
    lineage(clinc, vectors, settings)
    sib, vectors = load("sib200", "topic", arguments)
    languages(sib, vectors, settings)


def parser(about: str) -> argparse.ArgumentParser:
    """The options of a benchmark over labelled sets."""
    made = argparse.ArgumentParser(description=about.splitlines()[0])
    made.add_argument("--data", type=Path, required=True)
    made.add_argument("--cache", type=Path, default=Path(gettempdir()) / "clio-benchmark")
    made.add_argument("--threads", type=int, default=2)
    return made


def arguments_of(options: argparse.ArgumentParser) -> argparse.Namespace:
    arguments = options.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    return arguments


def records_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """The records of a labelled set."""
    with gzip.open(folder / name / "conversations.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def load(name: str, label: str, arguments: argparse.Namespace) -> tuple[pl.DataFrame, np.ndarray]:
    """Facets as the engine takes them, with `label`, and their vectors."""
    records = records_of(arguments.data, name)
    facets = pl.DataFrame(
        {
            "conversation_id": [record["conversation_id"] for record in records],
            "account": [record["account_id"] for record in records],
            "language": [record["metadata"].get("true_language", "en") for record in records],
            "date": [date.fromisoformat(record["started_at"][:10]) for record in records],
            "request": [record["messages"][0]["content"] for record in records],
            "label": [record["metadata"]["label"][label] for record in records],
        }
    ).filter(pl.col("language").is_in(USE_LANGUAGES))
    path = arguments.cache / f"{name}.npy"
    if not path.exists():
        embedder = make_embedder("use", threads=arguments.threads)
        started = time.perf_counter()
        np.save(path, embed_texts(facets["request"], embedder))
        seconds = time.perf_counter() - started
        distinct = facets["request"].n_unique()
        print(
            f"{name}: {len(facets)} texts ({distinct} distinct) embedded in {seconds:.1f} s, "
            f"{len(facets) / seconds:.0f} a second"
        )
    return facets, np.load(path)


def found(
    facets: pl.DataFrame, vectors: np.ndarray, settings: Settings, previous: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    started = time.perf_counter()
    before = CLUSTERS.empty() if previous is None else previous
    clusters, members = find_clusters(facets, vectors, previous=before, settings=settings, key=KEY, date=DAY)
    return clusters, members, time.perf_counter() - started


def covered(clusters: pl.DataFrame, members: pl.DataFrame) -> float:
    """Share of conversations that are members of a cluster that passes."""
    passing = clusters.filter("passes")["cluster_id"].implode()
    return float(members["cluster_id"].is_in(passing).mean())  # type: ignore[arg-type]


def named(
    facets: pl.DataFrame,
    vectors: np.ndarray,
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    settings: Settings,
) -> Made:
    """Names, tree and verdicts of the offline analyst."""
    embedder = make_embedder("use", threads=settings.threads)
    site = Site(settings, KEY, embedder, OfflineAnalyst(embedder))
    return name(Base(facets, vectors, clusters, members), site.honest, site)


def agreement(facets: pl.DataFrame, vectors: np.ndarray, settings: Settings) -> None:
    plain = plain_kmeans(vectors, settings)
    clusters, members, seconds = found(facets, vectors, settings)
    print(
        f"clinc150, {len(facets)} rows: NMI {nmi(facets['label'], members['cluster_id']):.4f} "
        f"(plain k-means {nmi(facets['label'], plain):.4f}, bar .86); {len(clusters)} clusters of "
        f"{plain.max() + 1}, {clusters['passes'].sum()} pass, covering {covered(clusters, members):.3f}; "
        f"{seconds:.1f} s"
    )


def coverage(facets: pl.DataFrame, vectors: np.ndarray, rows: int, settings: Settings) -> None:
    """A sample of `rows`, with simulated heavy-tailed accounts that have topics of their own."""
    for seed in range(3):
        sample, own = with_accounts(facets, vectors, rows, seed)
        clusters, members, seconds = found(sample, own, settings)
        made = named(sample, own, clusters, members, settings)
        words = made.vocabularies
        print(
            f"clinc150, {rows} rows, {sample['account'].n_unique()} accounts, seed {seed}: "
            f"{made.share_under_leaf():.3f} under a published base cluster, {covered(clusters, members):.3f} under one "
            f"that passes (bar .95); {clusters['passes'].sum()} of {len(clusters)} clusters pass, "
            f"{three_words(sample, clusters, members, words, settings):.3f} of them with three supported content words "
            f"(bar .85), {np.mean([len(each.words) >= 3 for each in words.values()]):.3f} with three that are not "
            f"generic; NMI {nmi(sample['label'], members['cluster_id']):.3f} "
            f"(plain {nmi(sample['label'], plain_kmeans(own, settings)):.3f}); {seconds:.1f} s"
        )


def three_words(
    facets: pl.DataFrame,
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    vocabularies: dict[int, Vocabulary],
    settings: Settings,
) -> float:
    """Share of the passing clusters with three content words that enough accounts used: supported words, and generic
    ones that are no function words and would be supported if they needed it."""
    used = members.filter("counted").join(facets.select("conversation_id", "request"), on="conversation_id")
    used = used.with_row_index("row").with_columns(pl.col("row").cast(pl.UInt32))
    grammar = frozenset().union(*map(function_words, used["language"].unique()))
    generic = (
        tokenize(used["request"], used["language"])
        .filter(pl.col("word").is_in(sorted(every_generic_word() - grammar)))
        .join(used.select("row", "cluster_id", "account"), on="row")
        .group_by("cluster_id", "word")
        .agg(pl.col("account").n_unique())
        .filter(pl.col("account") >= settings.word_min_accounts)
        .group_by("cluster_id")
        .len("generic")
    )
    passing = clusters.filter("passes").select("cluster_id").join(generic, on="cluster_id", how="left")
    words = [
        (count or 0) + len(vocabularies[cluster].words)
        for cluster, count in passing.select("cluster_id", "generic").iter_rows()
    ]
    return float(np.mean(np.array(words) >= 3))


def with_accounts(
    facets: pl.DataFrame, vectors: np.ndarray, rows: int, seed: int
) -> tuple[pl.DataFrame, np.ndarray]:
    """A sample of `rows` with accounts and times of the simulator, and its vectors."""
    chosen = np.sort(np.random.default_rng(seed).choice(len(facets), rows, replace=False))
    sample = facets[chosen]
    made = assign_accounts(sample["label"], None, rng=np.random.default_rng(seed), days=WINDOW)
    return sample.with_columns(made["account_id"].alias("account"), made["started_at"]), vectors[chosen]


def lineage(facets: pl.DataFrame, vectors: np.ndarray, settings: Settings) -> None:
    """Two windows that share six days of seven: how many topics persist, and whether they mean the same."""
    first_day = facets["date"].min()
    assert isinstance(first_day, date)
    windows = [
        np.flatnonzero((facets["date"] != first_day + timedelta(days=left_out)).to_numpy())
        for left_out in (6, 0)
    ]
    (earlier, before, _), rows = found(facets[windows[0]], vectors[windows[0]], settings), windows[1]
    previous = earlier.with_columns(pl.lit(DAY - timedelta(days=1)).alias("date"))
    later, after, _ = found(facets[rows], vectors[rows], settings, previous)
    _, fresh, _ = found(facets[rows], vectors[rows], settings)
    kept = later.filter(pl.col("topic").is_in(earlier["topic"].implode()))
    topics = [
        members.join(clusters.select("cluster_id", "topic"), on="cluster_id").select(
            "conversation_id", "topic"
        )
        for clusters, members in ((earlier, before), (later, after))
    ]
    both = (
        topics[0]
        .join(topics[1], on="conversation_id")
        .filter(pl.col("topic_right").is_in(kept["topic"].implode()))
    )
    same = (both["topic"] == both["topic_right"]).mean()
    print(
        f"lineage: {len(kept)} of {len(later)} topics persist; in them {same:.3f} of shared conversations "
        f"keep theirs; "
        f"NMI {nmi(facets['label'][rows], after['cluster_id']):.4f}, "
        f"without a previous date {nmi(facets['label'][rows], fresh['cluster_id']):.4f}"
    )


def languages(facets: pl.DataFrame, vectors: np.ndarray, settings: Settings) -> None:
    """Each language has a topic mix of its own: clusters may follow language as far as topics do."""
    for seed in range(3):
        chosen = skewed(facets, per_language=300, seed=seed)
        sample = facets[chosen].with_columns(pl.col("conversation_id").alias("account"))
        _, members, _ = found(sample, vectors[chosen], settings)
        plain = plain_kmeans(vectors[chosen], settings)
        truth = nmi(sample["label"], sample["language"])
        language = nmi(members["cluster_id"], sample["language"])
        print(
            f"sib200 skewed, {len(sample)} rows, seed {seed}: topic–language NMI {truth:.3f}; base clusters: "
            f"language {language:.3f}, {language / truth:.2f} times (bar 1.2); "
            f"topic {nmi(members['cluster_id'], sample['label']):.3f} "
            f"(plain k-means {nmi(plain, sample['label']):.3f})"
        )


def nmi(labels: pl.Series | np.ndarray, others: pl.Series | np.ndarray) -> float:
    """Normalised mutual information of two labellings, 0 to 1."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, others))


def plain_kmeans(vectors: np.ndarray, settings: Settings) -> np.ndarray:
    clusters = max(1, round(len(vectors) / settings.base_cluster_size))
    return spherical_kmeans(vectors, clusters, seed=settings.seed, threads=settings.threads)


def skewed(facets: pl.DataFrame, *, per_language: int, seed: int) -> np.ndarray:
    """Rows of a sample in which each language draws its topics from a Dirichlet(0.5) mix of its own."""
    draw = np.random.default_rng(seed)
    labels, language = facets["label"].to_numpy(), facets["language"].to_numpy()
    topics = np.unique(labels)
    chosen: list[int] = []
    for code in np.unique(language):
        mix = draw.dirichlet(np.full(len(topics), 0.5))
        for topic, share in zip(topics, mix, strict=True):
            rows = np.flatnonzero((language == code) & (labels == topic))
            chosen += draw.choice(rows, min(len(rows), round(per_language * share)), replace=False).tolist()
    return np.sort(np.array(chosen))


if __name__ == "__main__":
    main()
