"""Fits the concern model on the sentences of `words/concern_examples.toml` and writes
`words/concern_model.json`.

Two models of the same form are fitted: `neutral`, from kinds of words alone, holds in every language that has
a list of them; `english` has weights for words too. Run as `python -m
clio_dagster.analyst.offline.concern_training` after a change to the examples or to a word list.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from clio_dagster.analyst.offline.concern import LEVELS, concern_features
from clio_dagster.analyst.offline.lexicon import fold

WORDS = Path(__file__).parent / "words"
NEUTRAL_STRENGTH, WORD_SCALE = 2.0, 0.35
"""Inverse penalty of the regression, and how much less a word counts than a kind of word."""

SEEN = 2
"""Examples in which a feature must occur to get a weight."""


def training_texts() -> pl.DataFrame:
    """The examples with their slots filled: text, level."""
    listed = tomllib.loads((WORDS / "concern_examples.toml").read_text("utf-8"))
    slots: dict[str, list[str]] = listed["slots"]
    rows: list[tuple[str, int]] = []
    for group in listed["group"]:
        for number, text in enumerate(group["texts"]):
            names = re.findall(r"\{(\w+)\}", text)
            copies = max((len(slots[name]) for name in names), default=1)
            for copy in range(copies):
                filled = text
                for turn, name in enumerate(names):
                    filled = filled.replace(
                        f"{{{name}}}", slots[name][(copy + number * turn) % len(slots[name])], 1
                    )
                rows.append((filled, group["level"]))
    return pl.DataFrame(rows, schema={"text": pl.String, "level": pl.Int8}, orient="row").unique(
        "text", maintain_order=True
    )


def fit(examples: pl.DataFrame) -> dict[str, Any]:
    """The model of `examples` (text, level), as it is written: for each form, start odds and weights by
    level."""
    from sklearn.linear_model import LogisticRegression

    texts = examples.with_row_index("row").select(
        "row", "level", language=pl.lit("en"), folded=fold(pl.col("text"))
    )
    features = concern_features(texts)
    models: dict[str, Any] = {}
    for form, kept in (
        ("english", features),
        ("neutral", features.filter(~pl.col("feature").str.starts_with("w:"))),
    ):
        names = kept.group_by("feature").len().filter(pl.col("len") >= SEEN)["feature"].sort().to_list()
        place = {name: number for number, name in enumerate(names)}
        scale = np.array([WORD_SCALE if name.startswith("w:") else 1.0 for name in names])
        matrix = np.zeros((texts.height, len(names)))
        known = kept.filter(pl.col("feature").is_in(names))
        matrix[known["row"].to_numpy(), [place[name] for name in known["feature"]]] = 1.0
        matrix *= scale
        start, weights = [], []
        for level in LEVELS:
            model = LogisticRegression(C=NEUTRAL_STRENGTH, max_iter=2_000)
            model.fit(matrix, (texts["level"] >= level).to_numpy())
            start.append(round(float(model.intercept_[0]), 3))
            weights.append(model.coef_[0] * scale)
        rounded = np.round(np.array(weights).T, 3)
        models[form] = {
            "start": start,
            "weights": {
                name: rounded[number].tolist() for name, number in place.items() if rounded[number].any()
            },
        }
    return models


def main() -> None:
    lines = json.dumps(fit(training_texts()), ensure_ascii=False, separators=(",", ":")).replace("],", "],\n")
    (WORDS / "concern_model.json").write_text(lines + "\n", "utf-8")


if __name__ == "__main__":
    main()
