"""Labelled sets that are not the project's own: requests that people wrote, or translated, and others labelled.

Nothing of the project was written from them, so they stand above the synthetic corpora. They are no part of the
project: `Given.data` is a folder that holds each as NAME/conversations.jsonl.gz, JSON lines of conversation_id,
account_id, started_at, messages of role and content, and metadata with `label` and, where it is not English,
`true_language`.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import polars as pl

from clio_dagster.evaluation.corpora.bank import Category
from clio_dagster.tables import RAW_CONVERSATIONS

ENGLISH = "en"


@dataclass(frozen=True)
class LabelledSet:
    """`folder` is its name under the data folder, `labels` what each record is labelled with, and `topics` those
    whose values are topics."""

    title: str
    folder: str
    labels: tuple[str, ...]
    topics: tuple[str, ...]
    source: str

    def path(self, data: Path) -> Path:
        return data / self.folder / "conversations.jsonl.gz"


CLINC150 = LabelledSet(
    "CLINC150",
    "clinc150",
    ("domain", "intent"),
    ("domain", "intent"),
    "Larson et al. (2019), github.com/clinc/oos-eval, CC BY 3.0: requests to a voice assistant, English",
)
SIB200 = LabelledSet(
    "SIB-200",
    "sib200",
    ("topic",),
    ("topic",),
    "Adelani et al. (2023), github.com/dadelani/sib-200, Apache-2.0 (text of FLORES, CC BY-SA): the same sentences of "
    "news and guides in many languages",
)
XSTEST = LabelledSet(
    "XSTest",
    "xstest",
    ("type", "safe"),
    (),
    "Röttger et al. (2023), github.com/paul-rottger/exaggerated-safety, CC BY 4.0: safe prompts that sound unsafe, and "
    "unsafe ones like them, English",
)
SETS = (CLINC150, SIB200, XSTEST)


def sets_in(data: Path | None) -> list[LabelledSet]:
    """Those of SETS that the folder holds; none where there is no folder. Raises FileNotFoundError for a folder with
    none of them."""
    if data is None:
        return []
    there = [each for each in SETS if each.path(data).is_file()]
    if not there:
        wanted = ", ".join(f"{each.folder}/conversations.jsonl.gz" for each in SETS)
        raise FileNotFoundError(f"no labelled set in {data}: it should hold one or more of {wanted}")
    return there


def read_set(of: LabelledSet, data: Path, most: int, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """tables.RAW_CONVERSATIONS of at most `most` drawn at random, and their labels row by row: conversation_id,
    language, and a column for each label.

    The language is the set's own, not an identifier's. Raises ValueError for a file that is not laid out so, naming it.
    """
    path = of.path(data)
    try:
        with gzip.open(path) as lines:
            records = [orjson.loads(line) for line in lines]
        rows = [
            (
                each["conversation_id"],
                each["account_id"],
                datetime.fromisoformat(each["started_at"]),
                each["metadata"].get("true_language", ENGLISH),
                [{"role": said["role"], "text": said["content"]} for said in each["messages"]],
            )
            for each in records
        ]
        labels = pl.DataFrame(
            {name: [each["metadata"]["label"][name] for each in records] for name in of.labels}
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not laid out as a labelled set: {type(error).__name__}") from None
    columns = ("conversation_id", "account", "started_at", "language", "messages")
    made = pl.DataFrame(rows, schema=RAW_CONVERSATIONS.empty().select(columns).schema, orient="row")
    conversations = made.with_columns(
        pl.col("started_at").dt.date().alias("date"),
        pl.col("messages").list.len().cast(RAW_CONVERSATIONS.schema["turns"]).alias("turns"),
        pl.lit(None, RAW_CONVERSATIONS.schema["flagged"]).alias("flagged"),
    ).select(*RAW_CONVERSATIONS.schema)
    both = made.select("conversation_id", "language").hstack(labels)
    drawn = both.sample(min(most, both.height), seed=seed).sort("conversation_id")
    of_drawn = conversations.join(drawn, on="conversation_id", how="semi")
    return of_drawn.sort("conversation_id"), drawn


def categories_of(labels: Sequence[str]) -> tuple[Category, ...]:
    """Distinct labels as categories: their own words for names, with nothing added that the set does not say."""
    names = {label: label.replace("_", " ").replace("/", " and ") for label in sorted(set(labels))}
    return tuple(
        Category(label, name[:1].upper() + name[1:], f"Requests about {name}.", {})
        for label, name in names.items()
    )
