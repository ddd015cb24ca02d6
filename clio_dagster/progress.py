"""Progress of long steps, told to whoever listens: a terminal's bars, or nobody.

Engine functions and assets call `track`; the command line installs a listener for as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int], None]
Listener = Callable[[str, int | None, str], AbstractContextManager[Advance]]


@contextmanager
def _nobody(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
    yield lambda _count: None


_listener: Listener = _nobody


def track(stage: str, total: int | None, unit: str = "row") -> AbstractContextManager[Advance]:
    """Announce a step of `total` units (None where unknown); call what it yields with each count done."""
    return _listener(stage, total, unit)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send progress to `listener` within the block."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
