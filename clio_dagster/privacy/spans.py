"""How a kind of personal data is looked for: a cheap screen over all texts, then a closer look at few.

Parts of the detector share these; what is looked for is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

Span = tuple[int, int]
Finder = Callable[[str], Iterator[Span]]


@dataclass(frozen=True)
class Kind:
    """One way to find a kind of personal data.

    Every text that holds one matches `screen`, a Rust regex (linear time, over a whole column), or holds one of
    `cues` in any case; and a digit, where `digits`. `find` gives the spans within one such text.
    """

    name: str
    screen: str
    find: Finder
    cues: tuple[str, ...] = ()
    digits: bool = False


def screened(texts: pl.Series, kinds: Sequence[Kind]) -> dict[int, list[int]]:
    """Positions of the texts (none of them null) that pass a screen, with the numbers of the kinds they pass."""
    frame = texts.alias("text").to_frame().with_row_index("row")
    if frame.is_empty():
        return {}
    with_digits = frame.filter(pl.col("text").str.contains("[0-9]"))
    passed: dict[int, list[int]] = {}
    for number, kind in enumerate(kinds):
        passes = pl.col("text").str.contains(kind.screen)
        if kind.cues:
            passes |= pl.col("text").str.contains_any(_in_either_case(kind.cues), ascii_case_insensitive=True)
        for row in (with_digits if kind.digits else frame).filter(passes)["row"]:
            passed.setdefault(row, []).append(number)
    return passed


def _in_either_case(cues: tuple[str, ...]) -> list[str]:
    return sorted({form for cue in cues for form in (cue, cue.capitalize(), cue.upper())})


def matches(pattern: str, flags: int = 0) -> Finder:
    """Spans of the group `it` where the pattern has one, else of the whole match."""
    compiled = re.compile(pattern, flags)
    group = "it" if "it" in compiled.groupindex else 0
    return lambda text: (match.span(group) for match in compiled.finditer(text))


def where(pattern: str, holds: Callable[[str], bool]) -> Finder:
    """Spans of the matches for which `holds`; words and digits are ASCII, so that other scripts may touch them."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: (match.span() for match in compiled.finditer(text) if holds(match.group()))


def every(*finders: Finder) -> Finder:
    """Spans of all finders, in their order."""
    return lambda text: (span for finder in finders for span in finder(text))
