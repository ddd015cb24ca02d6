"""The words that each node of a tree may use: a base cluster's own, a parent's those of two children at least (P5)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from clio_dagster.analyst.protocol import Vocabulary
from clio_dagster.privacy.vocabulary import parent_vocabulary


def by_node(tree: pl.DataFrame, base: Mapping[int, Vocabulary]) -> dict[str, Vocabulary]:
    """Vocabularies by node_id. `tree`: node_id, parent_id, level; `base`: by cluster_id, base nodes being `0-ID`."""
    found: dict[str, Vocabulary] = {}
    children: dict[str, list[Vocabulary]] = {}
    for node, parent, level in tree.sort("level").select("node_id", "parent_id", "level").iter_rows():
        if level == 0:
            found[node] = base.get(int(node.split("-")[-1]), Vocabulary())
        else:
            found[node] = parent_vocabulary(children.get(node, []))
        if parent is not None:
            children.setdefault(parent, []).append(found[node])
    return found
