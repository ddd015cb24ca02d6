"""Languages drawn anew for accounts: by chance alone, or with effects of known size.

What an account asked, and how much, stays as the engine counted it; only which language it speaks is drawn. So topics,
caps and accounts' heavy tails are those of the corpus, and the true lift of every topic and language is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from clio_dagster.evaluation.pipeline import DAY, Made, Site, publish
from clio_dagster.privacy.accounts import owner
from clio_dagster.privacy.cells import ALL_TOPICS
from clio_dagster.tables import COUNTED_CONVERSATIONS

TRUTH = {"topic": pl.String, "language": pl.String, "lift": pl.Float64, "expected": pl.Float64}
"""Columns of what is true of a draw, a row for each topic and language; `expected` conversations."""

TRIES = 200
"""How often topics and languages are drawn until they can bear the effects."""


@dataclass(frozen=True)
class Plant:
    """`lift`: a language's share of a topic over its share of everything, in expectation exactly."""

    topic: str
    language: str
    lift: float


@dataclass(frozen=True)
class Crowd:
    """`counted`: tables.COUNTED_CONVERSATIONS rows that some topic counts, with `owner`."""

    counted: pl.DataFrame

    @cached_property
    def owners(self) -> pl.DataFrame:
        """owner and language, of which each has one."""
        return self.counted.group_by("owner").agg(pl.col("language").first()).sort("owner")

    @cached_property
    def languages(self) -> list[str]:
        return self.owners["language"].unique().sort().to_list()

    @cached_property
    def _columns(self) -> pl.Series:
        """Where among `owners` each of `counted` belongs."""
        columns = self.owners.select("owner").with_row_index("column")
        return self.counted.join(columns, on="owner", maintain_order="left")["column"]

    @cached_property
    def _placed(self) -> pl.DataFrame:
        return self.counted.select("owner", "topics").explode("topics").unnest("topics")

    @cached_property
    def topics(self) -> list[str]:
        """Every topic, that of all together first."""
        return self._placed["topic"].unique().sort().to_list()

    @cached_property
    def weights(self) -> np.ndarray:
        """Conversations of each topic (rows) that each of `owners` (columns) counts."""
        places = pl.DataFrame({"topic": self.topics}).with_row_index("row")
        columns = self.owners.select("owner").with_row_index("column")
        counts = (
            self._placed.group_by("topic", "owner").len().join(places, on="topic").join(columns, on="owner")
        )
        found = np.zeros((len(self.topics), self.owners.height))
        found[counts["row"].to_numpy(), counts["column"].to_numpy()] = counts["len"].to_numpy()
        return found

    @cached_property
    def rates(self) -> np.ndarray:
        """Share of all counted conversations that each of `languages` has."""
        everything = self.weights[self.topics.index(ALL_TOPICS)]
        spoken = self.owners["language"].to_numpy()[None, :] == np.array(self.languages)[:, None]
        return np.asarray(spoken @ everything / everything.sum())

    def times(self, copies: int) -> Crowd:
        """As many accounts again, each like one of these."""
        parts = [
            self.counted.with_columns(
                pl.format("{}#{}", pl.col(name), pl.lit(copy)) for name in ("owner", "account")
            )
            for copy in range(copies)
        ]
        return Crowd(pl.concat(parts))

    def speaking(self, languages: Sequence[str]) -> pl.DataFrame:
        """`counted` with the languages of `owners`, in their order."""
        spoken = pl.Series("language", languages, dtype=pl.String)
        return self.counted.with_columns(spoken.gather(self._columns)).drop("owner")


def crowd_of(made: Made, everything: pl.DataFrame, site: Site) -> Crowd:
    """All conversations of the window, counted as if of one day; `everything`: tables.FACETS of them.

    Other facets are left out: no language hangs on them.
    """
    of_day = made.base.members.with_columns(pl.lit(DAY).alias("day"))
    as_one = Made(replace(made.base, members=of_day), made.summaries, made.vocabularies, made.audited)
    nothing = [
        pl.lit(None, COUNTED_CONVERSATIONS.schema[name]).alias(name)
        for name in ("turns", "concerning", "refused", "task")
    ]
    counted = publish(as_one, everything.with_columns(nothing), site).counted
    return Crowd(counted.filter(pl.col("topics").list.len() > 0).with_columns(owner()))


def permuted(crowd: Crowd, rng: np.random.Generator) -> pl.DataFrame:
    """Conversations whose accounts have exchanged their languages: no topic has anything to do with any."""
    return crowd.speaking(rng.permutation(crowd.owners["language"].to_numpy()).tolist())


def planned(crowd: Crowd, lifts: Sequence[float], rng: np.random.Generator) -> list[Plant]:
    """A topic and a language for each lift, no topic and no language twice; fewer where the crowd bears no more.

    `lifts` are at least 1. Topics are drawn among all levels, languages evenly.
    """
    everything = crowd.weights[crowd.topics.index(ALL_TOPICS)]
    touched = (crowd.weights > 0) @ everything / everything.sum()
    topics = [topic for topic in crowd.topics if topic != ALL_TOPICS]
    for wanted in range(min(len(lifts), len(topics), len(crowd.languages) - 1), 0, -1):
        for _ in range(TRIES):
            chosen = rng.choice(topics, wanted, replace=False)
            spoken = rng.choice(len(crowd.languages), wanted, replace=False)
            plants = [
                Plant(str(topic), crowd.languages[place], lift)
                for topic, place, lift in zip(chosen, spoken, lifts, strict=False)
            ]
            most = sum(
                max(plant.lift, 1.0) * crowd.rates[place] for plant, place in zip(plants, spoken, strict=True)
            )
            if most < 1 and all(
                plant.lift * touched[crowd.topics.index(plant.topic)] <= 1 for plant in plants
            ):
                return plants
    return []


def planted(
    crowd: Crowd, plants: Sequence[Plant], rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Conversations whose accounts speak as the plants say, and TRUTH.

    An account that has part in a plant's topic speaks its language with `lift` times the language's rate, any other
    with what keeps the rate; what is left goes to the other languages as they are spoken. All that is in a topic comes
    from accounts that have part in it, so the lift is exact.
    """
    everything = crowd.topics.index(ALL_TOPICS)
    total = crowd.weights[everything].sum()
    chances = np.zeros((crowd.owners.height, len(crowd.languages)))
    for plant in plants:
        place = crowd.languages.index(plant.language)
        takes_part = crowd.weights[crowd.topics.index(plant.topic)] > 0
        share = crowd.weights[everything][takes_part].sum() / total
        elsewhere = (1 - plant.lift * share) / (1 - share) if share < 1 else 0.0
        chances[:, place] = crowd.rates[place] * np.where(takes_part, plant.lift, elsewhere)
    is_free = ~np.isin(crowd.languages, [plant.language for plant in plants])
    left = 1 - chances.sum(axis=1)
    chances[:, is_free] = left[:, None] * crowd.rates[is_free] / crowd.rates[is_free].sum()
    edges = np.cumsum(chances, axis=1)
    drawn = (rng.random(len(chances))[:, None] > edges[:, :-1]).sum(axis=1)
    return crowd.speaking(np.array(crowd.languages)[drawn].tolist()), _truth(crowd, crowd.weights @ chances)


def even(crowd: Crowd) -> pl.DataFrame:
    """TRUTH where no topic has anything to do with any language."""
    return _truth(crowd, crowd.weights.sum(axis=1)[:, None] * crowd.rates)


def _truth(crowd: Crowd, expected: np.ndarray) -> pl.DataFrame:
    """`expected`: conversations of each topic (rows) in each language (columns)."""
    shares = expected / expected.sum(axis=1, keepdims=True)
    return pl.DataFrame(
        {
            "topic": np.repeat(crowd.topics, len(crowd.languages)),
            "language": np.tile(crowd.languages, len(crowd.topics)),
            "lift": (shares / shares[crowd.topics.index(ALL_TOPICS)]).ravel(),
            "expected": expected.ravel(),
        },
        schema=TRUTH,
    )
