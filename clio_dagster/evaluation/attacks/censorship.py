"""Censorship and slander: one account floods a topic; twelve push a word into it.

The attackers are the spammer, who would have a topic withheld for being dominated, and the colluders, who would put a
word of theirs into a name. Twelve who write the word in texts of their own, at times of their own, are twelve people
for all that can be told: that line is reported, and nothing is promised of it.
"""

from __future__ import annotations

import datetime as dt
from random import Random

import polars as pl

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.evaluation.attacks.analysts import Listing
from clio_dagster.evaluation.attacks.ordinary import moments, ordinary, speakers
from clio_dagster.evaluation.attacks.report import Line
from clio_dagster.evaluation.intervals import Share
from clio_dagster.evaluation.pipeline import DAY, Made, Site, conversations, find, name, read
from clio_dagster.privacy.accounts import owner
from clio_dagster.progress import track
from clio_dagster.tables import PUBLISHED

FLOOD, COLLUDERS = 500, 12
OTHER_SEEDS = (1, 2)
"""Seeds of k-means with which the same window is clustered without a flood: what chance alone does to a topic."""

SLACK = 0.02
"""Share of others' conversations that may come and go with the clusters' borders."""

WORD = "velvetine"
"""What is pushed: no word of any list, so 8 accounts' support would let it by."""

SPAMMER = "spammer"
_SLOTS = ("fern", "ivy", "cactus", "orchid", "basil", "mint", "tulip", "rose", "lily", "palm", "aloe", "moss")
_OWN = (
    "Is velvetine safe for a fern?",
    "my ivy got spots after velvetine, what now",
    "How often do people spray velvetine on roses",
    "velvetine or soap against greenfly?",
    "Which is milder, neem oil or velvetine, for seedlings on a sill",
    "someone sold me velvetine for orchids... worth it",
    "Do i rinse velvetine off before picking basil",
    "the palm drooped, I blame velvetine. Am I right",
    "can velvetine go on in full sun",
    "Explain what velvetine does to roots",
    "velvetine ruined my lawn! how do I mend it",
    "Is it too cold outside for velvetine in spring",
)


def attack(site: Site, *, size: int, floods: int, seed: int) -> list[Line]:
    """One line for the floods, of `floods` topics one at a time, and one for each way to push a word."""
    crowd, topics = ordinary(size, seed)
    lines: list[Line] = []
    ids = {
        str(topic): part["conversation_id"]
        for (topic,), part in crowd.with_columns(pl.Series("topic", topics)).group_by("topic")
    }
    subjects = sorted(ids, key=lambda topic: (-len(ids[topic]), topic))
    ways = {"one template": _template, "in step": _in_step, "independent": _independent}
    with track("censorship and slander", 1 + len(OTHER_SEEDS) + floods + len(ways), "run") as advance:
        quiet = _made(site, site.honest, crowd)
        advance(1)
        flooded_topics = [topic for topic in subjects if _stays(quiet, ids[topic])][:floods]
        chance = []
        for other in OTHER_SEEDS:
            again = _made(site.with_settings(seed=other), site.honest, crowd)
            chance.append(
                (
                    sum(_stays(again, ids[topic]) for topic in flooded_topics),
                    sum(_shown(again, ids[topic]) for topic in flooded_topics) / len(flooded_topics),
                )
            )
            advance(1)
        found = []
        for subject in flooded_topics:
            own = ids[subject]
            flooded = _made(site, site.honest, pl.concat([crowd, _flood(subject, seed)]))
            found.append(
                (_stays(flooded, own), _shown(quiet, own), _shown(flooded, own), _largest_share(flooded))
            )
            advance(1)
        lines.append(_flood_line(found, chance))
        for way, send in ways.items():
            made = _made(site, Listing(frozenset({WORD})), pl.concat([crowd, send(seed)]))
            texts = " ".join(made.texts()).casefold()
            supported = any(WORD in vocabulary.words for vocabulary in made.vocabularies.values())
            is_promised = way != "independent"
            lines.append(
                Line(
                    f"slander, {way}",
                    f"{COLLUDERS} accounts push a word into a topic; a namer names every word that it is given",
                    COLLUDERS,
                    f"the word {'appears' if WORD in texts else 'does not appear'}"
                    f"{', supported' if supported else ''}",
                    None,
                    "does not appear" if is_promised else "none: twelve people are what support means",
                    WORD not in texts if is_promised else None,
                )
            )
            advance(1)
    return lines


def _made(site: Site, analyst: Analyst, raw: pl.DataFrame) -> Made:
    facets, vectors, _ = read(raw, analyst, site)
    return name(find(facets, vectors, site), analyst, site)


def _flood_line(found: list[tuple[bool, float, float, float]], chance: list[tuple[int, float]]) -> Line:
    """`chance`: topics that stay, and the share of their conversations shown, where nobody floods."""
    least, least_shown = (min(each) for each in zip(*chance, strict=True))
    stays = Share(sum(row[0] for row in found), len(found))
    before, after = (sum(row[place] for row in found) / len(found) for place in (1, 2))
    return Line(
        "censorship: one account floods a topic",
        f"{FLOOD} conversations into one topic, {len(found)} topics in turn; one account holds at most "
        f"{max(row[3] for row in found):.3f} of a published cluster",
        stays.n,
        f"{stays.hits} of {stays.n} stay published; of others' conversations on them {after:.3f} under a published "
        f"leaf, {before:.3f} before",
        stays.interval(),
        f"as where nobody floods and k-means begins elsewhere: {least} topics, and {least_shown:.3f} less {SLACK:g}",
        stays.hits >= least and after >= least_shown - SLACK,
    )


def _stays(made: Made, own: pl.Series) -> bool:
    """Whether a published base cluster is about the topic: most of what others have in it is on it."""
    published = made.leaves.filter(status=PUBLISHED)["cluster_id"]
    rows = made.base.members.filter(
        pl.col("counted") & (pl.col("account") != SPAMMER) & pl.col("cluster_id").is_in(published.implode())
    )
    about = rows.group_by("cluster_id").agg(
        pl.col("conversation_id").is_in(own.implode()).mean().alias("share")
    )
    return not about.filter(pl.col("share") > 0.5).is_empty()


def _shown(made: Made, ids: pl.Series) -> float:
    published = made.leaves.filter(status=PUBLISHED)["cluster_id"]
    rows = made.base.members.filter(pl.col("conversation_id").is_in(ids.implode()))
    return float(rows["cluster_id"].is_in(published.implode()).sum()) / max(1, len(ids))


def _largest_share(made: Made) -> float:
    """Largest share that one account has of a published cluster's counted conversations."""
    published = made.leaves.filter(status=PUBLISHED)["cluster_id"]
    shares = (
        made.base.members.filter(pl.col("counted") & pl.col("cluster_id").is_in(published.implode()))
        .group_by("cluster_id", owner())
        .len()
        .select(pl.col("len") / pl.col("len").sum().over("cluster_id"))
        .to_series()
    )
    return float(shares.max() or 0.0)  # type: ignore[arg-type]


def _flood(subject: str, seed: int) -> pl.DataFrame:
    random = Random(seed)
    say = speakers()[subject]
    return _sent("flood", [say(random) for _ in range(FLOOD)], [SPAMMER] * FLOOD, moments("flood", FLOOD))


def _template(seed: int) -> pl.DataFrame:
    """One sentence with another plant in it, three times an account."""
    texts = [f"Tell me why velvetine is the best cure for my {slot} this spring" for slot in _SLOTS] * 3
    return _sent("slander", texts, _accounts(3 * COLLUDERS), moments("slander", 3 * COLLUDERS))


def _in_step(seed: int) -> pl.DataFrame:
    """Texts of their own, all within twenty minutes."""
    random = Random(seed)
    morning = dt.datetime.combine(DAY, dt.time(9), dt.UTC)
    began = [morning + dt.timedelta(seconds=random.randrange(1_200)) for _ in _OWN]
    return _sent("slander", list(_OWN), _accounts(len(_OWN)), began)


def _independent(seed: int) -> pl.DataFrame:
    return _sent("slander", list(_OWN), _accounts(len(_OWN)), moments("independent", len(_OWN)))


def _accounts(count: int) -> list[str]:
    return [f"colluder-{number % COLLUDERS}" for number in range(count)]


def _sent(prefix: str, texts: list[str], accounts: list[str], began: list[dt.datetime]) -> pl.DataFrame:
    return conversations([f"{prefix}{number:03d}" for number in range(len(texts))], accounts, texts, began)
