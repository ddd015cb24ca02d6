"""Sessions of browsers: a signed cookie over a number that this process alone knows, and forms that are sent once.

Answers who replays (a session that was ended, or a form that was sent, is refused), who tampers (the cookie is signed),
and another site that makes the browser send something (its forms have no nonce; the cookie is SameSite=Strict).
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from clio_dagster.review.desk import Identity
from clio_dagster.review.roles import Refused, Why

MOST_SESSIONS, MOST_FORMS = 1000, 100
SIGN_IN_FORMS = 1000
"""Forms to sign in that are open at a time; the oldest goes first."""


@dataclass
class Session:
    """One sign-in. `forms` are the nonces that were given out and not sent back, each with what it is for."""

    identity: Identity
    ends: datetime
    forms: OrderedDict[str, str] = field(default_factory=OrderedDict)


class Sessions:
    """The sessions of one process: `minutes` long from the sign-in on, whatever is done in them."""

    def __init__(self, key: bytes, minutes: int, now: Callable[[], datetime]) -> None:
        self._key = hmac.digest(key, b"review session", "sha256")
        self._length = timedelta(minutes=minutes)
        self._now = now
        self._lock = Lock()
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._sign_in: OrderedDict[str, datetime] = OrderedDict()

    def begin(self, identity: Identity) -> str:
        """A new session's cookie."""
        number = secrets.token_urlsafe(32)
        with self._lock:
            self._open[number] = Session(identity, self._now() + self._length)
            while len(self._open) > MOST_SESSIONS:
                self._open.popitem(last=False)
        return f"{number}.{self._sign(number)}"

    def find(self, cookie: str) -> Session:
        """The session of a cookie. Raises Refused: tampered with, or ended."""
        number = self._number(cookie)
        with self._lock:
            session = self._open.get(number)
            if session is None or session.ends <= self._now():
                self._open.pop(number, None)
                raise Refused(Why.ENDED)
            return session

    def end(self, cookie: str) -> None:
        """End the session of a cookie: sent again, it is refused."""
        number = self._number(cookie)
        with self._lock:
            self._open.pop(number, None)

    def form(self, session: Session, purpose: str) -> str:
        """A nonce for one form of a page."""
        nonce = secrets.token_urlsafe(18)
        with self._lock:
            session.forms[nonce] = purpose
            while len(session.forms) > MOST_FORMS:
                session.forms.popitem(last=False)
        return nonce

    def spend(self, session: Session, purpose: str, nonce: str) -> None:
        """Take a form's nonce. Raises Refused where it was sent before, or is not of this session and purpose."""
        with self._lock:
            if session.forms.pop(nonce, None) != purpose:
                raise Refused(Why.REPLAYED)

    def sign_in_form(self) -> str:
        """A nonce for a form to sign in, which its cookie must bring, too."""
        nonce = secrets.token_urlsafe(18)
        with self._lock:
            self._sign_in[nonce] = self._now() + self._length
            while len(self._sign_in) > SIGN_IN_FORMS:
                self._sign_in.popitem(last=False)
        return nonce

    def spend_sign_in(self, nonce: str, cookie: str) -> None:
        """Take it. Raises Refused where it was sent before, is too old, or came to another browser."""
        with self._lock:
            until = self._sign_in.pop(nonce, None)
        if until is None or until <= self._now() or not hmac.compare_digest(nonce.encode(), cookie.encode()):
            raise Refused(Why.REPLAYED)

    def _number(self, cookie: str) -> str:
        number, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._sign(number).encode(), signature.encode()):
            raise Refused(Why.TAMPERED)
        return number

    def _sign(self, number: str) -> str:
        return hmac.digest(self._key, number.encode(), "sha256").hex()
