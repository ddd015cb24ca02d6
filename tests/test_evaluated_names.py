"""What facets and titles are held against: words of slots, categories of members, noise that is due."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clio_dagster.evaluation.concern import concern_by_language
from clio_dagster.evaluation.corpora.bank import CONCERNING, ORDINARY
from clio_dagster.evaluation.matching import ENOUGH, found, of_another, own_and_others
from clio_dagster.evaluation.pipeline import site_of
from clio_dagster.evaluation.sections.noise import with_due
from clio_dagster.evaluation.titles import named, placed, share_by_chance, told_apart
from clio_dagster.privacy.noise import two_sided_geometric


@pytest.mark.parametrize(
    ("language", "text", "slots", "matches"),
    [
        ("en", "Why does the pond freeze so early?", ["a pond that freezes"], True),
        ("en", "Why is that so, and the other one?", ["a pond that freezes"], False),
        ("es", "Avisamos por unos AGUJEROS en la pared", ["unos agujeros en las paredes"], True),
        ("ru", "Что делать с комнатными растениями зимой", ["комнатное растение"], True),
        ("en", "A cat sat", ["cats and a tram"], False),
        ("en", "Is the tram late?", ["tram"], True),
        ("zh", "我家的阳台很小，能种番茄吗？", ["种番茄"], True),
        ("zh", "我家的阳台很小，能种什么？", ["番茄"], False),
        ("en", "Can I move the fern and the palm?", ["fern", "palm"], True),
        ("en", "Can I move the fern?", ["fern", "a birthday of my grandmother"], False),
    ],
)
def test_a_facet_matches_by_the_letters_of_its_slots(
    language: str, text: str, slots: list[str], matches: bool
) -> None:
    facets = pl.DataFrame({"id": ["a"], "language": [language], "text": [text]})
    share = found(facets, pl.DataFrame({"id": ["a"], "slots": [slots]}))["share"].item()
    assert (share >= ENOUGH) == matches


def test_the_floor_is_another_conversation_of_the_same_corpus_and_language() -> None:
    facets = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e", "f"],
            "language": ["en", "en", "es", "es", "en", "en"],
            "text": ["a garden pond", "my garden pond", "un estanque", "otro estanque", "drill", "lathe"],
            "corpus": [ORDINARY] * 4 + [CONCERNING] * 2,
        }
    )
    slots = [["garden pond"], ["garden pond"], ["estanque"], ["estanque"], ["drill"], ["lathe"]]
    judged = own_and_others(facets, pl.DataFrame({"id": facets["id"], "slots": slots})).sort("id")
    assert judged["own"].all()
    assert judged["other"].to_list() == [True] * 4 + [False] * 2


def test_a_facet_of_another_conversation_holds_what_only_another_category_has() -> None:
    fillers = pl.DataFrame(
        {
            "corpus": [ORDINARY] * 5,
            "language": ["en", "en", "en", "en", "zh"],
            "category": ["garden", "pets", "code", "money", "cooking"],
            "filler": ["the spider ivy", "sister", "a shared ledger", "a shared ledger", "种番茄和辣椒"],
        }
    )
    facets = pl.DataFrame(
        {
            "id": ["ivy", "own", "also", "short", "shared", "zh"],
            "text": ["Move the spider ivy?"] * 3
            + ["My sister said", "Use a shared ledger", "能种番茄和辣椒吗"],
            "corpus": [ORDINARY] * 6,
            "category": ["code", "garden", "code", "code", "faith", "faith"],
            "also": [None, None, "garden", None, None, None],
        }
    )
    assert sorted(of_another(facets, fillers)) == ["ivy", "zh"]


def test_categories_are_told_apart_by_how_they_lie_over_clusters() -> None:
    members = pl.DataFrame(
        {"cluster_id": [0, 0, 0, 1, 1, 2, 2, 2], "conversation_id": [str(place) for place in range(8)]}
    )
    labels = members.select("conversation_id").with_columns(
        pl.Series("category", ["a", "a", "b", "a", "b", "c", "c", "d"])
    )
    rows = placed(members, labels)
    assert rows["of_cluster"].to_list() == ["a", "a", "a", "a", "a", "c", "c", "c"]
    pairs = {(one, other): likeness for one, other, likeness in told_apart(rows).iter_rows()}
    assert pairs["a", "b"] == pytest.approx(3 / np.sqrt(10))
    assert pairs["c", "d"] == pytest.approx(1)
    assert pairs["a", "c"] == 0
    assert told_apart(rows.head(0)).is_empty()
    many = placed(
        pl.DataFrame({"cluster_id": np.repeat(np.arange(4), 100), "conversation_id": np.arange(400)}),
        pl.DataFrame({"conversation_id": np.arange(400), "category": np.repeat(list("abcd"), 100)}),
    )
    assert (many["category"] == many["of_cluster"]).all()
    assert 0.25 < share_by_chance(many) < 0.35


def test_a_title_speaks_of_the_category_whose_prompts_have_its_words() -> None:
    titles = ["Houseplants and gardens", "Passwords and malware", "Qqq zzz"]
    assert named(titles, ORDINARY)[0] == "garden"
    assert named(titles, CONCERNING)[1] == "malware"
    assert named(titles, ORDINARY)[2] is None


def test_concern_is_a_rank_correlation_and_refusals_are_shares() -> None:
    read = pl.DataFrame(
        {
            "language": ["en"] * 4 + ["es"] * 2,
            "concerning": [1, 2, 3, 5, 1, 1],
            "refused": [False, False, True, False, False, True],
            "is_concerning": [False, False, True, True, True, False],
            "declined": [False, False, True, True, False, False],
        }
    )
    table = {row["language"]: row for row in concern_by_language(read).iter_rows(named=True)}
    assert table["en"]["rank correlation"] == pytest.approx(0.894, abs=0.001)
    assert np.isnan(table["es"]["rank correlation"])
    assert (table["en"]["declined, and told"], table["en"]["not declined, yet told"]) == (0.5, 0)
    assert (table["es"]["declined, and told"], table["es"]["not declined, yet told"]) == (None, 0.5)


@pytest.mark.parametrize("exact", [5, 15, 60])
def test_noise_that_is_due_is_that_of_counts_that_show(exact: int) -> None:
    """Against the engine's own draws, at the cells' edge, ε and cap."""
    site = site_of(0)
    cells = pl.Series([f"cell {number}" for number in range(20_000)])
    drawn = two_sided_geometric(
        cells,
        key=b"k",
        purpose="t",
        epsilon=site.settings.epsilon_of("cell"),
        sensitivity=site.settings.account_cap,
    )
    shown = drawn.filter(drawn + exact >= site.settings.cell_min_conversations)
    due = with_due(pl.DataFrame({"exact": [exact]}), site).row(0, named=True)
    assert shown.abs().mean() == pytest.approx(due["size_due"], rel=0.05)
    assert shown.mean() == pytest.approx(due["mean_due"], abs=0.4)
    assert (shown == 0).mean() == pytest.approx(due["none_due"], abs=0.01)
