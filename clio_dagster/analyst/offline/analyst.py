"""The offline analyst: every task that needs judgement, done by plain code. No network, no model beyond the
embedder.

It claims no understanding: requests are read by pattern (extract.py), a site's questions are answered by keyword and
example (screen.py), topics are named by phrases that enough accounts share and by the nearest category labels
(topics.py), parents by labels alone (parents.py), and the auditor knows what personal data look like, not who is who
(audit.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from clio_dagster.analyst.offline.audit import audit_summaries
from clio_dagster.analyst.offline.headings import Headings
from clio_dagster.analyst.offline.parents import (
    assign_parents,
    deduplicate_parents,
    propose_parents,
    rename_parents,
)
from clio_dagster.analyst.offline.topics import name_topics
from clio_dagster.analyst.protocol import AuditSample, NamingSample, Node, ParentSample, Summary, Watch

if TYPE_CHECKING:
    from clio_dagster.embedding import Embedder


class OfflineAnalyst:
    """`analyst.protocol.Analyst` in plain code: the same answers for the same input, whatever the order of
    runs."""

    name = "offline"
    version = "5"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._headings = Headings(embedder)

    def extract(self, conversations: pl.DataFrame) -> pl.DataFrame:
        """Facets of each conversation; those in a language that the embedder does not know are not
        understood."""
        from clio_dagster.analyst.offline.extract import extract

        return extract(conversations, embedder=self._embedder)

    def screen(self, conversations: pl.DataFrame, watch: Watch) -> pl.DataFrame:
        """Whether each conversation has a keyword of the watch's, or asks for what is near one of its examples."""
        from clio_dagster.analyst.offline.screen import screen

        return screen(conversations, watch, embedder=self._embedder)

    def name_clusters(self, samples: Sequence[NamingSample]) -> list[Summary]:
        """Names for base clusters, distinct from one another, each from its own vocabulary."""
        return name_topics(samples, self._headings)

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        """Parents of the topics inside; those outside only show a model where the border runs, and are not
        needed."""
        return propose_parents(inside, wanted, self._headings)

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        return deduplicate_parents(proposed, wanted, self._headings)

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        return assign_parents(children, parents, self._headings)

    def rename(self, parents: Sequence[ParentSample]) -> list[Summary]:
        return rename_parents(parents, self._headings)

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        return audit_summaries(samples)
