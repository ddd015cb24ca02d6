"""Rings and ordinary people: whom the rules on accounts that act alike set aside.

    python -m benchmarks.alike --data FOLDER [--cache FOLDER] [--threads N]

FOLDER holds clinc150/conversations.jsonl.gz and sib200/conversations.jsonl.gz in the project's own layout, with
metadata.label; accounts and times are simulated. The demo corpus, with a ring of its own, is generated. Into each
corpus go 36 texts of a family of rings.py, by twelve accounts: in three bursts of 20 minutes, or at any
time. Bars: rings in step at least .95 set aside for five of six families; ordinary conversations at
most .015.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.clusters import arguments_of, parser, records_of
from benchmarks.rings import FAMILIES, ring_texts
from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.clusters.find import find_clusters
from clio_dagster.embedding import Embedder, embed_texts, make_embedder
from clio_dagster.facets import facets_of
from clio_dagster.privacy.accounts import order_of, owner
from clio_dagster.privacy.alike import groups_alike, pooled, traffic_of
from clio_dagster.privacy.collapse import collapsed
from clio_dagster.settings import USE_LANGUAGES, Settings, load_settings
from clio_dagster.synthetic.accounts import assign_accounts
from clio_dagster.synthetic.corpus import RING, generate
from clio_dagster.tables import CLUSTERS, RAW_CONVERSATIONS

DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(7)]
ORDINARY, DEMO_RING = "ordinary", "the demo's ring"
TIME = pl.Datetime("us", "UTC")
HOUR = 3_600_000_000
RING_ACCOUNTS = 12


def main() -> None:
    arguments = arguments_of(parser(__doc__))
    settings = load_settings(threads=arguments.threads)
    embedder = make_embedder("use", threads=arguments.threads)
    rings = {family: embed_texts(pl.Series(ring_texts(family)), embedder) for family in FAMILIES}

    for name, label in (("clinc150", "intent"), ("sib200", "topic")):
        facets = labelled(arguments.data, name, label)
        vectors = cached(arguments.cache / f"alike-{name}.npy", facets["text"], embedder)
        for rows in (5_000, 20_000):
            for days in (1, 7):
                chosen = sample(len(facets), rows)
                report(name, days, simulated(facets[chosen], days), vectors[chosen], rings, settings)
    for rows in (5_000, 20_000):
        for days in (1, 7):
            facets = demo(arguments.cache, rows, days, OfflineAnalyst(embedder))
            vectors = cached(arguments.cache / f"alike-demo-{rows}-{days}.npy", facets["text"], embedder)
            report("demo", days, facets, vectors, rings, settings)


def labelled(folder: Path, name: str, label: str) -> pl.DataFrame:
    records = records_of(folder, name)
    return pl.DataFrame(
        {
            "conversation_id": [record["conversation_id"] for record in records],
            "language": [record["metadata"].get("true_language", "en") for record in records],
            "text": [record["messages"][0]["content"] for record in records],
            "label": [record["metadata"]["label"][label] for record in records],
            "kind": [ORDINARY] * len(records),
        }
    ).filter(pl.col("language").is_in(USE_LANGUAGES))


def demo(cache: Path, rows: int, days: int, analyst: OfflineAnalyst) -> pl.DataFrame:
    """What the offline analyst reads in the demo corpus."""
    path = cache / f"alike-demo-{rows}-{days}.jsonl.gz"
    generate(path, conversations=rows, seed=0, days=DAYS[:days])
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    labels = [record["metadata"]["label"] for record in records]
    raw = pl.DataFrame(
        {
            "conversation_id": [record["conversation_id"] for record in records],
            "account": [record["account_id"] for record in records],
            "started_at": [datetime.fromisoformat(record["started_at"]) for record in records],
            "date": [date.fromisoformat(record["started_at"][:10]) for record in records],
            "language": [label["language"] for label in labels],
            "turns": [len(record["messages"]) for record in records],
            "messages": [
                [{"role": message["role"], "text": message["content"]} for message in record["messages"]]
                for record in records
            ],
            "flagged": [record["flagged"] for record in records],
        },
        RAW_CONVERSATIONS.schema,
    )
    truth = pl.DataFrame(
        {
            "conversation_id": [record["conversation_id"] for record in records],
            "label": [label["topic"] for label in labels],
            "kind": [DEMO_RING if label["kind"] == RING else ORDINARY for label in labels],
        }
    )
    facets = pl.concat(facets_of(part, analyst) for _, part in raw.group_by("language", maintain_order=True))
    return (
        facets.drop_nulls("request")
        .join(truth, on="conversation_id")
        .sort("conversation_id")
        .select(
            "conversation_id",
            "account",
            "started_at",
            "language",
            pl.col("request").alias("text"),
            "label",
            "kind",
        )
    )


def cached(path: Path, texts: pl.Series, embedder: Embedder) -> np.ndarray:
    if not path.exists():
        np.save(path, embed_texts(texts, embedder))
    return np.load(path)


def sample(available: int, rows: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(available, min(rows, available), replace=False))


def simulated(facets: pl.DataFrame, days: int) -> pl.DataFrame:
    accounts = assign_accounts(
        facets["label"], facets["language"], rng=np.random.default_rng(0), days=DAYS[:days]
    )
    return facets.with_columns(accounts["account_id"].alias("account"), accounts["started_at"])


def launched(facets: pl.DataFrame, of: pl.Series) -> pl.DataFrame:
    """Ordinary conversations among those of `of` moved into one hour, up to ten times what it had."""
    draw = np.random.default_rng(0)
    times = facets["started_at"].dt.epoch("us").to_numpy().copy()
    start = int(times.min()) // HOUR * HOUR + 12 * HOUR
    inside = int(((times >= start) & (times < start + HOUR)).sum())
    movable = np.flatnonzero((of & (facets["kind"] == ORDINARY)).to_numpy())
    moved = draw.choice(movable, min(9 * inside, len(movable)), replace=False)
    times[moved] = start + draw.integers(HOUR, size=len(moved))
    return facets.with_columns(pl.Series("started_at", times).cast(TIME))


def with_rings(
    facets: pl.DataFrame, vectors: np.ndarray, rings: dict[str, np.ndarray], *, in_step: bool
) -> tuple[pl.DataFrame, np.ndarray]:
    draw = np.random.default_rng(1)
    times = facets["started_at"].dt.epoch("us").to_numpy()
    midnight, days = int(times.min()) // (24 * HOUR) * 24 * HOUR, facets["started_at"].dt.date().n_unique()
    frames = [facets]
    for family, found in rings.items():
        number = np.arange(len(found))
        if in_step:
            bursts = midnight + draw.integers(days, size=3) * 24 * HOUR + draw.integers(8, 22, size=3) * HOUR
            begun = bursts[number // RING_ACCOUNTS] + draw.integers(HOUR // 3, size=len(number))
        else:
            begun = draw.choice(times, len(number)) + draw.integers(HOUR // 2, size=len(number))
        frames.append(
            pl.DataFrame(
                {
                    "conversation_id": [f"{family} {place}" for place in number],
                    "account": [f"{family} {place % RING_ACCOUNTS}" for place in number],
                    "started_at": pl.Series(begun).cast(TIME),
                    "language": ["en"] * len(number),
                    "text": ring_texts(family),
                    "label": [family] * len(number),
                    "kind": [family] * len(number),
                }
            )
        )
    columns = frames[1].columns
    return pl.concat(frame.select(columns) for frame in frames), np.concatenate([vectors, *rings.values()])


def report(
    name: str,
    days: int,
    facets: pl.DataFrame,
    vectors: np.ndarray,
    rings: dict[str, np.ndarray],
    settings: Settings,
) -> None:
    every = pl.Series([True]).new_from_index(0, len(facets))
    labels = facets.group_by("label").len().sort("len", "label", descending=[True, False])
    about = f"{name}, {len(facets)} rows, {days} d"
    rush = launched(facets, every)
    for family, found in rings.items():
        one = {family: found}
        show(f"{about}, in step", *with_rings(facets, vectors, one, in_step=True), settings)
        show(f"{about}, launch, in step", *with_rings(rush, vectors, one, in_step=True), settings)
    show(f"{about}, any time", *with_rings(facets, vectors, rings, in_step=False), settings)
    event = launched(facets, facets["label"] == labels["label"][0])
    show(f"{about}, one subject in an hour", event, vectors, settings, subject=labels["label"][0])


def show(
    about: str, facets: pl.DataFrame, vectors: np.ndarray, settings: Settings, subject: str | None = None
) -> None:
    frame = facets.with_columns(pl.col("started_at").dt.date().alias("date"), request="text")
    clusters = CLUSTERS.empty()
    _, members = find_clusters(
        frame, vectors, previous=clusters, settings=settings, key=bytes(32), date=DAYS[-1]
    )
    placed = frame.join(
        members.select("conversation_id", "cluster_id"), on="conversation_id", maintain_order="left"
    )
    rows = placed.select(
        "cluster_id",
        "text",
        "started_at",
        owner().alias("account"),
        order_of(placed["conversation_id"]).alias("order"),
    )
    started = time.perf_counter()
    step = pooled(rows, traffic_of(rows["started_at"]))
    seconds = time.perf_counter() - started
    aside = placed.with_columns(template=collapsed(rows), step=step, group=groups_alike(placed)).with_columns(
        either=pl.col("template") | pl.col("step")
    )
    shares = aside.group_by("kind", maintain_order=True).agg(
        pl.col("template", "step", "either").mean(), pl.col("group").is_not_null().mean()
    )
    for kind, *values in shares.iter_rows():
        line(f"{about} ({seconds:.2f} s): {kind}", values)
    if subject is not None:
        chosen = aside.filter(pl.col("label") == subject).select("template", "step", "either")
        line(f"{about}: of {len(chosen)} about that subject", chosen.mean().row(0))


def line(what: str, values: Sequence[float]) -> None:
    names = ("template", "in step", "either", "grouped for P5")
    print(f"{what}: " + ", ".join(f"{name} {value:.4f}" for name, value in zip(names, values, strict=False)))


if __name__ == "__main__":
    main()
