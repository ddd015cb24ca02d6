"""How long the engine's own functions take, so that what orchestration adds can be told apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_seconds: dict[str, float] = {}
_counting: list[str] = []


@contextmanager
def engine_time(stage: str) -> Iterator[None]:
    """Count the block's wall-clock seconds as the engine's, under `stage`. Blocks do not nest."""
    started = time.perf_counter()
    _counting.append(stage)
    try:
        yield
    finally:
        _counting.pop()
        _seconds[stage] = _seconds.get(stage, 0.0) + time.perf_counter() - started


def spent() -> dict[str, float]:
    """Seconds by stage in this process so far, longest first."""
    return dict(sorted(_seconds.items(), key=lambda item: -item[1]))


def is_counting() -> bool:
    """Whether the caller runs within a block of `engine_time`."""
    return bool(_counting)
