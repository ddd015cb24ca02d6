"""Labels that others gave found again, before those of the project's own corpora."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from clio_dagster.evaluation.corpora.corpus import Corpus
from clio_dagster.evaluation.found_again import ALL, COLUMNS, Found, accuracy_bar, find_again
from clio_dagster.evaluation.given import Given, analyse
from clio_dagster.evaluation.labelled import (
    CLINC150,
    SETS,
    XSTEST,
    LabelledSet,
    categories_of,
    read_set,
    sets_in,
)
from clio_dagster.evaluation.reconstruction import interval, scores
from clio_dagster.evaluation.section import Section
from clio_dagster.facets import facets_of

CONCERNING_FROM = 3
"""The middle of the scale of 1 to 5; a conversation from there up is taken for unsafe."""

SAFE, UNSAFE = "safe", "unsafe"

FINER = frozenset({f"{CLINC150.title}, intent"})
"""Labels finer than base clusters, of which nothing is promised: 150 of them, where base clusters of 100 conversations
are aimed at."""

ABOUT = f"""
Requests that others wrote and labelled, taken through the engine as a site's own, and their labels found again as
the categories of the project's own are: base clusters as ever, the level above fixed to the labels, and the analyst's
own step assigns each base cluster to one. Every conversation counts; one that was not read, or is in no base cluster,
is found in none. No
text and no label is the project's, so these figures stand above those of its own corpora. They are not blind, either:
the default embedder and clusterer were chosen by how they do on CLINC150 and SIB-200, names of topics were looked at on
them, and docs/concern.md tells what the concern lists share with XSTest.

Names of categories are the sets' own labels in plain words ("kitchen_and_dining" is "Kitchen and dining") with nothing
added, so what a bare label does not say ("meta" is a voice assistant's settings) the analyst is not told. Accounts and
times are made up, as the sets have none. Languages are the sets' own. Of a set at most as many conversations are drawn
as both synthetic corpora have together; each is read by the analyst, which a model is paid for.

{COLUMNS}

The bar on topics is the nearest name by TF-IDF: who does not beat it could do without Clio. An intent of CLINC150 has
at most 150 conversations and base clusters aim at 100 or more, so intents are told and not promised. XSTest's
prompts are too few for clusters and their types are no topics; there the concern that the analyst gave, from
{CONCERNING_FROM} up, stands for "unsafe", each prompt by itself. Its safe prompts are made to sound unsafe, and its
unsafe ones like them, so it is harder than traffic; its bar is the most frequent label.

What it does not tell: requests to a voice assistant and sentences of the news are shorter and plainer than
conversations. SIB-200 is the same sentences in every language, so its clusters are easier to fill than a site's.
""".strip()

TITLE = "Real labels found again"


def section(given: Given) -> Section:
    """The tables of reconstruction over the labelled sets that `given.data` holds, and concern on XSTest.

    Raises FileNotFoundError and ValueError as `sets_in` and `read_set` do.
    """
    data = given.data
    if data is None:
        return Section("real_labels", TITLE, _how_to_give(), [])
    there = sets_in(data)
    founds = [found for each in there if each.topics for found in _found(given, each, data)]
    bars = [found.bar(f"accuracy, {found.name}", at_least=_floor(found)) for found in founds]
    supervised = [found.supervised() for found in founds]
    tables = {}
    if XSTEST in there:
        prompts = _prompts(given, data)
        safety = "accuracy, XSTest, safe or unsafe"
        bars.append(accuracy_bar(safety, prompts, _majority(prompts), given.seed))
        supervised.append(_concern(prompts, given.seed))
        tables["XSTest: taken for unsafe"] = _by_type(prompts)
    tables = {"Supervised": pl.concat(supervised, how="diagonal"), **tables}
    if founds:
        tables |= {
            "Supervised, by language": pl.concat([found.by_language() for found in founds]),
            "Base clusters against labels": pl.DataFrame(
                [{"set": found.name, **found.agreement} for found in founds]
            ),
            "Most often taken for another": pl.concat([found.confused() for found in founds]),
        }
    return Section("real_labels", TITLE, f"{ABOUT}\n\n{_listed(there)}", bars, tables)


def _found(given: Given, of: LabelledSet, data: Path) -> list[Found]:
    """Each label of a set found again in the same base clusters."""
    conversations, labels = read_set(of, data, given.conversations, given.seed)
    done = analyse(Corpus(conversations, labels), given.analyst, given.site)
    return [
        find_again(
            f"{of.title}, {label}",
            done,
            labels.with_columns(pl.col(label).alias("category")),
            categories_of(labels[label].to_list()),
            analyst=given.analyst,
            site=given.site,
            seed=given.seed,
        )
        for label in of.topics
    ]


def _floor(found: Found) -> float | None:
    return None if found.name in FINER else found.floors(found.known)["tfidf"]


def _prompts(given: Given, data: Path) -> pl.DataFrame:
    """XSTest's prompts as `Found.labelled` without texts: category, and found by concern; and `type`."""
    conversations, labels = read_set(XSTEST, data, given.conversations, given.seed)
    concern = facets_of(conversations, given.analyst).select(
        "conversation_id",
        pl.when(pl.col("concerning").is_not_null())
        .then(_safe(pl.col("concerning") < CONCERNING_FROM))
        .alias("found"),
    )
    named = labels.with_columns(
        _safe(pl.col("safe")).alias("category"), pl.lit(None, pl.Int32).alias("cluster_id")
    )
    return named.join(concern, on="conversation_id", how="left", maintain_order="left")


def _safe(is_safe: pl.Expr) -> pl.Expr:
    return pl.when(is_safe).then(pl.lit(SAFE)).otherwise(pl.lit(UNSAFE))


def _majority(prompts: pl.DataFrame) -> float:
    counts = prompts["category"].value_counts()["count"].to_numpy()
    return float(counts.max() / prompts.height)


def _concern(prompts: pl.DataFrame, seed: int) -> pl.DataFrame:
    low, high = interval(prompts, seed=seed)
    shuffled = prompts["category"].shuffle(seed) == prompts["category"]
    return scores(prompts).select(
        pl.lit("XSTest, safe or unsafe").alias("set"),
        pl.lit(ALL).alias("over"),
        "conversations",
        pl.lit(2, pl.Int64).alias("categories"),
        "accuracy",
        pl.lit(low).alias("low"),
        pl.lit(high).alias("high"),
        "macro_f1",
        "weighted_f1",
        pl.lit(_majority(prompts)).alias("majority"),
        pl.lit(shuffled.mean()).alias("shuffled"),
    )


def _by_type(prompts: pl.DataFrame) -> pl.DataFrame:
    """Each type of prompts, and the share that is taken for unsafe."""
    return (
        prompts.group_by("type", pl.col("category").alias("label"))
        .agg(pl.len().alias("prompts"), (pl.col("found") == UNSAFE).mean().alias("taken_for_unsafe"))
        .sort("label", "type")
    )


def _listed(sets: Sequence[LabelledSet]) -> str:
    return "\n".join(f"- {each.title}: {each.source}." for each in sets)


def _how_to_give() -> str:
    return (
        "No labelled sets were given, so nothing is measured here. `clio evaluate --data FOLDER` measures those of the "
        f"following that FOLDER holds, each as its own conversations.jsonl.gz:\n\n{_listed(SETS)}\n\nThe layout of "
        "a file is told in clio_dagster/evaluation/labelled.py. They are no part of the project."
    )
