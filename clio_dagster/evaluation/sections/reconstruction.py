"""Known categories found again: the paper's Tables 4 and 5 and Figure 10 (Clio, appendix C.2)."""

from __future__ import annotations

import polars as pl

from clio_dagster.evaluation.corpora.bank import KINDS, categories
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.reconstruction import floors, scores, supervised, unsupervised
from clio_dagster.evaluation.section import Bar, Section

ABOVE_FLOOR = 0.15
"""How far above the nearest name by TF-IDF accuracy must lie, over languages that the embedder knows."""

SOLVED = 0.5
"""A corpus of which TF-IDF finds so many measures nothing."""

ABOUT = """
Base clusters are found as ever, the level above is fixed to the known categories, and the analyst's own step assigns
each base cluster to one. Every conversation counts; one that was not read is found in none.
""".strip()


def section(given: Given) -> Section:
    """Accuracy and F1 of both corpora, by language, beside what knows nothing; and base clusters against categories."""
    bars: list[Bar] = []
    overall, by_language, beside = [], [], []
    for kind in KINDS:
        done, of_kind = given.analysed(kind), categories(kind)
        found = supervised(done.made, of_kind, given.analyst, given.site.embedder)
        labelled = done.corpus.labels.join(found, on="conversation_id", how="left")
        known = labelled.filter(pl.col("language").is_in(given.known_languages))
        for over, rows in (("languages that the embedder knows", known), ("all languages", labelled)):
            overall.append(
                scores(rows).select(pl.lit(kind).alias("corpus"), pl.lit(over).alias("over"), pl.all())
            )
        by_language.append(scores(labelled, "language").select(pl.lit(kind).alias("corpus"), pl.all()))
        first = done.corpus.conversations.select(
            "conversation_id", pl.col("messages").list.first().struct.field("text")
        ).join(known, on="conversation_id")
        floor = floors(first["text"], first["category"], of_kind, given.seed)
        beside.append({"corpus": kind, **floor, **unsupervised(done.made, done.corpus.labels)})
        accuracy = float(overall[-2]["accuracy"][0])
        bars += [
            Bar(
                f"accuracy, {kind}",
                accuracy,
                at_least=floor["tfidf"] + ABOVE_FLOOR,
                n=known.height,
                hits=known.select(
                    "conversation_id",
                    (pl.col("category") == pl.col("found")).fill_null(value=False).alias("hit"),
                ),
            ),
            Bar(f"TF-IDF's accuracy, {kind}", floor["tfidf"], at_most=SOLVED, n=known.height),
        ]
    tables = {
        "Supervised": pl.concat(overall),
        "Supervised, by language": pl.concat(by_language),
        "What knows nothing, and base clusters against categories": pl.DataFrame(beside),
    }
    return Section("reconstruction", "Known categories found again", ABOUT, bars, tables)
