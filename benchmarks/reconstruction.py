"""Whether the corpora's known categories are found again, over the languages that the embedder knows (Clio, C.2).

    python -m benchmarks.reconstruction [--kind ordinary|concerning] [--conversations N] [--half tuning|"held out"]

Offline analyst on synthetic text. Prints accuracy and F1, overall and by language; what knows nothing comes to
(floors: the most frequent category, the nearest name by TF-IDF, shuffled labels; TF-IDF in English alone, too, since
names of categories are English); base clusters against categories (adjusted Rand index, V-measure); and the pairs of
categories that are most often taken for one another.
"""

from __future__ import annotations

import argparse
import time

import polars as pl

from clio_dagster.evaluation.corpora.bank import HELD_OUT, KINDS, LANGUAGES, TUNING, categories
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.pipeline import find, name, read, site_of
from clio_dagster.evaluation.reconstruction import confusion, floors, scores, supervised, unsupervised


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--half", choices=(TUNING, HELD_OUT), default=HELD_OUT)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.perf_counter()
    site = site_of(arguments.seed)
    known = site.embedder.languages or LANGUAGES
    languages = [language for language in LANGUAGES if language in known]
    corpus = make_corpus(
        arguments.kind, arguments.conversations, languages=languages, seed=arguments.seed, half=arguments.half
    )
    facets, vectors, _ = read(corpus.conversations, site.honest, site)
    made = name(find(facets, vectors, site), site.honest, site)
    of_kind = categories(arguments.kind)
    labelled = corpus.labels.join(
        supervised(made, of_kind, site.honest, site.embedder), on="conversation_id", how="left"
    )
    print(f"{arguments.kind}, {arguments.half}: {len(made.leaves)} base clusters")
    with pl.Config(tbl_rows=20, tbl_hide_dataframe_shape=True):
        print(scores(labelled))
        print(scores(labelled, "language"))
        first = corpus.conversations.select(
            "conversation_id", pl.col("messages").list.first().struct.field("text")
        ).join(corpus.labels, on="conversation_id")
        for what, rows in (("all", first), ("English", first.filter(language="en"))):
            print(f"floors, {what}: {floors(rows['text'], rows['category'], of_kind)}")
        print(unsupervised(made, corpus.labels))
        wrong = confusion(labelled).filter(pl.col("category") != pl.col("found"))
        print(wrong.sort("share", descending=True).head(12))
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
