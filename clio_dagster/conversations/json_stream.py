"""Cutting a stream of bytes into JSON texts without decoding them: by lines, or by the elements of an array.

A text longer than the limit is passed over as it streams, never held. What is inside an element stays for a
JSON decoder to judge, so that one bad element costs itself alone.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import NamedTuple


class Split(NamedTuple):
    """One text: its number from 1; its bytes, None where longer than the limit; whether its end was seen."""

    place: int
    text: bytes | bytearray | None
    whole: bool


def split_lines(blocks: Iterator[bytes], limit: int, *, keep_blank: bool = False) -> Iterator[Split]:
    """Lines, numbered as an editor numbers them; blank ones are counted and passed over unless kept."""
    place, line, too_long = 1, bytearray(), False
    for block in blocks:
        start = 0
        while (end := block.find(b"\n", start)) >= 0:
            if too_long or len(line) + end - start > limit:
                yield Split(place, None, whole=True)
            else:
                text = line + block[start:end] if line else block[start:end]
                if keep_blank or (text and not text.isspace()):
                    yield Split(place, text, whole=True)
            if line:
                line = bytearray()
            place, too_long, start = place + 1, False, end + 1
        if too_long or len(line) + len(block) - start > limit:
            line, too_long = bytearray(), True
        else:
            line += block[start:]
    if too_long:
        yield Split(place, None, whole=False)
    elif line.strip():
        yield Split(place, line, whole=False)


_OUTSIDE = re.compile(rb'["{}\[\],]')
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


def split_elements(blocks: Iterator[bytes], around: bytes, limit: int) -> Iterator[Split]:
    """Elements of the arrays that the brackets `around` lead to.

    `[` is the array that the file is; `{[` every array that is a value of the object that the file is.
    """
    return _Elements(around, limit).split(blocks)


class _Elements:
    """Where in the nesting the stream is, and the element being gathered."""

    def __init__(self, around: bytes, limit: int) -> None:
        self.around, self.limit = around, limit
        self.nesting = bytearray()
        self.in_string = False
        self.text = bytearray()
        self.too_long = False
        self.place = 0

    def split(self, blocks: Iterator[bytes]) -> Iterator[Split]:
        rest = b""
        for block in blocks:
            data = rest + block
            rest = yield from self._block(data)
        if self.nesting.startswith(self.around) and (self.too_long or self.text.strip()):
            self.place += 1
            yield Split(self.place, None if self.too_long else self.text, whole=False)

    def _block(self, data: bytes) -> Generator[Split, None, bytes]:
        """The elements that end in `data`; returns what must be seen again: a backslash at its end."""
        position = kept = 0
        while position < len(data):
            if self.in_string:
                position = _REST_OF_STRING.match(data, position).end()  # type: ignore[union-attr]
                if position == len(data):
                    break
                if data[position : position + 1] != b'"':
                    # A lone backslash at the end: what it escapes is in the next block.
                    self._gather(data, kept, position)
                    return data[position:]
                self.in_string, position = False, position + 1
                continue
            found = _OUTSIDE.search(data, position)
            if found is None:
                break
            character, start, position = found.group(), found.start(), found.end()
            if character == b'"':
                self.in_string = True
            elif character in b"[{":
                self.nesting += character
                if self.nesting == self.around:
                    kept = position
            elif self.nesting == self.around and character in b",]":
                self._gather(data, kept, start)
                kept = position
                yield from self._element()
                if character == b"]":
                    self.nesting.pop()
            elif character in b"]}" and self.nesting:
                self.nesting.pop()
        self._gather(data, kept, len(data))
        return b""

    def _gather(self, data: bytes, start: int, end: int) -> None:
        if not self.nesting.startswith(self.around):
            return
        if self.too_long or len(self.text) + end - start > self.limit:
            self.text, self.too_long = bytearray(), True
        else:
            self.text += data[start:end]

    def _element(self) -> Iterator[Split]:
        text, too_long = self.text, self.too_long
        self.text, self.too_long = bytearray(), False
        if too_long or text.strip():
            self.place += 1
            yield Split(self.place, None if too_long else text, whole=True)
