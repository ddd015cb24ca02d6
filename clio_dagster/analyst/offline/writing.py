"""Small rules of written English that names and descriptions share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_WORDS = 10
"""Words of the longest name (paper, G.5)."""


def sentence(text: str) -> str:
    """The text with its first letter a capital."""
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str]) -> str:
    """A list in which each item is a clause of its own, so that no pair of items needs support (P5)."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f", and {words[-1]}"


def stems(words: Iterable[str]) -> set[str]:
    """The words without common endings, good enough to see that "cards" repeats "card"."""
    return {
        word.removesuffix("'s").removesuffix("ing").removesuffix("ed").rstrip("se") or word for word in words
    }
