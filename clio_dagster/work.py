"""What is being made: which stage's partition, and what it has cost so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """A stage's partition that a run is at work on; `counts` is what is worth knowing of it, by name."""

    stage: str = ""
    partition: str = ""
    run: str = ""
    counts: Counter[str] = field(default_factory=Counter, compare=False)
    dollars: list[float] = field(default_factory=list, compare=False)

    @property
    def numbers(self) -> dict[str, float]:
        """Counts, and dollars where any were spent."""
        spent = {"usd": round(sum(self.dollars), 6)} if self.dollars else {}
        return {**self.counts, **spent}


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
