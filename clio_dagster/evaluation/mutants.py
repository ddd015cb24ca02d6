"""Faults put into an evaluation on purpose: a bar that none of them turns red promises nothing.

Each takes what was analysed and gives it back as it would be with the fault; what comes after the fault is made anew
by the engine's own stages. No conversation is read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import polars as pl

from clio_dagster.analyst.protocol import Analyst, AuditSample
from clio_dagster.evaluation.corpora.bank import CONCERNING, KINDS
from clio_dagster.evaluation.given import Analysed, Given
from clio_dagster.evaluation.pipeline import NOISELESS, Base, embed, find, name, place, publish
from clio_dagster.evaluation.titles import placed
from clio_dagster.tables import FACETS, READ, UNREAD

SHUFFLED = 0.1
"""Share of facets that go to another conversation."""

_ANSWERED = ("status", "request", "task", "concerning", "refused")


@dataclass(frozen=True)
class Mutant:
    """A fault, what it does in words, and the section that has to notice."""

    name: str
    what: str
    seen_by: str
    change: Callable[[Given], Given]


def shuffled(given: Given) -> Given:
    """A tenth of the facets that were read belong to another conversation of the same corpus."""
    return _with(given, {kind: _shuffled(given.analysed(kind), given) for kind in KINDS})


def merged(given: Given) -> Given:
    """In the concerning corpus, the base clusters of the two categories that most members lie under are one."""
    return _with(given, {CONCERNING: _merged(given.analysed(CONCERNING), given)})


def dropped(given: Given) -> Given:
    """Every conversation in the last language of the corpora that the embedder knows comes out unread."""
    occurring = {each for kind in KINDS for each in given.analysed(kind).facets["language"].unique()}
    language = [each for each in given.known_languages if each in occurring][-1]
    return _with(given, {kind: _dropped(given.analysed(kind), language, given) for kind in KINDS})


def lenient(given: Given) -> Given:
    """Every auditor says 5, the one that stands beside the analyst too."""
    auditor = cast(Analyst, _Lenient(given.analyst))
    return replace(given, analyst=auditor, site=replace(given.site, honest=auditor))


def noiseless(given: Given) -> Given:
    """What is published carries no noise, whatever the settings say."""
    silent = given.site.with_settings(**NOISELESS)
    kept = {kind: given.analysed(kind) for kind in KINDS}
    return _with(
        given,
        {
            kind: replace(each, figures=publish(each.made, each.everything, silent))
            for kind, each in kept.items()
        },
    )


MUTANTS = (
    Mutant("facets shuffled", "a tenth of the facets go to another conversation", "names", shuffled),
    Mutant("topics merged", "the base clusters of two categories are made one", "names", merged),
    Mutant("language dropped", "no conversation of one language is read", "names", dropped),
    Mutant("lenient auditor", "every summary is scored 5", "auditor", lenient),
    Mutant("noise off", "published counts are exact", "noise", noiseless),
)


class _Lenient:
    """An analyst who finds nothing private anywhere, and is `inner` else."""

    def __init__(self, inner: Analyst) -> None:
        self._inner = inner

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)

    def audit(self, samples: Sequence[AuditSample]) -> list[int]:
        return [5] * len(samples)


def _with(given: Given, changed: Mapping[str, Analysed]) -> Given:
    kept = {kind: changed[kind] if kind in changed else given.analysed(kind) for kind in KINDS}
    return replace(given, _kept=kept)


def _shuffled(analysed: Analysed, given: Given) -> Analysed:
    rows = np.flatnonzero((analysed.everything["status"] == READ).to_numpy())
    rng = np.random.default_rng(given.seed)
    chosen = rng.choice(rows, int(SHUFFLED * len(rows)), replace=False)
    places = np.arange(analysed.everything.height)
    places[chosen] = np.roll(chosen, 1)
    taken = analysed.everything.select(_ANSWERED)[places]
    return _remade(analysed, analysed.everything.with_columns(taken), given)


def _dropped(analysed: Analysed, language: str, given: Given) -> Analysed:
    kept = pl.col("language") != language
    everything = analysed.everything.with_columns(
        pl.when(kept).then("status").otherwise(pl.lit(UNREAD)).alias("status"),
        *(pl.when(kept).then(facet).alias(facet) for facet in _ANSWERED[1:]),
    )
    return _remade(analysed, everything, given)


def _remade(analysed: Analysed, everything: pl.DataFrame, given: Given) -> Analysed:
    """All that follows from tables.FACETS."""
    everything = everything.select(*FACETS.schema)
    facets, vectors = embed(everything, given.site)
    made = name(find(facets, vectors, given.site), given.analyst, given.site)
    figures = publish(made, everything, given.site)
    return replace(
        analysed, facets=facets, vectors=vectors, everything=everything, made=made, figures=figures
    )


def _merged(analysed: Analysed, given: Given) -> Analysed:
    under = placed(analysed.made.base.members, analysed.corpus.labels)
    largest = under["of_cluster"].value_counts().sort("count", "of_cluster", descending=[True, False])
    wanted = largest["of_cluster"].head(2).implode()
    clusters = under.filter(pl.col("of_cluster").is_in(wanted))["cluster_id"].unique().sort()
    if len(clusters) < 2:
        return analysed
    one = _placed(analysed.made.base, clusters, given)
    made = name(one, given.analyst, given.site)
    return replace(analysed, made=made, figures=publish(made, analysed.everything, given.site))


def _placed(base: Base, clusters: pl.Series, given: Given) -> Base:
    """`base` with `clusters` as one."""
    of_row = base.facets.select("conversation_id").join(
        base.members.select("conversation_id", "cluster_id"), on="conversation_id", how="left"
    )["cluster_id"]
    topics = of_row.replace(clusters, [clusters[0]] * len(clusters))
    inside = topics.is_not_null()
    return place(
        base.facets.filter(inside),
        base.vectors[inside.to_numpy()],
        topics.drop_nulls().cast(pl.String).str.zfill(6).to_list(),
        given.site,
    )
