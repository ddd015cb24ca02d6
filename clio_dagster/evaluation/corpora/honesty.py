"""What makes a corpus measure something: names of categories hardly occur in it, and what knows nothing cannot sort it.

A corpus of which either is not so is rejected, whoever wrote it.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

import polars as pl

from clio_dagster.evaluation.corpora.bank import Category, categories
from clio_dagster.evaluation.corpora.corpus import Corpus
from clio_dagster.evaluation.reconstruction import floors

SOLVED = 0.5
"""A corpus of which the nearest name by TF-IDF finds so many, in any language, measures nothing."""

SAID = 0.02
"""Share of requests that may hold a content word of their own category's name."""

FEW = 200
"""Conversations of a language below which its shares are left to the others: they say too little."""

GENERIC = frozenset(
    ("against", "and", "care", "design", "do-it-yourself", "events", "in", "of", "other", "self", "the", "to")
)
"""Words of categories' names that say nothing of them."""

UNSPACED = frozenset({"ar", "ja", "zh"})
"""Languages in which a word may begin without a space before it."""


class DishonestCorpusError(ValueError):
    """A corpus that measures nothing; the message says in which language, and which share."""


def requests_of(corpus: Corpus) -> pl.DataFrame:
    """Corpus.labels with `text`, the first request, and `all_text`, whatever the user wrote."""
    role, text = (pl.element().struct.field(name) for name in ("role", "text"))
    said = pl.col("messages").list.eval(text.filter(role == "user"))
    written = corpus.conversations.select(
        "conversation_id", said.list.first().alias("text"), said.list.join("\n").alias("all_text")
    )
    return corpus.labels.join(written, on="conversation_id", maintain_order="left")


def honesty(corpus: Corpus, kind: str, seed: int = 0) -> pl.DataFrame:
    """How far what knows nothing gets, a row a language: language, conversations, majority, tfidf, shuffled (accuracy
    of `reconstruction.floors`), and names_said, the share of conversations whose user says a content word of the
    category's name, in English or in the language itself."""
    rows = []
    for (language,), asked in sorted(requests_of(corpus).partition_by("language", as_dict=True).items()):
        floor = floors(asked["text"], asked["category"], categories(kind), seed)
        rows.append(
            {
                "language": language,
                "conversations": asked.height,
                **floor,
                "names_said": _said(asked, kind, language),
            }
        )
    return pl.DataFrame(rows)


def check_honest(corpus: Corpus, kind: str, seed: int = 0) -> pl.DataFrame:
    """`honesty`, of a corpus that measures something. Raises DishonestCorpusError for one that does not."""
    found = honesty(corpus, kind, seed)
    judged = found.filter(pl.col("conversations") >= FEW)
    if judged.is_empty():
        weights = pl.col("conversations") / pl.col("conversations").sum()
        judged = found.select(
            pl.lit("all").alias("language"), (pl.col("tfidf", "names_said") * weights).sum()
        )
    for what, most in (("tfidf", SOLVED), ("names_said", SAID)):
        language, share = judged.sort(what, descending=True).select("language", what).row(0)
        if share >= most:
            raise DishonestCorpusError(
                f"the {kind} corpus in {language}: {TELLS[what]} {share:.1%} of it, {MEANS}"
            )
    return found


def worst(found: pl.DataFrame) -> dict[str, tuple[str, float]]:
    """Of `honesty`, the language with the highest `tfidf`, and with the highest `names_said`, and how high.

    Languages with fewer than FEW conversations are left out; where none has so many, it is all of them together.
    """
    judged = found.filter(pl.col("conversations") >= FEW)
    if judged.is_empty():
        weights = pl.col("conversations") / pl.col("conversations").sum()
        judged = found.select(
            pl.lit("all").alias("language"), (pl.col("tfidf", "names_said") * weights).sum()
        )
    return {
        what: judged.sort(what, descending=True).select("language", what).row(0)
        for what in ("tfidf", "names_said")
    }


TELLS = {
    "tfidf": "TF-IDF finds the category's name for",
    "names_said": "a word of the category's name is said in",
}
MEANS = "so that finding its categories again would measure nothing. Vary the requests"


def name_words(name: str) -> list[str]:
    """Content words of an English name, lower case."""
    return [word for word in re.findall(r"[a-z-]{3,}", name.lower()) if word not in GENERIC]


@cache
def said_pattern(language: str, category: Category) -> str:
    """Finds a content word of the category's name: of the English one, or as it begins in the language itself."""
    begins = "|".join(map(re.escape, _own_words()[language][category.id].split()))
    before = "" if language in UNSPACED else r"\b"
    return rf"(?i)\b(?:{'|'.join(name_words(category.name))})\b|{before}(?:{begins})"


@cache
def _own_words() -> dict[str, dict[str, str]]:
    return tomllib.loads((files(__package__) / "names.toml").read_text("utf-8"))


def _said(asked: pl.DataFrame, kind: str, language: str) -> float:
    """Share of one language's rows whose `all_text` says a word of their own category's name."""
    own = asked.partition_by("category", as_dict=True)
    hits = sum(
        int(own[each.id,]["all_text"].str.contains(said_pattern(language, each)).sum())
        for each in categories(kind)
        if (each.id,) in own
    )
    return hits / asked.height
