"""Topics from date to date: what appears is told apart, and reported where it is more than chance."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clio_dagster.clusters.births import births
from clio_dagster.clusters.events import lineage_events
from clio_dagster.clusters.find import find_clusters
from clio_dagster.models.build import build_view, select_rows
from clio_dagster.privacy.noise import two_sided_geometric, variance
from clio_dagster.tables import AUDITED_SUMMARIES, CLUSTERS, LINEAGE, PUBLISHED_CELLS, Table
from resources.contracts import models
from resources.duckdb_warehouse import DuckDBWarehouse
from tests.test_clusters import KEY, TODAY, around, settings, text

WINDOW = 7


def days(*sizes: Sequence[int]) -> pl.DataFrame:
    """Conversations of groups, so many on each of the window's days, oldest first."""
    on = [
        TODAY - timedelta(days=len(of_days) - 1 - back)
        for of_days in sizes
        for back, size in enumerate(of_days)
        for _ in range(size)
    ]
    return pl.DataFrame(
        {
            "conversation_id": [f"{day} {number}" for number, day in enumerate(on)],
            "account": [f"a{number // 2}" for number in range(len(on))],
            "language": ["en"] * len(on),
            "date": on,
            "request": [text(number) for number in range(len(on))],
        }
    )


def found(
    frame: pl.DataFrame, vectors: np.ndarray, day: date = TODAY, previous: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    before = CLUSTERS.empty() if previous is None else previous
    return find_clusters(
        frame, vectors, previous=before, settings=settings(cluster_size=120), key=KEY, date=day
    )
