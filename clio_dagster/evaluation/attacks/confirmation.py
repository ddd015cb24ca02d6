"""Confirmation: a few colluders fill a topic to its edge, so that its appearance says whether the target is in it.

Three ways to fill it: a guessed text sent as it stands by nine accounts, the guess in words of their own, and the
same with a target that sends as many conversations as the cap lets count. Each pair of runs is one topic, so one
draw of noise; hundreds of topics stand in one frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from random import Random

import polars as pl

from clio_dagster.evaluation.attacks.analysts import Listing
from clio_dagster.evaluation.attacks.ordinary import moments
from clio_dagster.evaluation.attacks.report import Line
from clio_dagster.evaluation.intervals import paired_ratio, simultaneous
from clio_dagster.evaluation.pipeline import NOISELESS, Site, conversations, name, place, read
from clio_dagster.progress import Advance, track

TOPICS_AT_ONCE = 400
GUESS = "Help me write to my landlord about the damp wall in the nursery, the one behind the cot."

_WISHES = (
    "draft a letter", "i need words", "a short note", "Write politely", "an email", "some lines",
    "a text message", "Please phrase it",
)  # fmt: skip
_ABOUT = (
    "the damp in our nursery", "mould on a wall", "a wet wall by the cot", "repairs that never come",
    "the landlord", "rent and damp walls", "black spots in the corner", "the leaking window frame",
)  # fmt: skip
_VARIANTS = (
    ("its text as it stands, 9 accounts", True, 9, 1),
    ("24 conversations of 9 accounts", False, 24, 1),
    ("20 conversations of 9 accounts, target sends 5", False, 20, 5),
)


def attack(site: Site, *, pairs: int, seed: int) -> list[Line]:
    """One line a way to fill the topic, and the second without noise, which must succeed."""
    epsilon = site.settings.epsilon_of("topic")
    level = simultaneous(2 * len(_VARIANTS))
    lines = []
    with track("confirmation", 2 * (len(_VARIANTS) + 1) * pairs, "topic") as advance:
        for title, is_same, size, own in _VARIANTS:
            shown = [
                _shown(site, pairs, seed, is_same, size, own if is_in else 0, advance)
                for is_in in (True, False)
            ]
            appears = paired_ratio(shown[0], shown[1], level)
            absent = paired_ratio([not x for x in shown[1]], [not x for x in shown[0]], level)
            lines.append(
                Line(
                    f"confirmation: {title}",
                    f"P(topic appears | target in, out) = {appears.more.value:.3f}, {appears.less.value:.3f}",
                    pairs,
                    f"odds × {appears.value:.2f}; of absence × {absent.value:.2f}",
                    (appears.low, appears.high),
                    f"≤ e^{epsilon:g} = {math.exp(epsilon):.3f}",
                    appears.within(math.exp(epsilon)) and absent.within(math.exp(epsilon)),
                )
            )
        silent = site.with_settings(**NOISELESS)
        with_target, without = (_shown(silent, pairs, seed, False, 24, own, advance) for own in (1, 0))
        told = sum(one and not other for one, other in zip(with_target, without, strict=True)) / pairs
        lines.append(
            Line(
                "confirmation without noise: 24 conversations of 9 accounts",
                "the topic appears with the target alone",
                pairs,
                f"{told:.3f}",
                None,
                "must succeed, so that the rest is a test: ≥ 0.95",
                told >= 0.95,
            )
        )
    return lines


def _shown(
    site: Site, pairs: int, seed: int, is_same: bool, size: int, own: int, advance: Advance
) -> list[bool]:
    """Whether each topic is published, with `own` conversations of the target in it."""
    random = Random(seed)
    texts = [GUESS] * size if is_same else _reworded(size, random)
    sent = [(f"colluder-{number % 9}", text) for number, text in enumerate(texts)]
    mine = [GUESS, *_reworded(own - 1, Random(seed + 1))][:own]
    sent += [("target", text) for text in mine]
    shown: list[bool] = []
    for start in range(0, pairs, TOPICS_AT_ONCE):
        topics = [
            f"{seed}-{size}-{is_same}-{number:05d}"
            for number in range(start, min(pairs, start + TOPICS_AT_ONCE))
        ]
        shown += _published(site, topics, sent)
        advance(len(topics))
    return shown


def _published(site: Site, topics: Sequence[str], sent: Sequence[tuple[str, str]]) -> list[bool]:
    rows = [
        (f"{topic}/{number:02d}", topic, f"{topic}/{account}", text, moment)
        for topic in topics
        for number, ((account, text), moment) in enumerate(zip(sent, moments(topic, len(sent)), strict=True))
    ]
    ids, labels, accounts, texts, began = zip(*rows, strict=True)
    analyst = Listing(frozenset())
    facets, vectors, _ = read(conversations(ids, accounts, texts, began), analyst, site)
    made = name(place(facets, vectors, labels, site), analyst, site)
    published = set(made.published.filter(pl.col("level") == 0)["topic"])
    return [topic in published for topic in topics]


def _reworded(count: int, random: Random) -> list[str]:
    """Texts about one thing in words of their own, no two alike."""
    every = [f"{wish}: {about}" for wish, about in product(_WISHES[:4], _ABOUT)]
    every += [f"{about}, {wish.lower()}" for wish, about in product(_WISHES[4:], _ABOUT)]
    return random.sample(every, max(0, count))
