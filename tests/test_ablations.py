"""One setting changed at a time says what it does, and costs are those of the table of prices."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from clio_dagster.analyst.prices import Price
from clio_dagster.analyst.protocol import NamingSample, Summary, Vocabulary
from clio_dagster.evaluation import variants
from clio_dagster.evaluation.ablation import (
    NAMING,
    RARE,
    SCORES,
    Bench,
    made,
    measured,
    read,
    without_contrast,
)
from clio_dagster.evaluation.corpora.bank import KINDS, ORDINARY, categories
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.curves import shares_along
from clio_dagster.evaluation.evaluate import SECTIONS
from clio_dagster.evaluation.given import Given
from clio_dagster.evaluation.leakage import plant
from clio_dagster.evaluation.pipeline import Made, Site, site_of
from clio_dagster.evaluation.sections import costs
from clio_dagster.evaluation.sections.ablations import _along

CONVERSATIONS = 700


@pytest.fixture(scope="module")
def site() -> Site:
    """Topics small enough for a tree of them."""
    return site_of(cluster_size=30, min_conversations=10, min_accounts=5, top_topics=4)


@pytest.fixture(scope="module")
def bench(site: Site) -> Bench:
    corpus, items = plant(make_corpus(ORDINARY, CONVERSATIONS, languages=["en", "es"]), 0)
    reading = read(corpus.conversations, site.honest, site)
    labels = corpus.labels.select("conversation_id", "category")
    return Bench(corpus.conversations, labels, items, reading)


@pytest.fixture(scope="module")
def plain(site: Site) -> variants.Variant:
    return variants.as_it_is(site, site.honest)


@pytest.fixture(scope="module")
def done(bench: Bench, plain: variants.Variant) -> Made:
    return made(plain, bench.reading)


def scores(variant: variants.Variant, done: Made, bench: Bench) -> dict:
    return measured(variant, done, bench, categories(ORDINARY))


def test_what_is_measured_is_what_is_published(bench: Bench, plain: variants.Variant, done: Made) -> None:
    found = scores(plain, done, bench)
    assert found.keys() == SCORES.keys()
    assert found["private"] == 0
    assert found["topics"] == done.published.filter(level=0).height > 5
    assert 0.1 < found["shown_right"] <= min(found["accuracy"], found["shown"]) <= 1
    # A published text that holds an item is told, whatever it is beside it.
    item = bench.items.filter(kind="illness")["text"][0]
    told = done.audited.with_columns(description=pl.lit(f"Users asked about {item.upper()}."))
    assert (
        scores(plain, replace(done, audited=told), bench)["private"] == bench.items.filter(text=item).height
    )
    # What is withheld is in no figure of what is shown, and still assigned.
    none = done.audited.with_columns(status=pl.lit("withheld"))
    hidden = scores(plain, replace(done, audited=none), bench)
    assert (hidden["shown"], hidden["shown_right"], hidden["topics"]) == (0, 0, 0)
    assert hidden["accuracy"] == found["accuracy"]
    # Told by what stands above.
    parents = scores(replace(plain, above=1), done, bench)
    assert 0 < parents["topics"] < found["topics"]
    assert parents["v_measure"] < found["v_measure"]


def test_a_name_that_says_its_category_is_told_by_name(
    bench: Bench, plain: variants.Variant, done: Made
) -> None:
    one = categories(ORDINARY)[0]
    named = done.audited.with_columns(name=pl.lit(one.name), description=pl.lit(one.description))
    share = bench.labels["category"].eq(one.id).mean()
    assert scores(plain, replace(done, audited=named), bench)["by_name"] == pytest.approx(share)


def test_support_and_noise_decide_which_words_a_name_may_use(site: Site, bench: Bench, done: Made) -> None:
    loud = variants.with_noise(site, site.honest, math.inf)

    def needing(accounts: int) -> dict:
        needs = {"word_min_accounts": accounts, "sensitive_word_min_accounts": accounts}
        variant = replace(loud, stage=NAMING, site=loud.site.with_settings(**needs))
        return scores(variant, made(variant, bench.reading, done.base), bench)

    strict, lax = needing(RARE), needing(2)
    assert strict["words"] < lax["words"]
    assert not strict["rare_words"] and lax["rare_words"] > 0


def test_a_change_of_thresholds_finds_clusters_anew(
    bench: Bench, plain: variants.Variant, done: Made
) -> None:
    wide = variants.with_accounts(plain, 60)
    assert wide.site.settings.min_conversations == 120
    assert made(wide, bench.reading, done.base).summaries.height < done.summaries.height


def test_each_change_differs_from_the_site_in_what_it_names(site: Site) -> None:
    changes = list(variants.one_at_a_time(site, site.honest, 40))
    assert len({(each.what, each.value) for each in changes}) == len(changes)
    for each in changes:
        is_changed = each.site.settings != site.settings or each.analyst is not site.honest or each.above
        assert is_changed
        type(site.settings).model_validate(each.site.settings.model_dump())
    assert {each.above for each in changes} == {0, 1, 2}
    assert {each.above for each in variants.one_at_a_time(site, site.honest, 5)} == {0, 1}


def test_without_contrast_no_outsider_is_shown(site: Site) -> None:
    shown: list[NamingSample] = []

    class Seeing:
        name = "seeing"

        def name_clusters(self, samples):
            shown.extend(samples)
            return [Summary("Questions", "Users asked.")] * len(samples)

    sample = NamingSample(["inside"], ["outside"], Vocabulary(), "en", np.zeros(2, dtype=np.float32))
    alone = without_contrast(Seeing())
    assert alone.name == "seeing"
    assert alone.name_clusters([sample]) == [Summary("Questions", "Users asked.")]
    assert shown == [replace(sample, outside=())]
    # Where the offline analyst is the one that is asked, no other stands in for it with outsiders.
    change = next(
        each for each in variants.one_at_a_time(site, site.honest, 40) if each.what.startswith("contrast")
    )
    assert change.analyst is change.site.honest is not site.honest


def test_a_curve_is_the_mean_of_its_draws(site: Site, bench: Bench) -> None:
    rows = slice(0, 250)
    few = replace(
        bench,
        reading=replace(
            bench.reading, facets=bench.reading.facets[rows], vectors=bench.reading.vectors[rows]
        ),
    )
    given = Given(site, site.honest, CONVERSATIONS)
    curve = _along([few, few], given, variants.with_epsilon, (0.02,), lambda _count: None)
    assert curve["step"].to_list() == ["0.02"]
    drawn = [variants.drawn_anew(site, site.honest, draw) for draw in range(2)]
    tight = [variants.with_epsilon(each, 0.02) for each in drawn]
    one, other = (scores(each, made(each, few.reading), few) for each in tight)
    assert one["words"] != other["words"]
    for name in ("shown", "words"):
        assert curve[name].to_list() == [pytest.approx((one[name] + other[name]) / 2)]
    assert curve["shown"][0] < 0.9


def test_every_noise_follows_one_epsilon(plain: variants.Variant) -> None:
    before = plain.site.settings
    half = variants.with_epsilon(plain, 0.5)
    assert (half.value, half.site.settings.epsilon) == ("0.5", 0.5)
    assert half.site.settings.epsilon_sensitive == 0.5 * before.epsilon_sensitive
    none = variants.with_epsilon(plain, math.inf)
    assert (none.value, none.site.settings.epsilon_sensitive) == ("∞", math.inf)


def test_a_curve_needs_a_point_a_step() -> None:
    drawn = shares_along(["1", "2"], {"a & b": [0.0, 1.0]}, across="steps")
    assert "a &amp; b" in drawn and drawn.count("<circle") == 2
    with pytest.raises(ValueError, match="one point a step"):
        shares_along(["1", "2"], {"a": [0.5]}, across="steps")


def test_costs_scale_and_follow_the_prices() -> None:
    small = Given(site_of(), site_of().honest, 240)
    section = SECTIONS["costs"](small)
    table = section.tables["Dollars for 100,000 conversations"]
    by_stage = {row["stage"]: row for row in table.iter_rows(named=True)}
    assert by_stage["total"]["paper"] == pytest.approx(48.81)
    assert set(table["offline"]) == {0.0}
    reading = by_stage["facets"]
    assert reading["claude_batch"] == pytest.approx(reading["claude_direct"] / 2)
    # 1,000 tokens and the instructions, 75 of an answer, at the price of the table.
    least = (1_000 * 0.10 + 75 * 0.50) / 1e6 * costs.EACH
    assert least < reading["claude_direct_1000_tokens"] < 3 * least
    seconds = section.tables["Seconds for 100,000 conversations, offline analyst"]
    whole = sum(sum(small.analysed(kind).seconds.values()) for kind in KINDS) * costs.EACH / 240
    assert seconds["seconds"][-1] == pytest.approx(whole)
    dear = small.site.settings.claude_facet_model
    priced = replace(small, site=small.site.with_settings(prices={dear: Price(input=1.0, output=5.0)}))
    again = costs.section(priced).tables["Dollars for 100,000 conversations"]
    assert again["claude_direct"][0] == pytest.approx(10 * reading["claude_direct"])
    unknown = replace(small, site=small.site.with_settings(claude_facet_model="unheard-of"))
    assert "Left out" in costs.section(unknown).tables
