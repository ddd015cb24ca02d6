"""Phrases that a cluster's name can be made of: spans of what its members asked, under P5.

A span qualifies when each of its words is generic or supported, and each pair of its supported words too, so
it says nothing that enough accounts did not say. Spans are ranked by what tells the cluster from the others
and from its nearest outsiders. Which words tell something is in telling.py; how phrases become a name in
topics.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import polars as pl

from clio_dagster.analyst.offline.english import (
    ACTED_ON,
    ASKS_BEFORE,
    BEFORE_THINGS,
    CONNECTORS,
    INNER_VERBS,
    NOT_ASKS_BEFORE,
    ODD_ENDING,
    VAGUE,
    WANTS_TO,
)
from clio_dagster.analyst.offline.telling import among, language_shares, sample_words, word_weights
from clio_dagster.analyst.protocol import NamingSample
from clio_dagster.privacy.word_lists import verbs

LONGEST = 7
"""Words of the longest span."""

_KEPT = 40
"""Spans of a sample that are looked at one by one."""

_LENGTH = (0.0, 0.62, 0.95, 1.0, 1.0, 0.95, 0.85, 0.75)
"""How well a span of so many words reads as a name, by its number of words."""

_NOUN = 0.25
"""Share of a phrase's uses after an article or the like from which it is taken for a thing."""

MAIN = 0.6
"""Share of its texts from which a language is the topic's: below it no phrase of one language stands for all."""

_BATCH = 250
"""Samples whose spans are held in memory at once."""


@dataclass(frozen=True)
class Phrase:
    """A span: its words (folded), as it is written, the words that carry its meaning, and how well it
    serves."""

    words: tuple[str, ...]
    text: str
    content: frozenset[str]
    score: float
    is_act: bool  # said as something to do ("transfer money"), in English
    share: float  # of the sample's texts that hold its telling words
    texts: int  # that hold the phrase itself
    is_thing: bool  # said after an article or the like often enough to be a noun, in English
    is_whole: bool  # not a piece of somebody's sentence ("long to cook", "do you have")


@dataclass(frozen=True)
class Reading:
    """What was read from one sample.

    `phrases` in the language that most of its texts are in, best first, none where no language has most;
    `weights` of its telling words by language, most telling first; `shares` of its texts by language; `texts`
    as sets of their words, those in English only.
    """

    phrases: Sequence[Phrase]
    weights: dict[str, dict[str, float]]
    shares: dict[str, float]
    texts: Sequence[frozenset[str]]

    @property
    def main(self) -> str:
        """The language of most texts, or "" where none has MAIN of them."""
        return next((language for language, share in self.shares.items() if share >= MAIN), "")


def read_samples(samples: Sequence[NamingSample]) -> list[Reading]:
    """Phrases and word weights of each sample, in order."""
    words = sample_words(samples)
    weights = word_weights(words, samples)
    shares = language_shares(words)
    readings = []
    for start in range(0, len(samples), _BATCH):
        stop = min(start + _BATCH, len(samples))
        inside = words.filter(pl.col("sample").is_between(start, stop, closed="left") & pl.col("inside"))
        main = pl.DataFrame(
            [
                (number, language)
                for number in range(start, stop)
                for language, share in shares.get(number, {}).items()
                if share >= MAIN
            ],
            schema={"sample": pl.Int64, "tongue": pl.String},
            orient="row",
        )
        read = inside.join(main, on=["sample", "tongue"], maintain_order="left")
        by_sample = {
            key[0]: group for key, group in _spans(read, weights).group_by("sample", maintain_order=True)
        }
        held = {
            key: list(map(frozenset, group["word"]))
            for key, group in inside.group_by("sample", "tongue", "text")
            .agg("word")
            .group_by("sample", "tongue")
        }
        own_weights: dict[int, dict[str, dict[str, float]]] = {}
        for number, tongue, word, weight in (
            weights.filter(pl.col("sample").is_between(start, stop, closed="left"))
            .sort(["weight", "word"], descending=[True, False])
            .select("sample", "tongue", "word", "weight")
            .iter_rows()
        ):
            own_weights.setdefault(number, {}).setdefault(tongue, {})[word] = weight
        for number in range(start, stop):
            own = own_weights.get(number, {})
            spoken = shares.get(number, {})
            tongue = next(iter(spoken), "")
            rows = by_sample[number].iter_rows(named=True) if number in by_sample else []
            phrases = [
                _phrase(row, own.get(tongue, {}))
                for row in rows
                if _pairs_hold(row["words"], samples[number])
            ]
            ranked = _by_coverage(phrases, held.get((number, tongue), []), spoken.get(tongue, 0.0))
            readings.append(Reading(ranked, own, spoken, held.get((number, "en"), [])))
    return readings


def _by_coverage(
    phrases: Sequence[Phrase], texts: Sequence[frozenset[str]], among_all: float
) -> list[Phrase]:
    """Phrases whose telling words many texts hold, whatever their order, come first; the texts are so large a
    share of all the sample's."""
    scored = []
    for phrase in phrases:
        if phrase.content - VAGUE:
            share = sum(phrase.content <= text for text in texts) / len(texts)
            score = phrase.score * (0.1 + share) ** 0.5
            scored.append(replace(phrase, score=score, share=share * among_all))
    return sorted(scored, key=lambda phrase: (-phrase.score, phrase.text))


def _phrase(row: dict[str, Any], weights: dict[str, float]) -> Phrase:
    words: tuple[str, ...] = tuple(row["words"])
    content = frozenset(word for word in words if weights.get(word, 0.0) > 0)
    broken = row["loose"] or row["ends_oddly"] or INNER_VERBS & set(words[1:])
    whole = not (broken or _is_past(words) or _is_a_wish(words))
    return Phrase(
        words, row["text"], content, row["score"], row["is_act"], 0.0, row["texts"], row["is_thing"], whole
    )


def _is_past(words: tuple[str, ...]) -> bool:
    """Whether a phrase tells what somebody did ("inherited the repository")."""
    return words[0].endswith("ed") and len(words) > 1 and words[1] in ACTED_ON


def _is_a_wish(words: tuple[str, ...]) -> bool:
    """Whether a phrase holds what comes before an act ("wanted to remember")."""
    return any(first in WANTS_TO and second == "to" for first, second in pairwise(words))


def _pairs_hold(words: Sequence[str], sample: NamingSample) -> bool:
    told = {word for word in words if word in sample.vocabulary.words}
    return all(frozenset(pair) in sample.vocabulary.pairs for pair in combinations(told, 2))


def _spans(words: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """The best spans of each sample, best first: sample, words, text, texts (that hold it), is_act, score."""
    run = ["sample", "text", "clause"]
    base = (
        words.join(weights, on=["sample", "tongue", "word"], how="left", maintain_order="left")
        .with_columns(
            weight=pl.col("weight").fill_null(0.0),
            before=pl.col("word").shift(1).over(run),
            before_that=pl.col("word").shift(2).over(run),
            # A capital says where a sentence began, or a name.
            shown=pl.col("word"),
        )
        .with_columns(stop=(~pl.col("allowed")).cum_sum().over(run))
        .filter("allowed")
    )
    base = base.with_columns(
        # A phrase in another language begins and ends with a word of its subject.
        begins_well=~pl.col("function") & ((pl.col("tongue") == "en") | pl.col("telling")),
        loose=pl.col("function") & (pl.col("tongue") == "en") & ~among("word", CONNECTORS),
    )
    run = [*run, "stop"]
    lengths = []
    for length in range(1, LONGEST + 1):
        ahead = [pl.col("word").shift(-i).over(run) for i in range(length)]
        shown = [
            part
            for i in range(length)
            for part in ([pl.col("gap").shift(-i).over(run)] if i else [])
            + [pl.col("shown").shift(-i).over(run)]
        ]
        span = base.with_columns(
            words=pl.concat_list(ahead) if length > 1 else pl.col("word").reshape((-1, 1)).arr.to_list(),
            shown=pl.concat_str(shown),
            loose=pl.any_horizontal(pl.col("loose").shift(-i).over(run) for i in range(length)),
            last=pl.col("word").shift(-(length - 1)).over(run),
            vague_end=among("word", VAGUE).shift(-(length - 1)).over(run),
            ends_oddly=(among("word", VAGUE) & ~among("word", BEFORE_THINGS) & ~among("word", verbs()))
            | (among("word", VAGUE) | pl.col("word").str.contains(ODD_ENDING)).shift(-(length - 1)).over(run),
            vague_start=among("word", VAGUE) & ~among("word", verbs()) if length > 1 else pl.lit(False),
            ends_well=pl.col("begins_well").shift(-(length - 1)).over(run),
        ).filter(pl.col("last").is_not_null() & pl.col("begins_well") & pl.col("ends_well"))
        lengths.append(
            span.filter(pl.col("words").list.n_unique() == length)
            .with_columns(length=pl.lit(length))
            .select(
                "sample",
                "tongue",
                "text",
                "words",
                "shown",
                "before",
                "before_that",
                "length",
                "loose",
                "vague_start",
                "vague_end",
                "ends_oddly",
            )
        )
    wanted = (pl.col("before") == "to") & among("before_that", WANTS_TO)
    asked = (among("before", ASKS_BEFORE) | wanted).sum()
    named = among("before", NOT_ASKS_BEFORE).sum()
    is_verb = pl.col("words").list.first().is_in(pl.Series(sorted(verbs()), dtype=pl.String).implode())
    spans = (
        pl.concat(lengths)
        .group_by("sample", "tongue", "words", "length")
        .agg(
            texts=pl.col("text").n_unique(),
            text=pl.col("shown").mode().sort().first(),
            asked=asked,
            named=named,
            uses=pl.len(),
            loose=pl.col("loose").first(),
            ends_oddly=pl.col("ends_oddly").first(),
            vague_ends=pl.col("vague_start").first().cast(pl.Int8)
            + pl.col("vague_end").first().cast(pl.Int8),
        )
        .with_columns(
            is_act=pl.when(is_verb)
            .then(pl.col("asked") >= pl.col("named"))
            .when(
                pl.col("words").list.get(1, null_on_oob=True).is_in(pl.Series(ACTED_ON).implode())
                & ~pl.col("words").list.first().str.contains(ODD_ENDING)
            )
            .then(pl.lit(True))
            .otherwise((pl.col("asked") > 2 * pl.col("named")) & (pl.col("asked") > 1))
        )
        .with_columns(is_thing=pl.col("named") >= _NOUN * pl.col("uses"))
        .sort("sample", "words")
        .with_row_index("span")
    )
    told = (
        spans.select("sample", "tongue", "span", word="words")
        .explode("word")
        .join(weights, on=["sample", "tongue", "word"])
        .group_by("span")
        .agg(weight=pl.col("weight").sum(), telling=pl.len())
    )
    best = (
        spans.with_columns(cut_off=_is_cut_off(spans))
        .join(told, on="span")
        .with_columns(
            score=pl.col("weight")
            * (pl.col("texts") / (pl.col("texts") + 2.0))
            * pl.col("length").replace_strict(dict(enumerate(_LENGTH)), return_dtype=pl.Float64)
            * (pl.col("telling") / pl.col("length")).sqrt()
            * pl.when("is_act").then(1.2).otherwise(1.0)
            * pl.when("loose").then(0.5).otherwise(1.0)
            * 0.7 ** pl.col("vague_ends")
            * pl.when("cut_off").then(0.6).otherwise(1.0)
        )
    )
    return (
        best.sort(["sample", "score", "text"], descending=[False, True, False])
        .group_by("sample", maintain_order=True)
        .head(_KEPT)
    )


def _is_cut_off(spans: pl.DataFrame) -> pl.Series:
    """Whether most texts that hold a span go on with one and the same word ("shopping", of "shopping
    list")."""
    longer = (
        spans.filter(pl.col("length") > 1)
        .select("sample", words=pl.col("words").list.head(pl.col("length") - 1), further="texts")
        .group_by("sample", "words")
        .agg(pl.col("further").max())
    )
    joined = spans.join(longer, on=["sample", "words"], how="left", maintain_order="left")
    return (joined["further"].fill_null(0) > 0.6 * joined["texts"]) & (joined["texts"] > 1)
