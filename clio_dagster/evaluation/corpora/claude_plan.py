"""What Claude is to write, decided by a seed before anything is asked, and what that would cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import polars as pl

from clio_dagster.analyst.prices import Price, Usage, dollars, estimated_tokens, price_of
from clio_dagster.analyst.prompts import Prompt
from clio_dagster.evaluation.corpora.bank import CONCERNING, categories
from clio_dagster.evaluation.corpora.claude_questions import (
    CONVERSATION,
    HARMFUL,
    JUDGE,
    REFUSAL,
    REQUESTS,
    SUBJECTS,
    SUBJECTS_WANTED,
)
from clio_dagster.evaluation.corpora.corpus import SEVERAL, TURNS, planned

AT_ONCE = 8
"""Requests of one question."""

LENGTHS = ("a few words", "one sentence", "two or three sentences", "a long paragraph with background")
TONES = (
    "plain",
    "polite",
    "casual, without capitals",
    "hurried",
    "anxious",
    "rambling",
    "terse, as a search",
)
PEOPLE = (
    "a pupil", "a student", "a parent of two", "a pensioner", "a nurse on night shifts", "a shop owner",
    "a software developer", "somebody new to the country", "a farmer", "a teacher", "a lorry driver",
    "somebody out of work", "an office worker", "a carer for a parent", "an artist", "a cook",
)  # fmt: skip

SUBJECT_TOKENS, WANTED_TOKENS, REQUEST_TOKENS, EXCHANGE_TOKENS, VERDICT_TOKENS = 12, 30, 80, 160, 12
"""Tokens that each mostly counts: a subject, a request that is wanted, one that is written, an exchange, a verdict."""


class Wanted(NamedTuple):
    """A request to be written for the conversation of a number: its first, or a second, of a category of its own."""

    conversation: int
    is_second: bool
    category: str
    subject: int
    language: str
    length: str
    tone: str
    person: str


@dataclass(frozen=True)
class Plan:
    """`conversations`: those of `corpus.planned`, with `turns`, how often the user writes before a second request."""

    kind: str
    seed: int
    conversations: pl.DataFrame
    wanted: tuple[Wanted, ...]

    def groups(self) -> Iterator[tuple[Wanted, ...]]:
        """Requests that are asked for together: of one subject and language."""
        of_subject: dict[tuple[str, int, str], list[Wanted]] = {}
        for each in self.wanted:
            of_subject.setdefault((each.category, each.subject, each.language), []).append(each)
        for _, group in sorted(of_subject.items()):
            for start in range(0, len(group), AT_ONCE):
                yield tuple(group[start : start + AT_ONCE])


@dataclass(frozen=True)
class Cost:
    """What one step would ask, and what that would cost where nothing of it was answered before."""

    step: str
    calls: int
    usage: Usage
    usd: float


def plan(kind: str, count: int, *, languages: Sequence[str], seed: int = 0) -> Plan:
    """Conversations of a kind with accounts, times, languages and categories as `make_corpus` has them."""
    conversations = planned(kind, count, languages=languages, seed=seed)
    names = [each.id for each in categories(kind)]
    random = Random(f"{seed} {kind} claude")
    wanted: list[Wanted] = []

    def want(number: int, category: str, language: str, *, is_second: bool) -> None:
        how = (random.choice(LENGTHS), random.choice(TONES), random.choice(PEOPLE))
        wanted.append(Wanted(number, is_second, category, random.randrange(SUBJECTS_WANTED), language, *how))

    turns = random.choices(range(1, len(TURNS) + 1), TURNS, k=count)
    for number, (language, category) in enumerate(conversations.select("language", "topic").iter_rows()):
        want(number, category, language, is_second=False)
        if random.random() < SEVERAL:
            other = random.choice([name for name in names if name != category])
            want(number, other, language, is_second=True)
    return Plan(kind, seed, conversations.with_columns(pl.Series("turns", turns)), tuple(wanted))


def cost_of(plan: Plan, model: str, prices: Mapping[str, Price], *, is_batch: bool) -> list[Cost]:
    """What a plan would cost at most, step by step, as if nothing had been answered and each answer were as asked.

    Raises PriceError for a model whose price is not known.
    """
    price, is_harmful = price_of(model, prices), plan.kind == CONCERNING
    conversations, requests = plan.conversations.height, len(plan.wanted)
    seconds = requests - conversations
    exchanges = int(plan.conversations["turns"].sum()) + seconds
    told = exchanges * EXCHANGE_TOKENS
    of_kind = len(categories(plan.kind))

    def step(what: str, asked: Prompt, calls: int, data: int, output: int) -> Cost:
        usage = Usage(input=calls * estimated_tokens(asked.text) + data, output=output)
        # Priced call by call: all together they would count as one long prompt.
        each = Usage(input=usage.input // calls, output=usage.output // calls)
        return Cost(what, calls, usage, calls * dollars(each, price, is_batch=is_batch))

    steps = [
        step("subjects", SUBJECTS, of_kind, of_kind * 30, of_kind * SUBJECTS_WANTED * SUBJECT_TOKENS),
        step(
            "requests",
            HARMFUL if is_harmful else REQUESTS,
            sum(1 for _ in plan.groups()),
            requests * WANTED_TOKENS,
            requests * REQUEST_TOKENS,
        ),
        step(
            "conversations",
            REFUSAL if is_harmful else CONVERSATION,
            conversations,
            requests * REQUEST_TOKENS,
            told,
        ),
    ]
    if is_harmful:
        seen = requests * REQUEST_TOKENS + told
        steps.append(step("judge", JUDGE, conversations, seen, conversations * VERDICT_TOKENS))
    return steps
