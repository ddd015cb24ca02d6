"""What every section of an evaluation starts from: the site, its analyst, and the corpora taken through the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.evaluation.corpora.bank import KINDS, LANGUAGES
from clio_dagster.evaluation.corpora.corpus import Corpus, make_corpus
from clio_dagster.evaluation.corpora.files import read_corpus
from clio_dagster.evaluation.pipeline import Made, Site, embed, find, name, publish
from clio_dagster.facets import facets_of
from clio_dagster.privacy.parts import Figures
from clio_dagster.progress import track

T = TypeVar("T")


@dataclass(frozen=True)
class Analysed:
    """A corpus after every stage.

    `facets` are those of conversations that were read, `vectors` theirs row by row, `everything` tables.FACETS of all;
    `seconds` what each stage took.
    """

    corpus: Corpus
    facets: pl.DataFrame
    vectors: np.ndarray
    everything: pl.DataFrame
    made: Made
    figures: Figures
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Given:
    """`conversations` are those of both kinds together. The same seed gives the same figures, but for times.

    `data` is a folder of labelled sets that are not the project's own, None where there is none. `written`, by kind,
    are files of corpora (corpora/files.py) that stand in for those of grammars, whatever their size. `asked_on`: the
    date for which a model was asked anew, None where earlier answers count.
    """

    site: Site
    analyst: Analyst
    conversations: int = 20_000
    seed: int = 0
    data: Path | None = None
    written: Mapping[str, Path] = field(default_factory=dict)
    asked_on: date | None = None
    _kept: dict[str, Analysed] = field(default_factory=dict, repr=False)

    @property
    def known_languages(self) -> list[str]:
        """Those of the corpora's languages that the embedder knows."""
        known = self.site.embedder.languages or LANGUAGES
        return [language for language in LANGUAGES if language in known]

    def corpus(self, kind: str) -> Corpus:
        """What was written; or half of `conversations`, evenly over all of LANGUAGES, in words that nothing was tuned
        on."""
        if kind in self.written:
            return read_corpus(self.written[kind])
        return make_corpus(kind, self.conversations // len(KINDS), languages=LANGUAGES, seed=self.seed)

    def analysed(self, kind: str) -> Analysed:
        """The corpus of a kind after every stage, made once."""
        if kind not in self._kept:
            self._kept[kind] = analyse(self.corpus(kind), self.analyst, self.site)
        return self._kept[kind]


def analyse(corpus: Corpus, analyst: Analyst, site: Site) -> Analysed:
    """Take a corpus through the stages as the site's settings, the analyst and the embedder make them."""
    seconds: dict[str, float] = {}

    def timed(stage: str, make: Callable[[], T]) -> T:
        started = time.perf_counter()
        with track(f"evaluating: {stage}", None):
            made = make()
        seconds[stage] = time.perf_counter() - started
        return made

    everything = timed("facets", lambda: facets_of(corpus.conversations, analyst))
    facets, vectors = timed("embeddings", lambda: embed(everything, site))
    base = timed("clusters", lambda: find(facets, vectors, site))
    made = timed("names, tree and audit", lambda: name(base, analyst, site))
    figures = timed("publishing", lambda: publish(made, everything, site))
    return Analysed(corpus, facets, vectors, everything, made, figures, seconds)
