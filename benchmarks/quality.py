"""Clusterers side by side, on the same vectors and at the same number of clusters, against people's labels.

    python -m benchmarks.quality --data FOLDER [--cache FOLDER] [--peers PYTHON] [--rows N] [--seeds N]

FOLDER is that of benchmarks.clusters, with xstest/conversations.jsonl.gz. PYTHON is the interpreter of an environment
that has bertopic, evoc and kura; without it the peers are left out. Prints a Markdown table, a line as soon as it is
known; docs/quality.md says what its columns are. Each method runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.clusters import arguments_of, load, nmi, parser
from benchmarks.quality_methods import NOT_DRAWN, OURS, PEERS
from clio_dagster.clusters.density import without_noise

SETS = (("clinc150", "intent"), ("clinc150", "domain"), ("sib200", "topic"), ("xstest", "type"))
COLUMNS = (
    *("set", "method", "ARI", "NMI", "purity", "spillover", "stability, seeds", "stability, 80%"),
    *("clusters", "noise", "seconds", "MB"),
)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--peers", help="interpreter of the peers' environment")
    options.add_argument("--rows", type=int, default=3_000, help="most rows of a set, drawn at random")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--methods", nargs="*", default=[*OURS, *PEERS])
    options.add_argument("--sets", nargs="*", default=["/".join(each) for each in SETS])
    arguments = arguments_of(options)
    interpreters = dict.fromkeys(OURS, sys.executable)
    if arguments.peers:
        interpreters |= dict.fromkeys(PEERS, arguments.peers)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name, label in SETS:
        if f"{name}/{label}" not in arguments.sets:
            continue
        facets, vectors = load(name, label, arguments)
        rows = np.sort(
            np.random.default_rng(0).choice(len(facets), min(arguments.rows, len(facets)), replace=False)
        )
        facets, vectors = facets[rows], vectors[rows].astype(np.float32)
        truth, texts = facets["label"].to_numpy(), facets["request"].to_list()
        for method in [each for each in arguments.methods if each in interpreters]:
            found = run(method, interpreters[method], vectors, texts, len(set(truth)), arguments)
            cells = figures(found, vectors, truth)
            print(f"| {name}, {label} | {method} | {' | '.join(cells)} |", flush=True)


def run(
    method: str, interpreter: str, vectors: np.ndarray, texts: list[str], clusters: int, arguments: object
) -> dict[str, np.ndarray]:
    """What benchmarks.quality_methods wrote of a method. Raises CalledProcessError where it failed."""
    seeds, threads = str(vars(arguments)["seeds"]), str(vars(arguments)["threads"])
    bounds = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    with TemporaryDirectory() as folder:
        given, out = Path(folder) / "given.npz", Path(folder) / "out.npz"
        np.savez(given, vectors=vectors, texts=np.array(texts), clusters=clusters)
        sizes = ["--seeds", seeds, "--threads", threads]
        subprocess.run(
            [interpreter, "-m", "benchmarks.quality_methods", method, given, out, *sizes],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **bounds},
        )
        with np.load(out) as found:
            return dict(found)


def figures(found: dict[str, np.ndarray], vectors: np.ndarray, truth: np.ndarray) -> list[str]:
    """The cells of a line. What a method left out as noise is given to the nearest centroid before it is compared."""
    from sklearn.metrics.cluster import contingency_matrix

    whole = [without_noise(vectors, labels) for labels in found["whole"]]
    tables = [contingency_matrix(truth, labels) for labels in whole]
    rows = len(truth)
    return [
        _spread([_ari(truth, labels) for labels in whole]),
        _spread([nmi(truth, labels) for labels in whole]),
        _spread([table.max(axis=0).sum() / rows for table in tables]),
        _spread([1 - table.max(axis=1).sum() / rows for table in tables]),
        f"{_agreement(whole):.3f}",
        f"{_agreement(_parts(vectors, found['parts'])):.3f}",
        f"{np.mean([table.shape[1] for table in tables]):.0f}",
        f"{(found['whole'] == -1).mean():.3f}",
        f"{np.median(found['seconds']):.1f}",
        f"{found['peak_mb'] - found['base_mb']:.0f}",
    ]


def _parts(vectors: np.ndarray, runs: np.ndarray) -> list[np.ndarray]:
    """The labels of each run on a part of the rows, noise assigned; NOT_DRAWN stays."""
    parts = []
    for labels in runs:
        drawn = labels != NOT_DRAWN
        part = np.full_like(labels, NOT_DRAWN)
        part[drawn] = without_noise(vectors[drawn], labels[drawn])
        parts.append(part)
    return parts


def _agreement(runs: list[np.ndarray]) -> float:
    """Mean ARI of each two runs, over the rows that are in both."""
    both = [(one, two, (one != NOT_DRAWN) & (two != NOT_DRAWN)) for one, two in combinations(runs, 2)]
    return float(np.mean([_ari(one[rows], two[rows]) for one, two, rows in both]))


def _ari(labels: np.ndarray, others: np.ndarray) -> float:
    """Adjusted Rand index of two labellings: 1 for the same, 0 for chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(labels, others))


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


if __name__ == "__main__":
    main()
