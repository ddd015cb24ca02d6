"""What a prompt about topics shows, within its bounds, and what an answer to it must be beyond its schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from clio_dagster.analyst.blocks import block, blocks, topic
from clio_dagster.analyst.prices import estimated_tokens
from clio_dagster.analyst.protocol import NamingSample, Node, ParentSample, Summary, Vocabulary
from clio_dagster.analyst.questions import TEXT, Value, object_of, one_of
from clio_dagster.privacy.naming import NAME_CHARACTERS, NAME_WORDS, faults

INSIDE_TOKENS, OUTSIDE_TOKENS, WORDS_TOKENS, PAIRS_TOKENS, CHILDREN_TOKENS = 400, 120, 100, 120, 1_000
"""Tokens of a naming prompt's parts, so that no naming call sends more than 3,000."""

LONGEST_STATEMENT = 240
"""Characters of a statement in a naming prompt."""

SUMMARY = object_of(description=TEXT, name=TEXT)
PARENT = object_of(name=TEXT, description=TEXT)
SCORE = object_of(score=one_of(1, 2, 3, 4, 5))


def naming_data(sample: NamingSample) -> str:
    """A base cluster as its namer sees it."""
    parts = [
        _words(sample.vocabulary),
        blocks("inside", _statements(sample.inside, INSIDE_TOKENS)),
        blocks("outside", _statements(sample.outside, OUTSIDE_TOKENS)),
        *_refused(sample.refused_for),
    ]
    return "\n".join(parts)


def renaming_data(sample: ParentSample) -> str:
    """A parent as its renamer sees it: its largest children first."""
    heaviest = sorted(range(len(sample.children)), key=lambda place: (-sample.weights[place], place))
    shown = [sample.children[place] for place in heaviest]
    parts = [
        _words(sample.vocabulary),
        blocks("children", _within(map(topic_of, shown), CHILDREN_TOKENS)),
        *_refused(sample.refused_for),
    ]
    return "\n".join(parts)


def _words(vocabulary: Vocabulary) -> str:
    """Supported words and pairs of them, the most telling first."""
    weights = vocabulary.words
    ranked = sorted(weights, key=lambda word: (-weights[word], word))
    together = sorted(
        (sorted(pair, key=lambda word: (-weights.get(word, 0.0), word)) for pair in vocabulary.pairs),
        key=lambda pair: (-sum(weights.get(word, 0.0) for word in pair), pair),
    )
    pairs = _within((" ".join(pair) for pair in together), PAIRS_TOKENS)
    return block("words", " ".join(_within(ranked, WORDS_TOKENS))) + "\n" + block("pairs", "; ".join(pairs))


def _statements(texts: Sequence[str], most_tokens: int) -> Iterator[str]:
    return _within((block("s", text[:LONGEST_STATEMENT]) for text in texts), most_tokens)


def _refused(reasons: Sequence[str]) -> list[str]:
    return [block("refused", "; ".join(reasons))] if reasons else []


def _within(texts: Iterable[str], most_tokens: int) -> Iterator[str]:
    """The first of the texts that together count no more; one at least."""
    left = most_tokens
    for place, text in enumerate(texts):
        left -= estimated_tokens(text)
        if left < 0 and place:
            return
        yield text


def topic_of(node: Node) -> str:
    """A node as a block."""
    return topic(node.summary.name, node.summary.description)


def numbered(nodes: Sequence[Node]) -> Iterator[str]:
    """Nodes as blocks with the numbers by which answers speak of them, from 1."""
    for number, node in enumerate(nodes, 1):
        yield topic(node.summary.name, node.summary.description, number)


def summary_faults(vocabulary: Vocabulary, value: Value) -> list[str]:
    """What keeps a name from standing, in words that hold none of it (P5, P6)."""
    (found,) = faults([Summary(value["name"], value["description"])], [vocabulary])
    return found


def parents_faults(field: str, wanted: int, value: Value) -> list[str]:
    """Bounds of the number of parents are the paper's: half and one and a half times what is wanted (G.7)."""
    given = value[field]
    fewest, most = max(1, wanted // 2), max(2, wanted * 3 // 2)
    found = []
    if not fewest <= len(given) <= most:
        found.append(f"there are {len(given)} {field}, and may be {fewest} to {most}")
    names = [each["name"].strip() for each in given]
    if any(not name for name in names):
        found.append("a name is empty")
    if any(len(name.split()) > NAME_WORDS or len(name) > NAME_CHARACTERS for name in names):
        found.append(f"a name is longer than {NAME_WORDS} words")
    if len({name.casefold() for name in names}) < len(names):
        found.append("a name stands there twice")
    return found


def assignment_faults(children: int, parents: int, value: Value) -> list[str]:
    """Whether each child has exactly one of the parents that were offered."""
    given = [each["topic"] for each in value["assignments"]]
    found = []
    if sorted(given) != list(range(1, children + 1)):
        found.append(f"each of the {children} topics needs exactly one parent")
    if any(not 1 <= each["parent"] <= parents for each in value["assignments"]):
        found.append(f"a parent is none of the {parents} offered")
    return found
