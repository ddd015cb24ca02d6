"""The gate: the verdict on every node of the tree, and its re-verification where a release is written (P6,
P8).

Answers the model, which is trusted with nothing, and the engineer, who can materialize any asset in any order
or edit a table: `audit_tree` decides, `refusals` recomputes from the audited table alone what must hold of a
published node, and `verify` adds what needs the vocabularies. Reasons never hold a name, a word or a count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from clio_dagster.analyst.protocol import AuditSample, Summary, Vocabulary
from clio_dagster.privacy.naming import text_faults, word_faults
from clio_dagster.privacy.thresholds import size_reasons
from clio_dagster.settings import Settings
from clio_dagster.tables import AUDITED_SUMMARIES, PUBLISHED, WITHHELD

LOWEST_SCORE = 3
"""Auditor's score from which a summary may be published (paper, privacy auditing)."""

_NO_REASON = pl.lit([], dtype=pl.List(pl.String))


def audit_tree(
    hierarchy: pl.DataFrame,
    *,
    vocabularies: Mapping[str, Vocabulary],
    scores: pl.Series,
    settings: Settings,
    key: bytes,
    standing: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Each node of one tree with its verdict (tables.AUDITED_SUMMARIES, in the order of `hierarchy`).

    A node is published when it passes the size thresholds with its topic's noise (P4; dominance was judged at
    the base clusters, of which only passing ones have nodes), every word and pair of its name and description
    is supported (P5), the detector finds nothing in them and the auditor gave at least 3 (P6), and the name
    is fit to show. `vocabularies` by node_id; a node without one may use generic words alone. `scores` (1 to
    5, null = not judged) align with the rows. `standing` are the topics published on the previous date.

    Raises ValueError where the scores do not align or the frame holds more than one tree.
    """
    if len(scores) != len(hierarchy):
        raise ValueError(f"the hierarchy has {len(hierarchy)} nodes, but {len(scores)} scores were given")
    if hierarchy["clustered_by"].n_unique() > 1:
        raise ValueError("the hierarchy holds more than one tree: audit each on its own")
    nodes = hierarchy.with_columns(scores.cast(pl.Int8).alias("privacy_score"))
    reasons = pl.DataFrame(
        {
            "size": size_reasons(_with_leaves(nodes), settings=settings, key=key, standing=standing),
            "words": _word_reasons(nodes, vocabularies),
            "text": _text_reasons(nodes),
            "tree": _tree_reasons(nodes),
        }
    ).select(pl.concat_list("size", "words", "text", "tree").alias("reasons"))["reasons"]
    reasons = pl.select(
        pl.concat_list(reasons, _repeat_reasons(nodes, reasons.list.len() == 0)).alias("reasons")
    )["reasons"]
    return nodes.with_columns(
        reasons,
        pl.when(reasons.list.len() == 0).then(pl.lit(PUBLISHED)).otherwise(pl.lit(WITHHELD)).alias("status"),
        pl.col("privacy_score").fill_null(1).clip(1, 5),
    ).select(*AUDITED_SUMMARIES.schema)


def audit_samples(tree: pl.DataFrame, vocabularies: Mapping[str, Vocabulary]) -> list[AuditSample]:
    """What auditors see of each node (tables.HIERARCHY), in its order; `vocabularies` by node_id."""
    return [
        AuditSample(Summary(name, description), vocabularies.get(node, Vocabulary()))
        for node, name, description in tree.select("node_id", "name", "description").iter_rows()
    ]


def lowest_scores(
    samples: Sequence[AuditSample], auditors: Sequence[Callable[[Sequence[AuditSample]], list[int]]]
) -> pl.Series:
    """The lowest of the auditors' scores of each (P6): no auditor can talk another out of what it found.

    A score that is none of 1 to 5 is 1, and so are all of an auditor that does not score each.
    """
    lowest = [5] * len(samples)
    for audit in auditors:
        given = audit(samples)
        if len(given) != len(samples):
            given = [1] * len(samples)
        lowest = [
            min(low, score if score in range(1, 6) else 1) for low, score in zip(lowest, given, strict=True)
        ]
    return pl.Series("privacy_score", lowest, dtype=pl.Int8)


def refusals(audited: pl.DataFrame, *, settings: Settings, key: bytes) -> list[str]:
    """What keeps the audited tree from being published, recomputed from it alone; empty when nothing does.

    Every published node must carry no reason, a score of at least 3, a fit name with no detection, counts
    that meet the lowest edge its topic's noise allows (that of a topic that stood before), and a place in the
    tree. What was edited so that none of this shows is caught by `verify`.
    """
    problems: list[str] = []
    wrong = audited.filter(~pl.col("status").is_in([PUBLISHED, WITHHELD]) | pl.col("status").is_null())
    problems += [f"{node}: status is neither {PUBLISHED} nor {WITHHELD}" for node in wrong["node_id"]]
    topics = frozenset(audited["topic"].drop_nulls())
    nodes = audited.with_columns(
        size_reasons(_with_leaves(audited), settings=settings, key=key, standing=topics).alias("size"),
        _text_reasons(audited).alias("text"),
        _tree_reasons(audited).alias("tree"),
        _repeat_reasons(audited, audited["status"] == PUBLISHED).alias("repeat"),
        pl.when(pl.col("reasons").list.len() > 0)
        .then(pl.lit(["published although it has reasons to be withheld"]))
        .otherwise(_NO_REASON)
        .alias("own"),
    ).filter(pl.col("status") == PUBLISHED)
    found = nodes.select("node_id", pl.concat_list("own", "size", "text", "tree", "repeat").alias("reason"))
    return problems + _lines(found)


def verify(
    audited: pl.DataFrame, *, vocabularies: Mapping[str, Vocabulary], settings: Settings, key: bytes
) -> list[str]:
    """`refusals`, and every published name and description held against its vocabulary again (P5)."""
    published = audited.filter(pl.col("status") == PUBLISHED)
    found = published.select("node_id", _word_reasons(published, vocabularies).alias("reason"))
    return refusals(audited, settings=settings, key=key) + _lines(found)


def _lines(found: pl.DataFrame) -> list[str]:
    listed = found.explode("reason").drop_nulls("reason")
    return [f"{node}: {reason}" for node, reason in listed.select("node_id", "reason").iter_rows()]


def _with_leaves(nodes: pl.DataFrame) -> pl.DataFrame:
    """Adds `leaves`, the base clusters beneath each node: so many caps bound what one account moves there."""
    parents = nodes.select("clustered_by", "node_id", "parent_id").unique(["clustered_by", "node_id"])
    at = nodes.filter(pl.col("level") == 0).select("clustered_by", "node_id")
    climbed = [at]
    for _ in range(int(nodes["level"].to_numpy().max(initial=0))):
        at = (
            at.join(parents, on=["clustered_by", "node_id"])
            .drop_nulls("parent_id")
            .select("clustered_by", pl.col("parent_id").alias("node_id"))
        )
        climbed.append(at)
    leaves = pl.concat(climbed).group_by("clustered_by", "node_id").len("leaves")
    return (
        nodes.drop("leaves", strict=False)
        .join(leaves, on=["clustered_by", "node_id"], how="left", maintain_order="left")
        .with_columns(pl.col("leaves").fill_null(1))
    )


def _summaries(nodes: pl.DataFrame) -> list[Summary]:
    return [
        Summary(name or "", description or "")
        for name, description in nodes.select("name", "description").iter_rows()
    ]


def _word_reasons(nodes: pl.DataFrame, vocabularies: Mapping[str, Vocabulary]) -> pl.Series:
    known = [vocabularies.get(node, Vocabulary()) for node in nodes["node_id"]]
    return pl.Series(word_faults(_summaries(nodes), known), dtype=pl.List(pl.String))


def _text_reasons(nodes: pl.DataFrame) -> pl.Series:
    """Detections, form and score: what a node's text alone decides."""
    rules = {
        "not judged by the auditor": pl.col("privacy_score").is_null(),
        f"auditor's score below {LOWEST_SCORE}": pl.col("privacy_score") < LOWEST_SCORE,
    }
    found = pl.Series("found", text_faults(_summaries(nodes)), dtype=pl.List(pl.String))
    return nodes.select(pl.concat_list(found, *_when(rules)).alias("reasons"))["reasons"]


def _repeat_reasons(nodes: pl.DataFrame, candidates: pl.Series) -> pl.Series:
    """Whether a candidate for publishing bears the name of an earlier one on its level; the others need no
    name."""
    name = pl.col("name").fill_null("").str.strip_chars().str.to_lowercase()
    names = nodes.with_row_index("row").filter(candidates)
    repeats = names.filter(~pl.struct("clustered_by", "level", name).is_first_distinct())
    is_repeat = pl.int_range(pl.len()).is_in(repeats["row"].implode())
    return nodes.select(
        pl.concat_list(*_when({"name is another topic's on its level": is_repeat})).alias("repeat")
    )["repeat"]


def _tree_reasons(nodes: pl.DataFrame) -> pl.Series:
    """Whether the node has one place in the tree: an id of its own and a parent on a higher level."""
    parents = nodes.unique(["clustered_by", "node_id"]).select(
        "clustered_by", pl.col("node_id").alias("parent_id"), pl.col("level").alias("parent_level")
    )
    has_parent = pl.col("parent_id").is_not_null()
    rules = {
        "its id is another node's": pl.struct("clustered_by", "node_id").is_duplicated(),
        "its parent is not in the tree": has_parent & pl.col("parent_level").is_null(),
        "its parent is not above it": has_parent & (pl.col("parent_level") <= pl.col("level")),
    }
    return nodes.join(parents, on=["clustered_by", "parent_id"], how="left", maintain_order="left").select(
        pl.concat_list(*_when(rules)).alias("reasons")
    )["reasons"]


def _when(rules: Mapping[str, pl.Expr]) -> list[pl.Expr]:
    return [
        pl.when(broken.fill_null(False)).then(pl.lit([reason])).otherwise(_NO_REASON).alias(f"rule {number}")
        for number, (reason, broken) in enumerate(rules.items())
    ]
