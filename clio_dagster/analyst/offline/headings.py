"""Category labels nearest in meaning to a topic.

A reviewed list of some two hundred English labels, chosen by nearness in the embedding's space: public words
that no account's text can add to. They head what is written in other languages, and name what shares no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from clio_dagster.privacy.word_lists import headings

_HUB = 0.8
"""Share of a label's mean nearness to all labels that is taken off: some labels are near to everything."""

CLOSE = 0.15
"""Nearness from which a label fits: below it the nearest label of a random topic is as near."""


class Encoder(Protocol):
    """What turns texts into unit vectors, (n, dimensions) float32."""

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


class Headings:
    """The labels and their vectors, encoded once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: np.ndarray | None = None

    def nearness(self, vectors: np.ndarray) -> np.ndarray:
        """How near each unit vector is to each of `word_lists.headings()`: (vectors, labels), hubs held
        back."""
        if self._vectors is None:
            self._vectors = self._encoder.encode(headings())
        among = self._vectors @ self._vectors.T
        hub = (among.sum(axis=1) - 1.0) / (len(among) - 1)
        return np.asarray(np.atleast_2d(vectors) @ self._vectors.T - _HUB * hub)

    def nearest(self, vectors: np.ndarray, most: int) -> list[list[tuple[str, float]]]:
        """For each unit vector, the `most` nearest labels and how near they are, nearest first."""
        labels = headings()
        nearness = self.nearness(vectors)
        order = np.argsort(-nearness, axis=1, kind="stable")[:, :most]
        return [
            [(labels[label], float(nearness[row, label])) for label in chosen]
            for row, chosen in enumerate(order)
        ]

    def covering(self, vectors: np.ndarray, weights: np.ndarray, most: int) -> list[tuple[str, float]]:
        """Up to `most` labels that together lie near the vectors, each with what it adds to the mean
        nearness.

        Greedy facility location: the first is the best single label, each next one serves best those that the
        ones before leave far off.
        """
        labels = headings()
        nearness = np.clip(self.nearness(vectors), 0.0, None)
        share = weights / weights.sum()
        served = np.zeros(len(nearness))
        chosen = []
        for _ in range(most):
            gains = share @ np.clip(nearness - served[:, None], 0.0, None)
            best = int(np.argmax(gains))
            chosen.append((labels[best], float(gains[best])))
            served = np.maximum(served, nearness[:, best])
        return chosen
