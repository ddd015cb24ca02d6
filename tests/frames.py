"""Small frames of the contract's tables, for tests of warehouses."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from clio_dagster.tables import DAY, EMBEDDINGS, RAW_CONVERSATIONS

DATE = date(2026, 11, 1)
ES = {"date": DATE, "language": "es"}
SECRET = "my private text"


def day(count: int, *, language: str = "es", on: date = DATE) -> pl.DataFrame:
    row = {"date": on, "language": language, "conversations": count, "embedded": count, "fingerprint": "f"}
    return pl.DataFrame([row], DAY.schema)


def embeddings(count: int, width: int = 3, *, language: str = "es", seed: int = 0) -> pl.DataFrame:
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return pl.DataFrame(
        {
            "conversation_id": [f"c{number:05}" for number in range(count)],
            "date": [DATE] * count,
            "language": [language] * count,
            "clustered_by": ["request"] * count,
            "vector": vectors,
        },
        {**EMBEDDINGS.schema, "vector": pl.Array(pl.Float32, width)},
    )


def conversations() -> pl.DataFrame:
    rows = [
        {
            "conversation_id": f"c{number}",
            "account": None if number else "a",
            "started_at": datetime(2026, 11, 1, 23, number, tzinfo=UTC),
            "date": DATE,
            "language": "es",
            "turns": number + 1,
            "messages": [{"role": "user", "text": "¿Qué tal? 你好 " * number}] * number,
            "flagged": [True, False, None][number],
        }
        for number in range(3)
    ]
    return pl.DataFrame(rows, RAW_CONVERSATIONS.schema)
