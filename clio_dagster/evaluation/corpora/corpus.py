"""Conversations of known categories in many languages: varied in length, tone and turns, of accounts like people's.

Made as the paper made its own (Clio, appendix C.2): category, subcategory, prompt, conversation. The same seed gives
the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
"""Share of concerning requests that the assistant declines, but for ALWAYS_REFUSED."""

ALWAYS_REFUSED = frozenset({"selfharm", "eating"})
"""Categories in which the assistant never begins to help."""

TURNS = (0.55, 0.3, 0.15)
"""Shares of conversations with one, two and three requests of the user's."""

THANKED = 0.15
"""Share of conversations that end with thanks, of those in which something was given."""

AT_ONCE = 20_000
"""Conversations of a batch: about 80 MB while it is made."""

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

_GIVEN = ("conversation_id", "account", "started_at", "language", "messages")


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
    parts = list(
        corpus_in_batches(kind, count, languages=languages, seed=seed, half=half, end=end, days=days)
    )
    return Corpus(pl.concat(part.conversations for part in parts), pl.concat(part.labels for part in parts))


def corpus_in_batches(
    kind: str,
    count: int,
    *,
    languages: Sequence[str],
    seed: int = 0,
    half: str = HELD_OUT,
    end: date = date(2026, 11, 7),
    days: int = 7,
    at_once: int = AT_ONCE,
) -> Iterator[Corpus]:
    """The same rows, `at_once` at a time, so that memory holds one batch's text whatever `count` is."""
    plan = planned(kind, count, languages=languages, seed=seed, half=half, end=end, days=days)
    names = plan["topic"].unique().sort().to_list()
    random = Random(f"{seed} {kind} {half}")
    subcategories = {each.id: list(each.subcategories) for each in categories(kind)}
    rows, labels = [], []
    for number, (account, started_at, language, category) in enumerate(plan.iter_rows()):
        bank = load_bank(language, half)
        subcategory = random.choice(subcategories[category])
        also = (
            random.choice([name for name in names if name != category]) if random.random() < SEVERAL else None
        )
        bound: Bound = {}
        refused = kind == CONCERNING and (random.random() < REFUSED or category in ALWAYS_REFUSED)
        messages, thanks = _conversation(bank, (kind, category, subcategory), bound, random, refused)
        if also is not None:
            messages += _asked_too(bank, (kind, also, random.choice(subcategories[also])), random, refused)
        if not refused:
            messages += thanks
        identifier = f"{kind[0]}{seed}-{number:06}"
        rows.append((identifier, account, started_at, language, messages))
        slots = [bound[name] for name in bank.subjects[kind, category, subcategory].slots if name in bound]
        labels.append((identifier, language, category, subcategory, also, slots, refused))
        if len(rows) == at_once or number == count - 1:
            yield corpus_of(rows, labels)
            rows, labels = [], []


def planned(
    kind: str,
    count: int,
    *,
    languages: Sequence[str],
    seed: int = 0,
    half: str = HELD_OUT,
    end: date = date(2026, 11, 7),
    days: int = 7,
) -> pl.DataFrame:
    """account_id, started_at, language and topic (a category's id) of each conversation, by time."""
    names = [each.id for each in categories(kind) if half == HELD_OUT or is_tuning(each.id)]
    even = {language: dict.fromkeys(names, 1.0) for language in languages}
    return simulate(
        count,
        rng=np.random.default_rng([seed, len(kind)]),
        topics=names,
        languages=dict.fromkeys(languages, 1.0),
        days=[end - timedelta(days=back) for back in reversed(range(days))],
        mixes=even,
    )


def corpus_of(rows: Sequence[tuple[object, ...]], labels: Sequence[tuple[object, ...]]) -> Corpus:
    """A corpus of rows (conversation_id, account, started_at, language, messages) and of rows of LABELS."""
    made = pl.DataFrame(rows, schema=RAW_CONVERSATIONS.empty().select(_GIVEN).schema, orient="row")
    conversations = made.with_columns(
        pl.col("started_at").dt.date().alias("date"),
        pl.col("messages").list.len().cast(RAW_CONVERSATIONS.schema["turns"]).alias("turns"),
        pl.lit(None, RAW_CONVERSATIONS.schema["flagged"]).alias("flagged"),
    ).select(*RAW_CONVERSATIONS.schema)
    return Corpus(conversations, pl.DataFrame(labels, schema=LABELS, orient="row"))


def permuted(corpus: Corpus, seed: int, within: str | None = "language") -> Corpus:
    """The same texts under other accounts: who wrote when is dealt out anew, among texts of one value of `within`.

    Each account keeps how many conversations it has, when, and (of `within` as it is) in which language: tails stay,
    and nothing that a text says hangs on its account any more.
    """
    rng = np.random.default_rng([seed, 0xACC])
    frame = corpus.conversations
    order = np.arange(frame.height)
    groups = np.zeros(frame.height, int) if within is None else frame[within].rank("dense").to_numpy()
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        order[mine] = rng.permutation(mine)
    dealt = frame.select("account", "started_at", "date")[order]
    return Corpus(frame.with_columns(dealt.get_columns()), corpus.labels)


def _conversation(
    bank: Bank, place: tuple[str, str, str], bound: Bound, random: Random, refused: bool
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """A request with its surroundings, the reply and what follows; and the thanks that end it, if any."""
    around = [bank.said.say(random.choice(bank.tones), random, {})]
    said = [bank.said.say("context", random, {}) for _ in range(random.choice((0, 0, 1, 3)))]
    around += dict.fromkeys(said)
    ask = bank.subjects[place].grammar.say("ask", random, bound)
    after = [bank.said.say("detail", random, {})] if random.random() < 0.4 else []
    messages = _turn(bank, [*around, ask, *after], random, refused)
    for _ in range(random.choices(range(len(TURNS)), TURNS)[0]):
        more = bank.said.say("insist" if refused else "follow", random, {})
        messages += _turn(bank, [more], random, refused)
    is_grateful = random.random() < THANKED
    return messages, [
        {"role": "user", "text": bank.said.say("thanks", random, {})} for _ in range(is_grateful)
    ]


def _asked_too(
    bank: Bank, place: tuple[str, str, str], random: Random, refused: bool
) -> list[dict[str, str]]:
    return _turn(bank, [bank.subjects[place].grammar.say("ask", random, {})], random, refused)


def _turn(bank: Bank, lines: list[str], random: Random, refused: bool) -> list[dict[str, str]]:
    reply = bank.said.say("refusal" if refused else "help", random, {})
    return [
        {"role": "user", "text": _joined(lines, bank.joiner)},
        {"role": "assistant", "text": reply},
    ]


def _joined(lines: list[str], joiner: str) -> str:
    """Lines in a row. Where a language puts no space between sentences, people put one after an unfinished line."""
    said = [line for line in lines if line]
    return "".join(
        line + ("" if place == len(said) - 1 else joiner or " " * line[-1].isalnum())
        for place, line in enumerate(said)
    )
