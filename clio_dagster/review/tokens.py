"""Tokens: `clio.NAME.SECRET`, of which only a salted scrypt hash is kept.

Answers who holds access.toml (a hash does not sign in), who guesses (256 random bits), and who measures time: an
unknown name costs the same scrypt as a wrong secret, and digests are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from clio_dagster.review.roles import Refused, Role, Why

N, R, P = 2**15, 8, 1
"""scrypt's cost: 32 MiB and some 0.1 s (RFC 7914; OWASP's Password Storage Cheat Sheet asks for 2**15 with p = 3, or
2**17, for passwords that people choose; these secrets are 256 random bits)."""

DIGEST_BYTES, SALT_BYTES, SECRET_BYTES = 32, 16, 32
REMEMBERED_SECONDS = 60
"""How long a token that was checked is not hashed again."""
_MOST_REMEMBERED = 1000
_LONGEST = 256


@dataclass(frozen=True)
class Hash:
    """What is kept of a token's secret."""

    salt: bytes
    digest: bytes
    n: int = N
    r: int = R
    p: int = P

    def of(self, secret: str) -> bytes:
        """The digest of a secret under this salt and cost."""
        return hashlib.scrypt(
            secret.encode(errors="backslashreplace"),
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            maxmem=2 * 128 * self.n * self.r,
            dklen=DIGEST_BYTES,
        )


@dataclass(frozen=True)
class User:
    """Who has a token. `expires` (aware) is None for one that does not."""

    name: str
    role: Role
    hash: Hash
    expires: datetime | None = None


def make_token(name: str) -> tuple[str, Hash]:
    """A new token for `name`, and what is kept of it."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    salt = secrets.token_bytes(SALT_BYTES)
    return f"clio.{name}.{secret}", Hash(salt, Hash(salt, b"").of(secret))


def name_in(token: str) -> str:
    """The name that a token says it is of; empty where it is no token."""
    if not token.startswith("clio.") or len(token) > _LONGEST:
        return ""
    return token.removeprefix("clio.").rpartition(".")[0]


class Tokens:
    """Checks tokens. One scrypt at a time, so that many requests do not take 32 MiB each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._nobody = Hash(secrets.token_bytes(SALT_BYTES), bytes(DIGEST_BYTES))
        self._hashing = Lock()
        self._remembered: dict[bytes, tuple[User, float]] = {}
        self.hashed = 0
        """Times that scrypt ran."""

    def check(self, token: str, users: Mapping[str, User], now: datetime) -> User:
        """Whose token it is, among the users that there are now. Raises Refused: wrong, or expired."""
        user = users.get(name_in(token))
        key = hmac.digest(self._secret, token.encode(errors="backslashreplace"), "sha256")
        if not self._remembers(key, user):
            secret = token[:_LONGEST].rpartition(".")[2]
            with self._hashing:
                kept = user.hash if user else self._nobody
                self.hashed += 1
                matches = hmac.compare_digest(kept.of(secret), kept.digest)
            if user is None or not matches:
                raise Refused(Why.WRONG_TOKEN)
            self._remember(key, user)
        assert user is not None
        if user.expires is not None and user.expires <= now:
            raise Refused(Why.EXPIRED)
        return user

    def _remembers(self, key: bytes, user: User | None) -> bool:
        """Whether this token was checked lately against the very entry that stands now."""
        found = self._remembered.get(key)
        return found is not None and found[0] == user and self._clock() < found[1]

    def _remember(self, key: bytes, user: User) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (user, self._clock() + REMEMBERED_SECONDS)
