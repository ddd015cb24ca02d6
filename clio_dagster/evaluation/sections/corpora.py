"""The corpora that everything else is measured on: how varied they are, and how far what knows nothing gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from clio_dagster.evaluation.corpora.bank import KINDS
from clio_dagster.evaluation.corpora.corpus import Corpus
from clio_dagster.evaluation.corpora.honesty import SAID, SOLVED, honesty, requests_of, worst
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.section import Bar, Section

DISTINCT = 0.9
"""Share of first requests that must differ from all others."""

TAIL = 0.25
"""Share of conversations that the tenth of accounts which talk most must hold: people's accounts are not alike."""

ABOUT = """
Two corpora, ordinary (20 categories) and concerning (18), in the paper's fifteen languages, made as the paper made its
own (appendix C.2): category, subcategory, request, conversation. The paper's were written by Claude; these come from
grammars and phrase banks that this project wrote for each language, so they cost nothing and are the same for the same
seed. `clio evaluate corpus --by claude` has Claude write them.

Corpus and offline analyst have the same authors, so a high score could mean that one repeats the other's words. What
answers that: neither imports a word list of the other; categories, requests and what fills them are cut in two by hash,
whatever is tuned is tuned on one half, and this document tells of the other; and a corpus is rejected whose categories
are named in what people write, or found by the nearest name alone.

- `distinct`: share of first requests that are unlike every other. What surrounds a request (greeting, context, what is
  asked of the answer) makes most of that: `cores` counts subcategory and what fills the slots alone, so each is
  repeated by several people, as a topic's requests are.
- `top_tenth`: share of conversations that the tenth of accounts which talk most has. Accounts have one language and at
  most four categories, so languages and categories come out even only on average.
- `majority`, `tfidf`, `shuffled`: accuracy of the most frequent category, of the nearest name and description by
  TF-IDF, and of shuffled labels. Names are English: in other languages TF-IDF has next to nothing to go by.
- `names_said`: share of conversations whose user says a content word of the category's name, in English or in the
  conversation's own language.

The concerning corpus has requests and refusals, and nothing that would help anybody do harm: how a real conversation of
that kind goes on, it does not tell. Neither corpus is typed by people; where real labels are at hand, what they say
counts for more.
""".strip()


def section(given: Given) -> Section:
    """What the corpora are, in all and by language."""
    bars: list[Bar] = []
    overall, by_language = [], []
    for kind in KINDS:
        corpus = given.corpus(kind)
        asked = requests_of(corpus)
        row = {"corpus": kind, **_variety(corpus, asked), **_accounts(corpus)}
        overall.append(row)
        floors = honesty(corpus, kind, given.seed)
        own = asked.group_by("language").agg(
            (pl.col("text").n_unique() / pl.len()).alias("distinct"),
            pl.struct("category", "subcategory", "slots").n_unique().alias("cores"),
            pl.col("text").str.len_chars().median().alias("characters"),
        )
        joined = floors.join(own, on="language", maintain_order="left")
        by_language.append(joined.select(pl.lit(kind).alias("corpus"), pl.all()))
        highest = worst(floors)
        bars += [
            Bar(f"distinct requests, {kind}", row["distinct"], at_least=DISTINCT, n=asked.height),
            Bar(
                f"most talkative tenth of accounts, {kind}",
                row["top_tenth"],
                at_least=TAIL,
                n=row["accounts"],
            ),
            Bar(f"TF-IDF in its best language, {kind}", highest["tfidf"][1], at_most=SOLVED, n=asked.height),
            Bar(
                f"names said in one language, {kind}",
                highest["names_said"][1],
                at_most=SAID,
                n=asked.height,
            ),
        ]
    tables = {"In all": pl.DataFrame(overall), "By language": pl.concat(by_language)}
    return Section("corpora", "The corpora", ABOUT, bars, tables)


def _variety(corpus: Corpus, asked: pl.DataFrame) -> dict[str, Any]:
    length, turns = asked["text"].str.len_chars(), corpus.conversations["turns"]
    return {
        "conversations": asked.height,
        "categories": asked["category"].n_unique(),
        "subcategories": asked.select("category", "subcategory").n_unique(),
        "distinct": asked["text"].n_unique() / asked.height,
        **{f"characters_p{part}": length.quantile(part / 100) for part in (10, 50, 90)},
        "several_turns": float((turns > 2).to_numpy().mean()),
        "several_requests": float(asked["also"].is_not_null().to_numpy().mean()),
        "refused": float(asked["refused"].to_numpy().mean()),
    }


def _accounts(corpus: Corpus) -> dict[str, Any]:
    sizes = np.sort(corpus.conversations["account"].value_counts()["count"].to_numpy())[::-1]
    return {
        "accounts": len(sizes),
        "top_tenth": float(sizes[: max(1, len(sizes) // 10)].sum() / sizes.sum()),
        "largest_account": int(sizes[0]),
    }
