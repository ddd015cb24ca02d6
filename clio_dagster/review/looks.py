"""The two looks at people, for Trust & Safety: accounts of a topic or group, and conversations of an account.

Each has its line in the log before anything is read back.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from clio_dagster.review import views
from clio_dagster.review.data import ReviewData
from clio_dagster.review.desk import Desk, Reviewer
from clio_dagster.review.roles import Role
from clio_dagster.review.views import Section

ACCOUNTS, CONVERSATIONS = 20, 50
"""Accounts of one page, and conversations that are shown of one account, at most."""


class Looks:
    """Looks at people through a desk. `window_days` are the trailing days over which a date's topics are found."""

    def __init__(self, desk: Desk, data: ReviewData, window_days: int) -> None:
        self._desk = desk
        self._data = data
        self._window_days = window_days

    def accounts(
        self, reviewer: Reviewer, day: date, subject: str, reason: str, offset: int = 0
    ) -> tuple[Section, int | None]:
        """A page of a topic's or group's accounts, as many as the day's limit leaves; and where the next begins.

        Raises Refused, LogError.
        """
        self._desk.need(reviewer, Role.TRUST_AND_SAFETY, "accounts", subject)
        found = views.accounts(self._data, day, subject)
        page = found.slice(offset, ACCOUNTS)
        seen = self._desk.look(reviewer, "accounts", f"{day} {subject}", page["account"].to_list(), reason)
        shown = page.head(len(seen))
        end = offset + shown.height
        left = "" if shown.height == page.height else " The day's limit leaves no more."
        note = f"Accounts {offset + 1:,} to {end:,} of {found.height:,}.{left}" if shown.height else "None."
        return Section("Accounts", shown, note), end if end < found.height else None

    def conversations(
        self, reviewer: Reviewer, day: date, account: str, reason: str, subject: str | None = None
    ) -> Section:
        """An account's conversations of a date's window; of a topic, where that is the subject, only those in it.

        Raises Refused, LogError.
        """
        told = f"{day} {subject or ''}".strip()
        self._desk.look(reviewer, "conversations", told, [account], reason)
        days = [day - timedelta(days=back) for back in reversed(range(self._window_days))]
        topic = None if subject is None or self._is_group(day, subject) else subject
        found = views.conversations(self._data, days, account, topic)
        purged = found.filter(pl.col("messages").is_null()).height
        note = f"{min(found.height, CONVERSATIONS)} of {found.height:,} conversations, {days[0]} to {day}" + (
            f" in the topic {topic}." if topic else "."
        )
        if purged or found.is_empty():
            note += (
                f" The text of {purged:,} is past retention; what is older than facets are kept is not there."
            )
        return Section("Conversations", found.head(CONVERSATIONS), note)

    def _is_group(self, day: date, subject: str) -> bool:
        at = {"date": day, "group_id": subject}
        return not self._data.read("coordinated_groups", at).is_empty()
