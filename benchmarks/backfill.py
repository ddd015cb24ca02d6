"""A backfill of 30 days in 12 languages against the engine functions inside it.

    python -m benchmarks.backfill                    360 partitions of 500 conversations, about an hour
    python -m benchmarks.backfill --days 6           a short one
    python -m benchmarks.backfill --daemon           asked for as in the UI, by daemon and policies

180,000 conversations, 500 of each language on each day, are made once, landed, and then backfilled in one process by
the code of `clio backfill`: every slice read, every date published and looked at for Trust & Safety, all checks. `wall`
is what that call took, the start of Dagster aside, `cpu` the processor's seconds of the process, and `engine` the
seconds inside the engine's functions with the reading of their inputs (clio_dagster/clock.py), the checks aside. The
ratio is wall over engine, a mean of all partitions. What lies between is told by what it was spent on: Dagster's event
log, writing and reading tables outside the engine, the ledger, the checks; the rest is Dagster's own Python. Then each
job's run by itself, as its materializations say it.
`--daemon`: the same is asked for over GraphQL as the UI does, slices and then dates. The engine's seconds are those
that the materializations carry; wall is from asking to the end of the backfill, runs' starts and the queue included.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import orjson

from clio_dagster.synthetic.corpus import LANGUAGE_SHARES, generate

FIRST = date(2026, 10, 1)
PARTITION = 500

PHRASES = {
    "nl": (
        ("Kun je mij uitleggen hoe ik", "Ik zoek een goede manier waarop ik", "Help me alsjeblieft, hoe kan ik"),
        ("een brood bak met weinig gist", "een brief aan de gemeente schrijf", "mijn fietsband zelf plak"),
        ("zonder dat het te veel tijd kost", "voor mijn ouders die op bezoek komen", "en wat heb ik daarvoor nodig"),
    ),
    "pl": (
        ("Proszę wyjaśnij mi, jak mogę", "Szukam dobrego sposobu, żeby", "Pomóż mi, nie wiem jak"),
        ("upiec chleb na zakwasie w domu", "napisać list do urzędu miasta", "naprawić dziurawą dętkę w rowerze"),
        ("i nie stracić na to całego dnia", "zanim przyjadą do mnie rodzice", "oraz co będzie mi do tego potrzebne"),
    ),
    "sv": (
        ("Kan du förklara hur jag ska", "Jag letar efter ett bra sätt att", "Hjälp mig är du snäll, jag vill"),
        ("baka ett surdegsbröd hemma i köket", "skriva ett brev till kommunen", "laga en punktering på min cykel"),
        ("utan att det tar hela dagen", "innan mina föräldrar kommer på besök", "och vad behöver jag köpa till det"),
    ),
}  # fmt: skip
"""For languages that the corpus does not speak: enough to be recognised, each text often the same as another."""

LANGUAGES = (*LANGUAGE_SHARES, *PHRASES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--conversations", type=int, default=PARTITION, help="in each partition")
    parser.add_argument("--folder", type=Path, help="where homes and the corpus are made")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--daemon", action="store_true", help="under daemon and policies instead")
    parser.add_argument("--here", choices=["measure", "land"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here == "measure":
        measure(arguments.folder / "corpus.jsonl.gz", arguments.days)
        return
    if arguments.here == "land":
        landed(arguments.folder / "corpus.jsonl.gz")
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="clio-backfill-") as made:
        folder = Path(made)
        write_corpus(folder / "corpus.jsonl.gz", arguments.days, arguments.conversations)
        if arguments.daemon:
            attended(folder, arguments.days, arguments.threads)
        else:
            in_a_process("measure", folder, arguments.days, settings_in(folder, arguments.threads))


def in_a_process(what: str, folder: Path, days: int, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "benchmarks.backfill", "--here", what, "--folder", str(folder)]
    subprocess.run([*command, "--days", str(days)], env=environment, check=True)


def days_of(days: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in range(days)]


def settings_in(folder: Path, threads: int) -> dict[str, str]:
    """The environment of a site in `folder` that has the benchmark's languages."""
    foreign = ("CLIO_", "DAGSTER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "CLIO_HOME": str(folder / "home"),
        "CLIO_KEY_FILE": str(folder / "key"),
        "CLIO_LANGUAGES": ",".join(LANGUAGES),
        "CLIO_THREADS": str(threads),
        "CLIO_ANALYST": "offline",
        "POLARS_MAX_THREADS": str(threads),
    }


def write_corpus(path: Path, days: int, each: int) -> None:
    """`each` conversations of each language on each day, in the project's own layout."""
    dates = days_of(days)
    raw = path.with_name("raw.jsonl.gz")
    # Accounts are drawn by language: half as many again, and no language is short.
    total = int(each * days * len(LANGUAGE_SHARES) * 1.5) + 500
    generate(raw, conversations=total, days=dates, shares=dict.fromkeys(LANGUAGE_SHARES, 1.0))
    taken: Counter[str] = Counter()
    with gzip.open(raw, "rb") as source, gzip.open(path, "wb", compresslevel=1) as file:
        for record in (*map(orjson.loads, source), *_others(dates, each)):
            language = record["metadata"]["label"]["language"]
            if taken[language] < each * days:
                day = dates[taken[language] // each]
                taken[language] += 1
                record["started_at"] = f"{day}{record['started_at'][10:]}"
                file.write(orjson.dumps(record) + b"\n")
    raw.unlink()
    short = [language for language in LANGUAGES if taken[language] < each * days]
    assert not short, f"too few conversations of {short}"


def _others(dates: list[date], each: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(0)
    for language, parts in PHRASES.items():
        for number in range(len(dates) * each):
            asked = " ".join(chance.choice(part) for part in parts)
            yield {
                "conversation_id": f"{language}-{number:07}",
                "account_id": f"{language}-{chance.randrange(len(dates) * each // 5)}",
                "started_at": f"{dates[0]}T{chance.randrange(24):02}:{chance.randrange(60):02}:00+00:00",
                "messages": [{"role": "user", "content": f"{asked}, {chance.randrange(2, 90)}?"}],
                "metadata": {"label": {"language": language}},
            }


class Watch:
    """Seconds by what they were spent on, of the outermost call alone."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._depth = 0

    def on(self, owner: Any, name: str, *methods: str) -> None:
        """Watch methods of a class; what the engine calls counts as the engine's and is told as `… inside`."""
        for method in methods:
            setattr(owner, method, self._watched(getattr(owner, method), name))

    def _watched(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(call)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return call(*args, **kwargs)
            from clio_dagster.clock import is_counting

            inside = " inside" if is_counting() else ""
            self._depth += 1
            started = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self._depth -= 1
                self.seconds[name + inside] += time.perf_counter() - started  # type: ignore[assignment]
                self.calls[name + inside] += 1

        return watched


def measure(source: Path, days: int) -> None:
    """Land the file and backfill its days in this process; print what it came to."""
    from clio_dagster.clock import spent
    from resources.dagster_storage import PooledSqliteEventLogStorage
    from resources.ledger import Ledger
    from resources.zones import Zones
    from sensors import pipeline

    definitions, instance, site = landed(source)
    watch = Watch()
    watch.on(PooledSqliteEventLogStorage, "event log", "store_event", "store_event_batch")
    watch.on(Zones, "writing tables", "write", "write_many")
    watch.on(Zones, "reading tables", "read", "query", "slices", "slices_on", "slice_of")
    watch.on(Ledger, "ledger", "take", "give", "check")
    before = Counter(spent())
    started, processor = time.perf_counter(), time.process_time()
    outcome = pipeline.backfill(definitions, instance, site, days_of(days), [])
    wall, cpu = time.perf_counter() - started, time.process_time() - processor
    assert not outcome.failures, outcome.failures
    told(wall, cpu, Counter(spent()) - before, watch, days)
    each_job(instance)


def landed(source: Path) -> tuple[Any, Any, Any]:
    """The file registered and landed, and nothing made of it; definitions, instance and site."""
    from dagster import DagsterInstance

    from clio_dagster.definitions import build_definitions
    from clio_dagster.home import prepare
    from clio_dagster.settings import load_settings
    from resources.site import Site
    from resources.sources import register, sources_at
    from sensors.runs import run_here

    settings = load_settings()
    prepare(settings)
    definitions, instance = build_definitions(), DagsterInstance.get()
    site = Site(overrides={"home": settings.home})
    found = sources_at(settings, source)
    register(site, found)
    instance.add_dynamic_partitions("sources", [each.key for each in found])
    for each in found:
        failures = run_here(definitions, "land", instance, tags={}, partition=each.key)
        assert not failures, failures
    return definitions, instance, site


def attended(folder: Path, days: int, threads: int) -> None:
    """Backfills under a daemon that asks for nothing by itself: slices, then dates; print what they came to."""
    from tests.scenario import Site
    from tests.server import start, stop

    settings = {"languages": ",".join(LANGUAGES), "threads": str(threads), "analyst": "offline"}
    site = Site(folder / "site", settings)
    in_a_process("land", folder, days, site.environment | {"POLARS_MAX_THREADS": str(threads)})
    assert site.clio("pause", "--reason", "a benchmark").returncode == 0
    server = start(site, site.folder)
    try:
        dates = [day.isoformat() for day in days_of(days)]
        slices = [f"{day}|{language}" for day in dates for language in sorted({*LANGUAGES, "other"})]
        print(f"{len(dates) * len(LANGUAGES)} partitions under a daemon")
        took(server, "slices", ["raw_conversations", "facets", "embeddings"], slices)
        took(server, "dates", published(), dates)
    finally:
        stop(server)


def published() -> list[str]:
    """Assets of the job `publish`."""
    from dagster import AssetKey

    from clio_dagster.definitions import build_definitions

    graph = build_definitions().resolve_asset_graph()
    groups = {"topics", "publishing", "staging", "marts"}
    keys: set[AssetKey] = {
        key for key in graph.materializable_asset_keys if graph.get(key).group_name in groups
    }
    return sorted(key.to_user_string() for key in keys)


def took(server: Any, what: str, assets: list[str], keys: list[str]) -> None:
    """Ask for a backfill, wait for its end, and print the seconds beside those of the engine."""
    from dagster import DagsterInstance, RunsFilter

    started = time.time()
    backfill = server.backfill(assets, keys)
    done = server.backfilled(backfill, seconds=20_000)
    wall = time.time() - started
    failed = [run["runId"] for run in done["runs"] if run["status"] != "SUCCESS"]
    errors = [event["error"] for run in failed for event in server.logs(run) if event.get("error")]
    assert done["status"] == "COMPLETED_SUCCESS", [error["message"] for error in errors]
    with DagsterInstance.from_config(str(server.site.home)) as instance:
        runs = instance.get_run_records(RunsFilter(tags={"dagster/backfill": backfill}))
        engine = sum(sum(engine_of(instance, record.dagster_run.run_id).values()) for record in runs)
    at_work = sum((record.end_time or 0) - (record.start_time or 0) for record in runs)
    queued = sum((record.start_time or 0) - record.create_timestamp.timestamp() for record in runs)
    print(
        f"{what}: {len(keys)} keys, {len(runs)} runs, wall {wall:.0f} s, engine {engine:.0f} s, runs' own seconds "
        f"{at_work:.0f}; ratio of wall {wall / engine:.2f}, of runs' seconds {at_work / engine:.2f}; "
        f"{queued / len(runs):.0f} s from being asked for to the first step, a run",
        flush=True,
    )


def engine_of(instance: Any, run: str) -> Counter[str]:
    """Seconds by step that the engine was at work in a run, as its materializations say."""
    from dagster import DagsterEventType

    steps: dict[tuple[str, str], float] = {}
    for event in instance.all_logs(run, of_type=DagsterEventType.ASSET_MATERIALIZATION):
        made = event.dagster_event.event_specific_data.materialization
        if "seconds" in made.metadata:
            # The tables of one step say the same.
            steps[event.dagster_event.step_key, str(made.partition)] = float(made.metadata["seconds"].value)
    by_step: Counter[str] = Counter()
    for (step, _), seconds in steps.items():
        by_step[step] += seconds  # type: ignore[assignment]
    return by_step


def each_job(instance: Any) -> None:
    """Print wall and engine of every run in the home, by the event log."""
    from dagster import RunsFilter

    for record in reversed(instance.get_run_records(RunsFilter())):
        if record.start_time and record.end_time:
            wall = record.end_time - record.start_time
            engine = sum(engine_of(instance, record.dagster_run.run_id).values())
            print(
                f"run of {record.dagster_run.job_name}: {wall:.0f} s, engine {engine:.0f} s, {wall / engine:.2f}"
            )


def told(wall: float, cpu: float, by_stage: Counter[str], watch: Watch, days: int) -> None:
    """Print the ratio, and where the seconds went."""
    checks = by_stage.pop("checks", 0.0)
    engine = sum(by_stage.values())
    partitions = days * len(LANGUAGES)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"{partitions} partitions of {days} days in {len(LANGUAGES)} languages, in one process")
    print(
        f"wall {wall:.1f} s, cpu {cpu:.1f} s, engine {engine:.1f} s, checks {checks:.1f} s, {memory:,.0f} MB"
    )
    print(f"a partition: {wall / partitions:.3f} s of which {engine / partitions:.3f} s in the engine")
    print(f"ratio {wall / engine:.2f}; with the checks as the engine's {wall / (engine + checks):.2f}")
    print("engine: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in by_stage.most_common()))
    outside = Counter(
        {name: seconds for name, seconds in watch.seconds.items() if not name.endswith("inside")}
    )
    inside = watch.seconds - outside
    rest = wall - engine - checks - sum(outside.values())
    for name, seconds in outside.most_common():
        print(f"  outside: {name} {seconds:.1f} s, {watch.calls[name]:,} calls")
    print(f"  outside: checks {checks:.1f} s")
    print(f"  outside: the rest {rest:.1f} s")
    for name, seconds in inside.most_common():
        print(f"  of the engine's and the checks': {name.removesuffix(' inside')} {seconds:.1f} s")


if __name__ == "__main__":
    main()
