"""How many groups of a score a run would report by chance, from runs in which accounts were exchanged."""

from __future__ import annotations

import numpy as np

TAIL = 200
"""Scores of exchanged accounts, the highest, by which the tail beyond them is told."""


def false_rates(scores: np.ndarray, exchanged: list[np.ndarray]) -> np.ndarray:
    """Expected number, in one run, of cells that score at least as much though accounts were exchanged (float64).

    `exchanged`: the scores of each run of exchanged accounts. Counted where there are enough of them; beyond, an
    exponential tail through the highest (Pickands 1975, with shape 0), no steeper than the scores' own unit, −log10
    of a tail, allows.
    """
    runs = len(exchanged)
    pooled = np.sort(np.concatenate(exchanged))[::-1] if runs else np.empty(0)
    if not len(pooled):
        return np.full(len(scores), np.inf)
    kept = min(TAIL, max(1, len(pooled) // 10))
    begin = float(pooled[kept - 1])
    unit = max(float((pooled[:kept] - begin).mean()), 1 / np.log(10))
    counted = np.searchsorted(-pooled, -scores, "right") / runs
    beyond = kept / runs * np.exp(-(np.maximum(scores, begin) - begin) / unit)
    return np.where(scores >= begin, np.maximum(beyond, counted * (counted * runs >= 10)), counted)
