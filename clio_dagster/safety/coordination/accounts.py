"""What each account is like: where it is at home, how much else it does, when it writes, and what is the same about it.

An account is at home in the cell that holds most of its conversations. Everything here is an array with one value
for each account, so that a null is made by exchanging accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

KEPT = 0.8
"""The share of its conversations from which on an account does one thing: four of five, and all of fewer."""

SLOT_MINUTES = 30
"""Length of the slots in which accounts are seen together."""

STRATA = np.array([1, 2, 3, 4, 5, 8, 16])
"""Numbers of conversations from which each stratum of activity begins; in one, none can be said to keep to a thing."""


@dataclass(frozen=True)
class Accounts:
    """Arrays with a value for each account, in the order of their names.

    `of`: account of each conversation (rows in the order of conversation ids). `conversations`: how many each has.
    `middle`: mean vector (accounts, dimensions), shorter the more an account writes of. `seen`: pairs (account, slot)
    in which each was active, each once. `ranks`: of `rate`, `turns`, `length`, `created`, where each stands among
    all accounts (0 to 1, equal ones alike); without `created` where a site does not know it.
    """

    names: pl.Series
    of: np.ndarray
    conversations: np.ndarray
    middle: np.ndarray
    seen: np.ndarray
    slots: int
    ranks: dict[str, np.ndarray]


def described(rows: pl.DataFrame, points: np.ndarray, words: np.ndarray) -> Accounts:
    """`rows`: account (never null), started_at, turns, account_created_at, in the order of conversation ids."""
    names = rows["account"].unique().sort()
    of = rows["account"].rank("dense").to_numpy().astype(np.int64) - 1
    count = np.bincount(of, minlength=len(names))
    minutes = rows["started_at"].dt.epoch("us").to_numpy() // 60_000_000
    slot = (minutes - minutes.min()) // SLOT_MINUTES
    slots = int(slot.max()) + 1
    each = np.unique(of * slots + slot)
    ranks = {
        "rate": _ranks(count.astype(float)),
        "turns": _ranks(_means(of, rows["turns"].fill_null(1).to_numpy(), count)),
        "length": _ranks(_means(of, np.log1p(words), count)),
    }
    if rows["account_created_at"].null_count() == 0:
        born = rows["account_created_at"].dt.epoch("us").to_numpy().astype(float)
        ranks["created"] = _ranks(_means(of, born, count))
    return Accounts(
        names,
        of,
        count,
        _mean_points(of, points, count),
        np.column_stack(np.divmod(each, slots)),
        slots,
        ranks,
    )


def homes(accounts: Accounts, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each account the cell that most of its conversations are in (−1: in none), and what share of all of its.

    `cell`: of each conversation, −1 where it is in none. Of cells with equally many the one of least number.
    """
    inside = np.flatnonzero(cell >= 0)
    home = np.full(len(accounts.conversations), -1, dtype=np.int64)
    share = np.zeros(len(home))
    if not len(inside):
        return home, share
    cells = int(cell.max()) + 1
    pairs, times = np.unique(accounts.of[inside] * cells + cell[inside], return_counts=True)
    who, where = np.divmod(pairs, cells)
    order = np.lexsort((where, -times, who))
    first = order[np.concatenate([[True], np.diff(who[order]) != 0])]
    home[who[first]] = where[first]
    share[who[first]] = times[first] / accounts.conversations[who[first]]
    return home, share


def strata(conversations: np.ndarray) -> np.ndarray:
    """Stratum of activity of each account: a place in STRATA."""
    return np.searchsorted(STRATA, conversations, "right") - 1


def _means(of: np.ndarray, values: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.bincount(of, values, len(count)) / count


def _ranks(values: np.ndarray) -> np.ndarray:
    """Middle ranks, from 0 to 1."""
    ranks = pl.Series(np.round(values, 9)).rank("average").to_numpy()
    return (ranks - 0.5) / len(values)


def _mean_points(of: np.ndarray, points: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Summed in the order of the rows, in double precision."""
    order = np.argsort(of, kind="stable")
    begins = np.concatenate([[0], np.cumsum(count)[:-1]])
    means = np.empty((len(count), points.shape[1]), dtype=np.float32)
    step = 4_096
    for start in range(0, len(count), step):
        part = slice(start, start + step)
        low, high = begins[start], begins[part][-1] + count[part][-1]
        own = points[order[low:high]].astype(np.float64)
        means[part] = np.add.reduceat(own, begins[part] - low, axis=0) / count[part, None]
    return means
