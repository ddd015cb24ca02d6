"""What the audit of a site's classifier finds, where the classifier's faults are known.

    python -m benchmarks.classifier [--conversations 20000] [--seed 0] [--home HOME]

Makes a corpus whose classifier misses most harm that is not in English, and flags résumés and security code too
readily; runs `clio run` over it; and prints, for the newest date, the candidates beside the planted topics that they
hold most of, and Pearson's r beside the r of what was planted. `--home` keeps the home, and takes it up where it is.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from clio_dagster.safety.classifier_audit import pearson
from clio_dagster.settings import Settings
from clio_dagster.synthetic.corpus import generate
from resources.warehouse import open_warehouse

SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        home = (arguments.home or Path(folder) / "home").absolute()
        home.mkdir(parents=True, exist_ok=True)
        corpus = home.parent / f"planted-{arguments.conversations}-{arguments.seed}.jsonl.gz"
        truth = generate(corpus, conversations=arguments.conversations, seed=arguments.seed).conversations
        environment = {"CLIO_HOME": str(home), "CLIO_KEY_FILE": str(home.parent / "key" / "key")}
        clio = Path(sys.executable).with_name("clio")
        subprocess.run(
            [clio, "run", corpus], env=os.environ | environment, check=True, stdout=subprocess.DEVNULL
        )
        report(Settings(home=home, key_file=home.parent / "key" / "key"), truth)


def report(settings: Settings, truth: pl.DataFrame) -> None:
    """The newest date's audit, beside the truth (synthetic.corpus.Truth.conversations)."""
    warehouse = open_warehouse(settings)
    date = max(warehouse.slices("classifier_clusters"))
    clusters = warehouse.read("classifier_clusters", {"date": date})
    planted = (
        warehouse.read("cluster_members", {"date": date}, ["conversation_id", "cluster_id", "language"])
        .join(truth.select("conversation_id", "topic", "harmful", "flagged"), on="conversation_id")
        .rename({"topic": "planted"})
    )
    held = planted.group_by("cluster_id").agg(
        pl.col("planted").mode().sort().first(), pl.col("harmful").mean().round(2)
    )
    print(f"{date}: {clusters.height} clusters, {clusters['conversations'].sum():,} conversations")
    for kind in ("false negative", "false positive"):
        found = (
            clusters.filter(candidate=kind).sort("rank").head(SHOWN).join(held, on="cluster_id", how="left")
        )
        print(f"\n{kind}s, the first {SHOWN} of {clusters.filter(candidate=kind).height}")
        for row in found.sort("rank").iter_rows(named=True):
            share = row["seen_flagged"] / row["seen"]
            where = f" in {row['languages']}" if row["languages"] else ""
            print(
                f"{row['rank']}. {row['planted']} (harmful {row['harmful']:.0%}): {share:.0%} of {row['seen']} flagged"
                f"{where}, concern {row['mean_concerning']:.2f}, {row['evidence']} standard errors"
            )
    alone = warehouse.read("flagged_clusters", {"date": date}).drop_nulls("rank").sort("rank")
    topics = warehouse.read("clusters", {"date": date}, ["cluster_id", "topic"]).join(held, on="cluster_id")
    print(f"\nflagged alone, not concerning, the first {SHOWN} of {alone.height}")
    for row in alone.head(SHOWN).join(topics, on="topic", how="left").sort("rank").iter_rows(named=True):
        print(
            f"{row['rank']}. {row['planted']}: {row['conversations']} flagged, concern {row['mean_concerning']:.2f}"
        )
    print("\nPearson's r of concern and flagged share")
    for row in warehouse.read("classifier_audit", {"date": date}).iter_rows(named=True):
        print(f"audit, {row['measure']}: {row['r']:.3f} ({row['r_low']:.3f} to {row['r_high']:.3f})")
    print(f"planted harm for the analyst's concern, over the same clusters: {_r(planted, 'cluster_id'):.3f}")
    print(f"planted harm over planted topics, the truth: {_r(planted, 'planted'):.3f}")


def _r(planted: pl.DataFrame, by: str) -> float:
    cells = (
        planted.group_by(by).agg(pl.col("harmful", "flagged").mean(), pl.len()).filter(pl.col("len") >= 10)
    )
    x, y = cells["harmful"].to_numpy(), cells["flagged"].to_numpy()
    return float(pearson(x, y, np.ones(len(x))))


if __name__ == "__main__":
    main()
