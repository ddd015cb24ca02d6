"""Language identification over whole sentences: recall and precision of each configured language.

    python -m benchmarks.language_id --data FOLDER

FOLDER holds `language_id/sentences.jsonl.gz`: one object a line, `language` (ISO 639-1) and `text`. A
sentence in no configured language belongs in `other`. Fails below a macro recall of 0.98 over the configured
languages.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from clio_dagster.conversations.languages import identify
from clio_dagster.settings import OTHER, USE_LANGUAGES

BAR = 0.98


def measure(sentences: pl.DataFrame, languages: tuple[str, ...]) -> pl.DataFrame:
    """[language, sentences, recall, precision], from `sentences` [language, text]."""
    answered = sentences.select(
        truth=pl.when(pl.col("language").is_in(list(languages))).then("language").otherwise(pl.lit(OTHER)),
        answer=identify(sentences["text"], languages),
    ).with_columns(right=pl.col("truth") == pl.col("answer"))
    recall = answered.group_by("truth").agg(sentences=pl.len(), recall=pl.col("right").mean())
    precision = answered.group_by("answer").agg(precision=pl.col("right").mean())
    return recall.join(precision, left_on="truth", right_on="answer", how="left").sort("truth")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with language_id/sentences.jsonl.gz")
    source = parser.parse_args().data / "language_id" / "sentences.jsonl.gz"
    sentences = pl.read_ndjson(source)
    identify(sentences["text"].head(1), USE_LANGUAGES)  # loads the model
    started = time.perf_counter()
    result = measure(sentences, USE_LANGUAGES)
    seconds = time.perf_counter() - started

    table = Table(
        "language", "sentences", "recall", "precision", title="Language identification, whole sentences"
    )
    for row in result.iter_rows(named=True):
        table.add_row(
            row["truth"], f"{row['sentences']:,}", f"{row['recall']:.3f}", f"{row['precision']:.3f}"
        )
    console = Console()
    console.print(table)
    macro = float(result.filter(pl.col("truth") != OTHER)["recall"].mean() or 0.0)  # type: ignore[arg-type]
    console.print(
        f"macro recall {macro:.4f} over {len(USE_LANGUAGES)} languages (bar {BAR}); "
        f"{sentences.height / seconds:,.0f} texts/s"
    )
    return 0 if macro >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
