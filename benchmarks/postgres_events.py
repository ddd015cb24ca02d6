"""What an event costs in Dagster's PostgreSQL storage: with a connection of its own, as Dagster has it, and with ours.

    python -m benchmarks.postgres_events [--url URL] [--events N]

URL is an empty database; without it, a server is started where one is installed. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url")
    parser.add_argument("--events", type=int, default=400)
    arguments = parser.parse_args()
    from tests.postgres_server import postgres

    with (
        tempfile.TemporaryDirectory(prefix="clio-") as folder,
        nullcontext(arguments.url) if arguments.url else postgres(Path(folder) / "pg") as url,
    ):
        measure(url, arguments.events)


def measure(url: str, events: int) -> None:
    """Both in turn, twice; the faster round of each counts."""
    from dagster_postgres import DagsterPostgresStorage

    from clio_dagster.postgres_url import with_driver
    from resources.postgres_storage import PooledPostgresStorage

    storages = {
        "a connection an event": DagsterPostgresStorage(with_driver(url, "psycopg2")),
        "connections kept open": PooledPostgresStorage(url),
    }
    best = {name: float("inf") for name in storages}
    for _ in range(2):
        for name, storage in storages.items():
            best[name] = min(best[name], _seconds(storage.event_log_storage, events) / events)
    print("| | ms an event |\n|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {1000 * seconds:.1f} |")


def _seconds(log: object, events: int) -> float:
    from dagster._core.events.log import EventLogEntry

    entries = [
        EventLogEntry(
            error_info=None,
            level=20,
            user_message="made",
            run_id="a run",
            timestamp=time.time(),
            step_key=None,
        )
        for _ in range(events)
    ]
    started = time.perf_counter()
    for entry in entries:
        log.store_event(entry)  # type: ignore[attr-defined]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
