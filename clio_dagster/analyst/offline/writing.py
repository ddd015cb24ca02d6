"""Small rules of written English that names and descriptions share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clio_dagster.privacy.word_lists import function_words

MOST_WORDS = 10
"""Words of the longest name (paper, G.5)."""


def sentence(text: str) -> str:
    """The text with its first letter a capital."""
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str]) -> str:
    """A list in which each item is a clause of its own, so that no pair of items needs support (P5)."""
    if len(words) < 3:
        return ", and also ".join(words)
    return ", ".join(words[:-1]) + f", and {words[-1]}"


def joined(labels: Sequence[str]) -> str:
    """Labels as one phrase, in which each stays whole: "travel and food", "games for parties, and food"."""
    if len(labels) == 2 and all(len(label.split()) <= 2 for label in labels):
        return " and ".join(labels)
    return ", and ".join(labels)


def beside(labels: Sequence[str]) -> str:
    """Labels as one name, which says no "and" twice: "food and drink, games for parties"."""
    text = joined(labels)
    return text if text.split().count("and") < 2 else ", ".join(labels)


def stems(words: Iterable[str]) -> set[str]:
    """The words without common endings, good enough to see that "cards" repeats "card"."""
    return {
        word.removesuffix("'s").rstrip("s").removesuffix("ing").removesuffix("ed").rstrip("se") or word
        for word in words
    }


def words_of(text: str) -> list[str]:
    """The words of a name, folded."""
    return text.replace(",", " ").replace(":", " ").casefold().split()


def sense(text: str) -> frozenset[str]:
    """The words without their endings and those of grammar: "credit card" and "a list of credit cards" differ in
    "list" alone."""
    words = words_of(text)
    return frozenset(stems([word for word in words if word not in function_words("en")] or words))


def distinct(words: Sequence[str], used: set[str]) -> list[str]:
    """The words, one of each stem, without those that are used already."""
    seen = set(used)
    kept = []
    for word in words:
        if not stems([word]) & seen:
            kept.append(word)
            seen |= stems([word])
    return kept


def overlap(one: str, other: str) -> bool:
    """Whether two labels share a word, or hold one within the other ("plants", "houseplants")."""
    few = {"and", "of", "the", "th", "for", "to", "in", "a", "on", "at"}
    first, second = stems(one.split()) - few, stems(other.split()) - few
    return any(a in b or b in a for a in first for b in second)
