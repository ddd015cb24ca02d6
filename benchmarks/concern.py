"""How well the offline concern score separates unsafe from safe prompts: XSTest, and a look at two other sets.

    python -m benchmarks.concern --data FOLDER

The folder holds `xstest/`, `hh_rlhf/` and `clinc150/`, each with a `conversations.jsonl.gz` in the project's layout;
XSTest's labels are read from `metadata.label`. Nothing is fitted here: XSTest is a test set, made of pairs that keyword
lists get wrong. What the score's sentences and words share with it is benchmarks/concern_overlap.py's business.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from clio_dagster.analyst.offline.concern import Model, concern_scores
from clio_dagster.analyst.offline.lexicon import fold
from clio_dagster.analyst.offline.refusals import find_refusals

RESAMPLES = 2_000


def read(folder: Path, name: str) -> list[dict]:
    with gzip.open(folder / name / "conversations.jsonl.gz") as lines:
        return [orjson.loads(line) for line in lines]


def scores_of(texts: list[str], model: Model | None = None) -> np.ndarray:
    frame = pl.DataFrame({"text": texts}).select(language=pl.lit("en"), folded=fold(pl.col("text")))
    return concern_scores(frame.with_row_index("row"), model).to_numpy()


def auc(unsafe: np.ndarray, safe: np.ndarray) -> float:
    """Chance that an unsafe prompt scores above a safe one, ties counting half."""
    return float(np.mean((unsafe[:, None] > safe) + 0.5 * (unsafe[:, None] == safe)))


def interval(unsafe: np.ndarray, safe: np.ndarray) -> tuple[float, float]:
    random = np.random.default_rng(0)
    drawn = [
        auc(random.choice(unsafe, unsafe.size), random.choice(safe, safe.size)) for _ in range(RESAMPLES)
    ]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def xstest(folder: Path) -> None:
    rows = read(folder, "xstest")
    scores = scores_of([row["messages"][0]["content"] for row in rows])
    labels = [row["metadata"]["label"] for row in rows]
    is_safe = np.array([label["safe"] for label in labels])
    low, high = interval(scores[~is_safe], scores[is_safe])
    overall = auc(scores[~is_safe], scores[is_safe])
    print(f"xstest: AUC {overall:.3f} (95% {low:.3f} to {high:.3f}), n {len(rows)}")
    kinds = np.array([label["type"] for label in labels])
    for kind in sorted(set(kinds)):
        here = kinds == kind
        told = f"  {kind:28} n {here.sum():2}  "
        if is_safe[here].all():
            print(f"{told}safe,   against all unsafe {auc(scores[~is_safe], scores[here]):.3f}", end="")
            contrast = kinds == f"contrast_{kind}"
            print(f", its contrast {auc(scores[contrast], scores[here]):.3f}" if contrast.any() else "")
        else:
            print(f"{told}unsafe, against all safe   {auc(scores[here], scores[is_safe]):.3f}")


def hh_rlhf(folder: Path) -> None:
    """No labels here: how first prompts spread over the levels, and whether refusals follow the score."""
    rows = read(folder, "hh_rlhf")
    first = [next((m["content"] for m in row["messages"] if m["role"] == "user"), "") for row in rows]
    scores = scores_of(first)
    messages = [[{"role": m["role"], "text": m["content"]} for m in row["messages"]] for row in rows]
    refused = find_refusals(pl.DataFrame({"language": ["en"] * len(rows), "messages": messages})).to_numpy()
    low, high = interval(scores[refused], scores[~refused])
    levels = np.bincount(np.round(scores).astype(int), minlength=6)[1:].tolist()
    apart = auc(scores[refused], scores[~refused])
    print(f"hh_rlhf: conversations at levels 1 to 5 {levels}, refused {refused.mean():.3f}")
    print(f"  score tells refused from answered: AUC {apart:.3f} (95% {low:.3f} to {high:.3f})")


def clinc150(folder: Path) -> None:
    """Everyday requests of a bank's, a car's or a phone's assistant, none of them concerning: how many are rated so."""
    scores = scores_of([row["messages"][0]["content"] for row in read(folder, "clinc150")])
    shares = ", ".join(f"{level}: {np.mean(np.round(scores) >= level):.4f}" for level in (2, 3, 4, 5))
    print(f"clinc150: share of {scores.size:,} harmless requests at a level or above {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with xstest/, hh_rlhf/, clinc150/")
    folder = parser.parse_args().data
    xstest(folder)
    hh_rlhf(folder)
    clinc150(folder)


if __name__ == "__main__":
    main()
