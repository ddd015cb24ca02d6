"""Names that may stand, whoever wrote them: checked, asked for once more, then replaced (P5, P6).

Answers the model, which obeys what it reads and copies what it was shown: a name or description with a word or pair
that too few accounts support, with personal data or too long is refused. The analyst is told how many words lack
support, never which; what fails again is named by the stand-in, which composes from supported words alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import polars as pl

from clio_dagster.analyst.protocol import NamingSample, ParentSample, Refusal, Summary, Vocabulary
from clio_dagster.privacy.detector import detect
from clio_dagster.privacy.vocabulary import violations_of

NAME_WORDS = 10
NAME_CHARACTERS, DESCRIPTION_CHARACTERS = 120, 600
"""Most characters, since not every script has words to count."""

Sample = TypeVar("Sample", NamingSample, ParentSample)
Answer = Summary | Refusal | None
Ask = Callable[[Sequence[Sample]], Sequence[Summary | Refusal]]


def named(samples: Sequence[Sample], ask: Ask[Sample], stand_in: Ask[Sample] | None) -> list[Summary]:
    """A summary for each sample. `stand_in` is asked where `ask` has failed twice; None: what `ask` says stands.

    An answer that is missing is a failure like any; one that is a Refusal was asked for twice already. The gate judges
    whatever comes out once more.
    """
    if not samples:
        return []
    answers = _answers(samples, ask)
    if stand_in is not None:
        refused = _refused(answers, samples)
        once_more = {place: why for place, why in refused.items() if not isinstance(answers[place], Refusal)}
        _replace(answers, samples, once_more, ask)
        _replace(answers, samples, _refused(answers, samples), stand_in)
    return [answer if isinstance(answer, Summary) else Summary("", "") for answer in answers]


def faults(summaries: Sequence[Summary], vocabularies: Sequence[Vocabulary]) -> list[list[str]]:
    """What keeps each summary from standing; empty where nothing does. Reasons never hold a word of it."""
    by_text, by_words = text_faults(summaries), word_faults(summaries, vocabularies)
    return [[*text, *words] for text, words in zip(by_text, by_words, strict=True)]


def text_faults(summaries: Sequence[Summary]) -> list[list[str]]:
    """What is wrong with each summary's text alone: personal data in it, nothing said, or too much."""
    texts = [text for summary in summaries for text in (summary.name, summary.description)]
    kinds = detect(pl.Series(texts, dtype=pl.String)).select("row", "kind").unique(maintain_order=True)
    found: list[list[str]] = [[] for _ in summaries]
    for row, kind in kinds.iter_rows():
        found[row // 2].append(f"{('name', 'description')[row % 2]}: looks like {kind}")
    for reasons, summary in zip(found, summaries, strict=True):
        reasons.sort()
        name, description = summary.name.strip(), summary.description.strip()
        reasons += [
            f"{part} is empty" for part, text in (("name", name), ("description", description)) if not text
        ]
        if len(name.split()) > NAME_WORDS or len(name) > NAME_CHARACTERS:
            reasons.append(f"name is longer than {NAME_WORDS} words")
        if len(description) > DESCRIPTION_CHARACTERS:
            reasons.append(f"description is longer than {DESCRIPTION_CHARACTERS} characters")
    return found


def word_faults(summaries: Sequence[Summary], vocabularies: Sequence[Vocabulary]) -> list[list[str]]:
    """Words and pairs of each summary that its vocabulary does not support (P5)."""
    texts = [text for summary in summaries for text in (summary.name, summary.description)]
    broken = violations_of(texts, [vocabulary for vocabulary in vocabularies for _ in range(2)])
    return [
        [
            f"{part}: {reason}"
            for part, reasons in zip(("name", "description"), broken[2 * place : 2 * place + 2], strict=True)
            for reason in reasons
        ]
        for place in range(len(summaries))
    ]


def _replace(
    answers: list[Answer], samples: Sequence[Sample], refused: Mapping[int, Sequence[str]], ask: Ask[Sample]
) -> None:
    """Ask for the refused answers again, telling why."""
    told = [replace(samples[place], refused_for=reasons) for place, reasons in refused.items()]
    for place, answer in zip(refused, _answers(told, ask) if told else [], strict=True):
        answers[place] = answer


def _refused(answers: Sequence[Answer], samples: Sequence[Sample]) -> dict[int, Sequence[str]]:
    given = {place: answer for place, answer in enumerate(answers) if isinstance(answer, Summary)}
    wrong = dict(
        zip(given, faults(list(given.values()), [samples[place].vocabulary for place in given]), strict=True)
    )
    others = {
        place: answer.reasons if isinstance(answer, Refusal) else ("no answer",)
        for place, answer in enumerate(answers)
        if not isinstance(answer, Summary)
    }
    return {place: reasons for place, reasons in sorted({**wrong, **others}.items()) if reasons}


def _answers(samples: Sequence[Sample], ask: Ask[Sample]) -> list[Answer]:
    """An answer to each; none to any where their number is wrong, as nobody can say whose is whose."""
    answers = ask(samples)
    return list(answers) if len(answers) == len(samples) else [None] * len(samples)
