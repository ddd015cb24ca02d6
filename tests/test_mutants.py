"""Each fault that is put into an evaluation turns a bar red that holds without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clio_dagster.evaluation.corpora.bank import CONCERNING, KINDS, TUNING
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.given import Analysed, Given, analyse
from clio_dagster.evaluation.mutants import MUTANTS, Mutant
from clio_dagster.evaluation.pipeline import name, place, publish, site_of
from clio_dagster.evaluation.sections.mutants import section
from clio_dagster.tables import READ


@pytest.fixture(scope="module")
def given() -> Given:
    """Small corpora in two languages, whose base clusters are the categories: so few conversations make no others."""
    site = site_of(0, min_conversations=10, min_accounts=5)
    made = Given(site, site.honest, conversations=800)
    kept = {}
    for kind in KINDS:
        corpus = make_corpus(kind, 400, languages=["en", "es"], half=TUNING)
        kept[kind] = by_category(analyse(corpus, site.honest, site), made)
    return replace(made, _kept=kept)


def by_category(analysed: Analysed, given: Given) -> Analysed:
    topics = analysed.facets.join(
        analysed.corpus.labels, on="conversation_id", how="left", maintain_order="left"
    )["category"]
    base = place(analysed.facets, analysed.vectors, topics.to_list(), given.site)
    made = name(base, given.analyst, given.site)
    return replace(analysed, made=made, figures=publish(made, analysed.everything, given.site))


@pytest.fixture(scope="module")
def mutants(given: Given) -> dict[str, Mutant]:
    """By name, each made once."""
    changed = {mutant.name: mutant.change(given) for mutant in MUTANTS}
    return {mutant.name: replace(mutant, change=lambda _, of=mutant.name: changed[of]) for mutant in MUTANTS}


def test_every_fault_turns_a_bar_red_and_the_section_says_which(
    given: Given, mutants: dict[str, Mutant], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Mutant("none", "nothing", "names", lambda given: given)
    monkeypatch.setattr("clio_dagster.evaluation.sections.mutants.MUTANTS", [*mutants.values(), nothing])
    made = section(given)
    told = dict(made.tables["Faults"].select("fault", "bars turned red").iter_rows())
    assert "facets of another conversation" in told["facets shuffled"]
    assert "likeness of the two categories most alike, concerning" in told["topics merged"]
    assert "conversations read, least of the known languages" in told["language dropped"]
    assert "accuracy" in told["lenient auditor"].split("; ")
    assert "spread of the noise over what is due" in told["noise off"]
    assert told["none"] == "none"
    assert (made.bars[0].value, made.bars[0].at_least, made.bars[0].held) == (5, 6, False)


def test_faults_do_what_they_say_and_leave_the_given_as_it_was(
    given: Given, mutants: dict[str, Mutant]
) -> None:
    before = given.analysed(CONCERNING)
    after = {name: mutant.change(given).analysed(CONCERNING) for name, mutant in mutants.items()}
    read = before.everything.filter(status=READ)
    assert read.height == before.everything.height
    moved = after["facets shuffled"].everything.join(read, on="conversation_id", suffix="_before")
    assert 0.05 < (moved["request"] != moved["request_before"]).mean() <= 0.1
    assert sorted(moved["request"]) == sorted(moved["request_before"])
    languages = after["language dropped"].everything.filter(status=READ)["language"].unique()
    assert languages.to_list() == ["en"]
    assert after["topics merged"].made.base.clusters.height == before.made.base.clusters.height - 1
    assert not after["noise off"].figures.coverage.equals(before.figures.coverage)
    assert after["noise off"].made is before.made
