"""What Claude costs and how fast it is asked, through a local server that speaks the Messages API.

    python -m benchmarks.claude throughput    10,000 conversations with 5% faults, 50 ms, 64 at a time
    python -m benchmarks.claude kills         the same, killed ten times at random moments
    python -m benchmarks.claude bill          tokens sent for 100,000 conversations of 1,000 tokens, three levels

No key and no network. The server counts a token for each four letters begun and for each other sign, which is more
than models do.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from clio_dagster.analyst.claude import ClaudeAnalyst
from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.analyst.prices import estimated_tokens
from clio_dagster.analyst.protocol import AuditSample, NamingSample, Summary, Vocabulary
from clio_dagster.embedding import make_embedder
from clio_dagster.hierarchy.hierarchizer import build_hierarchy
from clio_dagster.settings import Settings
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTER_SUMMARIES, CLUSTERS, HIERARCHY, MESSAGES_TYPE
from clio_dagster.work import at_work
from resources.answers import Answers
from resources.ledger import Ledger
from tests.messages_server import BATCHES, MESSAGES, Handle, messages_server

DAY = dt.date(2026, 11, 1)
TEXT = """
plan write explain compare translate recipe garden budget letter function travel poem summary table error history
lesson exercise market contract camera engine protein river planet novel melody cluster kernel bridge window ticket
"""
WORDS = TEXT.split()


def conversations(count: int, tokens: int, seed: int = 0) -> pl.DataFrame:
    """Made-up conversations of four turns that count about so many tokens each."""
    draw = random.Random(seed)

    def turn(size: int) -> str:
        words: list[str] = []
        while size > 0:
            words.append(draw.choice(WORDS))
            size -= (len(words[-1]) + 3) // 4
        return " ".join(words)

    rows = []
    for number in range(count):
        request = f"Help me {draw.choice(WORDS)} a {draw.choice(WORDS)} for the {draw.choice(WORDS)}, case {number}."
        parts = [f"{request} {turn(tokens // 5)}", turn(tokens // 3), turn(tokens // 6)]
        parts.append(turn(tokens - sum(map(estimated_tokens, parts))))
        rows.append(
            [{"role": ("user", "assistant")[place % 2], "text": text} for place, text in enumerate(parts)]
        )
    return pl.DataFrame(
        {
            "conversation_id": [f"c{number}" for number in range(count)],
            "date": [DAY] * count,
            "language": ["en"] * count,
            "messages": rows,
        },
        schema_overrides={"messages": MESSAGES_TYPE},
    )


def analyst(home: Path, url: str, **settings: Any) -> ClaudeAnalyst:
    os.environ |= {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "benchmark"}
    site = Settings(home=home, key_file=home.parent / "key", **settings)
    embedder = make_embedder("use", threads=2)
    return ClaudeAnalyst(site, Answers(Ledger(home, lease_seconds=60)), embedder, OfflineAnalyst(embedder))


def throughput(folder: Path, server: Handle, console: Console, count: int) -> None:
    table = Table(
        "latency", "faults", "conversations", "rows", "requests ÷ needed", "s", "share of the ideal"
    )
    for latency, rate in ((50, 0.05), (50, 0.0), (500, 0.0)):
        server.set(latency_ms=latency, fault_rate=rate, faults=["429", "529", "500", "drop", "truncated"])
        (server.folder / "requests.jsonl").open("w").close()
        claude = analyst(folder / f"home-{latency}-{rate}", server.url, claude_concurrency=64)
        asked = conversations(count, 300, seed=latency)
        claude.extract(asked.head(1))
        started = time.perf_counter()
        found = claude.extract(asked)
        seconds = time.perf_counter() - started
        ideal = count * latency / 1000 / 64
        rows = found.filter(pl.col("status") == "read")["conversation_id"].n_unique()
        sent = len(server.requests(MESSAGES))
        table.add_row(
            f"{latency} ms",
            f"{rate:.0%}",
            f"{count:,}",
            f"{rows:,}",
            f"{sent / count:.3f}",
            f"{seconds:.1f}",
            f"{ideal / seconds:.0%}",
        )
    console.print(table)


def kills(folder: Path, server: Handle, console: Console, count: int) -> None:
    server.set(latency_ms=50, fault_rate=0.05, faults=["429", "529", "500", "drop", "truncated"])
    home, draw = folder / "home", random.Random(0)
    call = [sys.executable, "-m", "benchmarks.claude", "extract", "--home", str(home), "--url", server.url]
    killed = 0
    while killed < 10:
        process = subprocess.Popen([*call, "--conversations", str(count)])
        before = len(server.requests(MESSAGES))
        while len(server.requests(MESSAGES)) == before and process.poll() is None:
            time.sleep(0.2)
        time.sleep(draw.uniform(0.2, 2.0))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        killed += 1
    assert subprocess.run([*call, "--conversations", str(count)]).returncode == 0
    answered = Counter(each["digest"] for each in server.requests(MESSAGES) if each["status"] == 200)
    twice = answered.total() - len(answered)
    table = Table("conversations", "kills", "answered", "asked again", "bound")
    table.add_row(f"{count:,}", str(killed), f"{len(answered):,}", str(twice), str(64 * killed))
    console.print(table)


def extract(home: Path, url: str, count: int) -> None:
    found = analyst(home, url, claude_concurrency=64).extract(conversations(count, 300))
    assert found.filter(pl.col("status") == "read")["conversation_id"].n_unique() == count


def bill(folder: Path, server: Handle, console: Console, count: int) -> None:
    """Conversations are sent at `count` and multiplied; the tree is asked for at its full size."""
    server.set(batch_seconds=0.2)
    target, base = 100_000, 1_000
    claude = analyst(
        folder / "home", server.url, claude_mode="batch", batch_poll_seconds=0.2, claude_concurrency=16
    )
    with at_work("facets", f"{DAY}|en", "bill"):
        facets = claude.extract(conversations(count, 1_000))
    requests = facets["request"].to_list()
    _tree(claude, requests, base)
    price = Table("step", "model", "calls", "tokens in", "tokens out", "$", "the paper's $")
    factors = {"facets": target / count}
    paper = {"facets": "45.00", "cluster_summaries": "3.75", "hierarchy": "0.06"}
    total = calls = 0.0
    lines: dict[tuple[str, str], list[float]] = {}
    for line in claude.asker.memory.bill():  # type: ignore[attr-defined]
        factor = factors.get(line.stage, 1.0)
        sums = lines.setdefault((line.stage, line.model + (" (batch)" if line.is_batch else "")), [0.0] * 4)
        prompt = line.input_tokens + line.cache_read_tokens + line.cache_write_tokens
        for place, number in enumerate((line.calls, prompt, line.output_tokens, line.usd)):
            sums[place] += factor * number
    for (stage, model), (asked, prompt, output, usd) in lines.items():
        total, calls = total + usd, calls + asked
        price.add_row(
            stage,
            model,
            f"{asked:,.0f}",
            f"{prompt:,.0f}",
            f"{output:,.0f}",
            f"{usd:.2f}",
            paper.get(stage, ""),
        )
    price.add_section()
    price.add_row("", "", f"{calls:,.0f}", "", "", f"{total:.2f}", "48.81")
    console.print(price)
    naming = [each["tokens"] for each in server.requests(MESSAGES) if "name" in each["fields"]]
    largest = max(naming, default=0)
    console.print(f"{calls / target:.3f} calls a conversation; largest naming prompt sent alone: {largest:,}")
    console.print(f"{len(server.requests(BATCHES))} batches submitted")


def _tree(claude: ClaudeAnalyst, requests: list[str], base: int) -> None:
    draw = np.random.default_rng(0)
    vocabularies = [_vocabulary(WORDS[number % 32], f"{WORDS[number // 32]}s") for number in range(base)]
    vectors = draw.normal(size=(base, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    samples = [
        NamingSample(
            [requests[(50 * number + each) % len(requests)] for each in range(50)],
            [requests[(50 * number + 50 + each) % len(requests)] for each in range(50)],
            vocabularies[number],
            "en",
            vectors[number],
        )
        for number in range(base)
    ]
    with at_work("cluster_summaries", str(DAY), "bill"):
        claude.name_clusters(samples)
    ids = range(base)
    clusters = pl.DataFrame(
        {
            "date": [DAY] * base,
            "clustered_by": ["request"] * base,
            "cluster_id": list(ids),
            "topic": [f"t{number}" for number in ids],
            "conversations": [100] * base,
            "accounts": [50] * base,
            "top_account_share": [0.05] * base,
            "passes": [True] * base,
            "reasons": [[] for _ in ids],
            "centroid": vectors.tolist(),
        },
        schema=CLUSTERS.schema,
    )
    names = [f"{WORDS[number % 32]} the {WORDS[number // 32]}s".capitalize() for number in ids]
    summaries = clusters.select("date", "clustered_by", "cluster_id", "topic").with_columns(
        pl.Series("name", names),
        pl.lit("Users asked for help with it. They mostly wanted examples.").alias("description"),
    )
    members = pl.DataFrame(
        {
            "date": [DAY] * base,
            "clustered_by": ["request"] * base,
            "conversation_id": [f"c{number}" for number in ids],
            "account": [f"a{number}" for number in ids],
            "language": ["en"] * base,
            "cluster_id": list(ids),
            "distance": [0.1] * base,
            "day": [DAY] * base,
            "counted": [True] * base,
        },
        schema=CLUSTER_MEMBERS.schema,
    )
    with at_work("hierarchy", str(DAY), "bill"):
        tree, words = build_hierarchy(
            summaries.select(*CLUSTER_SUMMARIES.schema),
            clusters,
            members,
            dict(enumerate(vocabularies)),
            claude,
            previous=pl.DataFrame(schema=HIERARCHY.schema),
            settings=claude.settings,
            date=DAY,
            clustered_by="request",
            stand_in=claude._stand_in,
            at_once=16,
        )
    audited = [
        AuditSample(Summary(row["name"], row["description"]), words[row["node_id"]])
        for row in tree.iter_rows(named=True)
    ]
    with at_work("audited_summaries", str(DAY), "bill"):
        claude.audit(audited)


def _vocabulary(one: str, other: str) -> Vocabulary:
    """Thirty words, of which a topic of its own is named after two."""
    weights = dict.fromkeys(WORDS, 1.0) | {one: 3.0, other: 2.0}
    return Vocabulary(
        weights, frozenset(frozenset({one, word}) for word in (other, *WORDS[:20]) if word != one)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("throughput", "kills", "bill", "extract"))
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.what == "extract":
        extract(given.home, given.url, given.conversations)
        return
    with tempfile.TemporaryDirectory() as name, messages_server(Path(name) / "server") as server:
        measure = {"throughput": throughput, "kills": kills, "bill": bill}[given.what]
        measure(Path(name), server, Console(), given.conversations)


if __name__ == "__main__":
    main()
