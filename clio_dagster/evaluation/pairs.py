"""Whether two shares differ: of the same things, pair by pair, or of as many others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clio_dagster.evaluation.intervals import LEVEL

PAIRED, GROUPED, UNPAIRED = "McNemar, exact", "sign flips of groups", "Fisher, exact"
FLIPS = 9_999
"""Draws of signs, which decide the smallest p-value that is told: 1 / 10,000."""


@dataclass(frozen=True)
class Difference:
    """Of a later share from an earlier one: `value` is how much larger it is, `low` to `high` its interval at LEVEL,
    `p` the two-sided p-value of no difference by `test`."""

    value: float
    low: float
    high: float
    p: float
    test: str


def of_pairs(earlier: Sequence[bool], later: Sequence[bool]) -> Difference:
    """Row by row the same things: McNemar's exact test, and Newcombe's interval for paired proportions (1998,
    Statistics in Medicine 17, 2635–2650, method 10). Raises ValueError where there are none, or not as many."""
    from scipy.special import bdtr

    before, after = np.asarray(earlier, dtype=bool), np.asarray(later, dtype=bool)
    n = len(before)
    if not n or len(after) != n:
        raise ValueError(f"{n} and {len(after)} rows are no pairs")
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    gained, lost = int((~before & after).sum()), int((before & ~after).sum())
    p = min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))
    product = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    together: float = both * neither - gained * lost
    if together > 0:
        together = max(0.0, together - n / 2)
    return _difference(
        both + lost, n, both + gained, n, together / math.sqrt(product) if product else 0.0, p, PAIRED
    )


def of_groups(
    earlier: Sequence[bool], later: Sequence[bool], groupings: Sequence[Sequence[str]]
) -> Difference:
    """The same of things that change in groups, a group's name for each under every grouping.

    A group's net change counts once, whatever its size: were there no difference, its sign would be even odds. Of the
    groupings the one that says least decides: the largest p, and the widest interval (of means over clusters of unequal
    size; Cochran, 1977, section 9A).
    """
    change = np.asarray(later, dtype=int) - np.asarray(earlier, dtype=int)
    n, value = len(change), float(change.mean())
    p, width = 0.0, 0.0
    for grouping in groupings:
        _, codes = np.unique(np.asarray(grouping), return_inverse=True)
        sums, sizes = np.bincount(codes, weights=change), np.bincount(codes)
        p = max(p, _flipped(sums[sums != 0]))
        spread = float(((sums - sizes * value) ** 2).sum()) * len(sums) / max(1, len(sums) - 1)
        width = max(width, _z() * math.sqrt(spread) / n)
    return Difference(value, max(-1.0, value - width), min(1.0, value + width), p, GROUPED)


def of_others(earlier: int, of_earlier: int, later: int, of_later: int) -> Difference:
    """Hits of so many, in two samples: Fisher's exact test, and Newcombe's interval for independent proportions (1998,
    Statistics in Medicine 17, 873–890, method 10)."""
    from scipy.stats import fisher_exact

    table = [[later, of_later - later], [earlier, of_earlier - earlier]]
    p = float(fisher_exact(table).pvalue)
    return _difference(earlier, of_earlier, later, of_later, 0.0, p, UNPAIRED)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm, 1979): rejecting those up to α errs once or more with at most α, over all of them."""
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def _difference(
    earlier: int, of_earlier: int, later: int, of_later: int, correlation: float, p: float, test: str
) -> Difference:
    before, after = earlier / of_earlier, later / of_later
    (before_low, before_high), (after_low, after_high) = (
        _wilson(earlier, of_earlier),
        _wilson(later, of_later),
    )
    value = after - before
    below = _apart(after - after_low, before_high - before, correlation)
    above = _apart(after_high - after, before - before_low, correlation)
    return Difference(value, value - below, value + above, p, test)


def _apart(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def _flipped(sums: np.ndarray) -> float:
    """How often sums with signs at random lie as far from 0 as they do; FLIPS draws, always the same ones."""
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(FLIPS, len(sums)))
    return (1 + int((np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).sum())) / (1 + FLIPS)


def _z() -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + LEVEL / 2))


def _wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share (1927), at LEVEL."""
    z = _z()
    share = hits / n
    middle, scale = share + z**2 / (2 * n), 1 + z**2 / n
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
