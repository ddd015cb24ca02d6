"""Category labels nearest in meaning to topics.

A reviewed list of some seven hundred English labels, chosen by nearness in the embedding's space: public
words that no account's text can add to. They name what is written in many languages, and what shares few
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from clio_dagster.privacy.word_lists import examples, harms, headings, subjects

_SAID = ("{}", "questions about {}")
"""What is encoded for a label: the bare label is too short to lie where requests lie."""

_REQUESTS = (
    "Can you help me with this?",
    "What is the best way to do it?",
    "Please write something for me.",
    "I have a question.",
    "Tell me more about it.",
    "Why does this happen?",
    "How do I do this?",
    "I need some advice.",
    "How can I get someone to do what I want?",
    "Where can I find out where it is?",
    "What are some good ones?",
    "What do you think of them?",
)
"""Requests about nothing: the middle of a site's topics before any is seen."""

_WORTH = 12
"""Topics that the middle above weighs as much as: a few topics have no middle of their own."""

_CAUTION = 0.08
"""What the nearness of a label of what can harm loses among harmless topics: to be called harmful misleads
more than any other mistake."""

_PROFILE = 0.15
"""Nearness from which a label counts in a topic's profile."""

CLEAR = 0.28
"""Nearness from which a label says what a topic is about; the nearest labels of topics about nothing in
particular stay below."""

FAINT = 0.24
"""Nearness below which a label says nothing of a topic."""

Labels = list[tuple[str, float]]
"""Category labels and how near they are, nearest first."""


class Encoder(Protocol):
    """What turns texts into unit vectors, (n, dimensions) float32."""

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


class Headings:
    """The labels and their vectors, encoded once.

    Labels and topics are compared as they differ from their middles: what all labels share, and what all
    topics of a site share, tells nothing, and would draw every topic to the same few labels.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: np.ndarray | None = None
        self._middle = np.empty(0)
        self._said = np.empty(0)
        self._requests = np.empty(0)

    def middle(self, vectors: np.ndarray) -> np.ndarray:
        """The middle of topics' unit vectors, from which their nearness is measured."""
        self._encode()
        return np.asarray((vectors.sum(axis=0) + _WORTH * self._requests) / (len(vectors) + _WORTH))

    def nearness(self, vectors: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Cosine of each topic to each of `word_lists.headings()`, both from their middles: (topics, labels)."""
        return np.asarray(_unit(vectors - middle) @ self._encode().T)

    def profile(self, vectors: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Which labels each topic is near and how much, as unit rows (topics, labels): what a topic is about,
        with little of the language and manner that its vector holds too."""
        return _unit(np.clip(self.nearness(vectors, middle) - _PROFILE, 0.0, None))

    def closeness(self, said: np.ndarray, vectors: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Cosine of what is said, as unit vectors, to the topic beside each, measured as that of a label is."""
        self._encode()
        return np.asarray((_unit(said - self._middle) * _unit(vectors - middle)).sum(axis=1))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts, (texts, dimensions); each distinct one is encoded once."""
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        encoded = self._encoder.encode(list(places)) if places else np.empty((0, 1), dtype=np.float32)
        return np.asarray(encoded[[places[text] for text in texts]])

    def said(self) -> np.ndarray:
        """Unit vectors of the labels as they are written, (labels, dimensions): what a name that is a label says."""
        self._encode()
        return self._said

    def _encode(self) -> np.ndarray:
        if self._vectors is None:
            encoded = self._encoder.encode([said.format(label) for said in _SAID for label in headings()])
            encoded = encoded.reshape(len(_SAID), len(headings()), -1)
            labels = _unit(encoded.mean(axis=0))
            self._said = encoded[_SAID.index("{}")]
            self._middle = labels.mean(axis=0)
            self._requests = self._encoder.encode(_REQUESTS).mean(axis=0)
            vectors = _unit(labels - self._middle)
            told = [(place, text) for place, label in enumerate(headings()) for text in examples(label)]
            owners = np.array([place for place, _ in told])
            # Examples are requests, so they differ from the middle of requests.
            asked = _unit(self._encoder.encode([text for _, text in told]) - self._requests)
            for place in np.unique(owners):
                vectors[place] += _unit(asked[owners == place].mean(axis=0))
            self._vectors = _unit(vectors)
        return self._vectors


def ranked(nearness: np.ndarray, most: int) -> Labels:
    """The `most` labels of the highest nearness (one for each label), highest first."""
    labels = headings()
    return [(labels[place], float(nearness[place])) for place in np.argsort(-nearness, kind="stable")[:most]]


def harm_share(nearness: np.ndarray) -> float:
    """The share of topics, given their nearness to each label, whose nearest label is of what can harm."""
    return float(_harmful()[nearness.argmax(axis=1)].mean())


def cautious(nearness: np.ndarray, share: float) -> np.ndarray:
    """The nearness with less of it for labels of what can harm, the fewer topics are near such labels."""
    return nearness - _CAUTION * (1.0 - share) * _harmful()


def broad_gain(gain: float, share: float) -> np.ndarray:
    """What broad labels gain, those of what can harm by the share of topics that are near such labels."""
    return gain * broad() * np.where(_harmful(), share, 1.0)


def _harmful() -> np.ndarray:
    return np.array([label in harms() for label in headings()])


def broad() -> np.ndarray:
    """Which of the labels are broad ones: bool, (labels,)."""
    return np.array([label in subjects() for label in headings()])


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9))
