"""What a home that `clio run` made came to, against the labels of the file that it landed.

    python -m benchmarks.home --home HOME --source FILE.jsonl.gz --label intent

Prints, for the newest date: agreement of base clusters with the label (withheld ones included) and with the
language, the share of conversations under a published base cluster, and the share of names with content words.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import polars as pl

from benchmarks.clusters import nmi
from clio_dagster.tables import PUBLISHED
from resources.duckdb_warehouse import DuckDBWarehouse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--label", default="topic")
    arguments = parser.parse_args()

    with gzip.open(arguments.source, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    labels = pl.DataFrame(
        {
            "conversation_id": [record["conversation_id"] for record in records],
            "label": [record["metadata"]["label"].get(arguments.label, "") for record in records],
        }
    )
    warehouse = DuckDBWarehouse(arguments.home.absolute())
    members = warehouse.read("cluster_members")
    members = members.filter(pl.col("date") == pl.col("date").max())
    day = members["date"][0]
    audited = warehouse.read("audited_summaries", {"date": day})
    leaves = audited.filter((pl.col("level") == 0) & (pl.col("status") == PUBLISHED))
    published = leaves["node_id"].str.split("-").list.last().cast(pl.Int32)
    labelled = members.join(labels, on="conversation_id", how="inner")
    read = warehouse.read("facets", None, ["conversation_id", "status"])
    print(f"{day}: {len(labels)} conversations in the file, {len(members)} in the window's clusters")
    print(
        "facets: "
        + ", ".join(
            f"{count} {status}" for status, count in read["status"].value_counts().sort("status").iter_rows()
        )
    )
    print(f"{members['cluster_id'].n_unique()} base clusters, {len(published)} published")
    print(f"NMI with {arguments.label}: {nmi(labelled['label'], labelled['cluster_id']):.4f}")
    print(f"NMI with the language: {nmi(labelled['language'], labelled['cluster_id']):.4f}")
    under = members["cluster_id"].is_in(published.implode())
    print(
        f"under a published base cluster: {under.mean():.4f} of the clustered, {under.sum() / len(labels):.4f} of all"
    )


if __name__ == "__main__":
    main()
