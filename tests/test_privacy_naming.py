"""Names asked of a model that cannot be trusted: what breaks P5 or P6 is asked again, then named by plain code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from clio_dagster.analyst.protocol import AuditSample, NamingSample, Summary, Vocabulary
from clio_dagster.privacy.gate import lowest_scores
from clio_dagster.privacy.naming import faults, named

WORDS = Vocabulary({"bicycle": 1.0, "brakes": 0.5}, frozenset({frozenset({"bicycle", "brakes"})}))
GOOD = Summary("Fix bicycle brakes", "Users asked about a bicycle.")
SAFE = Summary("Questions", "Users asked questions.")
BAD = Summary("Help Maria with lupus", "Users asked about lupus.")


def sample() -> NamingSample:
    return NamingSample(["fix my bicycle"], [], WORDS, "en", np.ones(1, np.float32))


class Model:
    """Answers what it was told to, call by call, and keeps what it was asked."""

    def __init__(self, *answers: list[Summary]) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[NamingSample]] = []

    def __call__(self, samples: Sequence[NamingSample]) -> list[Summary]:
        self.asked.append(samples)
        return self.answers.pop(0)


def test_a_good_name_stands_and_is_asked_once() -> None:
    model, stand_in = Model([GOOD]), Model()
    assert named([sample()], model, stand_in) == [GOOD]
    assert len(model.asked) == 1 and stand_in.asked == []


def test_a_bad_name_is_asked_again_with_the_reason_and_without_its_words() -> None:
    model = Model([GOOD, BAD], [GOOD])
    assert named([sample(), sample()], model, Model()) == [GOOD, GOOD]
    (again,) = model.asked[1]
    assert any("lack" in reason for reason in again.refused_for)
    assert "lupus" not in " ".join(again.refused_for) and "Maria" not in " ".join(again.refused_for)


def test_what_fails_twice_is_named_by_the_stand_in() -> None:
    stand_in = Model([SAFE])
    assert named([sample(), sample()], Model([BAD, GOOD], [BAD]), stand_in) == [SAFE, GOOD]
    assert len(stand_in.asked[0]) == 1


@pytest.mark.parametrize("answered", [[], [GOOD, GOOD]], ids=["none", "too many"])
def test_answers_that_cannot_be_told_apart_are_none(answered: list[Summary]) -> None:
    assert named([sample()], Model(answered, answered), Model([SAFE])) == [SAFE]


def test_where_plain_code_is_the_analyst_it_is_asked_once() -> None:
    assert named([sample()], Model([BAD]), None) == [BAD]
    assert named([], Model(), None) == []


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        (Summary("Write to jane.roe@example.org", "Users asked."), "looks like email"),
        (Summary(" ", "Users asked."), "empty"),
        (Summary("the " * 11, "Users asked."), "longer"),
        (Summary("Help", "the " * 300), "longer"),
        (Summary("Help with a kayak", "Users asked."), "lacks support"),
    ],
    ids=["personal data", "empty name", "long name", "long description", "unsupported word"],
)
def test_faults_say_what_is_wrong(summary: Summary, reason: str) -> None:
    (found,) = faults([summary], [WORDS])
    assert any(reason in line for line in found)
    assert faults([GOOD], [WORDS]) == [[]]


def test_no_auditor_talks_another_out_of_what_it_found() -> None:
    samples = [AuditSample(GOOD, WORDS), AuditSample(BAD, WORDS)]
    assert lowest_scores(samples, [lambda _: [5, 5], lambda _: [5, 1]]).to_list() == [5, 1]
    assert lowest_scores(samples, [lambda _: [5, 5], lambda _: [5]]).to_list() == [1, 1]
    assert lowest_scores(samples, [lambda _: [7, 4]]).to_list() == [1, 4]
    assert lowest_scores([], [lambda _: []]).to_list() == []
