"""What the privacy layers leave of topics: the names that come out, to be read, and what the names alone say.

    python -m benchmarks.names --data FOLDER [--cache FOLDER] [--rows N] [--seed N] [--names N] [--no-noise]

FOLDER holds clinc150/conversations.jsonl.gz, labelled requests, which get accounts of the simulator. Each name stands
beside the label that most of its conversations have. Measured on every base cluster that was named:

- whether its vector ranks that label first, or among the first three, of the 150 labels, against its centroid's;
- whether it lies nearer to 20 members that the namer did not see than to 20 of each of its neighbours (AUC);
- whether it repeats a word, and whether two names of one parent are the same but for endings.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import polars as pl

from benchmarks.clusters import arguments_of, covered, found, load, named, parser, with_accounts
from clio_dagster.analyst.offline.writing import sense, words_of
from clio_dagster.clusters.sampling import NEIGHBOURS, naming_samples, nearest_clusters
from clio_dagster.embedding import make_embedder
from clio_dagster.evaluation.pipeline import Made
from clio_dagster.settings import Settings, load_settings
from clio_dagster.tables import PUBLISHED

_HELD_OUT = 20
"""Members of each cluster that its name is to find."""

_FEWEST = 5
"""Members that the namer did not see, below which a cluster has no AUC."""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--names", type=int, default=50)
    options.add_argument("--no-noise", action="store_true")
    arguments = arguments_of(options)
    noise = {"epsilon": math.inf, "epsilon_sensitive": math.inf} if arguments.no_noise else {}
    settings = load_settings(threads=arguments.threads, **noise)
    facets, vectors = load("clinc150", "intent", arguments)
    sample, own = with_accounts(facets, vectors, arguments.rows, arguments.seed)
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
    rows = base.join(labels, on="cluster_id", maintain_order="left").sort("cluster_id")
    measure(rows, made, sample, own, settings)
    for cluster, label, share, name, description in (
        rows.select("cluster_id", "label", "share", "name", "description").head(arguments.names).iter_rows()
    ):
        print(
            f"{label:<28}{share:>5.2f}  {name}  |  {description}  ({len(words[cluster].words)} supported words)"
        )


def measure(
    rows: pl.DataFrame, made: Made, sample: pl.DataFrame, vectors: np.ndarray, settings: Settings
) -> None:
    """Prints what the names of `rows` (cluster_id, label, name, parent_id) say."""
    embedder = make_embedder("use", threads=settings.threads)
    labels = sample["label"].unique().sort()
    said = embedder.encode(rows["name"].to_list())
    meant = embedder.encode(labels.str.replace_all("_", " ").to_list())
    true = np.searchsorted(labels.to_numpy(), rows["label"].to_numpy())
    passing = rows.select("cluster_id").join(
        made.base.clusters, on="cluster_id", how="left", maintain_order="left"
    )
    centroids = np.array(passing["centroid"].to_list(), dtype=np.float32)
    by_name, by_centroid = _ranks(said @ meant.T, true), _ranks(centroids @ meant.T, true)
    for k in (1, 3):
        name, centroid = (by_name < k).mean(), (by_centroid < k).mean()
        print(f"top {k}: name {name:.3f}, centroid {centroid:.3f}: {name / centroid:.3f} of it (bar .85)")
    held_out = _held_out(rows["cluster_id"], made, sample, settings)
    for neighbours in (1, 5, NEIGHBOURS):
        near = nearest_clusters(centroids, neighbours)
        by_name, by_centroid = (_areas(each, held_out, near, vectors) for each in (said, centroids))
        print(
            f"AUC against the {neighbours} nearest: name {np.nanmean(by_name):.3f} (bar .90), centroid "
            f"{np.nanmean(by_centroid):.3f}; {np.isnan(by_name).sum()} clusters with too few members to tell"
        )
    repeated = sum(len({*words_of(name)}) < len(words_of(name)) for name in rows["name"])
    siblings = Counter((parent, sense(name)) for parent, name in rows.select("parent_id", "name").iter_rows())
    print(f"{repeated} names repeat a word; {sum(n - 1 for n in siblings.values())} as a sibling's")


def _ranks(cosines: np.ndarray, true: np.ndarray) -> np.ndarray:
    """For each row, how many columns lie nearer than the true one."""
    return np.asarray((cosines > cosines[np.arange(len(cosines)), true][:, None]).sum(axis=1))


def _held_out(ids: pl.Series, made: Made, sample: pl.DataFrame, settings: Settings) -> list[np.ndarray]:
    """For each cluster, the rows of at most _HELD_OUT members whose text its namer did not see."""
    members = made.base.members.with_columns(sample["request"].alias("text"))
    # Whom a namer sees does not hang on vocabularies.
    shown = naming_samples(made.base.clusters, members, made.base.vectors, {}, seed=settings.seed)
    seen = dict(zip(made.base.clusters.filter("passes")["cluster_id"].sort(), shown, strict=True))
    draw = np.random.default_rng(0)
    held_out = []
    for cluster in ids:
        unseen = (pl.col("cluster_id") == cluster) & ~pl.col("text").is_in(list(seen[cluster].inside))
        rows = members.with_row_index("row").filter(unseen)["row"].to_numpy()
        held_out.append(draw.permutation(rows)[:_HELD_OUT])
    return held_out


def _areas(said: np.ndarray, held_out: list[np.ndarray], near: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """For each cluster, the chance that a held-out member lies nearer to what is said than a neighbour's does."""
    areas = []
    for place, rows in enumerate(held_out):
        own = vectors[rows] @ said[place]
        others = vectors[np.concatenate([held_out[other] for other in near[place]])] @ said[place]
        enough = min(len(own), len(others)) >= _FEWEST
        ties = (own[:, None] == others).mean() if enough else 0.0
        areas.append((own[:, None] > others).mean() + ties / 2 if enough else np.nan)
    return np.array(areas)


if __name__ == "__main__":
    main()
