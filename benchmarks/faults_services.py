"""Faults of what a site leans on: Claude, a bucket, PostgreSQL; and of a site that runs by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults_cases import killed, kills_row
from benchmarks.faults_parts import Bench, Row, lost, not_here, said
from resources.s3_warehouse import S3Warehouse
from tests.messages_server import MESSAGES, messages_server
from tests.postgres_server import IS_THERE, PG_CTL, RUNUSER, postgres
from tests.s3_proxy import s3_proxy
from tests.s3_server import Store, s3_server
from tests.scenario import Site
from tests.server import start, stop
from tests.unattended import drop, new_site, revision, settle, until

Case = Callable[[Bench], Iterator[Row]]

CONCURRENCY = 8
"""Questions in flight at once."""

CLAUDE_KILLS = 12

VICTIMS = {
    "the daemon": "dagster._daemon",
    "the code server": "dagster api grpc",
    "the run's process": "spawn_main",
}
"""What stands in the command of each process of `clio dev`."""


def claude_kills(bench: Bench) -> Iterator[Row]:
    """The same kills with answers that are paid for; the server counts what it answered."""
    count = min(CLAUDE_KILLS, bench.kills)
    with messages_server(bench.folder / "messages") as server:
        server.set(latency_ms=30)
        asks = {
            "CLIO_ANALYST": "claude",
            "CLIO_CLAUDE_CONCURRENCY": str(CONCURRENCY),
            "CLIO_CLAUDE_RETRIES": "10",
        }
        events = killed(bench, "claude", count, bench.seed, asks | server.environment)
        answered = [each["digest"] for each in server.requests(MESSAGES) if each["status"] == 200]
    # The first two are those that nothing disturbed.
    homes = 2 + sum(event["event"] == "ended" for event in events)
    twice = len(answered) - homes * len(set(answered))
    told = f"{twice} of {len(answered):,} answers; at most {count * CONCURRENCY} were in flight"
    if twice > count * CONCURRENCY:
        told += ": **more than that**"
    yield kills_row("the same, with Claude", events, told)


@dataclass
class BucketSite(Site):
    """A site whose intermediates lie in a bucket, reached through a proxy that can fail."""

    store: Store = field(kw_only=True)
    bucket: str = field(kw_only=True)

    @property
    def warehouse(self) -> S3Warehouse:  # type: ignore[override]
        return self.store.warehouse(self.bucket)


def bucket(bench: Bench) -> Iterator[Row]:
    bench.undisturbed  # noqa: B018
    kinds: tuple[tuple[str, Any, dict[str, str]], ...] = (
        ("S3 answers 503 from the middle of a run on", "busy", {"s3_attempts": "2"}),
        ("S3 cuts every connection from the middle of a run on", "reset", {"s3_attempts": "2"}),
        ("S3 answers every thirtieth request after 1.2 s", "slow", {}),
        ("S3 does every tenth request, and cuts the answer off", "lost", {}),
    )
    with s3_server() as store, s3_proxy(store.endpoint) as proxy:
        for number, (fault, kind, settings) in enumerate(kinds):
            name = store.bucket()
            where = {
                "storage": "s3",
                "s3_bucket": name,
                "s3_prefix": "site",
                "s3_endpoint": proxy.endpoint,
                "threads": "1",
            }
            base = bench.undisturbed.settings | where | settings
            site = BucketSite(bench.folder / f"bucket-{number}", base, store=store, bucket=name)
            proxy.heal()
            proxy.fault = _fault(kind)
            first = site.clio("run", bench.corpus)
            proxy.heal()
            run = site.clio("run", bench.corpus)
            helped = "`clio run` again" if first.returncode else "nothing: tried again by itself"
            told = lost(site, bench.undisturbed) if run.returncode == 0 else said(run)
            yield Row(fault, 1, told, "nothing to pay", said(first) or "nothing", helped)
        yield damaged_object(bench, store)


def _fault(kind: Any) -> Callable[[str, Any], Any]:
    seen = [0]

    def fault(request: str, _headers: Any) -> Any:
        seen[0] += 1
        if kind in ("slow", "lost"):
            return kind if seen[0] % (30 if kind == "slow" else 10) == 0 else None
        return kind if seen[0] > 60 else None

    return fault


def damaged_object(bench: Bench, store: Store) -> Row:
    name = store.bucket()
    where = {"storage": "s3", "s3_bucket": name, "s3_prefix": "site", "s3_endpoint": store.endpoint}
    site = BucketSite(bench.folder / "object", bench.undisturbed.settings | where, store=store, bucket=name)
    assert site.clio("run", bench.corpus).returncode == 0
    keys = [
        each["Key"]
        for each in store.client.list_objects_v2(Bucket=name, Prefix="site/restricted/")["Contents"]
    ]
    key = next(each for each in keys if "/embeddings/" in each and each.endswith("language=en.parquet"))

    def damage() -> None:
        content = bytearray(store.client.get_object(Bucket=name, Key=key)["Body"].read())
        content[len(content) // 3 : len(content) // 3 + 64] = os.urandom(64)
        store.client.put_object(Bucket=name, Key=key, Body=bytes(content))

    damage()
    found, mended = site.clio("verify"), site.clio("verify", "--mend")
    assert found.returncode == 1, "not found"
    run, after = site.clio("run", bench.corpus), site.clio("verify")
    told = lost(site, bench.undisturbed) if run.returncode == 0 else said(run)
    if mended.returncode or after.returncode:
        told += f"; not mended: {said(mended, after)}"
    # What a run says of it: one that is made to make a date again, and has the damaged day in its window.
    damage()
    seen = site.clio("backfill", "--again", max(site.released()).split("/")[0])
    first = next((line.strip() for line in found.stdout.splitlines() if ": " in line), "nothing")
    saw = f"{said(seen) or 'nothing in a run'}<br>`clio verify`: `{first.replace(name, 'BUCKET')}`"
    helped = "`clio verify --mend`, `clio run FILE`"
    return Row("an object of `embeddings` is damaged", 1, told, "nothing to pay", saw, helped)


def database(bench: Bench) -> Iterator[Row]:
    fault = "PostgreSQL, which keeps the ledger, is restarted in the middle of a run"
    if not IS_THERE:
        yield not_here(fault, "no PostgreSQL server")
        return
    bench.undisturbed  # noqa: B018
    told, first = [], []
    for number, share in enumerate((0.4, 0.6, 0.8)):
        folder = bench.folder / f"postgres-{number}"
        with postgres(folder) as url:
            site = bench.site(ledger_url=url)
            process = site.start("run", bench.corpus)
            time.sleep(bench.seconds * share)
            as_user = [str(RUNUSER), "-u", "postgres", "--"] if os.getuid() == 0 else []
            command = [*as_user, str(PG_CTL), "-D", str(folder / "data"), "-s", "-m", "immediate", "restart"]
            subprocess.run(
                command, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
            )
            out, err = process.communicate(timeout=600)
            first.append(subprocess.CompletedProcess([], process.returncode, out, err))
            run = site.clio("run", bench.corpus)
            told.append(bench.lost(site) if run.returncode == 0 else said(run))
    helped = "`clio run` again" if any(each.returncode for each in first) else "nothing"
    saw = said(*first) or "nothing"
    yield Row(fault, len(first), "; ".join(dict.fromkeys(told)), "nothing to pay", saw, helped)


def unattended(bench: Bench) -> Iterator[Row]:
    """`clio dev`, of which one process after another is killed while it is at work on a file."""
    plain = new_site(bench.folder / "attended")
    site = new_site(bench.folder / "unattended")
    with ExitStack() as stack:
        servers = [start(site, site.folder)]
        stack.callback(lambda: stop(servers[-1]))
        for number, (victim, part) in enumerate(VICTIMS.items()):
            drop(site, number, seed=number)
            until(
                lambda number=number: site.warehouse.slices("raw_conversations").get(_slice(number)), "work"
            )
            hit = _kill(servers[-1].process.pid, part)
            print(f"  {victim}: {hit} processes killed", flush=True)
            assert hit, f"{victim} was not there"
            if victim == "the daemon":  # `dagster dev` ends with it
                servers[-1].process.wait(timeout=60)
                servers.append(start(site, site.folder))
            until(lambda number=number: revision(site, number), f"the release, {victim} killed")
        settle(site, servers[-1])
    for number in range(len(VICTIMS)):
        drop(plain, number, seed=number)
    whole = plain.clio("run", plain.folder / "inbox")
    assert whole.returncode == 0, whole.stderr
    slices = sum(
        site.slice_hashes(name).get(key) != value
        for name in ("raw_conversations", "facets", "embeddings")
        for key, value in plain.slice_hashes(name).items()
    )
    dates = {name.split("/")[0] for name in plain.released()} - {
        name.split("/")[0] for name in site.released()
    }
    told = (
        "nothing" if not (slices or dates) else f"{slices} slices differ, {len(dates)} releases are missing"
    )
    saw = (
        "`clio dev` ends with its daemon, and starts a code server again by itself; "
        "runs whose process died are asked for again"
    )
    yield Row(
        f"`clio dev`: {', '.join(VICTIMS)} killed",
        len(VICTIMS),
        told,
        "nothing to pay",
        saw,
        "`clio dev` again",
    )


def _slice(number: int) -> str:
    from tests.unattended import day

    return f"{day(number)}|en"


def _kill(root: int, part: str) -> int:
    """Kill every process below one whose command holds the text; how many there were."""
    hit = 0
    for process in _below(root):
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if part in command:
                os.kill(process, signal.SIGKILL)
                hit += 1
        except (FileNotFoundError, ProcessLookupError):
            continue
    return hit


def _below(root: int) -> list[int]:
    found = [root]
    for process in found:
        for task in Path("/proc").glob(f"{process}/task/*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found[1:]


CASES: dict[str, Case] = {
    "claude-kills": claude_kills,
    "bucket": bucket,
    "database": database,
    "unattended": unattended,
}
