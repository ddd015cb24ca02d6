"""Processes that stage batches of a large file beside the one that reads it.

A helper is this module, run by the same Python. It is handed the rules of the landing, then batches, through its
standard input, and answers with what came of each; rows go to disk, never through a pipe. It is not a fork, because
Polars' threads do not live through one, and runs nothing of the program that started it. It ends with its input, and
by itself where that program is gone. What goes wrong in it is told as its kind and place alone, and what it prints
goes nowhere, as that may quote a conversation.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import polars as pl

from clio_dagster.conversations.files import Part
from clio_dagster.conversations.languages import identify
from clio_dagster.conversations.staging import Rules, Staged, stage
from clio_dagster.privacy.silence import EngineError, place_of

LARGE_BYTES = 24_000_000
"""Size from which a file is worth helpers: they take a second to start, in which 5,000 conversations are staged."""

MOST = 7
"""Helpers at most. Each holds some 250 MB."""

_WATCH_SECONDS = 0.1
_ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

Batch = list[Part]


class HelperDied(RuntimeError):
    """A helper ended before its work did."""


class _Failure(NamedTuple):
    """The kind and place of an error in a helper."""

    kind: str
    place: str


def helpers_for(size: int, threads: int) -> int:
    """How many helpers a file of `size` bytes gets where `threads` processes may be at work, this one among them."""
    return min(threads - 1, MOST) if size >= LARGE_BYTES else 0


def chunk_path(folder: Path, number: int) -> Path:
    """The file of a batch's chunk."""
    return folder / f"{number:08}.parquet"


class Helpers:
    """`count` processes at work within the block; batches that they have no time for stay with the caller.

    Whatever happened, they are gone after the block. Raises HelperDied, or EngineError where one of them failed.
    """

    def __init__(self, count: int, key: str, rules: Rules, chunks: Path) -> None:
        self._count, self._key, self._rules, self._chunks = count, key, rules, chunks
        self._waiting: queue.Queue[tuple[int, Batch] | None] = queue.Queue()
        self._results: list[Staged] = []
        self._errors: list[Exception] = []
        self._ready: list[int] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Helpers:
        if self._count:
            self._rules.settings.key  # noqa: B018  # made here where it is not yet made, and handed over
        try:
            for _ in range(self._count):
                self._start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def take(self, number: int, batch: Batch) -> bool:
        """Whether a helper takes the batch; not where each that has started has another waiting."""
        self._raise()
        if self._waiting.qsize() >= len(self._ready):
            return False
        self._waiting.put((number, batch))
        return True

    def left(self) -> Iterator[tuple[int, Batch]]:
        """Batches that were taken and not begun, which the caller can do sooner."""
        while True:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._waiting.task_done()
            assert item is not None
            yield item

    def done(self) -> list[Staged]:
        """What came of the batches that helpers began, once they have ended them all."""
        self._waiting.join()
        self._raise()
        return self._results

    def _start(self) -> None:
        environment = (
            os.environ | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
        )
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # an interrupt of the terminal is for its starter, who ends it
        )
        self._processes.append(process)
        thread = threading.Thread(target=self._serve, args=(process,), daemon=True, name="clio-landing")
        self._threads.append(thread)
        thread.start()

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Hand a helper one batch after the other; in a thread of its own. Errors are noted before a batch is done."""
        try:
            self._ask(process, (os.getpid(), self._rules, self._chunks))
        except Exception as error:
            self._errors.append(error)
            return
        self._ready.append(process.pid)
        while (item := self._waiting.get()) is not None:
            try:
                self._results.append(self._ask(process, item))
            except Exception as error:
                self._errors.append(error)
                self._ready.remove(process.pid)
                return
            finally:
                self._waiting.task_done()

    def _ask(self, process: subprocess.Popen[bytes], question: Any) -> Any:
        assert process.stdin is not None and process.stdout is not None
        try:
            _send(process.stdin, question)
            answer = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise HelperDied(
                f"{self._key}: a process that helped to land it ended (status {process.poll()}). Where memory ran out, "
                "lower CLIO_THREADS: at 1 there is none"
            ) from None
        if isinstance(answer, _Failure):
            raise EngineError(answer.kind, "landing", self._key, answer.place)
        return answer

    def _raise(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with suppress(OSError):  # of what it was not there to read
                    pipe.close()


def _send(pipe: IO[bytes], item: Any) -> None:
    pickle.dump(item, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def main() -> None:
    """A helper's life: rules, then batches until there are none."""
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    starter, rules, chunks = pickle.load(asked)
    threading.Thread(target=_end_with, args=(starter,), daemon=True).start()
    identify(pl.Series([""]), rules.settings.languages)  # loads the model before it is said to be ready
    answer: Any = None
    while True:
        try:
            _send(answers, answer)
            number, batch = pickle.load(asked)
        except (EOFError, OSError):
            return
        try:
            answer = stage(batch, rules, chunk_path(chunks, number))
        except Exception as error:
            answer = _Failure(type(error).__name__, place_of(error))


def _end_with(starter: int) -> None:
    """End this process once that which started it is gone, in the middle of a batch if need be."""
    while os.getppid() == starter:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
