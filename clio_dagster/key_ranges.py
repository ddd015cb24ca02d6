"""A partition taken in ranges of its key, so that it is never held whole."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

ROWS_AT_ONCE = 8_192
"""Conversations that a stage holds at once. At 2 KB each they take 20 MB, and what reading them needs 300 MB."""


@dataclass(frozen=True)
class KeyRange:
    """Keys beyond `after`, up to `upto` and with it; None where there is no bound."""

    after: str | None = None
    upto: str | None = None

    def holds(self, column: str) -> pl.Expr:
        """Whether a column's value is within."""
        key = pl.col(column)
        is_beyond = pl.lit(True) if self.after is None else key > self.after
        return is_beyond if self.upto is None else is_beyond & (key <= self.upto)

    def meets(self, lowest: str, highest: str) -> bool:
        """Whether some of what lies from `lowest` to `highest` may be within."""
        return (self.after is None or highest > self.after) and (self.upto is None or lowest <= self.upto)


EVERY_KEY = KeyRange()


def ranges_of(keys: pl.Series, rows: int = ROWS_AT_ONCE) -> list[KeyRange]:
    """Ranges in order, each with so many distinct ones of the keys at most, that every key is in; at least one."""
    ordered = keys.unique().sort()
    last = [ordered[place] for place in range(rows - 1, len(ordered) - 1, rows)]
    return [KeyRange(after, upto) for after, upto in zip([None, *last], [*last, None], strict=True)]
