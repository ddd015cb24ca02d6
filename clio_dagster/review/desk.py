"""The one door of Review: who asks, whether they may, and the line that is written before anything is shown.

The command line and the pages go through it alike. It knows nothing of what is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from clio_dagster.release.tree import printable
from clio_dagster.review.access import NAME, read_access
from clio_dagster.review.lockout import Lockouts
from clio_dagster.review.log import ALLOWED, REFUSED, Line, ReviewLog
from clio_dagster.review.refusals import Budget
from clio_dagster.review.roles import Refused, Role, Why
from clio_dagster.review.tokens import Tokens, User, name_in

SHORTEST_REASON, LONGEST_REASON = 10, 500
_LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class Reviewer:
    """Who asks, from where, in which role at this moment."""

    name: str
    role: Role
    client: str


@dataclass(frozen=True)
class Identity:
    """Who signed in, as a session keeps it: a token's entry by its hash, or the values of the provider's claim."""

    name: str
    entry: str = ""
    claims: tuple[str, ...] = ()


class Desk:
    """Asks for the right and the reason, keeps locks and limits, and writes the log. Safe for threads and processes.

    `folder` holds what it remembers of failures; `accounts_a_day` bounds the distinct accounts that one reviewer
    sees within a day of `tz`; `now` gives an aware time. Everything raises Refused, AccessError or LogError.
    """

    def __init__(
        self,
        access_file: Path,
        folder: Path,
        log: ReviewLog,
        accounts_a_day: int,
        tz: ZoneInfo,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.access_file = access_file
        self.log = log
        self.accounts_a_day = accounts_a_day
        self.now = now
        self._tz = tz
        self._tokens = Tokens()
        self._lockouts = Lockouts(folder / "lockouts.json")
        self._budget = Budget(folder / "refusals.json")

    # Who asks

    def reviewer(self, token: str | None, client: str, action: str) -> Reviewer:
        """Whose token it is. Raises Refused."""
        user = self._user(token, client, action)
        return Reviewer(user.name, user.role, client)

    def sign_in(self, token: str, client: str) -> Identity:
        """Who a session is opened for. Raises Refused."""
        user = self._user(token, client, "sign in")
        self.write(Line(user.name, user.role.text, "sign in", ALLOWED, client))
        return Identity(user.name, _fingerprint(user))

    def sign_in_as(self, subject: str, claims: tuple[str, ...], client: str) -> Identity:
        """Who a session is opened for whom the site's provider vouches for. Raises Refused."""
        role = read_access(self.access_file).role_of(claims)
        name = f"oidc:{printable(subject)[:100]}"
        if role is None:
            raise self.refused(Why.PROVIDER, client, "sign in", who=name)
        self.write(Line(name, role.text, "sign in", ALLOWED, client))
        return Identity(name, claims=claims)

    def again(self, identity: Identity, client: str, action: str) -> Reviewer:
        """Who a session is of, as access.toml has it now: a revoked or changed entry ends it. Raises Refused."""
        access = read_access(self.access_file)
        if not identity.entry:
            role = access.role_of(identity.claims)
            if role is None:
                raise self.refused(Why.ENDED, client, action, who=identity.name)
            return Reviewer(identity.name, role, client)
        user = access.users.get(identity.name)
        if user is None or _fingerprint(user) != identity.entry:
            raise self.refused(Why.ENDED, client, action, who=identity.name)
        if user.expires is not None and user.expires <= self.now():
            raise self.refused(Why.EXPIRED, client, action, who=identity.name)
        return Reviewer(user.name, user.role, client)

    def _user(self, token: str | None, client: str, action: str) -> User:
        if not token:
            raise self.refused(Why.NO_TOKEN, client, action)
        users = read_access(self.access_file).users
        claimed = name_in(token)
        keys = [f"client:{client}", *([f"name:{claimed}"] if NAME.fullmatch(claimed) else [])]
        known = claimed if claimed in users else ""
        if self._lockouts.are_locked(keys, self.now()):
            raise self.refused(Why.LOCKED, client, action, subject=known)
        try:
            user = self._tokens.check(token, users, self.now())
        except Refused as refused:
            if refused.why is Why.WRONG_TOKEN:
                self._lockouts.failed(keys, self.now())
            raise self.refused(refused.why, client, action, subject=known) from None
        self._lockouts.passed(keys)
        return user

    # What they may

    def need(self, reviewer: Reviewer, role: Role, action: str, subject: str = "") -> None:
        """Raises Refused where the reviewer's role is too small."""
        if reviewer.role < role:
            raise self.refused(
                Why.ROLE, reviewer.client, action, who=reviewer.name, role=reviewer.role, subject=subject
            )

    def reason(self, reviewer: Reviewer, action: str, subject: str, text: str) -> str:
        """The reason as the log keeps it, on one line. Raises Refused where it is too short or too long."""
        plain = " ".join(printable(text).split())
        if not SHORTEST_REASON <= len(plain) <= LONGEST_REASON:
            raise self.refused(
                Why.REASON, reviewer.client, action, who=reviewer.name, role=reviewer.role, subject=subject
            )
        return plain

    def look(
        self, reviewer: Reviewer, action: str, subject: str, accounts: Sequence[str], reason: str
    ) -> list[str]:
        """The accounts, from the first on, that may be shown now; the log says so already.

        Accounts that the reviewer has seen today are not counted again. Raises Refused for a smaller role, for want
        of a reason, and where the day's limit leaves none of the accounts.
        """
        self.need(reviewer, Role.TRUST_AND_SAFETY, action, subject)
        subject = printable(subject)[:_LONGEST_SUBJECT]
        reason = self.reason(reviewer, action, subject, reason)
        now = self.now()
        with self.log.held() as held:
            day = now.astimezone(self._tz).replace(hour=0, minute=0, second=0, microsecond=0)
            seen = {
                account
                for line in held.since(day)
                if line.who == reviewer.name and line.outcome == ALLOWED
                for account in line.accounts
            }
            shown: list[str] = []
            for account in accounts:
                if len(seen | {account}) > self.accounts_a_day:
                    break
                seen.add(account)
                shown.append(account)
            if shown or not accounts:
                line = Line(
                    reviewer.name, reviewer.role.text, action, ALLOWED, reviewer.client, subject, reason
                )
                held.append(replace(line, accounts=tuple(shown)), now)
        if accounts and not shown:
            raise self.refused(
                Why.LIMIT, reviewer.client, action, who=reviewer.name, role=reviewer.role, subject=subject
            )
        return shown

    # The log

    def history(self, reviewer: Reviewer, last: int = 200) -> list[Line]:
        """The log's last lines, the newest first; that it was read is one of them. For Trust & Safety alone."""
        self.need(reviewer, Role.TRUST_AND_SAFETY, "log")
        with self.log.held() as held:
            held.append(Line(reviewer.name, reviewer.role.text, "log", ALLOWED, reviewer.client), self.now())
            return [*islice(held.since(datetime.min.replace(tzinfo=UTC)), last)]

    def write(self, line: Line) -> None:
        """Write a line. Raises LogError."""
        with self.log.held() as held:
            held.append(line, self.now())

    def refused(
        self,
        why: Why,
        client: str,
        action: str,
        *,
        who: str = "",
        role: Role | None = None,
        subject: str = "",
    ) -> Refused:
        """A refusal to raise, once the log has its line or counts it with another (`refusals.Budget`)."""
        repeated = self._budget.take(who, self.now())
        if repeated is not None:
            self.write(
                Line(
                    who,
                    role.text if role else "",
                    action,
                    REFUSED,
                    client,
                    printable(subject)[:_LONGEST_SUBJECT],
                    why=why.value,
                    repeated=repeated,
                )
            )
        return Refused(why)


def _fingerprint(user: User) -> str:
    """What tells an entry of access.toml from another, its role and end aside."""
    return hashlib.sha256(user.hash.salt + user.hash.digest).hexdigest()
