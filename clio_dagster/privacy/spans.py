"""How a kind of personal data is looked for: a cheap screen over all texts, then a closer look at few.

Parts of the detector share these; what is looked for is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Span = tuple[int, int]
Finder = Callable[[str], Iterator[Span]]


@dataclass(frozen=True)
class Kind:
    """One way to find a kind of personal data.

    `screen` is a Rust regex (linear time, over a whole column) that every text holding one matches; `find`
    gives the spans within one such text.
    """

    name: str
    screen: str
    find: Finder


def matches(pattern: str, flags: int = 0) -> Finder:
    """Spans of the group `it` where the pattern has one, else of the whole match."""
    compiled = re.compile(pattern, flags)
    group = "it" if "it" in compiled.groupindex else 0
    return lambda text: (match.span(group) for match in compiled.finditer(text))


def where(pattern: str, holds: Callable[[str], bool]) -> Finder:
    """Spans of the matches for which `holds`."""
    compiled = re.compile(pattern)
    return lambda text: (match.span() for match in compiled.finditer(text) if holds(match.group()))


def every(*finders: Finder) -> Finder:
    """Spans of all finders, in their order."""
    return lambda text: (span for finder in finders for span in finder(text))
