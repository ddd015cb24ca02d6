"""Faults of one machine: kills, two runs at once, a full disk, damaged files, a clock that jumps."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.faults_parts import CONTENT, Bench, Row, not_here, said
from tests.scenario import CLIO, Site

Case = Callable[[Bench], Iterator[Row]]

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

SLEEPING = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
"""A sitecustomize: Python sleeps until a moment of the monotonic clock, which libfaketime up to 0.9.10 moves though
told not to, and the kernel refuses (its issue 426)."""

DISK_MEGABYTES = (1, 5, 9)
"""Room that a run has: it is full while files land, while slices are written, at the end."""


def kills(bench: Bench) -> Iterator[Row]:
    """`clio run` killed at random moments, in several processes at once."""
    share = [len(range(place, bench.kills, bench.workers)) for place in range(bench.workers)]
    with ThreadPoolExecutor(bench.workers) as pool:
        events = [
            event
            for found in pool.map(
                lambda place: killed(bench, f"kills-{place}", share[place], bench.seed + place),
                range(bench.workers),
            )
            for event in found
        ]
    yield kills_row("`clio run` killed (SIGKILL) at a random moment", events, "nothing to pay")


def killed(
    bench: Bench, name: str, count: int, seed: int, environment: dict[str, str] | None = None
) -> list[dict]:
    """The events of benchmarks.faults_kills; progress as they come."""
    site = bench.site(bench.folder / name)
    one = {"POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    root = str(Path(__file__).parents[1])
    environment = site.environment | one | {"PYTHONPATH": root} | (environment or {})
    command = [sys.executable, "-m", "benchmarks.faults_kills", str(site.folder / "homes")]
    (site.folder / "homes").mkdir()
    process = subprocess.Popen(
        [*command, "--corpus", str(bench.corpus), "--kills", str(count), "--seed", str(seed)],
        env=environment,
        cwd=root,
        text=True,
        stdout=subprocess.PIPE,
    )
    events = []
    assert process.stdout is not None
    for line in process.stdout:
        events.append(json.loads(line))
        done = sum(event["event"] == "killed" for event in events)
        print(f"\r  {name}: {done} of {count} kills", end="", file=sys.stderr, flush=True)
    assert process.wait() == 0, f"{name} ended with {process.returncode}"
    return events


def kills_row(fault: str, events: list[dict], twice: str) -> Row:
    hit = [event for event in events if event["event"] == "killed"]
    ended = [event for event in events if event["event"] == "ended"]
    wrong = [problem for event in (*hit, *ended) for problem in event["wrong"]]
    wrong += [f"a run ended with {event['code']}" for event in ended if event["code"]]
    for problem in dict.fromkeys(wrong):
        print(f"  wrong: {problem}", flush=True)
    where = Counter(event["stage"].removeprefix("after ") for event in hit)
    told = ", ".join(f"{stage} {count}" for stage, count in where.most_common())
    return Row(
        f"{fault}, {len(ended)} homes run to their end",
        len(hit),
        f"{len(wrong)} problems" if wrong else "nothing",
        twice,
        f"nothing: it was gone. Where it was: {told}",
        "`clio run` again",
    )


def two_runs(bench: Bench) -> Iterator[Row]:
    site = bench.site()
    runs = [site.start("run", bench.corpus) for _ in range(2)]
    printed = [run.communicate(timeout=600) for run in runs]
    ended = [
        subprocess.CompletedProcess([], run.returncode, *told)
        for run, told in zip(runs, printed, strict=True)
    ]
    saw = said(*ended) or "both end with the same table; the second waits"
    yield Row("two `clio run` at once on one home", 1, bench.lost(site), "nothing to pay", saw, "nothing")


def disk_full(bench: Bench) -> Iterator[Row]:
    fault = f"the disk is full ({', '.join(map(str, DISK_MEGABYTES))} MB)"
    failed, lost = [], []
    for size in DISK_MEGABYTES:
        folder = bench.folder / f"disk-{size}"
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)]
        if os.getuid() or subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
            yield not_here(fault, "no file system can be mounted here")
            return
        try:
            site = bench.site(folder)
            failed.append(site.clio("run", bench.corpus))
            assert failed[-1].returncode, f"{size} MB are enough"
            subprocess.run(["mount", "-o", "remount,size=500m", str(folder)], check=True)
            run = site.clio("run", bench.corpus)
            lost.append(bench.lost(site) if run.returncode == 0 else said(run))
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    told = "; ".join(dict.fromkeys(lost))
    yield Row(fault, len(failed), told, "nothing to pay", said(*failed), "room, and `clio run` again")


def clock(bench: Bench) -> Iterator[Row]:
    for jump, words in (("-1h", "an hour"), ("-1d", "a day"), ("+1d", "a day forward")):
        fault = f"the clock jumps {'back ' if jump[0] == '-' else ''}{words} in the middle of a run"
        if FAKETIME is None:
            yield not_here(fault, "no libfaketime")
            continue
        site = bench.site()
        file = site.folder / "time"
        file.write_text("+0")
        (site.folder / "sitecustomize.py").write_text(SLEEPING)
        faked = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(site.folder),
        }
        process = subprocess.Popen(
            [CLIO, "run", bench.corpus],
            env=site.environment | faked,
            cwd=site.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while process.poll() is None and not site.warehouse.slices("clusters"):
            time.sleep(0.2)
        file.write_text(jump)
        out, err = process.communicate(timeout=600)
        first = subprocess.CompletedProcess([], process.returncode, out, err)
        written = [each.written_at for name in CONTENT for each in site.warehouse.slices(name).values()]
        assert max(written) - min(written) > timedelta(minutes=50), "the run did not see its clock jump"
        run = site.clio("run", bench.corpus)
        lost = bench.lost(site) if run.returncode == 0 else said(run)
        helped = "`clio run` again" if first.returncode else "nothing"
        yield Row(fault, 1, lost, "nothing to pay", said(first) or "nothing", helped)


def damaged_file(bench: Bench) -> Iterator[Row]:
    """A block of clio.duckdb, of a table that is made again; of one that stands nowhere else; the file's head."""
    for table, helped in (("facets", ""), ("audited_summaries", ""), ("counted_conversations", "--backup")):
        site = bench.copy()
        _damage(site.home / "clio.duckdb", table)
        day = min(site.released()).split("/")[0]
        seen = _aside(bench, site).clio("backfill", "--again", day)
        yield _mended(bench, site, f"a block of `{table}` in `clio.duckdb` is damaged", helped, seen)
    site = bench.copy()
    with (site.home / "clio.duckdb").open("r+b") as file:
        file.write(os.urandom(64))
    yield _mended(bench, site, "the head of `clio.duckdb` is damaged", "--backup", site.clio("run"))


def damaged_landing(bench: Bench) -> Iterator[Row]:
    for what in ("its end is missing", "one bit is another"):
        site = bench.copy()
        file = max((site.home / "landing").glob("date=*/language=en/*.parquet"))
        content = bytearray(file.read_bytes())
        if what.startswith("one"):
            content[len(content) // 3] ^= 1
        else:
            del content[len(content) // 2 :]
        file.write_bytes(content)
        day = file.parent.parent.name.removeprefix("date=")
        seen = _aside(bench, site).clio("backfill", "--again", day)
        yield _mended(bench, site, f"a landed file is damaged: {what}", "", seen)


def damaged_release(bench: Bench) -> Iterator[Row]:
    site = bench.copy()
    file = max(site.releases.glob("*/topics.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    seen = site.clio("topics")
    yield _mended(bench, site, "one bit of a release's file is another", "", seen)


def damaged_ledger(bench: Bench) -> Iterator[Row]:
    site = bench.copy()
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (site.home / name).unlink(missing_ok=True)
    (site.home / "ledger.sqlite").write_bytes(random.Random(0).randbytes(20_000))
    yield _mended(bench, site, "`ledger.sqlite` is damaged", "", site.clio("run"))


def _aside(bench: Bench, site: Site) -> Site:
    """A copy to look at what a run says of the damage: one that is made to make a date again changes its topics."""
    other = bench.site()
    shutil.copytree(site.home, other.home)
    return other


def _mended(bench: Bench, site: Site, fault: str, more: str, seen: subprocess.CompletedProcess[str]) -> Row:
    """What `clio verify` finds, and what is left once it has mended and the file has been run again."""
    found = site.clio("verify")
    assert found.returncode == 1, f"{fault}: not found"
    call = ["verify", "--mend"]
    if more:
        refused = site.clio(*call)
        assert refused.returncode == 1, f"{fault}: mended without the backup"
        backup = site.folder / "backup"
        backup.mkdir()
        shutil.copy(bench.undisturbed.home / "clio.duckdb", backup)
        call += ["--backup", str(backup)]
    mended, run = site.clio(*call), site.clio("run", bench.corpus)
    after = site.clio("verify")
    lost = bench.lost(site) if run.returncode == 0 else said(run)
    if mended.returncode or after.returncode:
        lost = f"{lost}; not mended: {said(mended, after)}"
    first = next((line for line in found.stdout.splitlines() if ": " in line), "")
    saw = "<br>".join(filter(None, (said(seen) or "nothing in a run", f"`clio verify`: `{first.strip()}`")))
    helped = f"`clio verify --mend{' --backup FOLDER' if more else ''}`, `clio run FILE`"
    return Row(fault, 1, lost, "nothing to pay", saw, helped)


def _damage(path: Path, table: str) -> None:
    """Overwrite part of a block that holds a table's rows."""
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("use restricted")
        (block,) = connection.execute(
            f"select max(block_id) from pragma_storage_info('{table}') where block_id >= 0"
        ).fetchall()[0]
    with path.open("r+b") as file:
        file.seek(3 * 4096 + block * 262_144 + 5_000)
        file.write(os.urandom(64))


def other_version(bench: Bench) -> Iterator[Row]:
    """A home that a newer version wrote; one from before versions were noted."""
    site = bench.copy()
    layout = site.home / "layout.json"
    text = layout.read_text("utf-8")
    layout.write_text(json.dumps(json.loads(text) | {"schema": 99}), "utf-8")
    refused = [site.clio("run"), site.clio("status")]
    layout.write_text(text, "utf-8")
    with sqlite3.connect(site.home / "ledger.sqlite") as ledger:
        ledger.execute("update schema_version set version = 99")
    refused.append(site.clio("run"))
    with sqlite3.connect(site.home / "ledger.sqlite") as ledger:
        ledger.execute("drop table schema_version")
        ledger.execute("alter table leases drop column began")
    layout.unlink()
    ran = site.clio("run")
    codes = {run.returncode for run in refused}
    lost = (
        bench.lost(site)
        if codes <= {0, 2} and ran.returncode == 0
        else f"exit codes {codes}, {ran.returncode}"
    )
    yield Row(
        "a home of a newer version; one from before versions were noted", 4, lost, "nothing to pay",
        said(*refused), "the version that wrote it; the old home is brought up by itself",
    )  # fmt: skip


CASES: dict[str, Case] = {
    "kills": kills,
    "two-runs": two_runs,
    "disk-full": disk_full,
    "clock": clock,
    "damaged-file": damaged_file,
    "damaged-landing": damaged_landing,
    "damaged-release": damaged_release,
    "damaged-ledger": damaged_ledger,
    "other-version": other_version,
}
