"""Templates: 36 texts of one template, unlike by shingles, that fill a topic of their own from 12 accounts.

Each family varies something else. What is asked: how many of the 36 are counted before any threshold looks, and
whether the topic is published. The attacker is the colluder who fills a threshold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from itertools import combinations
from random import Random

import polars as pl

from clio_dagster.evaluation.attacks.analysts import Listing
from clio_dagster.evaluation.attacks.ordinary import ordinary
from clio_dagster.evaluation.attacks.report import Line
from clio_dagster.evaluation.pipeline import DAY, Site, conversations, name, place, read
from clio_dagster.progress import track
from clio_dagster.synthetic.topics import NUMBERS, load_planted

TEXTS, ACCOUNTS = 36, 12
TEMPLATE = "template"
MOST_ALIKE = 0.5
"""Overlap (Jaccard of 3-word shingles) that no two texts of a family reach."""

_THINGS = (
    "kettle|folding bicycle|night cream|phone holder|garden hose|yoga mat|desk lamp|coffee grinder|"
    "rain jacket|dog harness|air fryer|travel pillow"
)
_MAKERS = (
    "Brightleaf|Norvia|Tolmex|Quandary|Velloria|Sandpiper|Ostrel|Kumbra|Zentaro|Hallowick|Perrin|Aldgate"
)
_PLACES = "Leeds|Cork|Turin|Malmo|Porto|Graz|Lyon|Ghent|Split|Bergen|Tartu|Vigo"
_GOOD = (
    "the handle never gets warm|it came a day early|the colour is deeper than in photos|"
    "it folds flat behind a door|nothing rattles any more|the strap feels sturdy|"
    "it charges over lunch|the seams held in the wash|my uncle could set it up|"
    "the smell is gone at once"
)
_BAD = (
    "the leaflet is too small|the box was dented|the lid clicks loudly|it only comes in grey|"
    "the cable could be longer|the first had a scratch|the app wants updates|it took time to learn"
)
_WHO = (
    "a tired father|a student in her first flat|a carpenter with rough hands|a nurse on lates|"
    "a retired driver|a weekend cyclist|a grandmother from the hills|an office clerk"
)
_LIKE = "splendid|lovely|superb|pleasant|solid|reliable|handsome|first rate|excellent|charming"
_SAY = "Write|Draft|Compose|Prepare|Put together|Produce|Create|Make"
_KIND = "praise|a kind notice|a warm verdict|a glowing note|a friendly opinion|a happy report"
_NOISE = (
    "by the way|hello again|sorry to bother you|quick one|good morning|one more thing|as before|"
    "thanks in advance|hm|okay then"
)

Make = Callable[[Random], str]


def families() -> dict[str, Make]:
    """What a family varies, and how one of its texts is made."""

    def pick(values: str, random: Random) -> str:
        return random.choice(values.split("|"))

    def words(random: Random) -> str:
        return (
            f"Rate {pick(_MAKERS, random)} {pick(_THINGS, random)} bought in {pick(_PLACES, random)} for "
            f"{random.randrange(20, 400)} {random.choice(('euros', 'dollars', 'crowns'))}, {pick(_LIKE, random)} or not"
        )

    def phrases(random: Random) -> str:
        return (
            f"Write a five star review of the {pick(_THINGS, random)} as {pick(_WHO, random)}. Say that "
            f"{pick(_GOOD, random)}, admit that {pick(_BAD, random)}, and stay under {random.randrange(60, 400)} words."
        )

    def ring(random: Random) -> str:
        return planted.say("ask", random, {"big": random.choice(NUMBERS["big"])})

    def permuted(random: Random) -> str:
        clauses = [
            f"say that {pick(_GOOD, random)}",
            f"sound like {pick(_WHO, random)}",
            f"admit that {pick(_BAD, random)}",
            f"keep it below {random.randrange(60, 400)} words",
        ]
        random.shuffle(clauses)
        return f"Review my {pick(_THINGS, random)}: " + ", ".join(clauses)

    def synonyms(random: Random) -> str:
        return (
            f"{pick(_SAY, random)} {pick(_KIND, random)} for my {pick(_LIKE, random)} {pick(_THINGS, random)}, "
            f"because {pick(_GOOD, random)}"
        )

    def two_languages(random: Random) -> str:
        if random.random() < 0.5:
            return phrases(random)
        return (
            f"Escribe una reseña de cinco estrellas de {pick(_THINGS, random)} como {pick(_WHO, random)}. Di que "
            f"{pick(_GOOD, random)}, admite que {pick(_BAD, random)}, en menos de {random.randrange(60, 400)} palabras."
        )

    def prefixed(random: Random) -> str:
        return f"{pick(_NOISE, random)}, {pick(_NOISE, random)}: {phrases(random)}"

    planted = load_planted()["review_ring"].grammar
    return {
        "slots of words": words,
        "slots of phrases": phrases,
        "the demo's ring": ring,
        "clauses permuted": permuted,
        "synonyms rotated": synonyms,
        "two languages": two_languages,
        "noise before it": prefixed,
    }


def attack(site: Site, *, size: int, seed: int) -> list[Line]:
    """One line a family, sent within twenty minutes and over a week, beside `size` conversations of others."""
    lines = []
    made = families()
    beside = ordinary(size, seed)
    with track("templates", 2 * len(made), "family") as advance:
        for family, make in made.items():
            texts = unlike(make, Random(seed))
            for pace, moments in (("in step", _minutes), ("over a week", _week)):
                left, published = _counted(site, texts, list(moments(Random(seed))), beside)
                lines.append(
                    Line(
                        f"template, {family}, {pace}",
                        f"{TEXTS} texts of {ACCOUNTS} accounts, overlap below {MOST_ALIKE}; "
                        f"topic {'published' if published else 'withheld'}",
                        TEXTS,
                        f"{left} of {TEXTS} counted",
                        None,
                        "1 counted",
                        left == 1,
                    )
                )
                advance(1)
    return lines


def unlike(make: Make, random: Random, count: int = TEXTS) -> list[str]:
    """Texts of a family of which no two overlap by MOST_ALIKE or more."""
    texts: list[str] = []
    seen: list[set[tuple[str, ...]]] = []
    for _ in range(200 * count):
        text = make(random)
        own = shingles(text)
        if all(overlap(own, other) < MOST_ALIKE for other in seen):
            texts.append(text)
            seen.append(own)
        if len(texts) == count:
            return texts
    raise ValueError("a family does not vary enough")


def shingles(text: str) -> set[tuple[str, ...]]:
    words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
    return set(zip(words, words[1:], words[2:], strict=False))


def overlap(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / max(1, len(one | other))


def _counted(
    site: Site, texts: list[str], moments: list[dt.datetime], beside: tuple[pl.DataFrame, list[str]]
) -> tuple[int, bool]:
    """How many are counted, and whether the topic is published, in a window of ordinary conversations."""
    sent = conversations(
        [f"t{number:02d}" for number in range(len(texts))],
        [f"colluder-{number % ACCOUNTS}" for number in range(len(texts))],
        texts,
        moments,
    )
    analyst = Listing(frozenset())
    facets, vectors, _ = read(pl.concat([beside[0], sent]), analyst, site)
    topic_of = dict(zip(beside[0]["conversation_id"], beside[1], strict=True))
    topics = [topic_of.get(identifier, TEMPLATE) for identifier in facets["conversation_id"]]
    made = name(place(facets, vectors, topics, site), analyst, site)
    own = made.base.members.filter(pl.col("conversation_id").str.starts_with("t"))
    return int(own["counted"].sum()), TEMPLATE in set(made.published["topic"])


def _minutes(random: Random) -> Iterator[dt.datetime]:
    """Twenty minutes of one morning."""
    for _ in range(TEXTS):
        yield dt.datetime.combine(DAY, dt.time(9), dt.UTC) + dt.timedelta(seconds=random.randrange(1_200))


def _week(random: Random) -> Iterator[dt.datetime]:
    midnight = dt.datetime.combine(DAY, dt.time(), dt.UTC)
    for _ in range(TEXTS):
        yield midnight - dt.timedelta(seconds=random.randrange(6 * 86_400))


def most_alike(texts: list[str]) -> float:
    """The greatest overlap of two of the texts."""
    return max(overlap(shingles(one), shingles(other)) for one, other in combinations(texts, 2))
