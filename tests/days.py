"""Small days as they are counted: conversations in the two base clusters of one tree, and who sent them."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import polars as pl

from clio_dagster.evaluation.attacks.subtraction import as_day
from clio_dagster.privacy.parts import Day, Figures, publish_day
from clio_dagster.settings import Settings
from clio_dagster.tables import AUDITED_SUMMARIES, CLUSTER_MEMBERS, PUBLISHED, WITHHELD

KEY = bytes(range(32))
DAY = date(2026, 11, 1)


def site(**values: object) -> Settings:
    """Settings of a site; without noise unless `epsilon` is given."""
    base: dict[str, object] = {"epsilon": math.inf, "languages": ("en", "es")}
    return Settings(home=Path("/home/site"), key_file=Path("/etc/clio-key"), **base | values)  # type: ignore[arg-type]


def tree(**withheld: bool) -> pl.DataFrame:
    """Two base clusters `a` and `b` under `ab`, which lies under `top`."""
    rows = [("0-0", "1-0", 0, "a"), ("0-1", "1-0", 0, "b"), ("1-0", "2-0", 1, "ab"), ("2-0", None, 2, "top")]
    return pl.DataFrame(
        [
            (
                DAY,
                "request",
                node,
                parent,
                level,
                topic,
                "n",
                "d",
                100,
                40,
                WITHHELD if withheld.get(topic) else PUBLISHED,
                [],
                5,
            )
            for node, parent, level, topic in rows
        ],
        schema=AUDITED_SUMMARIES.schema,
        orient="row",
    )


def sent(
    a: int, b: int = 0, *, per_account: int = 1, language: str = "en", task: str | None = None, who: str = "u"
) -> pl.DataFrame:
    """`a` and `b` conversations in the two base clusters, `per_account` of each account of the people `who`."""
    size = a + b
    return pl.DataFrame(
        {
            "conversation_id": [f"{who}{number}" for number in range(size)],
            "account": [f"{who}{number // per_account}" for number in range(size)],
            "language": [language] * size,
            "cluster_id": [0] * a + [1] * b,
            "turns": [2] * size,
            "concerning": [1] * size,
            "refused": [False] * size,
            "task": [task] * size,
            "stage": ["published"] * size,
        },
        schema_overrides={
            "conversation_id": pl.String, "account": pl.String, "language": pl.String, "cluster_id": pl.Int32,
            "turns": pl.Int32, "concerning": pl.Int8, "refused": pl.Boolean, "task": pl.String, "stage": pl.String,
        },
    )  # fmt: skip


def day_of(*conversations: pl.DataFrame, audited: pl.DataFrame | None = None, quarantined: int = 0) -> Day:
    """The day on which these were sent; every one of them counts in its cluster."""
    day = as_day(DAY, pl.concat(conversations), tree() if audited is None else audited, quarantined)
    assert day.members.schema == pl.Schema(CLUSTER_MEMBERS.schema)
    return day


def publish(
    day: Day,
    published: Figures | None = None,
    *,
    parts: int = 0,
    withdrawals: int = 0,
    key: bytes = KEY,
    **values: object,
) -> Figures:
    """The day's figures, going on from `published`, of which `parts` and `withdrawals` are frozen."""
    return publish_day(
        day,
        published or Figures.none(),
        parts=parts,
        withdrawals=withdrawals,
        settings=site(**values),
        key=key,
    )
