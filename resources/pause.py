"""A site that is paused: one row of the ledger, which everything that asks for runs reads before it asks.

In the ledger, and not as the states of Dagster's sensors and schedules, one by one: a sensor that comes with an
upgrade would not be paused, which of them had been off would have to be remembered, and a site of several machines
has one ledger. It says who, since when and why, and outlives every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from resources.ledger import Ledger, metadata, upsert

SITE = "site"

LONGEST_REASON = 200

_pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
)


@dataclass(frozen=True)
class Pause:
    """Since when (UTC) a site is paused, by whom, and why, empty where nothing was said."""

    since: datetime
    who: str
    reason: str = ""

    def __str__(self) -> str:
        said = f"paused since {self.since:%Y-%m-%d %H:%M} UTC by {self.who}"
        return f"{said}: {self.reason}" if self.reason else said


class Pauses:
    """Whether a site is paused. Safe to use from many processes."""

    def __init__(self, ledger: Ledger) -> None:
        self._engine = ledger.engine

    def standing(self) -> Pause | None:
        """The pause that stands now."""
        with self._engine.begin() as connection:
            row = connection.execute(
                sa.select(_pauses.c.since, _pauses.c.who, _pauses.c.reason).where(_pauses.c.subject == SITE)
            ).one_or_none()
        return Pause(datetime.fromtimestamp(row.since, UTC), row.who, row.reason) if row else None

    def begin(self, pause: Pause) -> bool:
        """Pause the site; False, and nothing is changed, where it is paused already.

        The reason becomes one line of at most LONGEST_REASON characters.
        """
        reason = " ".join(pause.reason.split())[:LONGEST_REASON]
        row = {"subject": SITE, "since": pause.since.timestamp(), "who": pause.who, "reason": reason}
        with self._engine.begin() as connection:
            statement = upsert(connection, _pauses).on_conflict_do_nothing(index_elements=["subject"])
            return connection.execute(statement, row).rowcount == 1

    def end(self) -> Pause | None:
        """Go on; returns the pause that is over, None where there was none."""
        before = self.standing()
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_pauses).where(_pauses.c.subject == SITE))
        return before
