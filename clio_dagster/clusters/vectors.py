"""Arithmetic on rows of unit vectors. Only numbers here, no conversation."""

from __future__ import annotations

import numpy as np
import polars as pl

ROWS_AT_ONCE = 65_536
"""Rows that are copied or compared at once: bounds the memory beside the vectors themselves."""


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (float32); a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def stacked(vectors: pl.Series) -> np.ndarray:
    """A column of vectors of one width (Array or List of numbers) as rows (float32); of none, (0, 1)."""
    if vectors.is_empty():
        return np.empty((0, 1), np.float32)
    return vectors.cast(pl.List(pl.Float32)).explode().to_numpy().reshape(len(vectors), -1)


def by_label(labels: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of their labels 0 … clusters − 1, and where each label begins (one more at the end)."""
    order = np.argsort(labels, kind="stable")
    return order, np.searchsorted(labels[order], np.arange(clusters + 1))
