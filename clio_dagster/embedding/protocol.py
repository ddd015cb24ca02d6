"""What an embedder is, and what every one of them shares. No model is named here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class MissingExtraError(RuntimeError):
    """An embedder is asked for whose package is not installed. The message names the extra to install."""

    def __init__(self, embedder: str, extra: str) -> None:
        super().__init__(
            f"CLIO_EMBEDDER={embedder} needs a package that is not installed: "
            f"pip install 'clio-dagster[{extra}]'"
        )


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    version: str
    """Changes with anything that changes a vector: package, weights."""
    dimensions: int
    languages: frozenset[str]
    """ISO 639-1 codes that it understands; texts in others get vectors that mean little."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of `texts`: float32, (len(texts), dimensions)."""
        ...


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, as float32. A row of zeros becomes the first axis, so that all are units."""
    rows = np.array(vectors, dtype=np.float32, ndmin=2)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = lengths[:, 0] == 0
    if empty.any():
        rows[empty, 0] = 1.0
        lengths[empty] = 1.0
    rows /= lengths
    return rows
