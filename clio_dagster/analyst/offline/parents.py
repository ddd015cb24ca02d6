"""Parents of topics: proposed, deduplicated, assigned and renamed by nearness of vectors (paper, G.7).

A parent is named by the category labels nearest to its children and by the words that two of them share, so
it is broader than each and gives away nothing that one of them alone would. How the levels are sized and who
is whose neighbour is decided in the hierarchizer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from clio_dagster.analyst.offline.english import VAGUE
from clio_dagster.analyst.offline.headings import Headings
from clio_dagster.analyst.offline.writing import listed, sentence, stems
from clio_dagster.analyst.protocol import Node, ParentSample, Summary
from clio_dagster.privacy.vocabulary import tokenize, violations
from clio_dagster.privacy.word_lists import every_generic_word, function_words

_LABELS = 12
"""Category labels considered for a parent."""

_COVERED = 0.08
"""Mean nearness of the children from which the best label fits them."""

_BESIDE = 0.2
"""Share of the first label's part that a further label must add to stand beside it."""

_FRAME = frozenset(["users", "asked", "often", "mentioned", "topics"])
"""Words of our own sentences, which say nothing of a child."""


def propose_parents(inside: Sequence[Node], wanted: int, headings: Headings) -> list[Node]:
    """About `wanted` parents of one neighbourhood: Ward clusters of its topics, each at their middle."""
    vectors = _stack(inside)
    return _grouped(vectors, np.ones(len(inside)), wanted, headings)


def deduplicate_parents(proposed: Sequence[Node], wanted: int, headings: Headings) -> list[Node]:
    """The proposals merged to about `wanted`, the nearest ones with one another."""
    vectors = _stack(proposed)
    return _grouped(vectors, np.ones(len(proposed)), wanted, headings)


def assign_parents(children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
    """For each child the index of the nearest parent; the vectors decide, so the parents' order does not."""
    if not parents:
        raise ValueError("assign needs at least one parent")
    return [int(index) for index in np.argmax(_stack(children) @ _stack(parents).T, axis=1)]


def rename_parents(parents: Sequence[ParentSample], headings: Headings) -> list[Summary]:
    """Names of parents from their children: distinct, unlike any child's, within each parent's vocabulary."""
    if not parents:
        return []
    labels = [
        headings.covering(_stack(parent.children), np.asarray(parent.weights, dtype=np.float64), _LABELS)
        for parent in parents
    ]
    taken = {child.summary.name.casefold() for parent in parents for child in parent.children}
    summaries: dict[int, Summary] = {}
    # The parent nearest to its label has the label to itself.
    for number in sorted(range(len(parents)), key=lambda i: (-labels[i][0][1], i)):
        parent = parents[number]
        shared = _shared_words(parent)
        free = (
            named
            for named in _names(labels[number], shared)
            if named[0].casefold() not in taken and not violations(named[0], parent.vocabulary)
        )
        name, asked = next(free, None) or _last_resort(labels[number], taken)
        taken.add(name.casefold())
        summaries[number] = Summary(name, _describe(name, asked, shared, parent))
    return [summaries[number] for number in range(len(parents))]


def _grouped(vectors: np.ndarray, weights: np.ndarray, wanted: int, headings: Headings) -> list[Node]:
    from sklearn.cluster import AgglomerativeClustering

    number = min(max(wanted, 1), len(vectors))
    if number < len(vectors):
        groups = AgglomerativeClustering(n_clusters=number, linkage="ward").fit_predict(vectors)
    else:
        groups = np.arange(len(vectors))
    middles = [_middle(vectors[groups == group], weights[groups == group]) for group in range(number)]
    labels = headings.nearest(np.stack(middles), _LABELS)
    taken: set[str] = set()
    nodes = []
    for middle, near in zip(middles, labels, strict=True):
        name = next(
            (sentence(label) for label, _ in near if sentence(label) not in taken), sentence(near[0][0])
        )
        taken.add(name)
        nodes.append(Node(Summary(name, f"Users asked about {name[0].lower()}{name[1:]}."), middle))
    return nodes


def _shared_words(parent: ParentSample) -> list[str]:
    """Words of at least two children's summaries, generic or in the vocabulary, those of the largest
    children first."""
    texts = pl.Series([f"{child.summary.name}. {child.summary.description}" for child in parent.children])
    told = (
        tokenize(texts, pl.Series([parent.language] * len(texts)))
        .select("row", "word")
        .unique(maintain_order=True)
    )
    functions = function_words(parent.language) | function_words("en") | VAGUE | _FRAME
    children: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for row, word in told.iter_rows():
        free = word in every_generic_word() or word in parent.vocabulary.words
        if free and word not in functions and len(word) > 1 and not any(map(str.isdigit, word)):
            children[word] += 1
            size[word] += parent.weights[row]
    ranked = sorted(
        (word for word, count in children.items() if count >= 2),
        key=lambda word: (-size[word] * (1.0 + parent.vocabulary.words.get(word, 0.0)), word),
    )
    seen: set[str] = set()
    words = []
    for word in ranked:
        if not stems([word]) & seen:
            seen |= stems([word])
            words.append(word)
    return words


def _names(labels: Sequence[tuple[str, float]], shared: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Names in the order in which they are tried, each with the labels or words that it is about."""
    (first, nearness), *others = labels
    apart = [word for word in shared if not stems([word]) & stems(first.split())]
    beside = [label for label, gain in others[:3] if gain >= _BESIDE * nearness]
    if nearness >= _COVERED:
        for count in range(min(len(beside), 2), 0, -1):
            several = [first, *beside[:count]]
            if len(set(" ".join(several).split()) - {"and", "of"}) <= 6 and _apart(several):
                yield _joined(several), several
        if len(apart) >= 2:
            yield sentence(f"{first}: {apart[0]}, {apart[1]}"), [first]
        yield sentence(first), [first]
        for word in apart:
            yield sentence(f"{first}: {word}"), [first]
    if len(shared) >= 2:
        yield sentence(", ".join(shared[:3])), list(shared[:3])
    for label, _ in labels:
        for word in apart[:6]:
            if not stems([word]) & stems(label.split()):
                yield sentence(f"{label}: {word}"), [label]
    for label, _ in labels:
        yield sentence(label), [label]
    for index, (label, _) in enumerate(labels):
        for other, _ in labels[:index]:
            if not stems(label.split()) & stems(other.split()):
                yield sentence(f"{other}, {label}"), [other, label]


def _apart(labels: Sequence[str]) -> bool:
    """Whether no two labels share a word."""
    words = [word for label in labels for word in stems(label.split()) - {"and", "of", "th"}]
    return len(words) == len(set(words))


def _joined(labels: Sequence[str]) -> str:
    if len(labels) == 2 and not any(" and " in label for label in labels):
        return sentence(" and ".join(labels))
    return sentence(", ".join(labels))


def _last_resort(labels: Sequence[tuple[str, float]], taken: set[str]) -> tuple[str, list[str]]:
    for kind in ("other", "further", "more", "general", "various", "several"):
        for label, _ in labels:
            name = sentence(f"{kind} {label}")
            if name.casefold() not in taken:
                return name, [label]
    return sentence(f"other {labels[0][0]}"), [labels[0][0]]


def _describe(name: str, asked: Sequence[str], shared: Sequence[str], parent: ParentSample) -> str:
    description = f"Users asked about {', and about '.join(asked)}."
    used = stems(name.replace(":", " ").replace(",", " ").lower().split())
    mentioned = [word for word in shared if not stems([word]) & used][:4]
    longer = f"{description} They often mentioned {listed(mentioned)}." if mentioned else description
    return longer if not violations(longer, parent.vocabulary) else description


def _stack(nodes: Sequence[Node]) -> np.ndarray:
    return np.stack([node.vector for node in nodes]).astype(np.float32)


def _middle(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    middle = (vectors * weights[:, None]).sum(axis=0)
    return (middle / max(float(np.linalg.norm(middle)), 1e-12)).astype(np.float32)
