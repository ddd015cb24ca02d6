"""What the pipeline asks of an analyst, whoever it is.

Every task that needs judgement is one method. An analyst is trusted with nothing: what it answers passes the
same privacy layers, whether a model or plain code wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Summary:
    """A topic's name (at most ten words) and description (at most two sentences)."""

    name: str
    description: str


@dataclass(frozen=True)
class Refusal:
    """No name, although the analyst was asked twice, and why: reasons that hold no word of what it said."""

    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The words that a cluster's own accounts support, the only non-generic ones its name may use (P5).

    `words` maps each supported word, case-folded, to its class-based weight in this cluster (accounts that used
    it here against elsewhere; higher is more telling). `pairs` holds the unordered pairs of supported words that
    enough accounts used within one clause. `shares` is the share of the cluster's accounts that used each word,
    where it is known. Weights and shares are of noised counts: whoever ranks words by them learns no more than the
    noise allows.
    """

    words: dict[str, float] = field(default_factory=dict)
    pairs: frozenset[frozenset[str]] = frozenset()
    shares: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class NamingSample:
    """What a namer sees of a base cluster: at most 50 facets of members and the 50 nearest outsiders (paper, G.5)."""

    inside: Sequence[str]
    outside: Sequence[str]
    vocabulary: Vocabulary
    language: str  # the language that most of its accounts write in
    centroid: np.ndarray  # float32, unit length
    refused_for: Sequence[str] = ()  # what was wrong with the last answer, where it is asked again


@dataclass(frozen=True)
class Node:
    """A topic as the hierarchizer handles it: its summary and a unit vector."""

    summary: Summary
    vector: np.ndarray


@dataclass(frozen=True)
class ParentSample:
    """What a renamer sees of a parent: its children, and the words that at least two of them support."""

    children: Sequence[Node]
    weights: Sequence[int]  # conversations of each child, for judging what is typical
    vocabulary: Vocabulary
    language: str
    refused_for: Sequence[str] = ()


@dataclass(frozen=True)
class AuditSample:
    """What an auditor sees of a topic: its summary, and the words that its own accounts support."""

    summary: Summary
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Watch:
    """What conversations are screened for: a question of the site's, and what tells where the answer is yes.

    A model reads the question. Plain code has the rest: `keywords` by language (ISO 639-1, or `any`), words or
    phrases of which one in a user's message is a yes, `vote*` for each word that begins so; and `examples` of what
    is asked, in any language that the embedder knows. Raises ValueError for an empty question or example, and for a
    keyword without a letter or digit.
    """

    question: str
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise ValueError("a watch needs a question: write what conversations are screened for")
        for language, listed in self.keywords.items():
            for keyword in listed:
                if not any(map(str.isalnum, keyword)):
                    raise ValueError(
                        f"keyword {keyword!r} of {language} has no letter and no digit: it would be in every text"
                    )
        if not all(map(str.strip, self.examples)):
            raise ValueError(f"an example of {self.question!r} is empty: write what a user would ask")


class Analyst(Protocol):
    """Reads conversations, names topics, arranges them and judges what they give away."""

    name: str
    version: str

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        """Facets of each conversation (tables.RAW_CONVERSATIONS rows of one slice, in any order).

        Returns one row a conversation: conversation_id, status, request, task, concerning, refused; the last
        four are null unless status is `read`. It may have a column for each of the site's own facets
        (`settings.facets`); one that is missing is null throughout, and what a facet does not allow becomes null.
        """
        ...

    def screen(self, conversations: pl.DataFrame, watch: Watch) -> pl.DataFrame:
        """Whether each conversation has to do with a question of the site's (paper, G.3).

        `conversations` are rows of tables.RAW_CONVERSATIONS, of any languages, and may have `request` (the facet, null
        where unread) and `vector` (the request's, of the pipeline's embedder), which spare making them anew. Returns
        conversation_id and relates, Boolean, in the given order: null where the language is not understood or no
        answer came. Each answer depends on its own conversation alone (P11), but for the last bits of a vector.
        """
        ...

    def name_clusters(self, samples: Sequence[NamingSample]) -> Sequence[Summary | Refusal]:
        """Names for base clusters, distinct from one another, each from its own vocabulary."""
        ...

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        """About `wanted` parents (at least half, at most one and a half times) for one neighbourhood."""
        ...

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        """The proposals of all neighbourhoods, merged to about `wanted` distinct ones."""
        ...

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        """For each child, the index of the one parent that fits it best."""
        ...

    def rename(self, parents: Sequence[ParentSample]) -> Sequence[Summary | Refusal]:
        """Names for parents from the children that they were given, distinct from one another."""
        ...

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        """Privacy score of each, from 1 (names a person) to 5 (fully general)."""
        ...
