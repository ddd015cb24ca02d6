"""A day of a site's life in half an hour, under a real daemon: what fails, what grows, how late things are.

    python -m benchmarks.soak                  24 hours in 30 minutes, begun at 23:29 by the site's clock
    python -m benchmarks.soak --minutes 3      a short one, begun at once: no schedule comes round

A file lands for each minute of the day (1,440, every 1.25 s), each hour's first also a late one for the day before,
which is published and so made again. An event's window is open over the day and looked at every five minutes.
CLIO_TIMEZONE is one in which it is 23:29 now, and CLIO_DAILY_HOUR is 23: `publish_closed_day` comes round at 23:30,
and retention at midnight, which also ends the day. It waits up to an hour for a minute 28 on the clock.

Prints the daemon's ticks and runs by outcome; how old the oldest conversation was, minute by minute, that had not
landed or had not been read; memory and open files of the processes that live all the time; and whether every
conversation was read in the end. Ends with 1 where a tick or a run failed, or a conversation is missing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, EventLogRecord

from tests.corpora import write_day
from tests.scenario import SMALL, Site
from tests.server import Server, start, stop

FILES = 1_440
PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLE_SECONDS = 5.0
HISTORY_DAYS = 9
"""Days landed before: an event's baseline, and text that is past its time."""

EVENT = """
[[events]]
name = "a-day"
start = {start}
end = {end}
baseline_days = 7
cadence_minutes = 5
min_conversations = 8
min_accounts = 4
[[events.watch]]
question = "Is this conversation about cooking?"
keywords = {{ en = ["cook*", "recipe*", "oven", "fry*", "bake*"], es = ["cocin*", "receta*", "horno"] }}
"""


@dataclass
class Watched:
    """Memory (bytes) and open files of one process that lives all the time, a sample every SAMPLE_SECONDS."""

    what: str
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--conversations", type=int, default=20, help="in each file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clio-soak-") as folder:
        sys.exit(soak(Path(folder), arguments.minutes, arguments.conversations))


def soak(folder: Path, minutes: float, conversations: int) -> int:
    """The day; returns the exit code."""
    whole = minutes >= 30
    begins = _next_minute(28) if whole else datetime.now(UTC)
    today, zone = _where_it_is_late(begins)
    site = Site(
        folder / "site",
        SMALL
        | {
            "inbox": str(folder / "site" / "inbox"),
            "timezone": zone,
            "daily_hour": "23",
            "tick_seconds": "5",
            "landing_days": "3",
            "raw_days": "5",
            "safety": "true",
        },
    )
    inbox = folder / "site" / "inbox"
    inbox.mkdir()
    count = FILES if whole else int(minutes * 60 / 1.25)
    files = folder / "files"
    files.mkdir()
    print(f"writing {count} files of {conversations} conversations for {today} ({zone})", flush=True)
    parts = _write(files, today, count, conversations)
    for back in range(HISTORY_DAYS, 0, -1):
        write_day(folder / f"history-{back}.jsonl.gz", today - timedelta(days=back), seed=back)
    ran = site.clio("run", *sorted(folder.glob("history-*.jsonl.gz")))
    assert ran.returncode == 0, ran.stderr[-2000:]
    noon = datetime.combine(today, datetime.min.time())
    text = EVENT.format(start=noon.isoformat(), end=(noon + timedelta(days=2)).isoformat())
    (site.home / "events.toml").write_text(text, "utf-8")
    if (left := (begins - datetime.now(UTC)).total_seconds()) > 0:
        print(f"waiting {left / 60:.0f} minutes, for {begins:%H:%M} UTC", flush=True)
        time.sleep(left)
    server = start(site, site.folder)
    done = threading.Event()
    watched: dict[int, Watched] = {}
    watcher = threading.Thread(target=_watch, args=(server, watched, done))
    watcher.start()
    try:
        dropped = _drop(parts, inbox, minutes * 60 / count)
        settled = _settle(server, minutes)
    finally:
        done.set()
        watcher.join()
        stop(server)
    return _report(site, today, dropped, settled, watched)


def _write(files: Path, today: date, count: int, conversations: int) -> list[list[Path]]:
    """Files that land together, in order: the minute's own, and each hour a late one for the day before."""
    import gzip

    whole = write_day(files / "day.jsonl.gz", today, seed=1_000, conversations=count * conversations)
    with gzip.open(whole, "rt", encoding="utf-8") as file:
        lines = file.readlines()
    whole.unlink()
    parts = []
    for minute in range(count):
        path = files / f"minute-{minute:04}.jsonl.gz"
        path.write_bytes(gzip.compress("".join(lines[minute::count]).encode(), 1))
        parts.append([path])
        if minute % 60 == 30:
            late = files / f"late-{minute:04}.jsonl.gz"
            yesterday = today - timedelta(days=1)
            parts[-1].append(write_day(late, yesterday, seed=2_000 + minute, conversations=100))
    return parts


def _drop(parts: Sequence[Sequence[Path]], inbox: Path, seconds: float) -> dict[str, float]:
    """Put the files into the inbox, one minute's every so many seconds; when each came, by name."""
    dropped = {}
    began = time.time()
    for place, paths in enumerate(parts):
        time.sleep(max(0.0, began + place * seconds - time.time()))
        for path in paths:
            path.rename(inbox / path.name)
            dropped[path.name] = time.time()
        if place % 120 == 119:
            print(f"  {place + 1} of {len(parts)} minutes, {time.time() - began:.0f} s", flush=True)
    return dropped


def _settle(server: Server, minutes: float) -> float:
    """Wait until nothing is asked for, past midnight where that is near; the seconds that it took.

    The day itself counts as closed at the next CLIO_DAILY_HOUR, and is not published here.
    """
    began = time.time()
    if minutes >= 30:
        time.sleep(150)
    while time.time() < began + 1_200:
        since = time.time()
        time.sleep(12)
        unfinished = server.unfinished()
        if server.looks_that_asked_nothing(since) and not unfinished:
            break
        print(
            f"  {time.time() - began:.0f} s after the last file: {len(unfinished)} runs at work", flush=True
        )
    return time.time() - began


def _watch(server: Server, watched: dict[int, Watched], done: threading.Event) -> None:
    """Sample the processes of the server's session, but for those of runs."""
    while not done.wait(SAMPLE_SECONDS):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) != server.process.pid:
                    continue
                what = _what((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
                memory = int((folder / "statm").read_text().split()[1]) * PAGE
                files = len(list((folder / "fd").iterdir()))
            except (OSError, ValueError):
                continue
            if what:
                of = watched.setdefault(int(folder.name), Watched(what))
                of.memory.append(memory)
                of.files.append(files)


def _what(command: str) -> str:
    """What a process is, of its command; empty for a run's."""
    kinds = {
        "execute_run": "",
        "execute_step": "",
        "dagster-webserver": "UI",
        "dagster_webserver": "UI",
        "daemon": "daemon",
        "grpc": "code server",
    }
    return next((kind for word, kind in kinds.items() if word in command), "")


def _materializations(instance: DagsterInstance, key: AssetKey) -> Iterator[EventLogRecord]:
    """All of an asset's, of which Dagster gives a thousand at a time."""
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(AssetRecordsFilter(key), limit=1_000, cursor=cursor)
        yield from page.records
        cursor, has_more = page.cursor, page.has_more


def _report(
    site: Site, today: date, dropped: Mapping[str, float], settled: float, watched: Mapping[int, Watched]
) -> int:
    with DagsterInstance.from_config(str(site.home)) as instance:
        states = instance.all_instigator_state()
        ticks: Counter[tuple[str, str]] = Counter()
        for state in states:
            for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id):
                ticks[state.name, tick.status.value.lower()] += 1
        runs = Counter((run.job_name, run.status.value.lower()) for run in instance.get_runs())
        made = [
            (
                record.timestamp,
                str(record.partition_key),
                int(record.asset_materialization.metadata["rows"].value),
            )  # type: ignore[union-attr]
            for record in _materializations(instance, AssetKey("facets"))
        ]
    print("\n| asked by | started | skipped | failed |\n|---|---|---|---|")
    for name in sorted({name for name, _ in ticks}):
        print(
            "|",
            name,
            "|",
            " | ".join(str(ticks[name, kind]) for kind in ("success", "skipped", "failure")),
            "|",
        )
    print("\n| runs of | succeeded | failed |\n|---|---|---|")
    for job in sorted({job for job, _ in runs}):
        print("|", job, "|", " | ".join(str(runs[job, kind]) for kind in ("success", "failure")), "|")
    ages = _ages(site, today, dropped, made)
    print("\n| | median | 95% | longest |\n|---|---|---|---|")
    for what, found in ages.items():
        ordered = sorted(found)
        print(
            f"| oldest that was not {what} | {statistics.median(ordered):.0f} s "
            f"| {ordered[int(0.95 * len(ordered))]:.0f} s | {ordered[-1]:.0f} s |"
        )
        fifths = [found[place * len(found) // 5 : (place + 1) * len(found) // 5] for place in range(5)]
        print(f"  by fifths of the time, longest: {', '.join(f'{max(each):.0f} s' for each in fifths)}")
    print(
        "\n| process | memory, second tenth | last tenth | open files | last tenth |\n|---|---|---|---|---|"
    )
    longest = max(len(each.memory) for each in watched.values())
    for each in watched.values():
        if len(each.memory) > 0.9 * longest:
            memory, files = (_early_and_late(samples) for samples in (each.memory, each.files))
            print(
                f"| {each.what} | {memory[0] / 1e6:.0f} MB | {memory[1] / 1e6:.0f} MB "
                f"| {files[0]:.0f} | {files[1]:.0f} |"
            )
    missing = _missing(site, dropped)
    failed = sum(number for (_, kind), number in [*ticks.items(), *runs.items()] if kind == "failure")
    print(
        f"\nall fresh {settled:.0f} s after the last file; {missing} files have not landed; {failed} failures"
    )
    print(f"releases: {', '.join(path.name for path in sorted(site.releases.glob('????-??-??')))}")
    return int(bool(failed or missing))


def _ages(
    site: Site, today: date, dropped: Mapping[str, float], made: Sequence[tuple[float, str, int]]
) -> dict[str, list[float]]:
    """Each second: how long the oldest file had waited to be landed, the oldest conversation to be read."""
    sources = site.warehouse.read("sources", None, ["path", "landed_at", "landed"])
    landings = {
        Path(path).name: (at.timestamp(), landed)
        for path, at, landed in sources.iter_rows()
        if at is not None
    }
    begins, ends = min(dropped.values()), max(dropped.values())
    seconds = range(int(begins) + 1, int(ends) + 1)
    unlanded, unread = [], []
    minutes = sorted((at, name) for name, at in dropped.items() if name.startswith("minute"))
    reads = sorted(each for each in made if each[1].startswith(str(today)))
    for now in seconds:
        waiting = [at for name, at in dropped.items() if at <= now < landings.get(name, (ends + 1e9,))[0]]
        unlanded.append(now - min(waiting) if waiting else 0.0)
        rows = {partition: count for at, partition, count in reads if at <= now}
        read, oldest = sum(rows.values()), None
        for at, name in minutes:
            read -= landings.get(name, (0, 0))[1]
            if read < 0 and at <= now:
                oldest = at
                break
        unread.append(now - oldest if oldest else 0.0)
    return {"landed": unlanded, "read": unread}


def _missing(site: Site, dropped: Mapping[str, float]) -> int:
    sources = site.warehouse.read("sources", None, ["path", "landed_at"]).drop_nulls()
    return len(dropped.keys() - {Path(path).name for path in sources["path"]})


def _early_and_late(samples: Sequence[int]) -> tuple[float, float]:
    tenth = max(1, len(samples) // 10)
    return statistics.median(samples[tenth : 2 * tenth]), statistics.median(samples[-tenth:])


def _next_minute(minute: int) -> datetime:
    """When the clock next shows that minute."""
    now = datetime.now(UTC)
    then = now.replace(minute=minute, second=50, microsecond=0)
    return then if then > now + timedelta(minutes=3) else then + timedelta(hours=1)


def _where_it_is_late(moment: datetime) -> tuple[date, str]:
    """A time zone in which it is past 23 o'clock then, and its date."""
    offset = (23 - moment.hour) % 24
    offset -= 24 * (offset > 14)
    local = moment + timedelta(hours=offset)
    return local.date(), "Etc/UTC" if not offset else f"Etc/GMT{-offset:+d}"


if __name__ == "__main__":
    main()
