"""What is unusual about the accounts at home in a cell: one standard score for each signal, higher the more alike.

*Repertoire*: how many do one thing only, against how many of the site's accounts keep to one broad area. That is
more than keep to any one narrow topic by themselves, so the comparison favours the accounts.
*Step*: how often two of them are active in the same slot, against the site's own rhythm.
*Sameness* of rate, turns, length and time of creation: how much less these differ than among all accounts.
*Density*: how close together the accounts' vectors lie. *Shape*: how many hold one masked structure.

What cannot be varied for free comes first: an account that does nothing else stays one, however it words things.
"""

from __future__ import annotations

import numpy as np

from clio_dagster.safety.coordination.accounts import Accounts

REPERTOIRE, STEP, DENSITY, SHAPE = "repertoire", "step", "density", "shape"
SAMENESS = ("rate", "turns", "length", "created")
SIGNALS = (REPERTOIRE, STEP, *SAMENESS, DENSITY, SHAPE)

WEIGHTS = {REPERTOIRE: 1.0}
OTHER_WEIGHT = 0.5
"""In the sum of scores (Stouffer's method, weighted). Only the repertoire is compared in favour of the accounts."""

MOST, LEAST = 4.0, -1.0
"""What a signal other than the repertoire counts for at most, so that none of them makes a group by itself."""


def repertoire(
    home: np.ndarray, kept: np.ndarray, expected: np.ndarray, cells: int, spread: float
) -> np.ndarray:
    """Signed root of the likelihood ratio of as many accounts that keep to one thing (float64, a cell each).

    `home`: cell of each account; `kept`, `expected`: whether it keeps to one thing, and how likely that is; NaN for
    those of one conversation, who say nothing. `spread`: by how much broad areas differ in it (`spread_between`).
    """
    says = ~np.isnan(expected)
    size = np.bincount(home[says], minlength=cells)
    share = np.bincount(home[says], kept[says], cells) / np.maximum(size, 1)
    likely = np.clip(np.bincount(home[says], expected[says], cells) / np.maximum(size, 1), 1e-3, 1 - 1e-3)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(share > 0, share * np.log(share / likely), 0.0)
        ratio += np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - likely)), 0.0)
    scale = 1 + np.maximum(size - 1, 0) * spread
    return np.sign(share - likely) * np.sqrt(2 * size * np.maximum(ratio, 0.0) / scale) * (size > 0)


def spread_between(home: np.ndarray, kept: np.ndarray, expected: np.ndarray) -> float:
    """Correlation within broad areas of keeping to one thing (beta-binomial), by moments, the most extreme left out."""
    says = ~np.isnan(expected) & (home >= 0)
    size = np.bincount(home[says])
    excess = np.bincount(home[says], kept[says] - expected[says])
    chance = np.bincount(home[says], expected[says] * (1 - expected[says]))
    used = np.flatnonzero(size >= 30)
    if len(used) < 4:
        return 0.0
    over = (excess[used] ** 2 / np.maximum(chance[used], 1e-9) - 1) / np.maximum(size[used] - 1, 1)
    return float(np.clip(np.sort(over)[:-1].mean(), 0.0, 0.5))


def step(home: np.ndarray, accounts: Accounts, cells: int, who: np.ndarray | None = None) -> np.ndarray:
    """Pairs of accounts active in one slot, beyond what the site's rhythm makes likely, over the root of that.

    `who`: whose times each account is given, its own by default.
    """
    owner = np.arange(len(home)) if who is None else np.argsort(who)
    at = home[owner[accounts.seen[:, 0]]]
    inside = at >= 0
    active = np.bincount(accounts.seen[:, 0], minlength=len(home)).astype(float)
    rhythm = np.bincount(accounts.seen[:, 1], minlength=accounts.slots) / len(accounts.seen)
    together = np.bincount(
        at[inside] * accounts.slots + accounts.seen[inside, 1], minlength=cells * accounts.slots
    ).reshape(cells, accounts.slots)
    pairs = (together * (together - 1.0)).sum(axis=1) / 2
    placed = home >= 0
    moved = active if who is None else active[who]
    total = np.bincount(home[placed], moved[placed], cells)
    own = np.bincount(home[placed], moved[placed] ** 2, cells)
    likely = (total**2 - own) / 2 * (rhythm**2).sum()
    return (pairs - likely) / np.sqrt(likely + 1.0)


def sameness(home: np.ndarray, ranks: np.ndarray, cells: int) -> np.ndarray:
    """By how much the ranks of a cell's accounts vary less than those of all accounts, in standard errors."""
    placed = home >= 0
    size = np.maximum(np.bincount(home[placed], minlength=cells), 1)
    mean = np.bincount(home[placed], ranks[placed], cells) / size
    square = np.bincount(home[placed], ranks[placed] ** 2, cells) / size
    within = (square - mean**2) * size / np.maximum(size - 1, 1)
    overall = max(float(ranks.var()), 1e-9)
    # A uniform distribution has a kurtosis of 1.8, so its variance a relative standard error of the root of 0.8 / n.
    return (overall - within) / (overall * np.sqrt(0.8 / size))


def density(home: np.ndarray, middle: np.ndarray, cells: int) -> np.ndarray:
    """Length of the mean of the accounts' mean vectors, in each cell: 1 where all of them write one thing."""
    from scipy.sparse import csr_matrix

    placed = np.flatnonzero(home >= 0)
    where = csr_matrix((np.ones(len(placed), np.float32), (home[placed], placed)), shape=(cells, len(home)))
    size = np.maximum(np.bincount(home[placed], minlength=cells), 1)
    return np.linalg.norm(where @ middle, axis=1) / size


def standardised(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Standard scores against the bulk of the cells `used`: median, and the width of the upper half.

    An empirical null (Efron 2004, doi 10.1198/016214504000000089): ordinary cells differ by more than theory says.
    """
    if used.sum() < 8:
        return np.zeros(len(values))
    middle, upper = np.quantile(values[used], [0.5, 0.9])
    return (values - middle) / max((upper - middle) / 1.2816, 1e-9)


def widened(scores: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Scores by theory, brought to a median of at most 0 and a width of at most 1 over the cells `used`."""
    if used.sum() < 8:
        return scores
    middle, upper = np.quantile(scores[used], [0.5, 0.9])
    return (scores - max(middle, 0.0)) / max((upper - middle) / 1.2816, 1.0)


def combined(scores: dict[str, np.ndarray]) -> np.ndarray:
    """−log10 of the tail of the weighted sum of scores (float64)."""
    from scipy.special import log_ndtr

    weights = {name: WEIGHTS.get(name, OTHER_WEIGHT) for name in scores}
    total = sum(
        weights[name] * (values if name == REPERTOIRE else np.clip(values, LEAST, MOST))
        for name, values in scores.items()
    )
    root = float(np.sqrt(sum(weight**2 for weight in weights.values())))
    return np.asarray(-log_ndtr(-total / root) / np.log(10))
