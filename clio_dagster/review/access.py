"""access.toml: who may review, in which role, until when. It lies outside CLIO_HOME, and only its owner can read it.

Answers the thief of the disk and whoever writes to CLIO_HOME: neither can make oneself a reviewer.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clio_dagster.review.roles import ROLES, Role
from clio_dagster.review.tokens import DIGEST_BYTES, Hash, N, User, make_token

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
"""Names of users: what access.toml, a token and the log can hold without quoting."""

_HEADER = (
    "# Who may use `clio review`. Written by `clio review grant` and `revoke`, which keep no comments.\n"
)


class AccessError(ValueError):
    """access.toml cannot be used. The message names the file, the entry and what to do."""


@dataclass(frozen=True)
class Access:
    """What access.toml says. `claim_roles` gives the role of each value of the provider's `claim`."""

    users: Mapping[str, User] = field(default_factory=dict)
    claim: str = "groups"
    claim_roles: Mapping[str, Role] = field(default_factory=dict)

    def role_of(self, values: tuple[str, ...]) -> Role | None:
        """The largest role that values of the provider's claim give; None where none does."""
        return max((self.claim_roles[value] for value in values if value in self.claim_roles), default=None)


def read_access(path: Path) -> Access:
    """What the file says; nobody where there is none. Raises AccessError, also where others can read it."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        return Access()
    except OSError as error:
        raise AccessError(f"{path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and status.st_mode & 0o077:
        raise AccessError(f"{path} can be read or written by others: run chmod 600 on it")
    try:
        parsed = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AccessError(f"{path} is not valid TOML: {error}") from None
    try:
        return _access(parsed)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AccessError(f"{path}: {error.args[0] if error.args else 'not understood'}") from None


def grant(path: Path, name: str, role: Role, expires: datetime | None) -> str:
    """A new token for `name`, in place of one that it had; returned once, and kept nowhere."""
    if not NAME.fullmatch(name):
        raise AccessError(f"{name!r} is no name: small letters, digits and . _ @ -, 64 at most")
    token, kept = make_token(name)
    with _locked(path):
        access = read_access(path)
        user = User(name, role, kept, expires.replace(microsecond=0) if expires else None)
        _write(path, replace(access, users={**access.users, name: user}))
    return token


def revoke(path: Path, name: str) -> bool:
    """Take a user out of the file; False where there is none of that name. Acts on open sessions, too."""
    with _locked(path):
        access = read_access(path)
        if name not in access.users:
            return False
        _write(path, replace(access, users={who: u for who, u in access.users.items() if who != name}))
    return True


def _locked(path: Path) -> Any:
    from filelock import FileLock

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), mode=0o600)
        lock.acquire(timeout=30)
    except OSError as error:
        raise AccessError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from None
    return lock


def _access(parsed: dict[str, Any]) -> Access:
    if unknown := sorted(parsed.keys() - {"users", "oidc"}):
        raise ValueError(f"unknown section {', '.join(unknown)}: there are [users.NAME] and [oidc]")
    oidc = parsed.get("oidc", {})
    users = {name: _user(name, entry) for name, entry in parsed.get("users", {}).items()}
    claim, roles = oidc.get("claim", "groups"), oidc.get("roles", {})
    if not isinstance(claim, str):
        raise ValueError("[oidc] claim is the name of a claim")
    return Access(users, claim, {value: _role("[oidc.roles]", role) for value, role in roles.items()})


def _user(name: str, entry: dict[str, Any]) -> User:
    where = f"[users.{name}]"
    if not NAME.fullmatch(name):
        raise ValueError(f"{where}: no name of a user")
    try:
        n, r, p = entry.get("scrypt", (0, 0, 0))
        kept = Hash(bytes.fromhex(entry["salt"]), bytes.fromhex(entry["hash"]), n, r, p)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{where} has no salt, hash and scrypt: `clio review grant {name}`") from None
    if not (N <= n <= 2**20 and n & (n - 1) == 0 and 8 <= r <= 32 and 1 <= p <= 16):
        raise ValueError(f"{where} scrypt is too cheap or too dear: `clio review grant {name}`")
    if len(kept.digest) != DIGEST_BYTES or len(kept.salt) < 16:
        raise ValueError(f"{where} hash or salt has the wrong length: `clio review grant {name}`")
    expires = entry.get("expires")
    if expires is not None and (not isinstance(expires, datetime) or expires.tzinfo is None):
        raise ValueError(f"{where} expires is a date and time with its offset, such as 2026-12-01T00:00:00Z")
    return User(name, _role(where, entry.get("role")), kept, expires)


def _role(where: str, text: object) -> Role:
    if text not in ROLES:
        raise ValueError(f"{where}: a role is one of {', '.join(ROLES)}")
    return ROLES[str(text)]


def _write(path: Path, access: Access) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_rendered(access))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise AccessError(f"{path} cannot be written: {error.strerror}") from None


def _rendered(access: Access) -> str:
    lines = [_HEADER]
    for name, user in sorted(access.users.items()):
        kept = user.hash
        lines += [
            f"[users.{_quoted(name)}]",
            f"role = {_quoted(user.role.text)}",
            f'salt = "{kept.salt.hex()}"',
            f'hash = "{kept.digest.hex()}"',
            f"scrypt = [{kept.n}, {kept.r}, {kept.p}]",
        ]
        if user.expires is not None:
            lines.append(f"expires = {user.expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        lines.append("")
    if access.claim_roles:
        lines += ["[oidc]", f"claim = {_quoted(access.claim)}", "", "[oidc.roles]"]
        lines += [f"{_quoted(value)} = {_quoted(role.text)}" for value, role in access.claim_roles.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML: what JSON escapes, and the one control character that it does not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
