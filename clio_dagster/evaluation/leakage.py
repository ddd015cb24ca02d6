"""Private items planted in corpora of known categories, and how far each comes (Clio, appendix D, Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.evaluation.attacks import canaries
from clio_dagster.evaluation.corpora.bank import HELD_OUT, load_bank
from clio_dagster.evaluation.corpora.corpus import Corpus
from clio_dagster.evaluation.given import Analysed, analyse
from clio_dagster.evaluation.intervals import Share
from clio_dagster.evaluation.pipeline import Site
from clio_dagster.evaluation.private_items import PAIR, UNKNOWN, Items
from clio_dagster.facets import CLUSTERED_BY
from clio_dagster.synthetic.canaries import Canary
from clio_dagster.tables import PUBLISHED

PLANTED_SHARE = 0.1
"""Share of conversations with an item: about what the paper's auditor found in raw conversations (its Figure 5)."""

COMMON_SHARE = 0.8
"""Share of the others, in languages with rare pairs, that use a word of a pair (as in canaries.py)."""

REPEATED = 0.5
"""How often an account that told an item of a kind that no detector knows tells the same one again."""

STAGES = ("raw", "facet", "cluster", "published")
"""`cluster`: what a cluster's namer is given, and names before the gate."""

PAPER: Mapping[str, float] = {"raw": 0.10, "facet": 0.015, "published": 0.0}
"""Share rated 1 or 2 by the paper's auditor (Figure 5): conversations, their summaries, what is shown of clusters."""


def plant(corpus: Corpus, seed: int) -> tuple[Corpus, pl.DataFrame]:
    """The corpus with an item in PLANTED_SHARE of its conversations, and canaries.PLANTED.

    An item stands in the first request. What one account told may return in its other conversations, in no other's.
    """
    random = Random(f"{seed} planted")
    joiners = {
        language: load_bank(language, HELD_OUT).joiner for language in corpus.labels["language"].unique()
    }
    topics = sorted(corpus.labels["category"].unique())
    items = Items(random, topics, sorted(joiners))
    told: dict[tuple[str, str], Canary] = {}
    messages: list[list[dict[str, str]]] = []
    rows: list[tuple[str, str, str, str]] = []
    labelled = corpus.conversations.join(
        corpus.labels.select("conversation_id", "category"), on="conversation_id", maintain_order="left"
    )
    for identifier, account, language, category, said in labelled.select(
        "conversation_id", "account", "language", "category", "messages"
    ).iter_rows():
        sentence = ""
        if random.random() < PLANTED_SHARE:
            item = told.get((account, language)) if account and random.random() < REPEATED else None
            item = item or items.draw(category, language)
            if account and item.kind in UNKNOWN:
                told[account, language] = item
            rows.append((identifier, language, item.kind, item.text))
            sentence = item.sentence
        elif random.random() < COMMON_SHARE:
            sentence = items.common(category, language)
        messages.append(_with(said, sentence, joiners[language], before=random.random() < 0.5))
    planted = corpus.conversations.with_columns(
        pl.Series("messages", messages, dtype=corpus.conversations.schema["messages"])
    )
    return Corpus(planted, corpus.labels), pl.DataFrame(rows, schema=canaries.PLANTED, orient="row")


def _with(said: list[dict[str, str]], sentence: str, joiner: str, *, before: bool) -> list[dict[str, str]]:
    if not sentence:
        return said
    asked, *others = said
    parts = (sentence, asked["text"]) if before else (asked["text"], sentence)
    return [{**asked, "text": joiner.join(parts)}, *others]


def leak(corpus: Corpus, analyst: Analyst, site: Site, seed: int) -> tuple[Analysed, pl.DataFrame]:
    """The corpus with items after every stage, and where each item is found: canaries.PLANTED, a Boolean for each of
    STAGES, `read`, whether the conversation was, and `met`, whether its text stands in anything published.

    What is named and published is made of facets alone: a rare pair that no facet holds has not come there, even where
    its words meet because others used each of them. That is `met`, and not `published`.
    """
    with_items, planted = plant(corpus, seed)
    done = analyse(with_items, analyst, site)
    found = canaries.found_in(
        canaries.Corpus(with_items.conversations, planted),
        done.facets,
        done.made,
        [*done.made.texts(), *done.figures.cells["value"].unique()],
    )
    was_read = pl.col("conversation_id").is_in(done.facets["conversation_id"].implode()).alias("read")
    came = (pl.col("kind") != PAIR) | pl.col("facet").any().over("text")
    found = found.with_columns(
        was_read, met="published", **{stage: pl.col(stage) & came for stage in ("cluster", "published")}
    )
    return done, found.select(*canaries.PLANTED, *STAGES, "read", "met")


def shares(found: pl.DataFrame, conversations: int) -> pl.DataFrame:
    """Of so many conversations, those with an item at each stage: stage, conversations, with_an_item, share and its
    exact interval, paper."""
    rows = []
    for stage in STAGES:
        share = Share(int(found[stage].sum()), conversations)
        low, high = share.interval()
        rows.append(
            {
                "stage": stage,
                "conversations": share.n,
                "with_an_item": share.hits,
                "share": share.value,
                "low": low,
                "high": high,
                "paper": PAPER.get(stage),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"paper": pl.Float64})


def by(found: pl.DataFrame, column: str) -> pl.DataFrame:
    """The column's values, how many items of each, and which share of them is found at each stage."""
    return (
        found.group_by(column)
        .agg(pl.len().alias("items"), pl.col("read").mean(), *(pl.col(stage).mean() for stage in STAGES))
        .sort(column)
    )


def scored(done: Analysed) -> pl.DataFrame:
    """What the auditors gave the names: score from 5 down to 1, names (before the gate), share of them, and how many
    of them are published."""
    judged = done.made.audited.filter(clustered_by=CLUSTERED_BY)
    counted = judged.group_by("privacy_score").agg(
        pl.len().alias("names"), (pl.col("status") == PUBLISHED).sum().alias("published")
    )
    return (
        pl.DataFrame({"score": pl.Series([5, 4, 3, 2, 1], dtype=pl.Int8)})
        .join(counted, left_on="score", right_on="privacy_score", how="left", maintain_order="left")
        .fill_null(0)
        .with_columns((pl.col("names") / max(1, judged.height)).alias("share"))
        .select("score", "names", "share", "published")
    )
