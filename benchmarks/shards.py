"""Facets and vectors of a large partition in one process, and in pieces on Ray: what a second worker brings.

    python -m benchmarks.shards [--conversations N] [--distinct SHARE] [--folder FOLDER]

N conversations are landed as `benchmarks.embedding` does. Then their facets are read, and their requests embedded, by
one process on one core, by one worker of Ray and by two, a core each, every time in a cluster of its own on this
machine; nothing is written. `efficiency` is t1 / (2 × t2), `overhead` what one worker takes beyond the process. Each
says a hash of what it made: they have to be equal. Seconds count the start of the workers, within `first` of facets;
`peak MB` is of the process that asks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.embedding import GIVEN, PARTITION
from benchmarks.staged import cost

OBJECT_STORE_BYTES = 500_000_000
WORKERS = (0, 1, 2)
"""0: none, all in the process that asks."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--distinct", type=float, default=0.2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.workers is not None:
        print(json.dumps(made_by(arguments.workers)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="clio-shards-") as folder:
        for stage in (GIVEN, "raw_conversations", "facets"):
            options = ("--distinct", str(arguments.distinct))
            cost("benchmarks.embedding", stage, arguments.conversations, Path(folder), 2, *options)
        report([row for workers in WORKERS for row in measured(workers, Path(folder))])


def measured(workers: int, folder: Path) -> list[dict[str, Any]]:
    """What each stage took, in a process of its own."""
    environment = os.environ | {
        "CLIO_HOME": str(folder / "home"),
        "CLIO_KEY_FILE": str(folder / "key"),
        "CLIO_ANALYST": "offline",
        "CLIO_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    command = [sys.executable, "-m", "benchmarks.shards", "--workers", str(workers)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    print(rows, file=sys.stderr, flush=True)
    return rows


def made_by(workers: int) -> list[dict[str, Any]]:
    """Facets and vectors made once, by so many workers of a cluster that lives as long as this process."""
    from assets.embeddings import encode
    from assets.facets import facets_apart, facets_within
    from assets.partitions import SETTINGS
    from clio_dagster.embedding import embed_in_chunks
    from clio_dagster.key_ranges import ROWS_AT_ONCE, ranges_of
    from clio_dagster.tables import FACETS, RAW_CONVERSATIONS
    from resources.io_manager import Reader
    from resources.readers import kept_embedder, make_analyst
    from resources.shards import OnRay
    from resources.site import Site

    site, embedder = Site(), kept_embedder(SETTINGS.embedder, 1)
    ids = Reader(site.warehouse, RAW_CONVERSATIONS).read(PARTITION, ["conversation_id"])["conversation_id"]
    texts = Reader(site.warehouse, FACETS).read(PARTITION, ["request"])["request"].drop_nulls()
    embedded = partial(embed_in_chunks, texts, embedder, rows=ROWS_AT_ONCE, folder=SETTINGS.home)
    if workers:
        import ray

        ray.init(
            num_cpus=workers,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )
        facets = partial(OnRay(SETTINGS, "facets", PARTITION), partial(facets_apart, PARTITION, False))
        encoding = partial(OnRay(SETTINGS, "embeddings", PARTITION), partial(encode, SETTINGS.embedder))
        vectors = partial(embedded, encoding=encoding)
    else:
        analyst = make_analyst(site, embedder)
        facets = partial(map, partial(facets_within, site, analyst, PARTITION, False))
        vectors = embedded
    return [
        {"stage": "facets", "workers": workers, **timed(lambda: facets(ranges_of(ids)), _of_frame)},
        {"stage": "embeddings", "workers": workers, **timed(vectors, np.ndarray.tobytes)},
    ]


def timed(make: Callable[[], Iterable[Any]], as_bytes: Callable[[Any], bytes]) -> dict[str, Any]:
    digest, first, started = hashlib.sha256(), None, time.perf_counter()
    for part in make():
        first = first or time.perf_counter() - started
        digest.update(as_bytes(part))
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "first": round(first or 0, 1),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "hash": digest.hexdigest()[:12],
    }


def _of_frame(frame: pl.DataFrame) -> bytes:
    return frame.hash_rows(seed=0).to_numpy().tobytes()


def report(rows: list[dict[str, Any]]) -> None:
    print("| stage | workers | s | first, s | peak MB | hash |\n|---|---|---|---|---|---|")
    for row in rows:
        print(
            "|",
            " | ".join(
                str(row[name]) for name in ("stage", "workers", "seconds", "first", "peak MB", "hash")
            ),
            "|",
        )
    for stage in ("facets", "embeddings"):
        alone, one, two = (row for row in rows if row["stage"] == stage)
        print(
            f"{stage}: efficiency {one['seconds'] / (2 * two['seconds']):.2f}, "
            f"overhead {one['seconds'] / alone['seconds'] - 1:.0%}, "
            f"{'the same' if len({each['hash'] for each in (alone, one, two)}) == 1 else 'NOT THE SAME'} bits"
        )


if __name__ == "__main__":
    main()
