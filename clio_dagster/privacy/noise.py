"""Two-sided geometric noise from a keyed generator.

Answers the colluder who tips a count over its edge, and the reader who subtracts releases. The draw is a
function of the key, the purpose and the cell alone: asking again, in another run or order, never redraws it,
so nothing averages it away, and who lacks the key cannot take it off.
"""

from __future__ import annotations

import hmac
import math

import numpy as np
import polars as pl


def two_sided_geometric(
    cells: pl.Series, *, key: bytes, purpose: str, epsilon: float, sensitivity: int = 1
) -> pl.Series:
    """One draw (Int64) for each cell: P(k) ∝ exp(-|k| · epsilon / sensitivity).

    `cells` name what is compared (strings, none null); equal names under one purpose share their draw.
    `epsilon` is the largest log-odds by which a change of the count by `sensitivity` shifts any comparison;
    `inf` is no noise. The Ghosh, Roughgarden and Sundararajan mechanism (2009), as the difference of two
    geometric variables, each from 64 bits of the HMAC.

    Raises ValueError for a null cell, or an epsilon or sensitivity that is not positive.
    """
    if not epsilon > 0 or sensitivity < 1:
        raise ValueError("epsilon must be above 0 and sensitivity at least 1")
    names = cells.cast(pl.String)
    if names.null_count():
        raise ValueError(f"noise for {purpose!r}: a cell has no name")
    if math.isinf(epsilon):
        return pl.zeros(len(names), dtype=pl.Int64, eager=True).rename("noise")
    distinct = names.unique()
    prefix = b"noise\x00" + purpose.encode() + b"\x00"
    digests = b"".join(hmac.digest(key, prefix + name.encode(), "sha256")[:16] for name in distinct)
    bits = np.frombuffer(digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53  # in (0, 1]
    geometric = np.floor(-np.log(uniform) * (sensitivity / epsilon)).astype(np.int64)
    draws = pl.DataFrame({"cell": distinct, "noise": geometric[:, 0] - geometric[:, 1]})
    return names.to_frame("cell").join(draws, on="cell", how="left", maintain_order="left")["noise"]


def variance(epsilon: float, sensitivity: int = 1) -> float:
    """Variance of one draw; 0 where `epsilon` is `inf`."""
    ratio = math.exp(-epsilon / sensitivity)
    return 2 * ratio / (1 - ratio) ** 2
