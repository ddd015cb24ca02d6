"""A static embedder, an extra: the mean of token vectors. English, fast, less exact."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from clio_dagster.embedding.protocol import MissingExtraError, unit_rows


class WordLlamaEmbedder:
    """256 dimensions, English, weights inside the package."""

    name = "wordllama"
    dimensions = 256
    languages = frozenset({"en"})

    def __init__(self) -> None:
        try:
            import wordllama
        except ImportError:
            raise MissingExtraError("wordllama", "static") from None
        self.version = version("wordllama")
        # The package holds its weights, but looks for them in a cache folder and then on the network.
        self._model = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, dim=self.dimensions, disable_download=True
        )

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return unit_rows(self._model.embed(list(texts)))
