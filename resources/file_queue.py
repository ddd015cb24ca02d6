"""A fair queue of processes and threads before a shared file: many readers or one writer.

Nothing here knows what the file holds. Locks are the kernel's (`flock`, so POSIX): a waiter sleeps instead of
polling, and a process that dies, however it dies, gives its place up at once.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileQueue:
    """Shared and exclusive turns on one file, first come first served.

    Everyone passes a turnstile before the lock itself and leaves it only once the lock is theirs, so a writer
    that waits for the readers inside holds up those who come after it, and nobody starves. Every turn opens
    descriptors of its own: threads of one process wait for each other as processes do. Turns do not nest.
    """

    def __init__(self, path: Path) -> None:
        self._turnstile = path.with_name(path.name + ".queue")
        self._lock = path.with_name(path.name + ".lock")

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the file beside other readers."""
        with self._turn(fcntl.LOCK_SH):
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the file alone."""
        with self._turn(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _turn(self, mode: int) -> Iterator[None]:
        with self._lock.open("ab") as lock:
            with self._turnstile.open("ab") as turnstile:
                fcntl.flock(turnstile, fcntl.LOCK_EX)
                fcntl.flock(lock, mode)
                fcntl.flock(turnstile, fcntl.LOCK_UN)
            try:
                yield
            finally:
                # Said aloud, because a forked child would keep a merely closed descriptor's lock.
                fcntl.flock(lock, fcntl.LOCK_UN)
