"""How surely groups of accounts that act together are found, how often innocent ones are, and what the search costs.

    python -m benchmarks.coordination [--part rings|nulls|robustness|scale ...] [--folder FOLDER] [--write]

`rings`: three rings (synthetic/rings.py) planted into 50,000 ordinary conversations of a week, on ten seeds.
`nulls`: the same ten corpora without a ring. `robustness`: each signal left out, other sizes, paraphrases, attackers
who hide better, and innocent crowds, on the first seed. `scale`: seconds and peak memory of one search at 10,000,
100,000 and 1,000,000 conversations, with the texts and accounts of the generator and vectors drawn from those of the
same topic and language with a little jitter. The embedder is USE; its vectors are kept in `--folder` for the next time.
`--write` puts the tables into docs/coordination.md. The method was set on seeds from 100 up.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from clio_dagster.clusters.vectors import ROWS_AT_ONCE, normalized
from clio_dagster.embedding import embed_texts, make_embedder
from clio_dagster.safety.coordination import find_groups
from clio_dagster.safety.coordination.find import FALSE_RATE
from clio_dagster.safety.coordination.signals import SIGNALS
from clio_dagster.synthetic.corpus import DAYS, RING, generate
from clio_dagster.synthetic.rings import RINGS, Ring, assignment, breaking_news, plant_rings

ROWS = 50_000
SEEDS = tuple(range(10))
SCALES = (10_000, 100_000, 1_000_000)
JITTER = 0.02
"""Standard deviation, in each of 512 dimensions, of what is added to a vector that stands for another text."""

TIME = pl.Datetime("us", "UTC")
CASINO, TAVERN, RESOLD = RINGS
DOCS = Path(__file__).parents[1] / "docs" / "coordination.md"
PARTS = ("rings", "nulls", "robustness", "scale")

Corpus = tuple[pl.DataFrame, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clio-coordination-") as temporary:
        there = Bench(arguments.folder or Path(temporary), arguments.threads)
        if arguments.stage:
            searched(there, arguments.rows[0])
            return
        parts: dict[str, Callable[[], pl.DataFrame]] = {
            "rings": lambda: rings(there, arguments.seeds),
            "nulls": lambda: nulls(there, arguments.seeds),
            "robustness": lambda: robustness(there, arguments.seeds[0]),
            "scale": lambda: scale(there, arguments.rows or SCALES),
        }
        for part in arguments.part or PARTS:
            table = parts[part]()
            with pl.Config(
                tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=160, fmt_str_lengths=60
            ):
                print(table, flush=True)
            if arguments.write:
                write(part, table)


class Bench:
    """Corpora with their vectors; the ordinary ones are kept in a folder."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self._embedder = None
        folder.mkdir(parents=True, exist_ok=True)

    def embed(self, texts: pl.Series) -> np.ndarray:
        if self._embedder is None:
            self._embedder = make_embedder("use", threads=self.threads)
        return embed_texts(texts, self._embedder)

    def ordinary(self, seed: int) -> Corpus:
        """The generator's corpus without the ring that it plants itself."""
        stem = self.folder / f"ordinary-{ROWS}-{seed}"
        frame, vectors = stem.with_suffix(".parquet"), stem.with_suffix(".npy")
        if not vectors.exists():
            made = generated(ROWS, seed)
            np.save(vectors, self.embed(made["text"]))
            made.write_parquet(frame)
        return pl.read_parquet(frame).with_columns(ring=pl.lit(None, pl.String)), np.load(vectors)

    def planted(self, seed: int, planted: Sequence[Ring]) -> Corpus:
        """The ordinary corpus of a seed and the rings; accounts' creation is in `created`."""
        frame, vectors = self.ordinary(seed)
        if not planted:
            return frame, vectors
        more = plant_rings(planted, rng=np.random.default_rng(seed), days=DAYS).select(
            "conversation_id",
            "started_at",
            "language",
            "ring",
            pl.col("account_id").alias("account"),
            pl.col("account_created_at").alias("created"),
            pl.col("messages").list.first().struct.field("content").alias("text"),
            pl.col("messages").list.len().cast(pl.Int64).alias("turns"),
            pl.col("topic").alias("truth_topic"),
        )
        both = pl.concat([frame, more], how="diagonal_relaxed")
        return both, np.concatenate([vectors, self.embed(more["text"])])

    def find(
        self,
        corpus: Corpus,
        without: Collection[str] = (),
        created: bool = False,
        false_rate: float = FALSE_RATE,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        frame, vectors = corpus
        if created:
            frame = with_creation(frame)
        return find_groups(
            frame.rename({"truth_topic": "topic"}),
            vectors,
            date=DAYS[-1],
            threads=self.threads,
            without=without,
            false_rate=false_rate,
        )


def generated(rows: int, seed: int) -> pl.DataFrame:
    """Ordinary conversations of the generator: what they begin with, and the truth about them."""
    with tempfile.TemporaryDirectory(prefix="clio-coordination-") as folder:
        path = Path(folder) / "corpus.jsonl.gz"
        truth = generate(path, conversations=rows, seed=seed)
        with gzip.open(path) as file:
            records = map(orjson.loads, file)
            said = [
                (each["conversation_id"], each["messages"][0]["content"], len(each["messages"]))
                for each in records
            ]
    texts = pl.DataFrame(said, schema=["conversation_id", "text", "turns"], orient="row")
    return (
        truth.conversations.filter(pl.col("kind") != RING)
        .join(texts, on="conversation_id", how="left", maintain_order="left")
        .select(
            "conversation_id",
            "started_at",
            "language",
            "text",
            "turns",
            account="account_id",
            truth_topic="topic",
        )
    )


def with_creation(frame: pl.DataFrame) -> pl.DataFrame:
    """Creation times for the ordinary accounts too: over two years, the later the more."""
    names = frame.filter(pl.col("ring").is_null())["account"].unique().sort()
    age = 730 * np.random.default_rng(5).random(len(names)) ** 1.5
    end = datetime(DAYS[0].year, DAYS[0].month, DAYS[0].day, tzinfo=UTC)
    born = pl.DataFrame(
        {"account": names, "born": pl.Series([end - timedelta(days=float(each)) for each in age], dtype=TIME)}
    )
    column = pl.col("created") if "created" in frame.columns else pl.lit(None, TIME)
    return frame.join(born, on="account", how="left", maintain_order="left").with_columns(
        account_created_at=pl.coalesce("born", column)
    )


def judged(corpus: Corpus, groups: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Of each ring: accounts, recall, precision, groups that hold it, kinds they were called.

    A group is the ring's that most of its accounts belong to; groups of no ring come last, with a null for recall.
    """
    ring_of = corpus[0].group_by("account").agg(pl.col("ring").first())
    placed = members.join(ring_of, on="account", how="left").with_columns(
        pl.col("ring").fill_null("(no ring)")
    )
    whose = (
        placed.group_by("group_id", "ring")
        .len()
        .sort("len", "ring", descending=[True, False])
        .unique("group_id", keep="first", maintain_order=True)
        .select("group_id", whose="ring")
    )
    by_group = placed.join(whose, on="group_id").join(groups.select("group_id", "kind"), on="group_id")
    rows = []
    for ring in [*ring_of["ring"].drop_nulls().unique().sort(), "(no ring)"]:
        accounts = ring_of.filter(pl.col("ring") == ring).height
        own = by_group.filter(pl.col("whose") == ring)
        if ring == "(no ring)" and own.is_empty():
            continue
        caught = own.filter(pl.col("ring") == ring).height
        rows.append(
            {
                "ring": ring,
                "accounts": accounts or None,
                "recall": caught / accounts if accounts else None,
                "precision": caught / len(own) if accounts and len(own) else None,
                "groups": own["group_id"].n_unique(),
                "called": ", ".join(own["kind"].unique().sort()),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"recall": pl.Float64, "precision": pl.Float64})


def rings(there: Bench, seeds: Sequence[int]) -> pl.DataFrame:
    every = []
    for seed in seeds:
        corpus = there.planted(seed, RINGS)
        found = judged(corpus, *there.find(corpus)).with_columns(seed=pl.lit(seed))
        print(found, flush=True)
        every.append(found)
    kinds = {ring.name: ring.kind for ring in RINGS}
    return (
        pl.concat(every, how="diagonal_relaxed")
        .group_by("ring")
        .agg(
            pl.col("accounts").first(),
            seeds=pl.len(),
            recall=pl.col("recall").mean(),
            worst_recall=pl.col("recall").min(),
            precision=pl.col("precision").mean(),
            worst_precision=pl.col("precision").min(),
            groups=pl.col("groups").mean(),
            kind_right=(pl.col("called") == pl.col("ring").replace(kinds)).mean(),
        )
        .sort("accounts", descending=True, nulls_last=True)
    )


def nulls(there: Bench, seeds: Sequence[int]) -> pl.DataFrame:
    """Groups reported where there is no ring: at the default, with creation times, and at a looser false rate."""
    rows = []
    for seed in seeds:
        corpus = there.ordinary(seed)
        groups, _ = there.find(corpus, false_rate=1.0)
        created, _ = there.find(corpus, created=True)
        counts = {
            f"at a false rate of {rate:g}": int((groups["false_rate"] <= rate).sum()) for rate in (0.1, 1)
        }
        rows.append({"seed": seed, **counts, "at 0.1, creation known": len(created)})
        print(rows[-1], flush=True)
    return pl.DataFrame(rows)


def robustness(there: Bench, seed: int) -> pl.DataFrame:
    """Accounts found of each ring (recall, precision) and groups of others, as the attackers or the method change."""
    rows: list[dict[str, object]] = []

    def row(what: str, corpus: Corpus, without: Collection[str] = (), created: bool = False) -> None:
        judgement = judged(corpus, *there.find(corpus, without, created))
        line: dict[str, object] = {"what": what}
        for each in judgement.iter_rows(named=True):
            if each["recall"] is None:
                line["other groups"] = each["groups"]
            else:
                shown = f"{each['recall']:.2f}"
                if each["precision"] is not None:
                    shown += f" / {each['precision']:.2f}"
                line[each["ring"]] = shown
        rows.append(line)
        print(line, flush=True)

    usual = there.planted(seed, RINGS)
    row("as above", usual)
    for signal in (*(name for name in SIGNALS if name != "created"), "resale"):
        row(f"without {signal}", usual, (signal,))
    row("creation of accounts known", usual, created=True)
    for size in (20, 8):
        small = [replace(ring, accounts=size) for ring in RINGS]
        row(f"{size} accounts each", there.planted(seed, small))
        row(f"{size} accounts each, creation known", there.planted(seed, small), created=True)
    for strength, words in enumerate(
        ("copied", "clauses reordered", "reworded by each account", "reworded each time, a quarter left out")
    ):
        for size in (40, 20):
            ring = replace(TAVERN, accounts=size, paraphrase=strength)
            row(f"long prompt: {words}, {size} accounts", there.planted(seed, [ring]))
    row(
        "in six half hours, not over the week", there.planted(seed, [replace(r, bursts=6) for r in RINGS[:2]])
    )
    for share in (0.1, 0.2, 0.4):
        row(
            f"{share:.0%} of what they send is ordinary",
            there.planted(seed, [replace(ring, decoys=share) for ring in RINGS[:2]]),
        )
    for mean in (3, 1.5):
        row(
            f"{mean} conversations an account",
            there.planted(seed, [replace(ring, mean_conversations=mean) for ring in RINGS[:2]]),
        )
    curious = replace(breaking_news(), name="others who ask about casinos", topic="casino_pages", bursts=0)
    row("casino pages among 300 people who ask about casinos too", there.planted(seed, [CASINO, curious]))
    for few in (30, 15):
        row(
            f"resale: {few} conversations an account",
            there.planted(seed, [replace(RESOLD, mean_conversations=few)]),
        )
    row("resale: people of one language", there.planted(seed, [replace(RESOLD, languages=("en",))]))
    row("crowd: breaking news, 300 people in half an hour", there.planted(seed, [breaking_news()]))
    row("crowd: a class of 60 with one assignment", there.planted(seed, [assignment()]))
    row(
        "crowd: the same class, on accounts that do nothing else",
        there.planted(seed, [replace(assignment(), decoys=0.0)]),
    )
    row(
        "crowd: 100 accounts are shared by two people of different languages",
        shared_homes(there.ordinary(seed)),
    )
    names = [ring.name for ring in RINGS]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    for column in (*names, "other groups"):
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit(None).alias(column))
    others = [column for column in frame.columns if column not in ("what", *names, "other groups")]
    return frame.select(
        "what",
        *names,
        pl.concat_str(
            [pl.format("{} ({})", pl.col(column), pl.lit(column)) for column in others],
            separator=", ",
            ignore_nulls=True,
        ).alias("others planted"),
        pl.col("other groups").fill_null(0),
    )


def shared_homes(corpus: Corpus, pairs: int = 100) -> Corpus:
    """Of the accounts that write most, `pairs` pairs of different languages become one account each."""
    frame, vectors = corpus
    most = (
        frame.group_by("account")
        .agg(pl.len(), pl.col("language").first())
        .filter(pl.col("len").is_between(15, 60))
        .sort("account")
    )
    order = most.sample(fraction=1.0, shuffle=True, seed=3)
    other, english = order.filter(pl.col("language") != "en"), order.filter(pl.col("language") == "en")
    pairs = min(pairs, len(other), len(english))
    renamed = dict(zip(other["account"][:pairs], english["account"][:pairs], strict=True))
    return frame.with_columns(pl.col("account").replace(renamed)), vectors


def scale(there: Bench, sizes: Sequence[int]) -> pl.DataFrame:
    """One search of each size in a process of its own, which reads the conversations and their vectors."""
    rows = []
    for size in sizes:
        large(there, size)
        command = [sys.executable, "-m", "benchmarks.coordination", "--stage", "search", "--rows", str(size)]
        command += ["--folder", str(there.folder), "--threads", str(there.threads)]
        environment = os.environ | {"POLARS_MAX_THREADS": str(there.threads)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows.append({"conversations": size, **orjson.loads(done.stdout.splitlines()[-1])})
        print(done.stdout, flush=True)
    return pl.DataFrame(rows)


def large(there: Bench, size: int) -> None:
    """Write a corpus of that size, with the rings, where `searched` reads it."""
    stem = there.folder / f"large-{size}"
    if stem.with_suffix(".npy").exists():
        return
    frame, vectors = there.ordinary(SEEDS[0])
    made = generated(size, 1_000)
    cells = pl.concat([frame.select("truth_topic", "language"), made.select("truth_topic", "language")])
    number = (
        cells.select(pl.struct("truth_topic", "language").rank("dense")).to_series().to_numpy().astype(int)
    )
    theirs, wanted = number[: len(frame)], number[len(frame) :]
    order = np.argsort(theirs, kind="stable")
    begins = np.searchsorted(theirs[order], np.arange(number.max() + 2))
    draw = np.random.default_rng(0)
    size_of = np.maximum(begins[wanted + 1] - begins[wanted], 1)
    chosen = order[
        np.minimum(begins[wanted] + (draw.random(len(made)) * size_of).astype(int), len(order) - 1)
    ]
    planted, ring_vectors = there.planted(SEEDS[0], RINGS)
    ringed = planted["ring"].is_not_null().to_numpy()
    both = pl.concat([made, planted.filter(ringed).select(made.columns)], how="vertical_relaxed")
    out = np.lib.format.open_memmap(
        stem.with_suffix(".npy"), "w+", dtype=np.float32, shape=(len(both), vectors.shape[1])
    )
    for start in range(0, len(made), ROWS_AT_ONCE):
        part = slice(start, min(start + ROWS_AT_ONCE, len(made)))
        near = vectors[chosen[part]]
        out[part] = normalized(near + JITTER * draw.standard_normal(near.shape, dtype=np.float32))
    out[len(made) :] = ring_vectors[ringed]
    out.flush()
    both.write_parquet(stem.with_suffix(".parquet"))


def searched(there: Bench, size: int) -> None:
    """The search in this process; prints what it cost last."""
    stem = there.folder / f"large-{size}"
    frame, vectors = pl.read_parquet(stem.with_suffix(".parquet")), np.load(stem.with_suffix(".npy"))
    started, busy = time.perf_counter(), time.process_time()
    groups, _ = find_groups(
        frame.rename({"truth_topic": "topic"}), vectors, date=DAYS[-1], threads=there.threads
    )
    seconds = time.perf_counter() - started
    print(groups.select("kind", "accounts", "score", "false_rate"))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "seconds": round(seconds),
        "CPU seconds": round(time.process_time() - busy),
        "peak MB, with what was read": round(used.ru_maxrss * 1024 / 1e6),
    }
    print(orjson.dumps(cost).decode())


def write(part: str, table: pl.DataFrame) -> None:
    """Put the table between the part's marks."""

    def cell(value: object) -> str:
        if value is None:
            return ""
        return (
            f"{value:.3g}"
            if isinstance(value, float)
            else f"{value:,}"
            if isinstance(value, int)
            else str(value)
        )

    head = [
        f"| {' | '.join(name.replace('_', ' ') for name in table.columns)} |",
        "|---" * len(table.columns) + "|",
    ]
    body = [f"| {' | '.join(map(cell, row))} |" for row in table.rows()]
    first, last = f"<!-- benchmarks.coordination {part} -->", f"<!-- /benchmarks.coordination {part} -->"
    before, rest = DOCS.read_text().split(first)
    DOCS.write_text(f"{before}{first}\n" + "\n".join(head + body) + f"\n{last}{rest.split(last)[1]}")


if __name__ == "__main__":
    main()
