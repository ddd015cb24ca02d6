"""The site's secret: 32 bytes that pseudonyms and noise are keyed by.

Answers the thief of the disk (the key lies outside CLIO_HOME, so what lies there names no source account) and
the reader (who knows the code and every setting, and could redraw any noise that is not keyed).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


class KeyFileError(ValueError):
    """The key file is there but is no key. The message names the file and what to do."""


def read_or_make_key(path: Path) -> bytes:
    """The 32 bytes in `path`; made with mode 0600, its parents with 0700, where there is none.

    Safe when several processes call it at once: the file appears whole or not at all, and the first one
    stays. A file of another user, as an orchestrator mounts a secret, may be read by its group: this process reads it
    no other way. Raises KeyFileError where the file is not 32 bytes or others can read it.
    """
    path = Path(path)
    if not path.exists():
        _make(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise KeyFileError(
            f"{path} is not a key: it holds {len(key)} bytes, a key {KEY_BYTES}. Restore it from a backup; "
            "a new key gives accounts new pseudonyms and redraws all noise."
        )
    if os.name == "posix" and _is_open_to_others(path.stat()):
        raise KeyFileError(f"{path} can be read by others: run chmod 600 on it")
    return key


def _is_open_to_others(status: os.stat_result) -> bool:
    is_mounted = status.st_uid not in (os.geteuid(), os.getuid())
    return bool(status.st_mode & (0o037 if is_mounted else 0o077))


def key_identity(key: bytes) -> str:
    """16 hexadecimal digits that tell one key from another and say nothing of either."""
    return hmac.digest(key, b"identity", hashlib.sha256).hex()[:16]


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process came first: its key stays
            os.link(beside, path)
    finally:
        beside.unlink()
