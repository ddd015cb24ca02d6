"""Locks after failed sign-ins, by name and by client: five failures, then 30 s, doubled by each further one to an hour.

Answers who guesses. They are kept in a file, so that a new process, or another one, does not start again at nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from clio_dagster.review.state import changing

FREE, FIRST_SECONDS, LONGEST_SECONDS = 5, 30, 3600
FORGOTTEN_SECONDS = 900
"""How long after the last failure, or the end of its lock, failures count."""
MOST = 2000
"""Names and clients that are remembered; those whose last failure is longest ago go first."""


class Lockouts:
    """Failures by key, such as `name:alice` or `client:127.0.0.1`; of a key its hash is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def are_locked(self, keys: Iterable[str], now: datetime) -> bool:
        """Whether any of the keys is locked now."""
        with changing(self._path) as held:
            return any(held.get(_short(key), (0, 0))[1] > now.timestamp() for key in keys)

    def failed(self, keys: Iterable[str], now: datetime) -> None:
        """A failure of all the keys."""
        at = now.timestamp()
        with changing(self._path) as held:
            for key in keys:
                count, until = held.get(_short(key), (0, 0.0))
                count = 1 if until + FORGOTTEN_SECONDS < at else count + 1
                held[_short(key)] = (count, at + _seconds(count))
            for key in sorted(held, key=lambda key: held[key][1])[: max(0, len(held) - MOST)]:
                del held[key]

    def passed(self, keys: Iterable[str]) -> None:
        """A sign-in that succeeded: its keys begin anew."""
        with changing(self._path) as held:
            for key in keys:
                held.pop(_short(key), None)


def _seconds(count: int) -> float:
    """Seconds that a key is locked after so many failures."""
    return 0.0 if count < FREE else min(FIRST_SECONDS * 2.0 ** min(count - FREE, 20), LONGEST_SECONDS)


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
