"""Accounts whose traffic looks like many people's: resold access.

A person has habits: a language or two, a few subjects, hours, a way of typing. Of each of these an account has an
effective number of kinds (the inverse of the chance that two of its conversations agree in it, Simpson), whose
logarithm is set against the other accounts of some activity; so is that of how much it writes. One such trait proves
nothing, since there are translators and people who sleep badly. The null exchanges each trait between accounts by
itself: what is left over is that they meet in one account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from clio_dagster.safety.coordination.accounts import Accounts
from clio_dagster.safety.coordination.null import false_rates

LEAST_CONVERSATIONS = 20
"""Conversations from which an account's habits can be told."""

HABITS = ("languages", "topics", "hours", "typing")
TRAITS = (*HABITS, "volume")

NARROWEST = {"languages": 0.10, "topics": 0.05, "hours": 0.02, "typing": 0.05, "volume": 0.5}
"""Least width of a trait among accounts: where hardly anyone differs, a little is not a lot."""

LEAST_AGREEMENT = 0.02
"""Added to the chance that two conversations agree, since of twenty it may well be none."""

MOST, LEAST = 6.0, -2.0
"""What one trait counts for at most and at least."""

HOUR_PART = 3
"""Hours of the day that count as one."""

EXCHANGES = 200
ALIKE = 0.5
"""Cosine of two accounts' mixes of languages and topics from which they are one group."""


@dataclass(frozen=True)
class Resold:
    """Accounts that stand out (places), grouped; of each its score, its false rate and its traits' scores."""

    groups: list[np.ndarray]
    scores: np.ndarray
    rates: np.ndarray
    traits: dict[str, np.ndarray]


def resold(
    accounts: Accounts, rows: pl.DataFrame, broad: np.ndarray, *, least_rate: float, seed: int
) -> Resold:
    """`rows`: started_at, language, text, in the order of `accounts.of`; `broad`: each one's broad area of meaning.

    The scores and traits are of all accounts, NaN for those of too few conversations.
    """
    total = len(accounts.conversations)
    active = np.flatnonzero(accounts.conversations >= LEAST_CONVERSATIONS)
    scores, rates = np.full(total, np.nan), np.full(total, np.inf)
    language = rows["language"].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    kinds = {
        "languages": language,
        "topics": broad,
        "hours": rows["started_at"].dt.hour().to_numpy().astype(np.int64) // HOUR_PART,
        "typing": typing(rows["text"]),
    }
    traits = {name: np.full(total, np.nan) for name in TRAITS}
    if len(active) < 10:
        return Resold([], scores, rates, traits)
    for name, kind in kinds.items():
        traits[name][active] = _variety(accounts, kind)[active]
    traits["volume"][active] = np.log(accounts.conversations[active])
    ordinary = np.ones(len(active), dtype=bool)
    for limit in (1.0, least_rate):
        columns = [_standing(traits[name][active], ordinary, NARROWEST[name]) for name in TRAITS]
        summed = _summed(columns)
        draw = np.random.default_rng(seed)
        exchanged = [
            _summed([draw.permutation(column[ordinary]) for column in columns]) for _ in range(EXCHANGES)
        ]
        found = false_rates(summed, exchanged)
        chosen = found <= limit
        if not chosen.any():
            break
        ordinary = ~chosen
        if ordinary.sum() < 10:
            ordinary[:] = True
    scores[active], rates[active] = summed, found
    standings = {name: np.full(total, np.nan) for name in TRAITS}
    for name, column in zip(TRAITS, columns, strict=True):
        standings[name][active] = column
    stand_out = active[found <= least_rate]
    return Resold(_alike(accounts, stand_out, [language, broad]), scores, rates, standings)


def typing(texts: pl.Series) -> np.ndarray:
    """How a text is typed (int64): whether it begins in lower case, and whether it ends without a mark."""
    trimmed = pl.col("text").str.strip_chars()
    lower = trimmed.str.contains(r"^\p{Ll}").fill_null(False)
    bare = ~trimmed.str.contains(r"[\p{P}\p{S}]$").fill_null(True)
    return (
        texts.alias("text")
        .to_frame()
        .select(lower.cast(pl.Int64) * 2 + bare.cast(pl.Int64))
        .to_series()
        .to_numpy()
    )


def _variety(accounts: Accounts, kind: np.ndarray) -> np.ndarray:
    """Logarithm of each account's effective number of kinds, at most that of 1 / LEAST_AGREEMENT (0 for those of one
    conversation)."""
    kinds = int(kind.max()) + 1
    pairs, times = np.unique(accounts.of * kinds + kind, return_counts=True)
    count = accounts.conversations.astype(float)
    same = np.bincount(pairs // kinds, times * (times - 1.0), len(count))
    agreement = np.where(count > 1, same / np.maximum(count * (count - 1), 1), 1.0)
    return -np.log(agreement + LEAST_AGREEMENT)


def _standing(values: np.ndarray, ordinary: np.ndarray, narrowest: float) -> np.ndarray:
    middle, upper = np.quantile(values[ordinary], [0.5, 0.9])
    return np.clip((values - middle) / max((upper - middle) / 1.2816, narrowest), LEAST, MOST)


def _summed(columns: list[np.ndarray]) -> np.ndarray:
    from scipy.special import log_ndtr

    return np.asarray(-log_ndtr(-np.sum(columns, axis=0) / np.sqrt(len(columns))) / np.log(10))


def _alike(accounts: Accounts, chosen: np.ndarray, kinds: list[np.ndarray]) -> list[np.ndarray]:
    """The chosen accounts in groups whose mixes are alike, through others too; each in the order of places."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(chosen):
        return []
    place = np.full(len(accounts.conversations), -1)
    place[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero(place[accounts.of] >= 0)
    alike = np.ones((len(chosen), len(chosen)))
    for kind in kinds:
        mix = np.zeros((len(chosen), int(kind.max()) + 1))
        np.add.at(mix, (place[accounts.of[rows]], kind[rows]), 1.0)
        mix /= np.linalg.norm(mix, axis=1, keepdims=True)
        alike = np.minimum(alike, mix @ mix.T)
    count, label = connected_components(csr_matrix(alike >= ALIKE), directed=False)
    return [chosen[label == number] for number in range(count)]
