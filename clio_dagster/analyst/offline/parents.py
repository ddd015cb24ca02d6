"""Parents of topics: proposed, deduplicated, assigned and renamed by nearness of vectors (paper, G.7).

A parent is named by the category labels that lie near its middle and near each of its children, so it is
broader than each and gives away nothing that one of them alone would. How the levels are sized and who is
whose neighbour is decided in the hierarchizer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from clio_dagster.analyst.offline.english import VAGUE
from clio_dagster.analyst.offline.headings import (
    CLEAR,
    Headings,
    Labels,
    broad_gain,
    cautious,
    harm_share,
    ranked,
)
from clio_dagster.analyst.offline.writing import beside, joined, listed, overlap, sentence, stems
from clio_dagster.analyst.protocol import Node, ParentSample, Summary
from clio_dagster.privacy.vocabulary import tokenize, violations
from clio_dagster.privacy.word_lists import (
    NO_SUBJECT,
    every_generic_word,
    frequent_words,
    function_words,
    headings,
    listed_languages,
)

_LABELS = 40
"""Category labels considered for a parent."""

_BROAD, _BROAD_BETWEEN = 0.12, 0.04
"""What a broad label gains at a parent of the top, and of a level between: there it would take the names of
those above."""

_TOP = 15
"""Parents at once, up to which they are taken for the top."""

_ENOUGH = 0.45
"""Nearness beyond which a label fits a child no better: one child that is the label itself must not decide."""

_LEFT_OUT = 0.22
"""A child is left out by a label that is not as near as this."""

_BESIDE = 0.25
"""Share of the children (by conversations) that one label leaves out from which a second stands beside it."""

_MOST = 0.5
"""Share of the children that one label leaves out from which it says nothing of the whole."""

_HARMFUL = 0.5
"""Share of the children nearest to a label of what can harm, below which none names the whole."""

_VECTORS = 0.5
"""What the vectors themselves count for beside the labels' profile when topics are grouped."""

_FRAME = frozenset(["users", "asked", "many", "mentioned", "topics"])
"""Words of our own sentences, which say nothing of a child."""


def propose_parents(inside: Sequence[Node], wanted: int, labels: Headings) -> list[Node]:
    """About `wanted` parents of one neighbourhood: Ward clusters of its topics, each at their middle."""
    return _grouped(_stack(inside), wanted, labels)


def deduplicate_parents(proposed: Sequence[Node], wanted: int, labels: Headings) -> list[Node]:
    """The proposals merged to about `wanted`, the nearest ones with one another."""
    return _grouped(_stack(proposed), wanted, labels)


def assign_parents(children: Sequence[Node], parents: Sequence[Node], labels: Headings) -> list[int]:
    """For each child the index of the nearest parent; the vectors decide, so the parents' order does not."""
    if not parents:
        raise ValueError("assign needs at least one parent")
    above, below = _stack(parents), _stack(children)
    middle = labels.middle(above)
    near = labels.profile(below, middle) @ labels.profile(above, middle).T + _VECTORS * below @ above.T
    return [int(index) for index in np.argmax(near, axis=1)]


def rename_parents(parents: Sequence[ParentSample], labels: Headings) -> list[Summary]:
    """Names of parents from their children: distinct, unlike any child's, within each parent's vocabulary."""
    if not parents:
        return []
    middle = labels.middle(np.concatenate([_stack(parent.children) for parent in parents]))
    gain = _BROAD if len(parents) <= _TOP else _BROAD_BETWEEN
    fits = [_fits(parent, labels, middle, gain) for parent in parents]
    taken = {child.summary.name.casefold() for parent in parents for child in parent.children}
    summaries: dict[int, Summary] = {}
    # The parent nearest to its label has the label to itself.
    for number in sorted(range(len(parents)), key=lambda i: (-float(fits[i][0].max()), i)):
        parent = parents[number]
        shared = _shared_words(parent)
        free = (
            named
            for named in _names(*fits[number], shared)
            if named[0].casefold() not in taken and not violations(named[0], parent.vocabulary)
        )
        name, asked = next(free, None) or _last_resort(ranked(fits[number][0], _LABELS), taken)
        taken.add(name.casefold())
        summaries[number] = Summary(name, _describe(name, asked, shared, parent))
    return [summaries[number] for number in range(len(parents))]


def _fits(
    parent: ParentSample, labels: Headings, middle: np.ndarray, broad_gains: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How well each label fits the parent, (labels,), and each child, (children, labels), the children's
    shares of the conversations, and what each label gains for being broad."""
    vectors = _stack(parent.children)
    share = np.asarray(parent.weights, dtype=np.float64) + 1.0
    share /= share.sum()
    each = labels.nearness(vectors, middle)
    harmful = harm_share(each)
    harmful = harmful if harmful >= _HARMFUL else 0.0
    each = cautious(each, harmful)
    whole = cautious(labels.nearness(_mean(vectors, share)[None, :], middle)[0], harmful)
    gain = broad_gain(broad_gains, harmful)
    # Children count by the root of their size: a large one must not name the whole.
    even = np.sqrt(share) / np.sqrt(share).sum()
    fit = 0.4 * whole + 0.6 * (even @ np.clip(each, 0.0, _ENOUGH)) + gain
    return fit, each, share, gain


def _grouped(vectors: np.ndarray, wanted: int, labels: Headings) -> list[Node]:
    from sklearn.cluster import AgglomerativeClustering

    number = min(max(wanted, 1), len(vectors))
    if number < len(vectors):
        apart = np.hstack([labels.profile(vectors, labels.middle(vectors)), _VECTORS**0.5 * vectors])
        groups = AgglomerativeClustering(n_clusters=number, linkage="ward").fit_predict(apart)
    else:
        groups = np.arange(len(vectors))
    middles = np.stack([_mean(vectors[groups == group]) for group in range(number)])
    nearness = labels.nearness(middles, labels.middle(vectors))
    harmful = harm_share(nearness)
    nearness = cautious(nearness, harmful) + broad_gain(_BROAD, harmful)
    taken: set[str] = set()
    nodes = []
    for middle, row in zip(middles, nearness, strict=True):
        near = ranked(row, _LABELS)
        label = next((label for label, _ in near if label not in taken), near[0][0])
        taken.add(label)
        nodes.append(Node(Summary(sentence(label), f"Users asked about {label}."), middle))
    return nodes


def _shared_words(parent: ParentSample) -> list[str]:
    """Telling words of at least two children's summaries that the parent's vocabulary supports, those of the
    largest children first."""
    texts = pl.Series([f"{child.summary.name}. {child.summary.description}" for child in parent.children])
    told = (
        tokenize(texts, pl.Series([parent.language] * len(texts)))
        .select("row", "word")
        .unique(maintain_order=True)
    )
    empty = _empty_words()
    children: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for row, word in told.iter_rows():
        if word in parent.vocabulary.words and word not in empty and len(word) > 1:
            children[word] += 1
            size[word] += parent.weights[row]
    ranked_words = sorted(
        (word for word, count in children.items() if count >= 2),
        key=lambda word: (-size[word] * (1.0 + parent.vocabulary.words.get(word, 0.0)), word),
    )
    seen: set[str] = set()
    words = []
    for word in ranked_words:
        if not stems([word]) & seen:
            seen |= stems([word])
            words.append(word)
    return words


def _empty_words() -> frozenset[str]:
    functions = [function_words(language) | frequent_words(language) for language in listed_languages()]
    return every_generic_word() & frozenset().union(*functions) | VAGUE | _FRAME


def _names(
    fit: np.ndarray, each: np.ndarray, share: np.ndarray, gain: np.ndarray, shared: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Names in the order in which they are tried, each with the labels that it is about."""
    near = ranked(fit, _LABELS)
    pairs = _pairs(fit, each, share, gain)
    first = near[0][0]
    left = share @ (each[:, headings().index(first)] < _LEFT_OUT)
    if left >= _BESIDE:
        yield from ((sentence(beside(pair)), pair) for pair in pairs[:3])
    if left >= _MOST:
        yield sentence(NO_SUBJECT[0]), []
    as_near = [label for label, score in near[:6] if score >= near[0][1] - 0.08]
    yield from ((sentence(label), [label]) for label in as_near)
    yield from ((sentence(beside(pair)), pair) for pair in pairs)
    apart = [word for word in shared if not stems([word]) & stems(first.split())]
    for word in apart:
        yield f"{sentence(first)}: {word}", [first]
    for label, _ in near:
        yield sentence(label), [label]


def _pairs(fit: np.ndarray, each: np.ndarray, share: np.ndarray, gain: np.ndarray) -> list[list[str]]:
    """Pairs of labels without a common word that together lie near the children, best first; the label that
    serves more of them leads."""
    places = np.argsort(-fit, kind="stable")[:_LABELS]
    # A label that serves some children alone stands far down for the whole.
    for row in each:
        places = np.union1d(places, np.argsort(-(row + gain), kind="stable")[:3])
    even = np.sqrt(share) / np.sqrt(share).sum()
    near = np.clip(each[:, places], 0.0, _ENOUGH) + gain[places]
    together = np.einsum("c,cij->ij", even, np.maximum(near[:, :, None], near[:, None, :]))
    names = [headings()[place] for place in places]
    # Each of the two has a child that it is clear for and the other is not.
    plain = each[:, places]
    own = (plain[:, :, None] >= CLEAR) & (near[:, :, None] > near[:, None, :])
    clear = own.any(axis=0) & own.any(axis=0).T
    served = np.einsum("c,cij->ij", share, near[:, :, None] > near[:, None, :])
    found = [
        (
            float(together[i, j]),
            [names[i], names[j]] if served[i, j] >= served[j, i] else [names[j], names[i]],
        )
        for i in range(len(places))
        for j in range(i)
        if clear[i, j] and not overlap(names[i], names[j])
    ]
    return [pair for _, pair in sorted(found, key=lambda entry: (-entry[0], entry[1]))[:_LABELS]]


def _last_resort(labels: Labels, taken: set[str]) -> tuple[str, list[str]]:
    for kind in ("other", "further", "more", "general", "various", "several"):
        for label, _ in labels:
            name = sentence(f"{kind} {label}")
            if name.casefold() not in taken:
                return name, [label]
    return sentence(f"other {labels[0][0]}"), [labels[0][0]]


def _describe(name: str, asked: Sequence[str], shared: Sequence[str], parent: ParentSample) -> str:
    description = f"Users asked about {joined(asked) if asked else ' '.join(NO_SUBJECT[1:])}."
    used = stems(name.replace(":", " ").replace(",", " ").lower().split())
    known = parent.vocabulary.words
    mentioned = [word for word in shared if word in known and not stems([word]) & used][:4]
    longer = f"{description} Many mentioned {listed(mentioned)}." if len(mentioned) > 1 else description
    return longer if not violations(longer, parent.vocabulary) else description


def _stack(nodes: Sequence[Node]) -> np.ndarray:
    return np.stack([node.vector for node in nodes]).astype(np.float32)


def _mean(vectors: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    middle = np.average(vectors, axis=0, weights=weights)
    return (middle / max(float(np.linalg.norm(middle)), 1e-12)).astype(np.float32)
