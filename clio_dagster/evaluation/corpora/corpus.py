"""Conversations of known categories in many languages: varied in length, tone and turns, of accounts like people's.

Made as the paper made its own (Clio, appendix C.2): category, subcategory, prompt, conversation. The same seed gives
the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import numpy as np
import polars as pl

from clio_dagster.evaluation.corpora.bank import CONCERNING, HELD_OUT, Bank, categories, is_tuning, load_bank
from clio_dagster.synthetic.accounts import simulate
from clio_dagster.synthetic.grammar import Bound
from clio_dagster.tables import RAW_CONVERSATIONS

SEVERAL = 0.08
"""Share of conversations that ask for something else, too, of another category."""

REFUSED = 0.7
"""Share of concerning requests that the assistant declines."""

TURNS = (0.55, 0.3, 0.15)
"""Shares of conversations with one, two and three requests of the user's."""

LABELS: dict[str, pl.DataType | type[pl.DataType]] = {
    "conversation_id": pl.String,
    "language": pl.String,
    "category": pl.String,
    "subcategory": pl.String,
    "also": pl.String,
    "slots": pl.List(pl.String),
    "refused": pl.Boolean,
}
"""Columns of Corpus.labels; `also` is the category of a second request, null where there is none."""


@dataclass(frozen=True)
class Corpus:
    """tables.RAW_CONVERSATIONS, with accounts' ids for pseudonyms, and what each was made to be about."""

    conversations: pl.DataFrame
    labels: pl.DataFrame


def make_corpus(
    kind: str,
    count: int,
    *,
    languages: Sequence[str],
    seed: int = 0,
    half: str = HELD_OUT,
    end: date = date(2026, 11, 7),
    days: int = 7,
) -> Corpus:
    """`count` conversations of a kind, evenly over languages and categories, in the days that end with `end`.

    Of TUNING only half of the categories occur. Raises ValueError for no conversation or no language.
    """
    names = [each.id for each in categories(kind) if half == HELD_OUT or is_tuning(each.id)]
    even = {language: dict.fromkeys(names, 1.0) for language in languages}
    plan = simulate(
        count,
        rng=np.random.default_rng([seed, len(kind)]),
        topics=names,
        languages=dict.fromkeys(languages, 1.0),
        days=[end - timedelta(days=back) for back in reversed(range(days))],
        mixes=even,
    )
    random = Random(f"{seed} {kind} {half}")
    subcategories = {each.id: list(each.subcategories) for each in categories(kind)}
    rows, labels = [], []
    for number, (account, started_at, language, category) in enumerate(
        plan.select("account_id", "started_at", "language", "topic").iter_rows()
    ):
        bank = load_bank(language, half)
        subcategory = random.choice(subcategories[category])
        also = (
            random.choice([name for name in names if name != category]) if random.random() < SEVERAL else None
        )
        bound: Bound = {}
        refused = kind == CONCERNING and random.random() < REFUSED
        messages = _conversation(bank, (kind, category, subcategory), bound, random, refused)
        if also is not None:
            messages += _asked_too(bank, (kind, also, random.choice(subcategories[also])), random, refused)
        identifier = f"{kind[0]}{seed}-{number:06}"
        rows.append((identifier, account, started_at, language, messages))
        slots = [bound[name] for name in bank.subjects[kind, category, subcategory].slots if name in bound]
        labels.append((identifier, language, category, subcategory, also, slots, refused))
    columns = ("conversation_id", "account", "started_at", "language", "messages")
    made = RAW_CONVERSATIONS.empty().select(columns)
    made = pl.DataFrame(rows, schema=made.schema, orient="row")
    conversations = made.with_columns(
        pl.col("started_at").dt.date().alias("date"),
        pl.col("messages").list.len().cast(RAW_CONVERSATIONS.schema["turns"]).alias("turns"),
        pl.lit(None, RAW_CONVERSATIONS.schema["flagged"]).alias("flagged"),
    ).select(*RAW_CONVERSATIONS.schema)
    return Corpus(conversations.sort("conversation_id"), pl.DataFrame(labels, schema=LABELS, orient="row"))


def _conversation(
    bank: Bank, place: tuple[str, str, str], bound: Bound, random: Random, refused: bool
) -> list[dict[str, str]]:
    """A request with its surroundings, the reply, and what follows."""
    around = [bank.said.say(random.choice(bank.tones), random, {})]
    around += [bank.said.say("context", random, {}) for _ in range(random.choice((0, 0, 1, 3)))]
    ask = bank.subjects[place].grammar.say("ask", random, bound)
    after = [bank.said.say("detail", random, {})] if random.random() < 0.4 else []
    messages = _turn(bank, [*around, ask, *after], random, refused)
    for _ in range(random.choices(range(len(TURNS)), TURNS)[0]):
        messages += _turn(bank, [bank.said.say("follow", random, {})], random, refused)
    if random.random() < 0.15:
        messages.append({"role": "user", "text": bank.said.say("thanks", random, {})})
    return messages


def _asked_too(
    bank: Bank, place: tuple[str, str, str], random: Random, refused: bool
) -> list[dict[str, str]]:
    return _turn(bank, [bank.subjects[place].grammar.say("ask", random, {})], random, refused)


def _turn(bank: Bank, lines: list[str], random: Random, refused: bool) -> list[dict[str, str]]:
    reply = bank.said.say("refusal" if refused else "help", random, {})
    return [
        {"role": "user", "text": bank.joiner.join(line for line in lines if line)},
        {"role": "assistant", "text": reply},
    ]
