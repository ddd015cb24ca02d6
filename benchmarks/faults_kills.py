"""Runs of `clio run` that are killed at random moments, in a process that has imported everything and forks them.

    python -m benchmarks.faults_kills FOLDER --corpus FILE --kills N [--seed N]

Settings are the environment's. A home is run undisturbed first, and how long that takes sets the moments: uniform
between nothing and that. Then homes are killed, looked at and run again, until N kills have hit a run at work; each
home that comes to its end is compared with the undisturbed one. One JSON line an event goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LABEL_BYTES = 64

NOT_RUNNING = "before the first stage"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    # Settings are read when the code location is imported; the home of each run is given to it.
    os.environ["CLIO_HOME"] = str(arguments.folder / "none")
    Killing(arguments.folder, arguments.corpus, random.Random(arguments.seed)).run(arguments.kills)


class Killing:
    """Homes below a folder, each run, killed and looked at by children of this process, which starts no thread."""

    def __init__(self, folder: Path, corpus: Path, moments: random.Random) -> None:
        self.folder, self.corpus, self.moments = folder, corpus, moments
        self.label = mmap.mmap(-1, LABEL_BYTES)
        self.definitions = _loaded()

    def run(self, kills: int) -> None:
        self.forked(lambda: self.work(self.folder / "warm"))  # files that the machine has not read yet
        started = time.monotonic()
        code = self.forked(lambda: self.work(self.folder / "undisturbed"))
        span = time.monotonic() - started
        self.say("undisturbed", seconds=round(span, 2), code=code)
        done = number = 0
        while done < kills:
            home = self.folder / f"home-{number}"
            number += 1
            done += self.disturbed(home, span, kills - done)

    def disturbed(self, home: Path, span: float, most: int) -> int:
        """Run a home until it comes to its end, killed on the way; how many kills hit it."""
        kills = 0
        while True:
            # A home is let come to its end once it has taken all that is wanted.
            after = self.moments.uniform(0, span) if kills < most else None
            self.mark(NOT_RUNNING)
            code = self.forked(lambda: self.work(home), after)
            if code is not None:
                break
            kills += 1
            seen = self.reported(lambda: look(home))
            self.say("killed", home=home.name, after=round(after or 0, 2), stage=self.stage(), **seen)
        seen = self.reported(lambda: compare(home, self.folder / "undisturbed"))
        self.say("ended", home=home.name, kills=kills, code=code, **seen)
        return kills

    def work(self, home: Path) -> int:
        """What `clio run` does, in a child; its exit code."""
        from dagster import DagsterInstance

        from clio_dagster.home import prepare
        from clio_dagster.progress import listening
        from clio_dagster.settings import load_settings
        from resources.site import Site
        from sensors.pipeline import run_sources

        os.environ["CLIO_HOME"] = str(home)
        prepare(load_settings())
        with listening(self.listener):
            outcome = run_sources(
                self.definitions, DagsterInstance.get(), Site(overrides={"home": str(home)}), [self.corpus]
            )
        for failure in outcome.failures:
            print(failure, file=sys.stderr)
        return 1 if outcome.failures else 0

    @contextmanager
    def listener(self, stage: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        self.mark(stage)
        try:
            yield lambda _count: None
        finally:
            self.mark(f"after {stage}")

    def mark(self, stage: str) -> None:
        self.label[:] = stage.encode()[:LABEL_BYTES].ljust(LABEL_BYTES)

    def stage(self) -> str:
        return self.label[:].decode("utf-8", "replace").strip()

    def forked(self, work: Callable[[], int], kill_after: float | None = None) -> int | None:
        """Do something in a child, with all that it starts; its exit code, None where it was killed first."""
        child = os.fork()
        if child == 0:
            os.setsid()
            with (self.folder / "output").open("ab", buffering=0) as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            try:
                code = work()
            except BaseException:
                traceback.print_exc()
                code = 70
            sys.stderr.flush()
            # As `clio` ends: with what is registered for the end of a process.
            os._exit(code)
        return _ended(child, kill_after)

    def reported(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What a child's work comes to."""
        answer = self.folder / "answer.json"

        def write() -> int:
            answer.write_text(json.dumps(work()))
            return 0

        answer.unlink(missing_ok=True)
        self.forked(write)
        return (
            json.loads(answer.read_text())
            if answer.exists()
            else {"wrong": ["it could not be looked at: see output"]}
        )

    def say(self, event: str, **more: Any) -> None:
        print(json.dumps({"event": event} | more), flush=True)


def _loaded() -> Any:
    """Everything that a run imports."""
    import duckdb  # noqa: F401
    import filelock  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.optimize
    import scipy.sparse  # noqa: F401
    import sklearn.cluster  # noqa: F401

    from clio_dagster.definitions import build_definitions

    definitions = build_definitions()
    for job in ("land", "read", "publish", "inspect"):
        definitions.resolve_job_def(job)
    return definitions


def _ended(child: int, kill_after: float | None) -> int | None:
    until = None if kill_after is None else time.monotonic() + kill_after
    while True:
        found, status = os.waitpid(child, 0 if until is None else os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if until is not None and time.monotonic() >= until:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGKILL else code
        time.sleep(0.002)


def look(home: Path) -> dict[str, Any]:
    """What is wrong with a home whose run was killed: it must be whole, and nobody's."""
    from benchmarks.faults_home import wrong_in

    return {"wrong": wrong_in(home)}


def compare(home: Path, undisturbed: Path) -> dict[str, Any]:
    """What differs between a home and one that nothing disturbed."""
    from benchmarks.faults_home import differences, wrong_in

    return {"wrong": wrong_in(home) + differences(home, undisturbed)}


if __name__ == "__main__":
    main()
