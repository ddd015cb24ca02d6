"""Pieces of a partition that are made apart and taken in order: what may stand in for a plain `map`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

P = TypeVar("P")
R = TypeVar("R")


class OrderedMap(Protocol):
    """What `make` makes of each piece, in the order of the pieces, wherever it is made.

    Pieces are asked for as there is room, and no sooner. Where one makes them in other processes, `make` is a function
    of a module, or a `partial` of one: whatever it needs it finds or builds where it is called.
    """

    def __call__(self, make: Callable[[P], R], pieces: Iterable[P]) -> Iterator[R]: ...


def here(make: Callable[[P], R], pieces: Iterable[P]) -> Iterator[R]:
    """An OrderedMap in this process, one piece after the other."""
    return map(make, pieces)
