"""What is being made: which stage's partition, and what is worth knowing of the making."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from threading import Lock


@dataclass(frozen=True)
class Work:
    """A stage's partition that a run is at work on, with numbers by name. Many threads may be at it."""

    stage: str = ""
    partition: str = ""
    run: str = ""
    numbers: Counter[str] = field(default_factory=Counter, compare=False)
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    @property
    def day(self) -> date | None:
        """The partition's date; None where it is none."""
        try:
            return date.fromisoformat(self.partition.split("|")[0])
        except ValueError:
            return None

    def count(self, **numbers: float) -> None:
        """Add to the numbers."""
        with self._lock:
            for name, number in numbers.items():
                self.numbers[name] += number  # type: ignore[assignment]


_at_work: ContextVar[Work | None] = ContextVar("clio_work", default=None)


@contextmanager
def at_work(stage: str, partition: str, run: str) -> Iterator[Work]:
    """Say what is being made within the block."""
    work = Work(stage, partition, run)
    token = _at_work.set(work)
    try:
        yield work
    finally:
        _at_work.reset(token)


def current_work() -> Work:
    """What is being made; of no stage where nobody has said."""
    return _at_work.get() or Work()
