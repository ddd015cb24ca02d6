"""How many refusals get a line of their own, so that whoever is refused cannot fill the disk with them.

Each reviewer's, and those of all who are not known together, have 60 lines and six more a minute: 4 MB a day at most.
What is beyond is counted, and the next line says how many it stands for.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from clio_dagster.review.state import changing

BURST, SECONDS_A_LINE = 60, 10.0


class Budget:
    """Lines left, by who is refused; kept in a file, for all processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, who: str, now: datetime) -> int | None:
        """How many refusals before it a line of this one stands for, too; None where it gets no line."""
        with changing(self._path) as held:
            left, since, uncounted = held.get(who, (float(BURST), now.timestamp(), 0))
            left = min(BURST, left + max(0.0, now.timestamp() - since) / SECONDS_A_LINE)
            granted = left >= 1
            held[who] = (left - granted, now.timestamp(), 0 if granted else uncounted + 1)
            return uncounted if granted else None
