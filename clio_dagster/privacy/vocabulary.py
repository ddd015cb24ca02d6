"""P5: which words, and which pairs of words, enough accounts of a cluster used for a name to use them.

Answers the colluder, who seeds every candidate word from one account too few and would see exactly the word that a
target used: the comparison is never against a bare minimum, but each count meets it with noise, drawn once per topic
and word, and words are ranked by the noised count. Two words that many used are no licence for the statement that one
person made of them, so pairs within a clause need support of their own. Inflected forms of a word count together
(inflection.py). How the words are cut is in segmentation.py, which are generic in word_lists.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Vocabulary
from clio_dagster.privacy.alike import capped_support, crowd_of, groups_alike
from clio_dagster.privacy.inflection import base_forms
from clio_dagster.privacy.noise import two_sided_geometric
from clio_dagster.privacy.segmentation import segment
from clio_dagster.privacy.word_lists import (
    every_generic_word,
    free_phrases,
    generic_words,
    is_generic,
    sensitive_words,
)
from clio_dagster.settings import Settings

__all__ = [
    "generic_words",
    "is_generic",
    "parent_vocabulary",
    "support",
    "tokenize",
    "violations",
    "violations_of",
]

_FLOOR_ACCOUNTS = 2
"""Whatever the noise says, a word or pair that fewer accounts used is not supported: no single account's word.

Without it, one account's own word would pass once in 1,500 words at the default settings, and a day has many. It has
a price: what two accounts used passes now and then, where with one of them it never would. That happens once in 550
words (240 of a kind that can hurt) and once in 27 pairs.
"""

_CAPITALISED_SHARE = 0.5
"""Share of a word's uses inside a clause with a capital from which it is taken for a proper noun."""

_MOST_WORDS_PER_CLAUSE = 40
"""Supported words of one clause that are paired, the most widely used first: bounds what a pasted list
costs."""

_PAIR_ROWS = 4_000_000
"""Rows of word pairs held in memory at once."""


def tokenize(texts: pl.Series, languages: pl.Series) -> pl.DataFrame:
    """Words of each text: `row` (UInt32, position), `clause` (UInt32, from 0 within the text), `word`
    (folded)."""
    return segment(texts, languages).select("row", "clause", "word")


def support(
    members: pl.DataFrame, *, settings: Settings, key: bytes, traffic: np.ndarray | None = None
) -> dict[int, Vocabulary]:
    """The words and pairs that each cluster's accounts support (P5), and the words' class-based weights.

    `members` are counted conversations: cluster_id, topic, account, language, text, and conversation_id and
    started_at where known; `traffic` as for `alike.groups_alike`. A null account supports nothing, and accounts
    that act alike no more than a third of what is needed. A word's weight is its share of the cluster's accounts
    times the logarithm of that share over the mean share in all clusters, never below 0; both of noised counts. Every
    cluster given has a vocabulary, an empty one where nothing is supported.
    """
    clusters = members.select("cluster_id", "topic").unique(maintain_order=True)
    used = _words_used(_with_groups(members, traffic, settings))
    words = _supported_words(used, clusters, settings=settings, key=key)
    pairs = _supported_pairs(used, words, settings=settings, key=key)
    ordered = words.sort("cluster_id", "word")
    pairs_by_cluster = {
        cluster: frozenset(map(frozenset, group.select("first", "second").iter_rows()))
        for (cluster,), group in pairs.group_by("cluster_id")
    }
    found = {
        cluster: Vocabulary(
            dict(group.select("word", "weight").iter_rows()),
            pairs_by_cluster.get(cluster, frozenset()),
            dict(group.select("word", "share").iter_rows()),
        )
        for (cluster,), group in ordered.group_by("cluster_id", maintain_order=True)
    }
    return {cluster: found.get(cluster, Vocabulary()) for cluster in clusters["cluster_id"].sort()}


def parent_vocabulary(children: Sequence[Vocabulary]) -> Vocabulary:
    """The words supported under at least two children, and the pairs of such words that a child supports
    (P5).

    A word's weight is the sum of its children's over their number, so that what all share comes first.
    """
    under: dict[str, list[float]] = {}
    for child in children:
        for word, weight in child.words.items():
            under.setdefault(word, []).append(weight)
    words = {
        word: sum(weights) / len(children) for word, weights in sorted(under.items()) if len(weights) >= 2
    }
    pairs = frozenset(
        pair for child in children for pair in child.pairs if all(word in words for word in pair)
    )
    return Vocabulary(words, pairs)


def violations(text: str, vocabulary: Vocabulary) -> list[str]:
    """What in a name or description breaks P5, as reasons that never hold the words; empty when nothing
    does.

    A reviewed category label is free as it stands; its words elsewhere are like any others.
    """
    return violations_of([text], [vocabulary])[0]


def violations_of(texts: Sequence[str], vocabularies: Sequence[Vocabulary]) -> list[list[str]]:
    """`violations` of each text under the vocabulary beside it; all texts are cut into words at once."""
    bare = [_without_free_phrases(text) for text in texts]
    # A run of Han alone may be Chinese or Japanese; the vocabulary was cut as the one or the other.
    readings = [
        (place, language)
        for place, text in enumerate(bare)
        for language in (("",) if _same_without_language(text) else ("zh", "ja"))
    ]
    tokens = tokenize(
        pl.Series([bare[place] for place, _ in readings], dtype=pl.String),
        pl.Series([language for _, language in readings], dtype=pl.String),
    )
    generic = every_generic_word()
    told: list[set[tuple[int, str]]] = [set() for _ in readings]
    for row, clause, word in tokens.iter_rows():
        if word not in generic:
            told[row].add((clause, word))
    found: dict[int, list[str]] = {}
    for (place, _), words in zip(readings, told, strict=True):
        reasons = _reasons(words, vocabularies[place])
        found[place] = min(found.get(place, reasons), reasons, key=len)
    return [found[place] for place in range(len(texts))]


def _without_free_phrases(text: str) -> str:
    """The text with a generic word in the place of each free phrase, so that what stood around a phrase stays
    in one clause."""
    return _free_phrases().sub("topic", text.replace("’", "'"))


@cache
def _free_phrases() -> re.Pattern[str]:
    longest_first = sorted(free_phrases(), key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<![\w'-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w'-])", re.IGNORECASE)


def _same_without_language(text: str) -> bool:
    return re.search("[\u3400-\u9fff\uf900-\ufaff]", text) is None


def _reasons(told: set[tuple[int, str]], vocabulary: Vocabulary) -> list[str]:
    """What breaks P5 of the clauses and their words that are not generic."""
    unsupported = {word for _, word in told if word not in vocabulary.words}
    known = sorted((clause, word) for clause, word in told if word in vocabulary.words)
    pairs = {
        frozenset((first, second))
        for (clause, first), (other, second) in combinations(known, 2)
        if clause == other
    }
    missing = len(pairs - vocabulary.pairs)
    reasons = []
    if unsupported:
        reasons.append(f"{len(unsupported)} word{'s lack' if len(unsupported) > 1 else ' lacks'} support")
    if missing:
        reasons.append(f"{missing} pair{'s' if missing > 1 else ''} of words in one clause without support")
    return reasons


def _with_groups(members: pl.DataFrame, traffic: np.ndarray | None, settings: Settings) -> pl.DataFrame:
    """`members` that support anything, with `group`: of accounts that act alike, null where alone."""
    known = members.filter(pl.col("account").is_not_null() & pl.col("text").is_not_null())
    if "conversation_id" not in known.columns:
        known = known.with_row_index("conversation_id").with_columns(
            pl.col("conversation_id").cast(pl.String)
        )
    return known.with_columns(groups_alike(known, traffic, crowd_of(settings.min_accounts)).alias("group"))


def _words_used(known: pl.DataFrame) -> pl.DataFrame:
    """Distinct non-generic words: cluster_id, account, group, row (of the text), clause, word, form (its base
    form), hurts (whether either is of a kind that can hurt)."""
    # A text that many wrote is cut once.
    distinct = known.select("text", "language").unique(maintain_order=True).with_row_index("row")
    tokens = segment(distinct["text"], distinct["language"])
    generic = pl.Series(sorted(every_generic_word()), dtype=pl.String)
    tokens = tokens.filter(~pl.col("word").is_in(generic.implode()))
    tokens = tokens.join(_proper_nouns(tokens, distinct), on="word", how="anti")
    languages = tokens.join(distinct.select("row", "language"), on="row", maintain_order="left")["language"]
    tokens = tokens.with_columns(base_forms(tokens["word"], languages))
    sensitive = pl.Series(sorted(sensitive_words()), dtype=pl.String).implode()
    hurts = pl.col("word").is_in(sensitive) | pl.col("form").is_in(sensitive)
    tokens = tokens.select("row", "clause", "word", "form", hurts.alias("hurts")).unique()
    people = known.select("cluster_id", "account", "group", "text", "language").unique()
    return (
        people.join(distinct, on=["text", "language"], nulls_equal=True)
        .select("cluster_id", "account", "group", "row")
        .join(tokens, on="row")
    )


def _proper_nouns(tokens: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Words that are mostly written with a capital inside a clause: names of people, places and firms (`word`).

    A name is no less a name for being used by many, and nothing published needs one (paper, G.4). German
    capitalises every noun, and says nothing; nor do words all in capitals, which are acronyms or shouting.
    """
    cased = tokens.join(texts.select("row", "language"), on="row").filter(
        (pl.col("language") != "de")
        & (pl.col("gap") != "")
        & (pl.col("surface").str.to_uppercase() != pl.col("surface"))
    )
    is_capitalised = pl.col("surface").str.slice(0, 1) != pl.col("word").str.slice(0, 1)
    return (
        cased.group_by("word")
        .agg(share=is_capitalised.mean())
        .filter(pl.col("share") > _CAPITALISED_SHARE)
        .select("word")
    )


def _supported_words(
    used: pl.DataFrame, clusters: pl.DataFrame, *, settings: Settings, key: bytes
) -> pl.DataFrame:
    """cluster_id, topic, form, hurts, word, share, weight of every word whose base form enough accounts used.

    Share and weight are of the form's noised count, so that which of several supported words leads says no more than
    that each is supported.
    """
    forms = (
        _accounts(
            used.rename({"word": "surface", "form": "word"}),
            settings.word_min_accounts,
            settings.sensitive_word_min_accounts,
        )
        .rename({"word": "form"})
        .join(clusters, on="cluster_id")
    )
    sizes = used.group_by("cluster_id").agg(size=pl.col("account").n_unique())
    share = (pl.col("noised") / pl.col("size")).clip(0.0, 1.0)
    everywhere = pl.col("share").sum().over("form") / max(len(sizes), 1)
    weight = (pl.col("share") * (pl.col("share") / everywhere).log()).clip(lower_bound=0.0)
    supported = (
        _noised(forms, ["topic", "form"], "word", settings=settings, key=key)
        .join(sizes, on="cluster_id")
        .sort("cluster_id", "form")  # the last digit of a sum hangs on its order
        .with_columns(share=share)
        .with_columns(weight=weight)
        .filter(pl.col("noised") >= pl.col("needed"))
    )
    surfaces = used.group_by("cluster_id", "form", "word").agg(accounts=pl.col("account").n_unique())
    return (
        supported.drop("accounts")
        .join(surfaces.filter(pl.col("accounts") >= _FLOOR_ACCOUNTS), on=["cluster_id", "form"])
        .select("cluster_id", "topic", "form", "hurts", "word", "share", "weight")
    )


def _supported_pairs(
    used: pl.DataFrame, words: pl.DataFrame, *, settings: Settings, key: bytes
) -> pl.DataFrame:
    """cluster_id, first, second (unordered) of the pairs that pass, their base forms counted together.

    Only supported words are paired. What is said of an illness or a place needs as many accounts as a word does.
    """
    forms = words.select("cluster_id", "topic", "form", "hurts", "share").unique()
    clause = ["cluster_id", "topic", "account", "group", "row", "clause"]
    kept = (
        used.select("cluster_id", "account", "group", "row", "clause", "form")
        .unique()
        .join(forms, on=["cluster_id", "form"])
        .sort(*clause, "share", "form")
        .filter(pl.col("share").rank("ordinal", descending=True).over(clause) <= _MOST_WORDS_PER_CLAUSE)
        .select(*clause, "form", "hurts")
    )
    rows = kept.group_by(clause).len()
    rows = rows.group_by("cluster_id").agg(rows=(pl.col("len") ** 2).sum()).sort("cluster_id")
    batches = rows.with_columns(batch=pl.col("rows").cum_sum() // _PAIR_ROWS).select("cluster_id", "batch")
    counted = [
        _count_pairs(kept.join(batch, on="cluster_id"), clause, settings)
        for _, batch in batches.group_by("batch", maintain_order=True)
    ]
    schema: dict[str, Any] = {
        "cluster_id": used.schema["cluster_id"],
        "first": pl.String,
        "second": pl.String,
    }
    if not counted:
        return pl.DataFrame(schema=schema)
    counts = pl.concat(counted).rename({"word": "first"})
    passing = _noised(counts, ["topic", "first", "second"], "pair", settings=settings, key=key).filter(
        pl.col("noised") >= pl.col("needed")
    )
    surfaces = words.select("cluster_id", "form", "word")
    return (
        passing.select("cluster_id", "first", "second")
        .join(surfaces, left_on=["cluster_id", "first"], right_on=["cluster_id", "form"])
        .join(surfaces, left_on=["cluster_id", "second"], right_on=["cluster_id", "form"], suffix="_second")
        .select("cluster_id", first="word", second="word_second")
    )


def _count_pairs(kept: pl.DataFrame, clause: list[str], settings: Settings) -> pl.DataFrame:
    pairs = (
        kept.join(kept, on=clause, suffix="_second", nulls_equal=True)
        .filter(pl.col("form") < pl.col("form_second"))
        .select(
            *("cluster_id", "topic", "account", "group"),
            word="form",
            second="form_second",
            hurts=pl.col("hurts") | pl.col("hurts_second"),
        )
    )
    sensitive_minimum = max(settings.pair_min_accounts, settings.word_min_accounts)
    return _accounts(pairs, settings.pair_min_accounts, sensitive_minimum, "topic", "second")


def _accounts(used: pl.DataFrame, minimum: int, sensitive_minimum: int, *also: str) -> pl.DataFrame:
    """Accounts that support each word (`alike.capped_support`), from _FLOOR_ACCOUNTS on: cluster_id, word, `also`,
    accounts, needed, hurts."""
    cell = ["cluster_id", "word", *also]
    known = used.with_columns(pl.col("hurts").any().over(cell)).with_columns(
        needed=pl.when("hurts").then(sensitive_minimum).otherwise(minimum)
    )
    return (
        capped_support(known, *also)
        .filter(pl.col("accounts") >= _FLOOR_ACCOUNTS)
        .join(known.select(*cell, "hurts").unique(), on=cell, maintain_order="left")
    )


def _noised(
    counts: pl.DataFrame, cell: list[str], purpose: Literal["word", "pair"], *, settings: Settings, key: bytes
) -> pl.DataFrame:
    """`counts` (of `_accounts`) with `noised`: accounts, and noise drawn for the cell that the columns name."""
    parts = []
    for hurts in (False, True):
        part = counts.filter(pl.col("hurts") == hurts)
        noise = two_sided_geometric(
            part.select(pl.concat_str(cell, separator="\x1f")).to_series(),
            key=key,
            purpose=purpose,
            epsilon=settings.epsilon_of("sensitive" if hurts else purpose),
        )
        parts.append(part.with_columns(noised=pl.col("accounts") + noise))
    return pl.concat(parts)
