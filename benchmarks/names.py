"""What the privacy layers leave of topics: the names that come out, to be read, and why others do not.

    python -m benchmarks.names --data FOLDER [--cache FOLDER] [--rows N] [--names N] [--no-noise]

FOLDER holds clinc150/conversations.jsonl.gz, labelled requests, which get accounts of the simulator. Each name stands
beside the label that most of its conversations have.
"""

from __future__ import annotations

import math
from collections import Counter

import polars as pl

from benchmarks.clusters import arguments_of, covered, found, load, named, parser, with_accounts
from clio_dagster.settings import load_settings
from clio_dagster.tables import PUBLISHED


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=5_000)
    options.add_argument("--names", type=int, default=30)
    options.add_argument("--no-noise", action="store_true")
    arguments = arguments_of(options)
    noise = {"epsilon": math.inf, "epsilon_sensitive": math.inf} if arguments.no_noise else {}
    settings = load_settings(threads=arguments.threads, **noise)
    facets, vectors = load("clinc150", "intent", arguments)
    sample, own = with_accounts(facets, vectors, arguments.rows, 0)
    clusters, members, _ = found(sample, own, settings)
    made = named(sample, own, clusters, members, settings)
    base, words = made.leaves, made.vocabularies
    print(
        f"{len(base)} base clusters, {(base['status'] == PUBLISHED).sum()} published; {made.share_under_leaf():.3f} of "
        f"conversations under one, {covered(clusters, members):.3f} under one that passes"
    )
    for reason, count in Counter(
        made.audited.explode("reasons").drop_nulls("reasons")["reasons"]
    ).most_common():
        print(f"  withheld: {reason}: {count}")
    labels = (
        members.join(sample.select("conversation_id", "label"), on="conversation_id")
        .group_by("cluster_id")
        .agg(
            label=pl.col("label").mode().sort().first(),
            share=pl.col("label").unique_counts().max() / pl.len(),
        )
    )
    rows = base.join(labels, on="cluster_id", maintain_order="left").head(arguments.names)
    for cluster, label, share, name, description in rows.select(
        "cluster_id", "label", "share", "name", "description"
    ).iter_rows():
        print(
            f"{label:<28}{share:>5.2f}  {name}  |  {description}  ({len(words[cluster].words)} supported words)"
        )


if __name__ == "__main__":
    main()
