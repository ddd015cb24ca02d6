"""Rings of accounts that act together, to be planted into any corpus, and two innocent crowds that look like them.

The three kinds are those that Clio's authors report from coordinated misuse (Tamkin et al. 2024, arXiv 2412.13678,
section 4): pages that sell one thing from many accounts, one complex prompt that many accounts send, and resold
access, where one account carries the traffic of many people. They write through the corpus's own grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import polars as pl

from clio_dagster.safety.tables import NARROW_TOPIC, RESALE, SHARED_PROMPT
from clio_dagster.synthetic.accounts import simulate, times
from clio_dagster.synthetic.corpus import LANGUAGE_SHARES, first_message, mix_of, typed
from clio_dagster.synthetic.topics import Topic, load_languages, load_rings

CROWD = "crowd"

CLAUSES = 8
"""Clauses of the long prompt."""

DROPPED = 0.25
"""How many clauses are left out by those who paraphrase most."""

BURST_SECONDS = 1800
"""How long a burst lasts, for a ring that sends in bursts."""

CLIENT_CONVERSATIONS = 5.0
"""Conversations of one of the people behind a resold account, on average."""


@dataclass(frozen=True)
class Ring:
    """What is planted.

    `paraphrase`, of a shared prompt: 0 copies it and fills the slots, 1 reorders its clauses, 2 gives each account
    wordings and an order of its own, 3 draws them for each conversation, leaves a quarter of the clauses out and puts
    a sentence in front. `bursts`: so many half hours hold everything; 0 spreads it over the days as people do.
    `decoys`: the share of an account's conversations that is ordinary.
    `languages`: those of the people behind a resold account, or None for the corpus's own.
    """

    name: str
    kind: str
    accounts: int
    mean_conversations: float
    topic: str = ""
    paraphrase: int = 0
    bursts: int = 0
    decoys: float = 0.0
    created_within_days: float = 3.0
    languages: tuple[str, ...] | None = None


RINGS = (
    Ring("casino pages", NARROW_TOPIC, 150, 6, "casino_pages"),
    Ring("tavern game", SHARED_PROMPT, 40, 8, "tavern_game", paraphrase=2),
    Ring("resold access", RESALE, 12, 60),
)
"""The rings of the benchmark; the members of the second paraphrase. All are spread over the week."""


def plant_rings(
    rings: Sequence[Ring] = RINGS, *, rng: np.random.Generator, days: Sequence[date]
) -> pl.DataFrame:
    """Conversations of the rings, by time, and the truth about them.

    Columns: conversation_id, account_id, account_created_at, started_at, language, topic, ring, kind, messages (list
    of {role, content}). Ids begin with `ring-`, so they meet no other corpus's. `records` gives them in the project's
    layout. Raises ValueError where there is no ring or no day.
    """
    if not (rings and days):
        raise ValueError("planting rings needs at least one ring and one day")
    random = Random(int(rng.integers(2**63)))
    planned = pl.concat([_plan(ring, rng, days) for ring in rings]).sort(
        "started_at", "account_id", maintain_order=True
    )
    by_name, wordings = {ring.name: ring for ring in rings}, dict[str, tuple[int, ...]]()
    messages = [
        _messages(row, by_name[row["ring"]], random, wordings) for row in planned.iter_rows(named=True)
    ]
    shape = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    return planned.with_columns(pl.Series("messages", messages, dtype=shape)).select(
        pl.format("ring-{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("conversation_id"),
        pl.all().exclude("casual"),
    )


def records(planted: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The conversations of `plant_rings` as records of the project's layout, one for each line of a file."""
    for row in planted.iter_rows(named=True):
        yield {
            "conversation_id": row["conversation_id"],
            "account_id": row["account_id"],
            "started_at": row["started_at"].isoformat(),
            "messages": row["messages"],
            "metadata": {"label": {key: row[key] for key in ("topic", "language", "ring", "kind")}},
        }


def assignment(students: int = 60) -> Ring:
    """A class of students who hand the assistant one assignment, once or twice, beside what else they ask."""
    return Ring("one class", CROWD, students, 5, "reading_assignment", decoys=0.7, created_within_days=600)


def breaking_news(people: int = 300) -> Ring:
    """People who ask about one event within half an hour, beside what else they ask."""
    return Ring(
        "breaking news", CROWD, people, 4, "storm_news", decoys=0.7, bursts=1, created_within_days=600
    )


def _plan(ring: Ring, rng: np.random.Generator, days: Sequence[date]) -> pl.DataFrame:
    """Everything about each conversation of one ring but its text; `casual` is how its writer types."""
    if ring.kind == RESALE:
        plan = _resold(ring, rng, days)
    else:
        own = np.maximum(1, rng.poisson(ring.mean_conversations, ring.accounts))
        account = np.repeat(np.arange(ring.accounts), own)
        decoy = rng.random(len(account)) < ring.decoys
        english = list(load_languages()["en"].topics)
        habit = rng.integers(len(english), size=(ring.accounts, 3))
        topic = np.array(english)[habit[account, rng.integers(3, size=len(account))]]
        plan = pl.DataFrame(
            {
                "account": account,
                "started_at": _begun(ring, account, decoy, rng, days),
                "topic": np.where(decoy, topic, ring.topic),
                "casual": (rng.random(ring.accounts) < 0.25)[account],
            }
        ).with_columns(language=pl.lit("en"))
    born = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC) - timedelta(
        days=float(rng.uniform(5, 60)) + ring.created_within_days
    )
    created = [
        born + timedelta(days=float(age)) for age in rng.random(ring.accounts) * ring.created_within_days
    ]
    return plan.select(
        pl.format("ring-{}-{}", pl.lit(ring.name.replace(" ", "-")), "account").alias("account_id"),
        pl.Series("account_created_at", created, dtype=pl.Datetime("us", "UTC"))
        .gather(plan["account"])
        .alias("account_created_at"),
        "started_at",
        "language",
        "topic",
        pl.lit(ring.name).alias("ring"),
        pl.lit(ring.kind).alias("kind"),
        "casual",
    )


def _resold(ring: Ring, rng: np.random.Generator, days: Sequence[date]) -> pl.DataFrame:
    """The people of a site, dealt out among the ring's accounts."""
    languages = load_languages()
    mixes = {code: mix_of(language) for code, language in languages.items()}
    people = simulate(
        max(ring.accounts, round(ring.accounts * ring.mean_conversations)),
        rng=rng,
        topics=sorted({topic for mix in mixes.values() for topic in mix}),
        languages={code: LANGUAGE_SHARES[code] for code in ring.languages or LANGUAGE_SHARES},
        days=days,
        mean_conversations=CLIENT_CONVERSATIONS,
        mixes=mixes,
    )
    client = people["account_id"].rank("dense").to_numpy().astype(int) - 1
    dealt = rng.permutation(np.arange(client.max() + 1) % ring.accounts)
    casual = rng.random(client.max() + 1) < 0.25
    return people.select(
        pl.Series("account", dealt[client]),
        "started_at",
        "topic",
        pl.Series("casual", casual[client]),
        "language",
    )


def _begun(
    ring: Ring, account: np.ndarray, decoy: np.ndarray, rng: np.random.Generator, days: Sequence[date]
) -> pl.Series:
    """When each conversation began: as people's do, or, in bursts, what is not a decoy."""
    own = times(account, rng=rng, days=days)
    if not ring.bursts:
        return own
    midnight = np.array([datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp() for d in days])
    begins = midnight[rng.integers(len(days), size=ring.bursts)] + 3600 * rng.integers(8, 22, ring.bursts)
    burst = begins[rng.integers(ring.bursts, size=len(account))] + rng.integers(
        BURST_SECONDS, size=len(account)
    )
    micros = np.where(decoy, own.dt.epoch("us").to_numpy(), burst.astype(np.int64) * 1_000_000)
    return pl.Series("started_at", micros).cast(pl.Datetime("us", "UTC"))


def _messages(
    row: Mapping[str, Any], ring: Ring, random: Random, wordings: dict[str, tuple[int, ...]]
) -> list[dict[str, str]]:
    """One to four exchanges, as in the corpus."""
    languages, planted = load_languages(), load_rings()
    language = languages[row["language"]]
    topic = planted[row["topic"]] if row["topic"] in planted else language.topics[row["topic"]]
    bound: dict[str, str] = {}
    if row["topic"] == "tavern_game":
        asked = _long_prompt(topic, ring.paraphrase, row["account_id"], random, bound, wordings)
    elif row["topic"] in planted:
        asked = topic.grammar.say("ask", random, bound)
        if random.random() < 0.4:
            asked += " " + topic.grammar.say(
                "context" if random.random() < 0.5 else "constraint", random, bound
            )
        asked = typed(asked, row["casual"])
    else:
        asked = first_message(topic, language.joiner, random, bound, casual=row["casual"])
    written = []
    for turn in range(1 + min(3, int(random.expovariate(0.9)))):
        text = asked if turn == 0 else topic.grammar.say("any_follow", random, bound)
        written.append({"role": "user", "content": text})
        written.append({"role": "assistant", "content": topic.grammar.say("any_reply", random, bound)})
    return written


def _long_prompt(
    topic: Topic,
    paraphrase: int,
    account: str,
    random: Random,
    bound: dict[str, str],
    wordings: dict[str, tuple[int, ...]],
) -> str:
    """The clauses, copied, reordered or reworded, as `Ring.paraphrase` says. `wordings` keeps an account's own seed."""
    draw = random
    if paraphrase in (1, 2):
        seed = wordings.setdefault(account, (random.getrandbits(63),))[0]
        draw = Random(seed)
    order = list(range(1, CLAUSES + 1))
    if paraphrase:
        draw.shuffle(order)
    if paraphrase == 3:
        order = [clause for clause in order if draw.random() >= DROPPED] or order
    kind = "other" if paraphrase >= 2 else "plain"
    own: dict[str, str] = {}
    said = [
        topic.grammar.say(f"{kind}_{clause}" if draw.random() < 0.8 else f"plain_{clause}", draw, own)
        for clause in order
    ]
    if paraphrase == 3:
        said.insert(0, topic.grammar.say("preface", draw, own))
    if draw is not random:
        # The wording is the account's, what fills the slots is the conversation's.
        for slot in ("hero", "setting", "mood"):
            filled = topic.grammar.say(slot, random, bound)
            said = [sentence.replace(own[slot], filled) if slot in own else sentence for sentence in said]
    return " ".join(said)
