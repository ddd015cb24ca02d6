"""How many levels a tree has, and how many topics each of them aims at. Only arithmetic here (paper, G.7)."""

from __future__ import annotations

import math
from collections.abc import Sequence

GREATEST_STEP = 10
"""Topics of a level to one of the level above, at most: the paper's cost table goes 1,000 → 100 → 10."""

LEAST_CHILDREN = 3
"""A top level is asked for only where its topics can have this many children in the mean."""


def level_sizes(base: int, top_topics: int) -> list[int]:
    """Topics wanted at each level, from the base (level 0) to the top.

    The top aims at `top_topics`, or a third of the base where that is less. Between, sizes fall
    geometrically: n_i = n_base · (n_top / n_base)^(i / (L − 1)), with as few levels as keep each step at 10
    or below. With ten on top: 5 base topics stay alone, 23 → [23, 7], 100 → [100, 10], 225 → [225, 47, 10],
    5,000 → 4 levels.
    """
    top = min(top_topics, base // LEAST_CHILDREN)
    if top < 2:
        return [base]
    steps = max(1, math.ceil(round(math.log(base / top, GREATEST_STEP), 9)))
    return [base, *(round(base * (top / base) ** (step / steps)) for step in range(1, steps)), top]


def shares(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` split in proportion to `sizes`, at least 1 each: largest remainders, earlier ones first."""
    whole = sum(sizes)
    exact = [total * size / whole for size in sizes]
    parts = [max(1, math.floor(part)) for part in exact]
    by_remainder = sorted(
        range(len(sizes)), key=lambda place: (math.floor(exact[place]) - exact[place], place)
    )
    for place in by_remainder[: max(0, total - sum(parts))]:
        parts[place] += 1
    return parts
