"""The corpus of `clio demo`: made-up conversations in the project's own layout, and the truth about them.

Beside ordinary conversations it plants what the pipeline must withhold or merge: private data, a subject that
three accounts alone discuss, a ring of accounts that sends one template in step, and the flags of a site's
classifier that is often wrong.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import polars as pl

from clio_dagster.synthetic.accounts import simulate, times
from clio_dagster.synthetic.canaries import Canaries, Canary
from clio_dagster.synthetic.grammar import Bound
from clio_dagster.synthetic.topics import Language, Topic, load_languages, load_planted

FIRST_DAY = date(2026, 11, 1)
DAYS = tuple(FIRST_DAY + timedelta(days=number) for number in range(7))

LANGUAGE_SHARES = {
    "en": 0.32,
    "es": 0.14,
    "de": 0.12,
    "fr": 0.10,
    "pt": 0.09,
    "zh": 0.08,
    "ja": 0.07,
    "it": 0.05,
    "ru": 0.03,
}

CANARY_SHARE = 0.03
SMALL_TOPIC, SMALL_ACCOUNTS, SMALL_CONVERSATIONS = "fairground_organ", 3, 40
RING_TOPIC, RING_ACCOUNTS, RING_BURSTS = "review_ring", 12, 7
ORDINARY, CANARY, SMALL, RING = "ordinary", "canary", "small", "ring"

CASUAL_SHARE = 0.25
"""Accounts that type without capitals and full stops."""

FLAGGED_SHARE = {"cover_letters": 0.06, "web_security": 0.30}
"""How often the site's classifier flags harmless topics that it mistakes; OTHERWISE_FLAGGED elsewhere."""

OTHERWISE_FLAGGED = 0.005
CAUGHT_IN_ENGLISH, CAUGHT_ELSEWHERE = 0.90, 0.30
"""How often the site's classifier flags harm: trained on English, it misses the same in translation."""

REFUSED_SHARE = 0.85
"""How often the assistant refuses what is harmful."""

_PLAN = (
    "conversation_id",
    "account_id",
    "started_at",
    "language",
    "topic",
    "kind",
    "harmful",
    "flagged",
    "refused",
    "casual",
)

_SENTENCE_START = re.compile(r"(^[„“\"«]?|[.?!…] )([^\W\d_])")


@dataclass(frozen=True)
class Truth:
    """What was planted.

    `conversations`: conversation_id, account_id, started_at, language, topic, kind (ordinary, canary, small
    or ring), harmful, flagged, refused. `canaries`: conversation_id, kind, text; each text occurs in that one
    conversation and nowhere else.
    """

    conversations: pl.DataFrame
    canaries: pl.DataFrame

    @property
    def ring_accounts(self) -> tuple[str, ...]:
        return self._accounts(RING)

    @property
    def small_accounts(self) -> tuple[str, ...]:
        return self._accounts(SMALL)

    def _accounts(self, kind: str) -> tuple[str, ...]:
        rows = self.conversations.filter(pl.col("kind") == kind)
        return tuple(rows.get_column("account_id").unique().sort())


def generate(
    path: Path,
    *,
    conversations: int = 5000,
    seed: int = 0,
    days: Sequence[date] = DAYS,
    shares: Mapping[str, float] = LANGUAGE_SHARES,
) -> Truth:
    """Write a corpus to `path` (.jsonl.gz) and return what was planted in it.

    `shares` are weights of the languages. The same seed gives the same bytes. Small corpora plant less: the small
    topic and the ring take at most a tenth each. Raises ValueError for fewer than 100 conversations or no day.
    """
    if conversations < 100 or not days:
        raise ValueError("a synthetic corpus needs at least 100 conversations and one day")
    plan = _plan(conversations, np.random.default_rng(seed), days, shares)
    random = Random(seed)
    canaries: list[tuple[str, Canary]] = []
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as file,
    ):
        for record in _records(plan, random, canaries):
            file.write(orjson.dumps(record) + b"\n")
    planted = {
        "conversation_id": [identifier for identifier, _ in canaries],
        "kind": [canary.kind for _, canary in canaries],
        "text": [canary.text for _, canary in canaries],
    }
    schema = dict.fromkeys(planted, pl.String)
    return Truth(plan.drop("casual"), pl.DataFrame(planted, schema=schema))


def _plan(
    total: int, rng: np.random.Generator, days: Sequence[date], shares: Mapping[str, float]
) -> pl.DataFrame:
    """Everything about each conversation but its text: Truth.conversations, and casual, by time."""
    small = _small(min(SMALL_CONVERSATIONS, total // 10), rng, days)
    ring = _ring(min(RING_BURSTS, max(1, total // (10 * RING_ACCOUNTS))), rng, days)
    languages = load_languages()
    mixes = {code: mix_of(language) for code, language in languages.items()}
    topics = sorted({topic for mix in mixes.values() for topic in mix})
    ordinary = simulate(
        total - len(small) - len(ring),
        rng=rng,
        topics=topics,
        languages=shares,
        days=days,
        mixes=mixes,
    )
    is_canary = pl.Series(rng.random(len(ordinary)) < CANARY_SHARE)
    ordinary = ordinary.with_columns(kind=pl.when(is_canary).then(pl.lit(CANARY)).otherwise(pl.lit(ORDINARY)))
    plan = pl.concat([ordinary, small, ring], how="diagonal").sort("started_at", maintain_order=True)

    account = plan.get_column("account_id").rank("dense").to_numpy().astype(int) - 1
    number = rng.permutation(int(account.max()) + 1)[account]
    casual = (rng.random(int(account.max()) + 1) < CASUAL_SHARE)[account]
    harmful = {name for each in languages.values() for name, topic in each.topics.items() if topic.harmful}
    plan = plan.with_columns(
        pl.format("demo-{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("conversation_id"),
        pl.Series("account_id", number).cast(pl.String).str.zfill(6).str.replace("^", "user-"),
        pl.Series("casual", casual),
        pl.col("topic").is_in(sorted(harmful)).alias("harmful"),
    )
    caught = pl.when(pl.col("language") == "en").then(CAUGHT_IN_ENGLISH).otherwise(CAUGHT_ELSEWHERE)
    mistaken = pl.col("topic").replace_strict(
        FLAGGED_SHARE, default=OTHERWISE_FLAGGED, return_dtype=pl.Float64
    )
    return plan.with_columns(
        (pl.Series(rng.random(total)) < pl.when("harmful").then(caught).otherwise(mistaken)).alias("flagged"),
        (pl.col("harmful") & pl.Series(rng.random(total) < REFUSED_SHARE)).alias("refused"),
    ).select(_PLAN)


def mix_of(language: Language) -> dict[str, float]:
    """Weights of a language's topics, which its file lists from the most frequent on."""
    return {topic: (place + 3) ** -0.7 for place, topic in enumerate(language.topics)}


def _small(count: int, rng: np.random.Generator, days: Sequence[date]) -> pl.DataFrame:
    account = np.sort(rng.integers(SMALL_ACCOUNTS, size=count))
    return _planted(SMALL, SMALL_TOPIC, account, times(account, rng=rng, days=days))


def _ring(bursts: int, rng: np.random.Generator, days: Sequence[date]) -> pl.DataFrame:
    """Bursts of a third of an hour in which every account of the ring sends one conversation."""
    burst, account = np.divmod(np.arange(bursts * RING_ACCOUNTS), RING_ACCOUNTS)
    day = rng.integers(len(days), size=bursts)
    hour = rng.integers(8, 22, size=bursts)
    midnight = np.array([datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp() for d in days])
    seconds = (midnight[day] + hour * 3600)[burst] + rng.integers(1200, size=len(burst))
    started_at = pl.Series(seconds.astype(np.int64) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    return _planted(RING, RING_TOPIC, account, started_at)


def _planted(kind: str, topic: str, account: np.ndarray, started_at: pl.Series) -> pl.DataFrame:
    accounts = pl.Series(account).cast(pl.String)
    return pl.DataFrame({"account_id": accounts, "started_at": started_at}).with_columns(
        pl.format("{}-{}", pl.lit(kind), "account_id").alias("account_id"),
        language=pl.lit("en"),
        topic=pl.lit(topic),
        kind=pl.lit(kind),
    )


def _records(
    plan: pl.DataFrame, random: Random, canaries: list[tuple[str, Canary]]
) -> Iterator[dict[str, Any]]:
    """The records in the project's layout, in the plan's order; appends to `canaries` what it plants."""
    languages, planted, maker = load_languages(), load_planted(), Canaries(random)
    ring: list[frozenset[tuple[str, ...]]] = []
    for row in plan.iter_rows(named=True):
        language = languages[row["language"]]
        topic = planted[row["topic"]] if row["topic"] in planted else language.topics[row["topic"]]
        bound: Bound = {}
        if row["kind"] == RING:
            asked = _ring_message(topic, random, ring)
        else:
            asked = first_message(topic, language.joiner, random, bound, casual=row["casual"])
        if row["kind"] == CANARY:
            canary = maker.plant(row["language"], language)
            canaries.append((row["conversation_id"], canary))
            asked = f"{asked}{language.joiner}{canary.sentence}"
        asked = _with_paste(asked, topic, random, bound)
        yield {
            "conversation_id": row["conversation_id"],
            "account_id": row["account_id"],
            "started_at": row["started_at"].isoformat(),
            "messages": list(
                _messages(asked, topic, random, bound, refused=row["refused"], casual=row["casual"])
            ),
            "flagged": row["flagged"],
            "metadata": {"label": {key: row[key] for key in ("topic", "language", "kind", "harmful")}},
        }


def _ring_message(topic: Topic, random: Random, ring: list[frozenset[tuple[str, ...]]]) -> str:
    """The ring's template, filled so that it shares less than half of its shingles with any before."""
    while True:
        text = topic.grammar.say("ask", random, {})
        words = text.split()
        shingles = frozenset(zip(words, words[1:], words[2:], strict=False))
        if all(len(shingles & other) < 0.5 * len(shingles | other) for other in ring):
            ring.append(shingles)
            return text


def first_message(topic: Topic, joiner: str, random: Random, bound: Bound, *, casual: bool) -> str:
    """An ask, mostly with what people put around it: a greeting, their situation, a wish, thanks."""
    say = topic.grammar.say
    parts = [say("ask", random, bound)]
    place = random.random()
    if place < 0.65:
        parts.insert(0 if place < 0.35 else 1, say("context", random, bound))
    if random.random() < 0.55:
        parts.append(say("constraint", random, bound))
    if random.random() < 0.3:
        parts.append(say("closing", random, bound))
    text = typed(joiner.join(parts), casual)
    if random.random() < 0.45:
        opening = say("opening", random, bound)
        text = opening + ("\n" if opening[-1] in ",，" else joiner) + text
    return text


def _with_paste(text: str, topic: Topic, random: Random, bound: Bound) -> str:
    if "paste" in topic.grammar and random.random() < 0.5:
        return f"{text}\n\n{topic.grammar.say('paste', random, bound)}"
    return text


def _messages(
    asked: str, topic: Topic, random: Random, bound: Bound, *, refused: bool, casual: bool
) -> Iterator[dict[str, str]]:
    """One to four exchanges; now and then the last one is left without a reply."""
    say = topic.grammar.say
    exchanges = 1 + min(3, int(random.expovariate(0.9)))
    for turn in range(exchanges):
        if turn:
            rule = "follow" if random.random() < 0.4 else "any_follow"
            asked = typed(say(rule, random, bound), casual)
        yield {"role": "user", "content": asked}
        if turn < exchanges - 1 or random.random() < 0.9:
            rule = "refusal" if refused else "reply" if turn == 0 or random.random() < 0.5 else "any_reply"
            yield {"role": "assistant", "content": typed(say(rule, random, bound), False)}


def typed(text: str, casual: bool) -> str:
    """Sentences begun with a capital; or, of casual typists, the message without capital and full stop."""
    if casual:
        return (text[:1].lower() + text[1:]).removesuffix(".")
    return _SENTENCE_START.sub(lambda found: found[1] + found[2].upper(), text)
