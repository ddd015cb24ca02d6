"""Alerts that are to be posted, in the ledger: each found once, and kept until it was taken.

What was sent leaves nothing but its id. A condition (a release that is late, a gate that is closed) stays open under
its subject until it is over.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import sqlalchemy as sa

from clio_dagster.alerts.alert import Alert
from resources.ledger import Ledger, metadata, upsert

_alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("alert_id", sa.String, nullable=False, unique=True),
    sa.Column("subject", sa.String, nullable=False, server_default=""),
    sa.Column("body", sa.String, nullable=False),
    sa.Column("found_at", sa.Float, nullable=False),
    sa.Column("tried_at", sa.Float),
    sa.Column("sent_at", sa.Float),
    sa.Column("ended_at", sa.Float),
)
"""`subject` names a condition that lasts. `tried_at`: when it was refused last. `body` is empty once it is sent and,
where it is a condition, over."""

_IS_OPEN = (_alerts.c.subject != "") & _alerts.c.ended_at.is_(None)


class Outbox:
    """The alerts of a site. One process at a time adds and sends: whoever holds the ledger's lease for it."""

    def __init__(self, ledger: Ledger) -> None:
        self._engine = ledger.engine

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that have been found before."""
        with self._engine.begin() as connection:
            found = sa.select(_alerts.c.alert_id).where(_alerts.c.alert_id.in_(ids))
            return set(connection.execute(found).scalars())

    def add(self, alert: Alert, *, subject: str = "") -> None:
        """Keep an alert until it is sent; one that was found before changes nothing."""
        with self._engine.begin() as connection:
            self._insert(connection, alert.alert_id, alert.found_at, body=alert.to_json(), subject=subject)

    def note(self, alert_id: str, at: datetime) -> None:
        """Remember something that is not told on its own."""
        with self._engine.begin() as connection:
            self._insert(connection, alert_id, at, body="", sent_at=at.timestamp())

    def open(self, subject: str) -> Alert | None:
        """The alert of a condition that has not ended."""
        with self._engine.begin() as connection:
            found = sa.select(_alerts.c.body).where(_IS_OPEN, _alerts.c.subject == subject)
            text = connection.scalar(found)
        return Alert.from_json(text) if text else None

    def end(self, alert: Alert, over: Alert) -> None:
        """The condition that `alert` told of is over, as `over` tells."""
        with self._engine.begin() as connection:
            self._insert(connection, over.alert_id, over.found_at, body=over.to_json())
            ended = sa.update(_alerts).where(_alerts.c.alert_id == alert.alert_id)
            connection.execute(ended.values(ended_at=over.found_at.timestamp()))
            self._forget(connection)

    def waiting(self, refused_before: datetime | None = None) -> list[Alert]:
        """What is not sent yet, as it was found; of those that were refused, those that were before a moment."""
        unsent = sa.select(_alerts.c.body).where(_alerts.c.sent_at.is_(None)).order_by(_alerts.c.number)
        if refused_before is not None:
            tried = _alerts.c.tried_at
            unsent = unsent.where(tried.is_(None) | (tried < refused_before.timestamp()))
        with self._engine.begin() as connection:
            return [Alert.from_json(text) for text in connection.execute(unsent).scalars()]

    def sent(self, alert: Alert, at: datetime) -> None:
        with self._engine.begin() as connection:
            sent = sa.update(_alerts).where(_alerts.c.alert_id == alert.alert_id)
            connection.execute(sent.values(sent_at=at.timestamp()))
            self._forget(connection)

    def refused(self, alert: Alert, at: datetime) -> None:
        """This one was not taken, where others may be."""
        with self._engine.begin() as connection:
            tried = sa.update(_alerts).where(_alerts.c.alert_id == alert.alert_id)
            connection.execute(tried.values(tried_at=at.timestamp()))

    @staticmethod
    def _insert(
        connection: sa.Connection,
        alert_id: str,
        at: datetime,
        *,
        body: str,
        subject: str = "",
        sent_at: float | None = None,
    ) -> None:
        row = {"alert_id": alert_id, "subject": subject, "body": body, "sent_at": sent_at}
        connection.execute(
            upsert(connection, _alerts).on_conflict_do_nothing(index_elements=["alert_id"]),
            row | {"found_at": at.astimezone(UTC).timestamp()},
        )

    @staticmethod
    def _forget(connection: sa.Connection) -> None:
        is_done = _alerts.c.sent_at.is_not(None) & ~_IS_OPEN
        connection.execute(sa.update(_alerts).where(is_done, _alerts.c.body != "").values(body=""))
