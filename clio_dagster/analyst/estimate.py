"""What asking Claude would cost, before anything is asked: tokens counted here, answers as long as they mostly are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from math import ceil

from clio_dagster.analyst.asking import CLAIMED_AT_ONCE, Asker
from clio_dagster.analyst.claude import ASSIGN, AUDIT, DEDUPLICATE, NAME, PROPOSE, RENAME
from clio_dagster.analyst.prices import Usage, dollars, estimated_tokens, price_of
from clio_dagster.analyst.prompts import Prompt
from clio_dagster.analyst.questions import Question
from clio_dagster.analyst.topic_prompts import (
    CHILDREN_TOKENS,
    INSIDE_TOKENS,
    OUTSIDE_TOKENS,
    PAIRS_TOKENS,
    WORDS_TOKENS,
)
from clio_dagster.hierarchy.hierarchizer import ASSIGNED_AT_ONCE, NEAREST_OUTSIDE, NEIGHBOURHOOD
from clio_dagster.hierarchy.levels import level_sizes
from clio_dagster.settings import Settings

FACETS_OUTPUT, SUMMARY_OUTPUT, PARENT_OUTPUT, ASSIGNMENT_OUTPUT, SCORE_OUTPUT = 75, 65, 45, 15, 8
"""Tokens of an answer, as they mostly are: of one conversation, one name, one parent, one assignment, one score."""

TOPIC_TOKENS = 60
"""Tokens of a topic's name and description in a prompt."""


@dataclass(frozen=True)
class Line:
    """What one stage would ask a model, and what that would cost."""

    stage: str
    model: str
    calls: int
    usage: Usage
    usd: float


@dataclass(frozen=True)
class Facets:
    """What reading conversations would cost: `answered` of them are in the ledger already."""

    line: Line
    conversations: int
    answered: int


def of_facets(questions: Iterable[Question], asker: Asker, settings: Settings) -> Facets:
    """What the questions about conversations would cost, each asked once, those in the ledger not at all."""
    is_batch = settings.claude_mode == "batch"
    price = price_of(settings.claude_facet_model, asker.prices)
    usage, usd = Usage(), 0.0
    conversations = answered = calls = 0
    seen: set[str] = set()
    for some in _blocks(questions):
        conversations += len(some)
        keyed = {each.key: each.question for each in asker.under_keys(some)}
        known = asker.memory.recall(keyed)
        answered += len(known)
        for key, question in keyed.items():
            if key in known or key in seen:
                continue
            seen.add(key)
            own = Usage(input=question.prompt_tokens, output=FACETS_OUTPUT)
            usage, usd, calls = usage + own, usd + dollars(own, price, is_batch=is_batch), calls + 1
    line = Line("facets", settings.claude_facet_model, calls, usage, usd)
    return Facets(line, conversations, answered)


def of_topics(windows: Mapping[str, int], settings: Settings) -> list[Line]:
    """What naming, arranging and auditing the topics of dates would cost at most: as if none had a name yet.

    `windows`: conversations of each date's trailing window.
    """
    model = settings.claude_naming_model
    price = price_of(model, settings.prices)
    totals: dict[str, Line] = {}
    for conversations in windows.values():
        for stage, calls, each in _of_date(conversations, settings):
            before = totals.get(stage, Line(stage, model, 0, Usage(), 0.0))
            usage = Usage(input=calls * each.input, output=calls * each.output)
            # Call by call: a long prompt has prices of its own.
            usd = before.usd + calls * dollars(each, price)
            totals[stage] = Line(stage, model, before.calls + calls, before.usage + usage, usd)
    return list(totals.values())


def _of_date(conversations: int, settings: Settings) -> Iterator[tuple[str, int, Usage]]:
    """Stage, calls, and the tokens of each call."""
    base = max(1, conversations // settings.base_cluster_size) if conversations else 0
    if not base:
        return
    yield (
        "cluster_summaries",
        base,
        _usage(NAME, INSIDE_TOKENS + OUTSIDE_TOKENS + WORDS_TOKENS + PAIRS_TOKENS, SUMMARY_OUTPUT),
    )
    sizes = level_sizes(base, settings.top_topics)
    for below, wanted in pairwise(sizes):
        parts = max(1, round(below / NEIGHBOURHOOD))
        shown, at_once = ceil(below / parts) + NEAREST_OUTSIDE, min(below, ASSIGNED_AT_ONCE)
        proposals = wanted * PARENT_OUTPUT
        children = min(CHILDREN_TOKENS, ceil(below / wanted) * TOPIC_TOKENS)
        for calls, asked, data, output in (
            (parts, PROPOSE, shown * TOPIC_TOKENS, proposals // parts),
            (1, DEDUPLICATE, wanted * TOPIC_TOKENS, proposals),
            (ceil(below / at_once), ASSIGN, (wanted + at_once) * TOPIC_TOKENS, at_once * ASSIGNMENT_OUTPUT),
            (wanted, RENAME, children + WORDS_TOKENS + PAIRS_TOKENS, SUMMARY_OUTPUT),
        ):
            yield "hierarchy", calls, _usage(asked, data, output)
    yield "audited_summaries", sum(sizes), _usage(AUDIT, TOPIC_TOKENS, SCORE_OUTPUT)


def _usage(prompt: Prompt, data: int, output: int) -> Usage:
    return Usage(input=estimated_tokens(prompt.text) + data, output=output)


def _blocks(questions: Iterable[Question]) -> Iterator[list[Question]]:
    ordered = iter(questions)
    while some := list(islice(ordered, CLAIMED_AT_ONCE)):
        yield some
