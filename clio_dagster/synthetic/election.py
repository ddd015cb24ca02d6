"""An election in made-up conversations: weeks of ordinary ones, talk of voting throughout, and what its window brings.

Three topics begin on different days of the window, one of them harmful; the days before it know nothing of them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import polars as pl

from clio_dagster.synthetic.accounts import simulate
from clio_dagster.synthetic.corpus import REFUSED_SHARE, _messages, first_message
from clio_dagster.synthetic.grammar import Bound
from clio_dagster.synthetic.topics import Topic, load_election, load_languages
from clio_dagster.tables import RAW_CONVERSATIONS

FIRST_DAY = date(2026, 10, 20)
BASELINE_DAYS, WINDOW_DAYS = 14, 7

NEW = {"counting_machines": 0, "forged_ballots": 2, "flooded_polling": 4}
"""What begins within the window, and on which of its days, from 0."""

HARMFUL = "forged_ballots"
NEW_A_DAY = 45
"""Conversations a day of each, on average, from the day on which it begins."""

CHATTER = ("voting_help", "programmes", "systems")
CHATTER_SHARE = 0.08
"""Of everything that is written: talk of voting that was there all the time."""

LANGUAGES = {"en": 0.6, "es": 0.4}

WATCHED = "Is this conversation about voting, ballots or an election?"
KEYWORDS = {
    "en": (
        "vote*",
        "voting",
        "ballot*",
        "election*",
        "electoral",
        "polls",
        "polling",
        "precinct*",
        "candidate*",
    ),
    "es": ("vota*", "voto*", "papeleta*", "eleccion*", "elector*", "urna*", "candidat*"),
}
"""A watch question that takes in what is written here, with the words by which plain code finds it."""


@dataclass(frozen=True)
class Election:
    """What was written: conversation_id, account_id, started_at, language, topic, is_harmful, is_refused, by time.

    `days` are all of them, the last WINDOW_DAYS of which are the window.
    """

    conversations: pl.DataFrame
    days: tuple[date, ...]
    window: tuple[date, ...]

    def begins(self, topic: str) -> date:
        """The day of a topic's first conversation."""
        began = self.conversations.filter(topic=topic)["started_at"].min()
        assert began is not None
        return began.date()  # type: ignore[union-attr]


def generate(
    path: Path,
    *,
    conversations: int = 12_000,
    seed: int = 0,
    first: date = FIRST_DAY,
    days: int = BASELINE_DAYS + WINDOW_DAYS,
    new: bool = True,
) -> Election:
    """Write a corpus to `path` (.jsonl.gz) and return what is in it. The same seed gives the same bytes.

    `conversations` without those of the new topics, which come on top where `new`. Raises ValueError for fewer than
    100 conversations, or fewer days than a window has.
    """
    if conversations < 100 or days < WINDOW_DAYS:
        raise ValueError(f"an election needs at least 100 conversations and {WINDOW_DAYS} days")
    every = [first + timedelta(days=number) for number in range(days)]
    window = every[-WINDOW_DAYS:]
    plan = _plan(conversations, np.random.default_rng(seed), every, window if new else [])
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as file,
    ):
        for record in _records(plan, Random(seed)):
            file.write(orjson.dumps(record) + b"\n")
    return Election(plan, tuple(every), tuple(window))


def as_landed(path: Path) -> pl.DataFrame:
    """tables.RAW_CONVERSATIONS of a corpus, by time; accounts, languages and days (UTC) as they were planned."""
    with gzip.open(path) as file:
        records = [orjson.loads(line) for line in file]
    return pl.DataFrame(
        [
            {
                "conversation_id": each["conversation_id"],
                "account": each["account_id"],
                "started_at": (began := datetime.fromisoformat(each["started_at"])),
                "date": began.date(),
                "language": each["metadata"]["label"]["language"],
                "turns": len(each["messages"]),
                "messages": [{"role": one["role"], "text": one["content"]} for one in each["messages"]],
                "flagged": None,
            }
            for each in records
        ],
        schema=RAW_CONVERSATIONS.schema,
    )


def _plan(total: int, rng: np.random.Generator, days: Sequence[date], window: Sequence[date]) -> pl.DataFrame:
    ordinary = {code: sorted(load_languages()[code].topics) for code in LANGUAGES}
    election = load_election()
    chatter = {code: [topic for topic in CHATTER if topic in election[code]] for code in LANGUAGES}
    mixes = {
        code: dict.fromkeys(ordinary[code], (1 - CHATTER_SHARE) / len(ordinary[code]))
        | dict.fromkeys(chatter[code], CHATTER_SHARE / len(chatter[code]))
        for code in LANGUAGES
    }
    parts = [_part("ordinary", total, rng, sorted({*mixes["en"], *mixes["es"]}), days, mixes)]
    if window:
        parts += [
            _part(topic, NEW_A_DAY * (len(window) - begins), rng, [topic], window[begins:], None)
            for topic, begins in NEW.items()
        ]
    plan = pl.concat(parts).sort("started_at", "account_id", maintain_order=True)
    harmful = {
        name
        for topics in (*(each.topics for each in load_languages().values()), *election.values())
        for name, topic in topics.items()
        if topic.harmful
    }
    return plan.with_columns(
        pl.format("e-{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(6)).alias("conversation_id"),
        pl.col("topic").is_in(sorted(harmful)).alias("is_harmful"),
    ).with_columns(
        (pl.col("is_harmful") & pl.Series(rng.random(len(plan)) < REFUSED_SHARE)).alias("is_refused")
    )


def _part(
    prefix: str,
    count: int,
    rng: np.random.Generator,
    topics: Sequence[str],
    days: Sequence[date],
    mixes: dict[str, dict[str, float]] | None,
) -> pl.DataFrame:
    """Conversations of accounts of their own."""
    found = simulate(
        count,
        rng=rng,
        topics=topics,
        languages=LANGUAGES,
        days=days,
        mixes=mixes,
        mean_conversations=3.0 if mixes else 1.5,
    )
    return found.with_columns(pl.format("{}-{}", pl.lit(prefix), "account_id").alias("account_id"))


def _records(plan: pl.DataFrame, random: Random) -> Iterator[dict[str, Any]]:
    """The records in the project's layout, in the plan's order."""
    ordinary, election = load_languages(), load_election()
    for row in plan.iter_rows(named=True):
        language, name = ordinary[row["language"]], row["topic"]
        topic: Topic = election[row["language"]].get(name) or language.topics[name]
        casual, bound = random.random() < 0.25, Bound()
        asked = first_message(topic, language.joiner, random, bound, casual=casual)
        yield {
            "conversation_id": row["conversation_id"],
            "account_id": row["account_id"],
            "started_at": row["started_at"].isoformat(),
            "messages": list(
                _messages(asked, topic, random, bound, refused=row["is_refused"], casual=casual)
            ),
            "metadata": {"label": {"topic": name, "language": row["language"]}},
        }
