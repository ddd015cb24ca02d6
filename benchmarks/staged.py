"""Stages of the pipeline, each in a process of its own, whose seconds and peak memory are what it cost.

A benchmark of stages calls `cost` for each; in the process that it starts, the same module runs the stage and says
with `tell` for how many of the seconds the engine was at work.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, object]
"""rows, stage, seconds, of these, peak MB, rows/s."""


def row_of(rows: int, stage: str, seconds: float, engine: float, peak_mb: float) -> Row:
    return {
        "rows": rows,
        "stage": stage,
        "seconds": round(seconds, 1),
        "of these": round(engine, 1),
        "peak MB": round(peak_mb),
        "rows/s": round(rows / seconds),
    }


def cost(module: str, stage: str, rows: int, folder: Path, threads: int, *options: str) -> Row:
    """What `python -m MODULE --stage STAGE` cost, with the site's home in `folder`; printed to stderr as well."""
    environment = os.environ | {
        "CLIO_HOME": str(folder / "home"),
        "CLIO_KEY_FILE": str(folder / "key"),
        "CLIO_THREADS": str(threads),
        "CLIO_ANALYST": "offline",
        "POLARS_MAX_THREADS": str(threads),
    }
    started = time.perf_counter()
    command = [sys.executable, "-m", module, "--stage", stage, "--rows", str(rows), *options]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    engine, peak_mb = map(float, done.stdout.split()[-2:])
    row = row_of(rows, stage, seconds, engine, peak_mb)
    print(row, file=sys.stderr, flush=True)
    return row


def tell(engine: float) -> None:
    """Print, as the last of what this process prints, the engine's seconds and its peak memory in MB."""
    print(engine, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def materialized(names: Sequence[str], partitions: Sequence[str], instance: Any) -> float:
    """Materialize the assets, partition by partition, with their checks; the seconds that they say they took."""
    from dagster import AssetSelection, materialize

    from assets import all_assets, all_checks
    from clio_dagster.definitions import defs

    spent = 0.0
    for partition in partitions:
        result = materialize(
            [*all_assets, *all_checks],
            selection=AssetSelection.assets(*names).required_multi_asset_neighbors(),
            partition_key=partition,
            instance=instance,
            resources=dict(defs.resources or {}),
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
        # The tables of one step say the same.
        said = {
            event.step_key: event.materialization.metadata.get("seconds")
            for event in result.get_asset_materialization_events()
        }
        spent += sum(float(seconds.value) for seconds in said.values() if seconds)  # type: ignore[arg-type]
    return spent
