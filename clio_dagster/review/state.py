"""A small JSON file that several processes change, one at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def changing(path: Path) -> Iterator[dict[str, Any]]:
    """The file's object, written back at the end; empty where there is none, or one cut short by a crash.

    Under an exclusive lock. Mode 0600.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        content = file.read()
        try:
            held = json.loads(content) if content else {}
        except ValueError:
            held = {}
        yield held
        written = json.dumps(held, separators=(",", ":")).encode()
        if written != content:
            file.seek(0)
            file.write(written)
            file.truncate()
