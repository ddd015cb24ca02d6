"""Any sentence-transformers model, an extra: the paper's all-mpnet-base-v2 (G.5) among them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from clio_dagster.embedding.protocol import MissingExtraError, unit_rows
from clio_dagster.settings import USE_LANGUAGES

BATCH = 64


class SentenceTransformerEmbedder:
    """A model by its hub name or by the path of its folder.

    A model whose name says `multilingual` is taken to know the configured languages' default list, any other
    English alone: the package does not tell.
    """

    def __init__(self, model: str, *, threads: int) -> None:
        try:
            import sentence_transformers
            import torch
        except ImportError:
            raise MissingExtraError(f"sentence-transformers:{model}", "sentence-transformers") from None
        torch.set_num_threads(threads)
        self._model = sentence_transformers.SentenceTransformer(model)
        self.name = f"sentence-transformers:{model}"
        self.version = version("sentence-transformers")
        self.languages = frozenset(USE_LANGUAGES if "multilingual" in model.casefold() else ("en",))
        self.dimensions = int(self._encode([""]).shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return unit_rows(self._encode(list(texts)))

    def _encode(self, texts: list[str]) -> np.ndarray:
        return np.asarray(
            self._model.encode(texts, batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False)
        )
