"""A source file's bytes, decompressed, in blocks of bounded size, up to where the file is sound."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 18


@dataclass
class SourceBytes:
    """A file's bytes, decompressed. `broken` says why they ended early, once they have."""

    path: Path
    on_progress: Callable[[int, int], None] | None = None
    broken: str = ""

    @property
    def gzipped(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"

    def blocks(self) -> Iterator[bytes]:
        """The decompressed bytes in blocks of at most 256 KiB, without a byte order mark."""
        blocks = self._gunzipped() if self.gzipped else self._read()
        first = next(blocks, b"")
        yield first.removeprefix(b"\xef\xbb\xbf")
        yield from blocks

    def head(self, size: int) -> bytes:
        """The first `size` decompressed bytes, and no progress told."""
        head = bytearray()
        for block in SourceBytes(self.path).blocks():
            head += block
            if len(head) >= size:
                break
        return bytes(head[:size])

    def _read(self) -> Iterator[bytes]:
        size, done = self.path.stat().st_size, 0
        with self.path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                done += len(block)
                yield block
                if self.on_progress:
                    self.on_progress(done, size)

    def _gunzipped(self) -> Iterator[bytes]:
        """Member after member. zlib rather than gzip, which drops what it had read when a file breaks off."""
        inflater, between_members = zlib.decompressobj(wbits=31), True
        for block in self._read():
            while block:
                try:
                    inflated = inflater.decompress(block, BLOCK_BYTES)
                except zlib.error:
                    self.broken = "the compressed file is damaged from here on"
                    return
                if inflated:
                    yield inflated
                if inflater.eof:
                    block = inflater.unused_data.lstrip(b"\x00")
                    inflater, between_members = zlib.decompressobj(wbits=31), not block
                else:
                    block, between_members = inflater.unconsumed_tail, False
        if not between_members:
            yield inflater.flush()
        if not between_members and not inflater.eof:
            self.broken = "the compressed file breaks off here"
