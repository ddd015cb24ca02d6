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
from clio_dagster.evaluation.section import Section
from clio_dagster.evaluation.sections import ablations, costs, real_labels, reconstruction

SECTIONS: dict[str, Callable[[Given], Section]] = {
    "real_labels": real_labels.section,
    "reconstruction": reconstruction.section,
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
    for make in [SECTIONS[name] for name in names or SECTIONS]:
        yield make(given)


def made_by(given: Given) -> dict[str, Any]:
    """Date, analyst, embedder, seed, size and versions."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "analyst": f"{given.analyst.name} {given.analyst.version}",
        "embedder": f"{given.site.embedder.name} {given.site.embedder.version}",
        "conversations": given.conversations,
        "seed": given.seed,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }
