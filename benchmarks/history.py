"""What Dagster's own storage takes: bytes a run, a day and a tick, and what is left once runs are past their time.

    python -m benchmarks.history [--conversations N] [--days N] [--ticks N]

A fresh home in a temporary folder: a made-up corpus is landed and published, as `clio run` does, and its last date is
then made anew on some days, as late files would have it, a run of each job a day. At the end the history is trimmed
as it is on the day on which all those runs have had their time. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=2, help="days on which a date is made anew")
    parser.add_argument("--ticks", type=int, default=1_000)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.environ |= {"CLIO_HOME": f"{folder}/home", "CLIO_KEY_FILE": f"{folder}/key"}
        measure(Path(folder), arguments.conversations, arguments.days, arguments.ticks)


def measure(folder: Path, conversations: int, days: int, ticks: int) -> None:
    """Make the home, and print what it takes. Settings are read when the code location is imported: here."""
    from dagster import DagsterInstance

    from clio_dagster.definitions import build_definitions
    from clio_dagster.home import prepare
    from clio_dagster.settings import load_settings
    from clio_dagster.synthetic.corpus import generate
    from resources.home_size import RUN_LOGS, compact
    from resources.site import Site
    from sensors.history import trim_history
    from sensors.pipeline import backfill, run_sources

    settings = load_settings()
    home = prepare(settings)
    generate(folder / "corpus.jsonl.gz", conversations=conversations)
    site, definitions = Site(overrides={"home": str(home)}), build_definitions()
    with DagsterInstance.get() as instance:
        outcome = run_sources(definitions, instance, site, [folder / "corpus.jsonl.gz"])
        dates = len(outcome.dates)
        sizes = [("", {}), (f"{dates} dates landed and published", sized(home, instance))]
        for number in range(days):
            backfill(definitions, instance, site, outcome.dates[-1:], [], again=True)
            sizes.append((f"a date made anew, day {number + 1}", sized(home, instance)))
        by_job = defaultdict(list)
        for run in instance.get_runs():
            by_job[run.job_name].append((home / RUN_LOGS / f"{run.run_id}.db").stat().st_size)
        trim_history(instance, settings, datetime.now(UTC) + timedelta(days=settings.history_days + 1))
        compact(home)
        after = sized(home, instance)
        before_ticks = after["ticks"]
        write_ticks(instance, ticks)
        compact(home)
        per_tick = (sized(home, instance)["ticks"] - before_ticks) / ticks
    print("| log of a run of | runs | KB, mean |\n|---|---|---|")
    for job, logs in sorted(by_job.items()):
        print(f"| `{job}` | {len(logs)} | {sum(logs) / len(logs) / 1e3:,.0f} |")
    names = list(after)
    print(f"\n| MB added by | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for (_, earlier), (said, now) in pairwise(sizes):
        cells = [f"{(now[name] - earlier.get(name, 0)) / 1e6:.2f}" for name in names]
        print(f"| {said} | {' | '.join(cells)} |")
    print(f"| all, trimmed (in all) | {' | '.join(f'{after[name] / 1e6:.2f}' for name in names)} |")
    skipped = 3 * 86_400 / max(settings.tick_seconds, 30)
    print(f"\n{per_tick:,.0f} bytes a tick; {skipped:,.0f} skipped ticks stay for a day:", end=" ")
    print(f"{skipped * per_tick / 1e6:.1f} MB")


def sized(home: Path, instance: object) -> dict[str, int]:
    """Bytes of each part of Dagster's storage, with every database closed."""
    from resources.home_size import compact, parts

    instance.event_log_storage.close()  # type: ignore[attr-defined]
    compact(home)
    found = {part.what: part.size for part in parts(home) if part.where.startswith("dagster/")}
    names = ("logs of runs", "materializations and checks", "runs", "ticks", "output of runs")
    return {name: found.get(name, 0) for name in names}


def write_ticks(instance: object, count: int) -> None:
    """Ticks of a sensor that found nothing to do."""
    from dagster import DagsterInstance
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import TickData, TickStatus

    assert isinstance(instance, DagsterInstance)
    said = "3 of 35 landed days are not fresh; 2 runs are at work. See `clio status`"
    log_key = ["clio", "reconcile", "0" * 32]
    for number in range(count):
        at = datetime.now(UTC).timestamp() + number
        tick = TickData(
            *("0" * 40, "reconcile", InstigatorType.SENSOR, TickStatus.SKIPPED, at),
            skip_reason=said,
            cursor="0" * 24 + " 2026-11-08 02",
            selector_id="0" * 40,
            log_key=log_key,
            end_timestamp=at + 1,
        )
        instance.create_tick(tick)


if __name__ == "__main__":
    main()
