"""The sections of an evaluation, one after another."""

from __future__ import annotations

import datetime as dt
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.identity import corpora_of, identity, kernels
from clio_dagster.evaluation.section import Section
from clio_dagster.evaluation.sections import (
    ablations,
    auditor,
    corpora,
    costs,
    leakage,
    mutants,
    names,
    noise,
    over_representation,
    real_labels,
    reconstruction,
)
from clio_dagster.progress import track

SECTIONS: dict[str, Callable[[Given], Section]] = {
    "real_labels": real_labels.section,
    "corpora": corpora.section,
    "reconstruction": reconstruction.section,
    "names": names.section,
    "leakage": leakage.section,
    "auditor": auditor.section,
    "over_representation": over_representation.section,
    "noise": noise.section,
    "mutants": mutants.section,
    "costs": costs.section,
    "ablations": ablations.section,
}
"""By name, in the order of the document."""

PACKAGES = ("clio-dagster", "anthropic", "duckdb", "polars", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Evaluation:
    """Sections, and `made_by`: what they were made by and of, by name."""

    sections: Sequence[Section]
    made_by: Mapping[str, Any]

    @property
    def held(self) -> bool:
        return not any(section.missed for section in self.sections)


def evaluate(given: Given, names: Sequence[str] = ()) -> Evaluation:
    """The named sections, or all. Raises KeyError for an unknown name."""
    started = time.perf_counter()
    sections = list(sections_of(given, names))
    return Evaluation(sections, made_by(given) | {"seconds": round(time.perf_counter() - started)})


def sections_of(given: Given, names: Sequence[str] = ()) -> Iterator[Section]:
    """Each section as soon as it is made."""
    for name, make in [(name, SECTIONS[name]) for name in names or SECTIONS]:
        with track(f"evaluating: {name}", None):
            section = make(given)
        yield section


def made_by(given: Given) -> dict[str, Any]:
    """Date, analyst with its models and prompts, settings, embedder, size, seed, corpora, versions, and the processor's
    kernels."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "analyst": f"{given.analyst.name} {given.analyst.version}",
        **identity(given.analyst, given.site.settings, given.asked_on),
        "embedder": f"{given.site.embedder.name} {given.site.embedder.version}",
        "conversations": given.conversations,
        "seed": given.seed,
        "corpora": corpora_of(given.written),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "kernels": kernels(),
    }
