"""What answers are made of: bytes, their ETag, and the same compressed once; the ones used last are kept."""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

_LEVEL = 6


@dataclass(frozen=True)
class Body:
    """The body of an answer. `zipped` is None where compressing gains nothing."""

    content: bytes
    media_type: str
    sha256: str
    zipped: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.content) + len(self.zipped or b"")


def body(content: bytes, media_type: str, *, compress: bool = True) -> Body:
    """A body of these bytes."""
    zipped = gzip.compress(content, _LEVEL, mtime=0) if compress else None
    if zipped is not None and len(zipped) >= len(content):
        zipped = None
    return Body(content, media_type, hashlib.sha256(content).hexdigest(), zipped)


class Bodies:
    """Bodies by what decides them, no more than `most` bytes; the one that was not used for longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[Hashable, Body] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Body]) -> Body:
        """The body kept under `key`, or the one that `make` makes: once, however many ask at a time."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            made = make()
            if made.size <= self._most:
                self._kept[key] = made
                self._size += made.size
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].size
            return made
