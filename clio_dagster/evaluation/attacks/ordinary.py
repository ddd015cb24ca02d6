"""Ordinary conversations in English about TOPICS subjects, by accounts that behave like people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from random import Random

import numpy as np
import polars as pl

from clio_dagster.evaluation.pipeline import DAY, conversations
from clio_dagster.synthetic.accounts import simulate
from clio_dagster.synthetic.topics import load_languages

TOPICS = 24
WINDOW = tuple(DAY - dt.timedelta(back) for back in range(6, -1, -1))
"""Days of the window that the date's topics are found over."""

_MORE_TOPICS = {
    "astronomy": (
        "the moons of Jupiter|star charts|a first telescope|meteor showers|the craters|eclipses|comets|constellations",
        "a red filter|my balcony|city lights|the eyepiece|a cheap tripod|binoculars|dew on the lens|a sky app",
    ),
    "music practice": (
        "piano scales|sight reading|guitar chords|a steady rhythm|vibrato|finger strength|ear training|arpeggios",
        "a metronome|sore wrists|noisy neighbours|the left hand|twenty minutes a day|old strings|a teacher|tabs",
    ),
    "knitting": (
        "turning a heel|cable patterns|mittens|casting on|lace|raglan sleeves|yarn weights|buttonholes",
        "dropped stitches|bamboo needles|itchy wool|the gauge|a baby blanket|leftover yarn|blocking|charts",
    ),
    "chess": (
        "the Sicilian|rook endings|pawn storms|forks and pins|the opening|blitz|calculating|the middle game",
        "a stronger opponent|time trouble|my bishop|an early queen|the clock|my club|studying alone|blunders",
    ),
}
"""Subjects that the synthetic corpus lacks: what is asked about, and what comes up with it."""

_ASKS = (
    "Can you help me with {a}? I keep struggling with {b}.",
    "What is a good way to begin {a} despite {b}?",
    "Explain {a} to me, and {b} above all.",
    "I want to get better at {a} but {b} stops me",
    "Give me a plan for {a} over the next month.",
    "why is {a} so hard, is it {b}?",
    "Recommend books on {a}",
    "{a} for beginners: where do i start",
    "Compare {a} with {c}, which first?",
    "Three exercises for {a}, please, mind {b}",
    "how much does {b} matter for {a}",
    "Quiz me on {a} and then on {c}.",
)


def senders(size: int, seed: int) -> pl.DataFrame:
    """Who sends what when: account_id, started_at, language, topic; every subject as likely as another."""
    names = list(speakers())
    return simulate(
        size,
        rng=np.random.default_rng(seed),
        topics=names,
        languages={"en": 1.0},
        days=WINDOW,
        mixes={"en": dict.fromkeys(names, 1.0)},
    )


def ordinary(size: int, seed: int) -> tuple[pl.DataFrame, list[str]]:
    """tables.RAW_CONVERSATIONS of `size` conversations over the window, and the subject of each."""
    random = Random(seed)
    speaks = speakers()
    plan = senders(size, seed)
    raw = conversations(
        [f"o{number:06d}" for number in range(size)],
        plan["account_id"].to_list(),
        [speaks[topic](random) for topic in plan["topic"]],
        plan["started_at"].to_list(),
    )
    return raw, plan["topic"].to_list()


def moments(name: str, count: int) -> list[dt.datetime]:
    """Times over six days of the window, the same for the same name and the first ones whatever the count."""
    random = Random(name)
    midnight = dt.datetime.combine(DAY, dt.time(), dt.UTC)
    return [midnight - dt.timedelta(seconds=random.randrange(6 * 86_400)) for _ in range(count)]


def speakers() -> Mapping[str, Callable[[Random], str]]:
    """A way to ask about each of TOPICS subjects."""
    language = load_languages()["en"]

    def spoken(topic: str) -> Callable[[Random], str]:
        grammar = language.topics[topic].grammar

        def say(random: Random) -> str:
            bound: dict[str, str] = {}
            parts = [grammar.say("ask", random, bound)]
            if random.random() < 0.6:
                parts.append(grammar.say("context", random, bound))
            return " ".join(parts)

        return say

    def more(topic: str) -> Callable[[Random], str]:
        subjects, around = (values.split("|") for values in _MORE_TOPICS[topic])

        def say(random: Random) -> str:
            one, other = random.sample(subjects, 2)
            return random.choice(_ASKS).format(a=one, b=random.choice(around), c=other)

        return say

    found = {topic: spoken(topic) for topic in language.topics}
    found |= {topic: more(topic) for topic in _MORE_TOPICS}
    return dict(list(found.items())[:TOPICS])
