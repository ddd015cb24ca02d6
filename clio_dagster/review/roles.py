"""The three roles of Review, each with the rights of those before it, and why a look is refused."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Role(IntEnum):
    """A reviewer's role. The larger may do what the smaller may."""

    VIEWER = 1
    ANALYST = 2
    TRUST_AND_SAFETY = 3

    @property
    def text(self) -> str:
        """As access.toml, the log and the command line write it."""
        return self.name.lower()


ROLES = {role.text: role for role in Role}


class Why(StrEnum):
    """Why something was refused, as the log says it."""

    NO_TOKEN = "no token"
    WRONG_TOKEN = "wrong token"
    EXPIRED = "expired"
    LOCKED = "locked out"
    TAMPERED = "tampered session"
    ENDED = "session that has ended"
    REPLAYED = "replayed form"
    CROSS_SITE = "form of another site"
    ROLE = "role"
    REASON = "no reason"
    LIMIT = "day's limit"
    PROVIDER = "sign-in at the provider failed"


SAID = {
    Why.NO_TOKEN: "Sign in with a token.",
    Why.WRONG_TOKEN: "This token is not valid.",
    Why.EXPIRED: "This token has expired: ask for another.",
    Why.LOCKED: "Too many failures. Try again later.",
    Why.TAMPERED: "This session is not valid. Sign in again.",
    Why.ENDED: "This session has ended. Sign in again.",
    Why.REPLAYED: "This form was sent before, or is too old. Load the page again.",
    Why.CROSS_SITE: "This form was not sent from here.",
    Why.ROLE: "This needs another role.",
    Why.REASON: "Say why, in 10 to 500 characters.",
    Why.LIMIT: "This would pass the number of accounts that you may look at in a day.",
    Why.PROVIDER: "The sign-in failed, or gives no role here.",
}
"""What is said to whom it is refused. It never tells whether a name exists."""


class Refused(Exception):
    """A look, or a sign-in, was refused. The message is for whom it is refused; the log has its line."""

    def __init__(self, why: Why) -> None:
        super().__init__(SAID[why])
        self.why = why
