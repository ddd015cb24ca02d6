"""What conversations of a given number cost, stage by stage, from a file to a release.

    python -m benchmarks.scale [--rows N ...] [--folder FOLDER] [--threads N] [--write]

A file of N conversations is landed (benchmarks.landing), and a partition of N is taken from a landed file to vectors
(benchmarks.embedding), a tenth of its requests distinct. Then facets and vectors of a window are generated and written
where their stages would have; every stage after them is materialized by its asset, checks included. Each is a process
of its own, whose seconds and peak memory are those of the whole process; `of these` are the seconds that the engine was
at work. A window is seven days of about N conversations in three languages, on N / 100 topics in groups of 30; the date
whose topics are found is its last. For the date after it clusters alone are made: of topics that there are.
`--write` puts table and plot into docs/.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import embedding, landing
from benchmarks.plot import growth
from benchmarks.staged import Row, cost, materialized, tell

DAY = date(2026, 11, 7)
WINDOW_DAYS = 7
NEXT = DAY + timedelta(days=1)
DAYS = [NEXT - timedelta(days=back) for back in range(WINDOW_DAYS, -1, -1)]
"""Those of the window, and the one after it."""

LANGUAGES = {"en": 0.7, "es": 0.2, "de": 0.1}
DIMENSIONS = 512
TOPIC_SIZE, GROUP_TOPICS = 100, 30
GENERATED = "generated"
GIVEN = (GENERATED, embedding.GIVEN)
"""What is written so that a stage has something to work on."""

DISTINCT = 0.1
DATE_STAGES = (
    "day",
    "clusters",
    "lineage",
    "cluster_summaries",
    "hierarchy",
    "audited_summaries",
    "published_cells",
    "positions",
    "models",
    "release",
)
NEXT_STAGE = "clusters, next date"
ROWS_AT_ONCE = 65_536

DOCS = Path(__file__).parents[1] / "docs"
IMAGE = "![Seconds of the engine against conversations in the window](images/scale.svg)"
MARKS = ("<!-- benchmarks.scale -->", "<!-- /benchmarks.scale -->")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(arguments.stage, arguments.rows[0])
        return
    measured = []
    for rows in arguments.rows or [10_000, 100_000]:
        with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="clio-scale-") as folder:
            measured += measure(rows, Path(folder), arguments.threads)
    table = pl.DataFrame(measured)
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(table)
        print(totals(table))
    if arguments.write:
        write(table)


def totals(table: pl.DataFrame) -> pl.DataFrame:
    """Of each size, the stages of the window."""
    return (
        table.filter(pl.col("stage").is_in(DATE_STAGES))
        .group_by("rows", maintain_order=True)
        .agg(pl.col("seconds").sum(), pl.col("of these").sum(), pl.col("peak MB").max())
    )


def write(table: pl.DataFrame) -> None:
    """Put the table between the marks of docs/performance.md, and the plot beside it."""
    lines = {
        stage: [(row["rows"], max(row["of these"], 0.1)) for row in part.iter_rows(named=True)]
        for (stage,), part in table.filter(~pl.col("stage").is_in(GIVEN)).group_by(
            "stage", maintain_order=True
        )
    }
    svg = growth(lines, across="conversations in the window", up="seconds of the engine")
    (DOCS / "images" / "scale.svg").write_text(svg)
    shown = table.drop("rows/s").pivot("rows", index="stage", values=["seconds", "of these", "peak MB"])
    sizes = table["rows"].unique(maintain_order=True).to_list()
    head = ["stage", *(f"{size:,}: s | engine s | MB" for size in sizes)]
    body = [
        [
            row["stage"],
            *(f"{row[f'seconds_{n}']:g} | {row[f'of these_{n}']:g} | {row[f'peak MB_{n}']:,}" for n in sizes),
        ]
        for row in shown.iter_rows(named=True)
    ]
    total = [
        f"{row['seconds']:,.0f} | {row['of these']:,.0f} | {row['peak MB']:,}"
        for row in totals(table).iter_rows(named=True)
    ]
    body.append(["the window together, largest peak", *total])
    rule = "|".join(["---"] * (1 + 3 * len(sizes)))
    text = "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in body)])
    path = DOCS / "performance.md"
    before, rest = path.read_text().split(MARKS[0])
    path.write_text(f"{before}{MARKS[0]}\n{text}\n\n{IMAGE}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


def measure(rows: int, folder: Path, threads: int) -> list[Row]:
    """A row for each stage: from a file to vectors, and from a window's vectors to its release."""
    measured = [landing.measure(rows, folder / "file", threads)]
    measured += embedding.measure(rows, DISTINCT, folder / "partition", threads)
    for stage in (GENERATED, *DATE_STAGES, NEXT_STAGE):
        measured.append(cost("benchmarks.scale", stage, rows, folder / "window", threads))
    return measured


def run_stage(stage: str, rows: int) -> None:
    """One stage in this process."""
    tell(generate(rows) if stage == GENERATED else materialized_on(stage))


def materialized_on(stage: str) -> float:
    """The assets of a stage for the window's date (`day`: for all); the seconds that they say they took."""
    from assets.models import sql_models

    named = {"models": [model.key.to_user_string() for model in sql_models], NEXT_STAGE: ["clusters"]}
    dates = {"day": DAYS, NEXT_STAGE: [NEXT]}.get(stage, [DAY])
    with instance() as there:
        if stage == "release":
            take_as_checked(there)
        return materialized(named.get(stage, [stage]), [day.isoformat() for day in dates], there)


def instance() -> Any:
    """Dagster's storage of the home, which the release asks for what the checks have said."""
    from dagster import DagsterInstance

    from assets.partitions import SETTINGS

    folder = SETTINGS.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    return DagsterInstance.local_temp(str(folder))


def take_as_checked(there: Any) -> None:
    """Record that what is given here, the slices of languages, has passed its checks."""
    from dagster import AssetCheckEvaluation

    from assets.partitions import DATE_LANGUAGES, slices_of
    from assets.verdicts import SPECS

    for spec in SPECS:
        if spec.partitions_def == DATE_LANGUAGES:
            for partition in slices_of(DAY.isoformat()):
                there.report_runless_asset_event(
                    AssetCheckEvaluation(
                        asset_key=spec.asset_key, check_name=spec.name, passed=True, partition=partition
                    )
                )


def generate(rows: int) -> float:
    """Write facets and embeddings of a window, empty slices of the other languages included."""
    from assets.partitions import SETTINGS
    from clio_dagster.tables import EMBEDDINGS, FACETS
    from resources.warehouse import open_warehouse

    started = time.perf_counter()
    warehouse = open_warehouse(SETTINGS)
    window = Window(rows)
    for number, day in enumerate(DAYS):
        for language in SETTINGS.partition_languages:
            where = {"date": day, "language": language}
            facets, embeddings = FACETS.empty(), EMBEDDINGS.empty()
            if language in LANGUAGES:
                facets, embeddings = window.slice(number, language)
            for table, frame in ((FACETS, facets), (EMBEDDINGS, embeddings)):
                warehouse.write(table, where, frame, fingerprint="{}")
    return time.perf_counter() - started


class Window:
    """Conversations of a window, made slice by slice: topics in groups, and accounts with a few topics each."""

    def __init__(self, rows: int) -> None:
        self.draw = np.random.default_rng(0)
        self.rows = rows
        self.topics = max(2, rows // TOPIC_SIZE)
        groups = max(1, self.topics // GROUP_TOPICS)
        kinds = max(1, groups // GROUP_TOPICS)
        kind = self._points(kinds)
        self.group_of = self.draw.integers(groups, size=self.topics)
        group = kind[self.draw.integers(kinds, size=groups)] + 0.8 * self._points(groups)
        self.centres = group[self.group_of] + 0.7 * self._points(self.topics)
        self.popular = self.draw.dirichlet(np.full(self.topics, 4.0))
        accounts = max(1, rows // 5)
        self.talk = self.draw.lognormal(0.0, 1.0, accounts)
        self.talk /= self.talk.sum()
        self.interests = self.draw.choice(self.topics, p=self.popular, size=(accounts, 3))
        words = self._words(2 * self.topics + 40 * groups + 60)
        self.nouns = words[: 2 * self.topics].reshape(self.topics, 2)
        self.common = words[2 * self.topics : 2 * self.topics + 40 * groups].reshape(groups, 40)
        self.verbs = words[-60:]

    def slice(self, number: int, language: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """tables.FACETS and tables.EMBEDDINGS of one day and language."""
        from clio_dagster.tables import EMBEDDINGS, FACETS, READ

        count = max(1, round(self.rows / WINDOW_DAYS * LANGUAGES[language]))
        account = self.draw.choice(len(self.talk), p=self.talk, size=count)
        topic = self.interests[account, self.draw.integers(3, size=count)]
        seconds = self.draw.integers(24 * 3600, size=count)
        midnight = datetime.combine(DAYS[number], datetime.min.time(), UTC)
        vectors = np.empty((count, DIMENSIONS), dtype=np.float32)
        for start in range(0, count, ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            made = self.centres[topic[part]] + 1.5 * self._points(len(topic[part]))
            vectors[part] = made / np.linalg.norm(made, axis=1, keepdims=True)
        base = pl.DataFrame(
            {
                "conversation_id": [f"{number}-{language}-{row}" for row in range(count)],
                "account": pl.Series(account).cast(pl.String).str.zfill(64),
                "started_at": (pl.Series(seconds) * 1_000_000).cast(pl.Duration("us")),
                "request": self._texts(topic),
                "concerning": self.draw.choice(5, p=[0.9, 0.05, 0.03, 0.01, 0.01], size=count) + 1,
            }
        ).with_columns(
            pl.lit(DAYS[number]).alias("date"),
            pl.lit(language).alias("language"),
            pl.lit(READ).alias("status"),
            (pl.lit(midnight).dt.cast_time_unit("us") + pl.col("started_at")).alias("started_at"),
            pl.lit("other").alias("task"),
            pl.lit(2).alias("turns"),
            pl.lit(False).alias("refused"),
            pl.lit("generated").alias("extractor"),
            pl.lit("request").alias("clustered_by"),
            pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, DIMENSIONS)),
        )
        facets = base.select(
            (pl.col(name) if name in base.columns else pl.lit(None)).cast(kind).alias(name)
            for name, kind in FACETS.schema.items()
        )
        return facets, base.select(*EMBEDDINGS.schema)

    def _texts(self, topic: np.ndarray) -> list[str]:
        """A verb and two nouns of the topic, one of them left out now and then, and three words of its group."""
        verbs = self.verbs[(topic + (self.draw.random(len(topic)) < 0.3)) % len(self.verbs)]
        nouns = self.nouns[topic]
        common = self.common[self.group_of[topic][:, None], self.draw.integers(40, size=(len(topic), 3))]
        has = self.draw.random((len(topic), 2)) < 0.85
        return [
            " ".join([verb, *(each for each, there in zip(pair, own, strict=True) if there), "for", *rest])
            for verb, pair, own, rest in zip(verbs, nouns, has, common, strict=True)
        ]

    def _words(self, count: int) -> np.ndarray:
        """Made-up words of three to four syllables, each once."""
        syllables = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]
        numbers = self.draw.choice(len(syllables) ** 3, size=count, replace=False)
        base = len(syllables)
        return np.array(
            [
                syllables[n % base] + syllables[n // base % base] + syllables[n // base**2] + "n"
                for n in numbers.tolist()
            ]
        )

    def _points(self, count: int) -> np.ndarray:
        return self.draw.standard_normal((count, DIMENSIONS), dtype=np.float32)


if __name__ == "__main__":
    main()
