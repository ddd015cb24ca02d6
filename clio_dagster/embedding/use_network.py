"""The network of the Universal Sentence Encoder, multilingual v3: from token ids to vectors, in numpy.

Each token has an embedding, and three branches look at it with its neighbours, 2, 3 and 5 tokens at a time, in two
convolutions; a text is the sum over its tokens, and four dense layers follow (Yang et al. 2019, arXiv:1907.04307).

Until the second convolution everything is a sum of what each token gives by itself. So it is worked out once for each
distinct token of a group of texts, and added up for the rest: of what a token costs, the second convolution's product
is what is left, 0.66 of 1.70 million multiplications. In English of 43 tokens a text, a group has 9 tokens for each
distinct one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

DIMENSIONS = 512
BRANCH = 256
ORDERS = {2: 0, 3: 1, 5: 2}
"""How many tokens each branch looks at, and how many of them come before the token itself."""

BEFORE, AFTER = 2, 2
"""The farthest that a branch looks to either side."""

GROUP_TOKENS = 16_384
"""Tokens of the texts that share their distinct tokens. A group of nothing but distinct ones would take 250 MB."""

BATCH_TOKENS = 1_024
"""Tokens at a time after that: 5 MB of features. 512 is 7% slower, 256 as well."""

BLOCKS = 17
"""The table of embeddings has a scale and an offset for each of so many blocks, over which token ids go in turn."""


class Network:
    """The weights, and what is worked out from them. Many threads may use one."""

    def __init__(self, weights: Path) -> None:
        with np.load(weights, allow_pickle=False) as stored:
            held = {name: stored[name] for name in stored.files if not name.startswith("q")}
            rows = sum(len(stored[f"q{block + 1}"]) for block in range(BLOCKS))
            self._table = np.empty((rows, DIMENSIONS), dtype=np.uint8)
            for block in range(BLOCKS):
                self._table[block::BLOCKS] = stored[f"q{block + 1}"]
        self._scale, self._offset = held["scale"], held["lo"]
        self._epsilon = float(held["eps"])
        self._project = np.concatenate([held[f"proj{order}"] for order in ORDERS], axis=1)
        self._project_bias = np.concatenate([held[f"proj_b{order}"] for order in ORDERS])
        self._project_gain = np.concatenate([held[f"ln_g{order}"] for order in ORDERS])
        self._project_shift = np.concatenate([held[f"ln_b{order}"] for order in ORDERS])
        self._first = [held[f"w1_{order}"].reshape(order, BRANCH, BRANCH) for order in ORDERS]
        self._first_bias = [held[f"b1_{order}"] for order in ORDERS]
        self._second = [np.ascontiguousarray(held[f"w2_{order}"]) for order in ORDERS]
        self._second_bias = [held[f"b2_{order}"] for order in ORDERS]
        # The last normalisation's gain and shift are the same for every token, so they wait for the sum.
        self._pool = held["ln_g"][:, None] * held["cnn_W"]
        self._pool_bias = held["ln_b"] @ held["cnn_W"] + held["cnn_b"]
        self._dense = [held[name] for name in ("d0", "d1", "d2", "d3")]
        self._skip = [held[name] for name in ("p1", "p3")]

    def vectors(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of one group of texts, given as ids of tokens, none without any: float32, (len(texts), 512)."""
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        ids = np.fromiter(chain.from_iterable(texts), dtype=np.int64, count=int(lengths.sum()))
        distinct, places = np.unique(ids, return_inverse=True)
        tokens = self._tokens(distinct)
        sums = np.empty((len(texts), DIMENSIONS + len(ORDERS) * BRANCH), dtype=np.float32)
        ends = np.cumsum(lengths)
        for some in batches(lengths, BATCH_TOKENS):
            first, last = ends[some.start] - lengths[some.start], ends[some.stop - 1]
            sums[some] = self._summed(places[first:last], lengths[some], *tokens)
        return self._finished(sums, lengths.astype(np.float32)[:, None])

    def _tokens(self, distinct: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """Of each distinct token and, in a last row of zeros, of none: its embedding (n, 512); what each branch makes
        of it (n, 256); and what that adds to the first convolution at each place of a window (order, n, 256)."""
        block = distinct % BLOCKS
        embeddings = np.zeros((len(distinct) + 1, DIMENSIONS), dtype=np.float32)
        embeddings[:-1] = self._table[distinct]
        embeddings[:-1] *= self._scale[block, None]
        embeddings[:-1] += self._offset[block, None]
        projected = embeddings @ self._project
        projected += self._project_bias
        normalize(projected, self._epsilon)
        projected *= self._project_gain
        projected += self._project_shift
        projected[-1] = 0
        own = [
            np.ascontiguousarray(projected[:, start : start + BRANCH])
            for start in range(0, projected.shape[1], BRANCH)
        ]
        return embeddings, own, [each @ first for each, first in zip(own, self._first, strict=True)]

    def _summed(
        self,
        places: np.ndarray,
        lengths: np.ndarray,
        embeddings: np.ndarray,
        own: list[np.ndarray],
        adding: list[np.ndarray],
    ) -> np.ndarray:
        """The normalised features of each text's tokens, summed (texts, 1280); `places` are rows of the others."""
        windows = windows_of(lengths)
        placed = np.append(places, len(embeddings) - 1)[windows]
        features = np.empty((len(places), DIMENSIONS + len(ORDERS) * BRANCH), dtype=np.float32)
        np.take(embeddings, places, axis=0, out=features[:, :DIMENSIONS], mode="clip")
        hidden = np.zeros((len(places) + 1, BRANCH), dtype=np.float32)
        for branch, (order, before) in enumerate(ORDERS.items()):
            within = slice(BEFORE - before, BEFORE - before + order)
            inner = hidden[:-1]
            inner[:] = self._first_bias[branch]
            for place, rows in zip(adding[branch], placed[:, within].T, strict=True):
                inner += place.take(rows, axis=0)
            np.maximum(inner, 0, out=inner)
            inner += own[branch].take(places, axis=0)
            seen = hidden.take(windows[:, within], axis=0).reshape(len(places), order * BRANCH)
            outer = seen @ self._second[branch]
            outer += self._second_bias[branch]
            np.maximum(outer, 0, out=outer)
            start = DIMENSIONS + branch * BRANCH
            np.add(outer, inner, out=features[:, start : start + BRANCH])
        normalize(features, self._epsilon)
        return np.add.reduceat(features, np.cumsum(lengths) - lengths, axis=0)

    def _finished(self, sums: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        pooled = (sums @ self._pool + lengths * self._pool_bias) / np.sqrt(lengths)
        first, second, third, last = self._dense
        across, onward = self._skip
        inner = np.maximum(pooled @ across + np.maximum(pooled @ first, 0) @ second, 0)
        return np.tanh(inner @ onward + np.maximum(inner @ third, 0) @ last)


def normalize(rows: np.ndarray, epsilon: float) -> None:
    """Give each row mean 0 and variance 1, in place."""
    rows -= rows.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", rows, rows) / rows.shape[1]
    rows *= (1 / np.sqrt(variance + epsilon))[:, None]


def windows_of(lengths: np.ndarray) -> np.ndarray:
    """For each token, texts one after the other, the rows of those around it, BEFORE to AFTER: (tokens, 5).

    A neighbour that its text has not got is the row after the last.
    """
    count = int(lengths.sum())
    ends = np.repeat(np.cumsum(lengths), lengths)[:, None]
    starts = ends - np.repeat(lengths, lengths)[:, None]
    around = np.arange(count)[:, None] + np.arange(-BEFORE, AFTER + 1)
    return np.where((around >= starts) & (around < ends), around, count)


def batches(lengths: Sequence[int] | np.ndarray, most: int) -> Iterator[slice]:
    """Runs of texts that have so many tokens together at most; one that has more is alone."""
    start, tokens = 0, 0
    for place, length in enumerate(lengths):
        if place > start and tokens + length > most:
            yield slice(start, place)
            start, tokens = place, 0
        tokens += int(length)
    if len(lengths):
        yield slice(start, len(lengths))
