"""Shares with exact intervals, and whether two of them keep within the factor that noise allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Share:
    """`hits` of `n`."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n if self.n else math.nan

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Clopper and Pearson (1934): covers at least `level`, whatever the true share."""
        from scipy.stats import beta

        if not self.n:
            return 0.0, 1.0
        tail = (1 - level) / 2
        low = 0.0 if self.hits == 0 else float(beta.ppf(tail, self.hits, self.n - self.hits + 1))
        high = 1.0 if self.hits == self.n else float(beta.ppf(1 - tail, self.hits + 1, self.n - self.hits))
        return low, high


@dataclass(frozen=True)
class Ratio:
    """How much more often something happens with one account than without it, over paired runs."""

    more: Share
    less: Share
    low: float
    high: float

    @property
    def value(self) -> float:
        if not self.less.hits:
            return math.inf if self.more.hits else math.nan
        return self.more.value / self.less.value

    def within(self, factor: float) -> bool:
        """Whether the runs are consistent with a ratio of at most `factor`.

        The mechanism reaches its bound exactly, so the interval's upper end lies above it however many runs there
        are; a leak shows by the lower end.
        """
        return self.low <= factor


def paired_ratio(more: Sequence[bool], less: Sequence[bool], level: float = LEVEL) -> Ratio:
    """The ratio of two shares over pairs that have their noise in common.

    Where every run that shows the event without the account shows it with it, the former are a binomial part of
    the latter, and the interval is exact; it is so where one account only adds. Otherwise both shares' own intervals
    at half the error bound it.
    """
    one, other = np.asarray(more, dtype=bool), np.asarray(less, dtype=bool)
    shares = Share(int(one.sum()), len(one)), Share(int(other.sum()), len(other))
    if not (other & ~one).any():
        low, high = Share(shares[1].hits, shares[0].hits).interval(level)
        return Ratio(*shares, 1 / high if high else math.inf, 1 / low if low else math.inf)
    half = 1 - (1 - level) / 2
    (one_low, one_high), (other_low, other_high) = (share.interval(half) for share in shares)
    return Ratio(*shares, one_low / other_high, one_high / other_low if other_low else math.inf)


def simultaneous(tests: int, level: float = LEVEL) -> float:
    """The level of each of `tests` intervals that all cover at once with `level` (Bonferroni)."""
    return 1 - (1 - level) / max(1, tests)
