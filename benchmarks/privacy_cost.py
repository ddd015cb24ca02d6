"""What the privacy layers take of a whole offline run.

    python -m benchmarks.privacy_cost [--conversations N] [--languages en,es] [--home FOLDER]

Runs `clio demo` in this process on a fresh home, with a clock around each layer where the stages call it, and prints
each layer's seconds and its share of the run. Making the corpus is not part of the run.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

BAR = 0.15

LAYERS = {
    "pseudonyms": ("clio_dagster.conversations.landing:pseudonyms",),
    "detector on facets": ("clio_dagster.facets:scrub",),
    "cap, collapse, thresholds": (
        "clio_dagster.clusters.find:counted",
        "clio_dagster.clusters.find:tally",
        "clio_dagster.clusters.find:verdicts",
    ),
    "word support": ("clio_dagster.clusters.summaries:support",),
    "support of names": (
        "clio_dagster.analyst.offline.topics:violations",
        "clio_dagster.analyst.offline.parents:violations",
        "clio_dagster.clusters.summaries:violations",
        "clio_dagster.hierarchy.persistence:violations",
    ),
    "auditor and gate": (
        "assets.audit:lowest_scores",
        "assets.audit:audit_tree",
        "assets.gate:verify",
        "assets.gate:refusals",
    ),
    "cells and parts": ("assets.publishing:publish_day",),
}

_seconds: Counter[str] = Counter()
_inside = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--languages", help="languages of the site; the default ones if not given")
    parser.add_argument(
        "--home", type=Path, help="a folder that does not exist; a temporary one if not given"
    )
    arguments = parser.parse_args()
    home = arguments.home or Path(tempfile.mkdtemp()) / "home"
    os.environ |= {"CLIO_HOME": str(home), "CLIO_KEY_FILE": str(home.parent / "benchmark-key")}
    if arguments.languages:
        os.environ["CLIO_LANGUAGES"] = arguments.languages
    try:
        run(home, arguments.conversations)
    finally:
        if not arguments.home:
            shutil.rmtree(home.parent, ignore_errors=True)


def run(home: Path, conversations: int) -> None:
    from clio_dagster.cli import app
    from clio_dagster.clock import spent
    from clio_dagster.synthetic.corpus import generate

    corpus = home / "demo" / f"conversations-{conversations}-0.jsonl.gz"
    corpus.parent.mkdir(parents=True)
    generate(corpus, conversations=conversations, seed=0)
    for layer, places in LAYERS.items():
        for place in places:
            clocked(layer, place)
    started = time.perf_counter()
    app(["demo", "--conversations", str(conversations)], standalone_mode=False)
    wall = time.perf_counter() - started
    engine, layers = sum(spent().values()), sum(_seconds.values())
    print(f"\n{conversations:,} conversations: {wall:.1f} s, of which {engine:.1f} s in the engine")
    for layer in LAYERS:
        print(f"{layer:<28}{_seconds[layer]:>8.1f} s{_seconds[layer] / wall:>8.1%}")
    print(f"{'all layers':<28}{layers:>8.1f} s{layers / wall:>8.1%} of the run (bar {BAR:.0%})")
    print(f"{'':<28}{'':>10}{layers / engine:>8.1%} of the engine's time")


def clocked(layer: str, place: str) -> None:
    """Put a clock around a function where a module calls it; what a layer calls of another counts once."""
    module, name = place.split(":")
    owner = importlib.import_module(module)
    function: Callable[..., Any] = getattr(owner, name, None)
    if function is None:
        print(f"{place} is not there")
        return

    def timed(*positional: Any, **named: Any) -> Any:
        global _inside
        if _inside:
            return function(*positional, **named)
        _inside, started = True, time.perf_counter()
        try:
            return function(*positional, **named)
        finally:
            _seconds[layer] += time.perf_counter() - started
            _inside = False

    setattr(owner, name, timed)


if __name__ == "__main__":
    main()
