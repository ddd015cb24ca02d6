"""A corpus as a file that `clio run` lands, and its labels beside it, where no pipeline looks."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import orjson
import polars as pl

from clio_dagster.evaluation.corpora.bank import KINDS, categories
from clio_dagster.evaluation.corpora.corpus import LABELS, Corpus, corpus_of

SUFFIX = ".jsonl.gz"


def labels_path(path: Path) -> Path:
    """Where the labels of a corpus lie: FILE.labels.parquet beside FILE.jsonl.gz."""
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.labels.parquet")


def write_corpus(batches: Iterable[Corpus], path: Path) -> int:
    """Write a corpus in the project's own layout, batch by batch, and its labels; returns how many conversations.

    The same batches give the same bytes. Both files appear when all of both is written, or neither.
    """
    unfinished, labels = path.with_name(f".{path.name}.{os.getpid()}"), []
    try:
        with (
            unfinished.open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as file,
        ):
            for batch in batches:
                for identifier, account, started_at, messages in batch.conversations.select(
                    "conversation_id", "account", "started_at", "messages"
                ).iter_rows():
                    record = {
                        "conversation_id": identifier,
                        "account_id": account,
                        "started_at": started_at.isoformat(),
                        "messages": [{"role": each["role"], "content": each["text"]} for each in messages],
                    }
                    file.write(orjson.dumps(record) + b"\n")
                labels.append(batch.labels)
        every = pl.concat(labels) if labels else pl.DataFrame(schema=LABELS)
        every.write_parquet(labels_path(path))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return every.height


def kind_of(path: Path) -> str:
    """Of which kind a corpus is, by its labels. Raises FileNotFoundError without them, ValueError for other categories
    than one kind's."""
    names = set(pl.read_parquet(labels_path(path), columns=["category"])["category"])
    for kind in KINDS:
        if names and names <= {each.id for each in categories(kind)}:
            return kind
    raise ValueError(
        f"{labels_path(path).name}: its categories are not those of one kind ({', '.join(KINDS)})"
    )


def read_corpus(path: Path) -> Corpus:
    """What `write_corpus` wrote. Raises FileNotFoundError where one of the two files is missing."""
    labels = pl.read_parquet(labels_path(path))
    languages = dict(labels.select("conversation_id", "language").iter_rows())
    rows = []
    with gzip.open(path, "rb") as file:
        for line in file:
            record = orjson.loads(line)
            messages = [{"role": each["role"], "text": each["content"]} for each in record["messages"]]
            identifier, started_at = record["conversation_id"], datetime.fromisoformat(record["started_at"])
            rows.append((identifier, record["account_id"], started_at, languages[identifier], messages))
    return corpus_of(rows, labels.rows())
