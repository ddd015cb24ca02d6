"""Files of one day's conversations, made by the synthetic corpus, with ids of their own."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

from clio_dagster.synthetic.corpus import generate


def write_day(path: Path, day: date, *, seed: int, conversations: int = 150) -> Path:
    """Write conversations of one day to `path` (.jsonl.gz); no two seeds share an id."""
    beside = path.with_name(f".{path.name}.made")
    generate(beside, conversations=conversations, seed=seed, days=[day])
    with gzip.open(beside, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    beside.unlink()
    unfinished = path.with_name(f".{path.name}")
    with gzip.open(unfinished, "wt", encoding="utf-8") as file:
        for record in records:
            identifier = f"{seed}-{record['conversation_id']}"
            file.write(json.dumps(record | {"conversation_id": identifier}, ensure_ascii=False) + "\n")
    return unfinished.rename(path)
