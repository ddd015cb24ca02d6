"""The offline analyst names topics from what enough accounts said, and from public labels; never from one
account."""

from __future__ import annotations

import math
import random
import re

import numpy as np
import polars as pl
import pytest

from clio_dagster.analyst.offline.analyst import OfflineAnalyst
from clio_dagster.analyst.offline.candidates import Map
from clio_dagster.analyst.offline.tongues import tongues
from clio_dagster.analyst.offline.writing import beside
from clio_dagster.analyst.protocol import AuditSample, NamingSample, Node, ParentSample, Summary, Vocabulary
from clio_dagster.clusters.sampling import nearest_clusters
from clio_dagster.embedding import make_embedder
from clio_dagster.privacy.segmentation import segment
from clio_dagster.privacy.vocabulary import parent_vocabulary, support, violations
from clio_dagster.privacy.word_lists import harms, headings
from clio_dagster.settings import Settings

ASKED = {
    "en": {
        "bicycle": [
            "How do I fix a flat bicycle tyre?",
            "My bicycle tyre is flat, can you help?",
            "repair the bicycle tyre",
        ],
        "savings": [
            "Transfer money to my savings account",
            "please transfer money into savings",
            "move money from savings to checking",
        ],
        "passport": [
            "How do I renew my passport?",
            "I need to renew my passport before a trip",
            "renew an expired passport",
        ],
        "guitar": [
            "Teach me guitar chords",
            "which guitar chords are easy to learn",
            "I want to practice guitar chords",
        ],
    },
    "es": {
        "vuelo": [
            "Quiero reservar un vuelo barato",
            "¿Puedes reservar un vuelo para mañana?",
            "buscar un vuelo barato",
        ],
    },
    "ja": {
        "予約": [
            "レストランの予約をお願いします",
            "レストランの予約を変更したいです",
            "レストランの予約をしてください",
        ],
    },
}
SECRETS = ["Quentin Mallory", "Rosebud Lane", "zxqv", "Wolverton"]


@pytest.fixture(scope="module")
def embedder():
    return make_embedder("use", threads=2)


@pytest.fixture(scope="module")
def analyst(embedder):
    return OfflineAnalyst(embedder)


@pytest.fixture(scope="module")
def samples(embedder, tmp_path_factory) -> list[NamingSample]:
    """One cluster a subject; every tenth conversation also tells something that only its account knows."""
    folder = tmp_path_factory.mktemp("site")
    settings = Settings(
        home=folder / "home", key_file=folder / "key", epsilon=math.inf, epsilon_sensitive=math.inf
    )
    rng = random.Random(0)
    rows = []
    subjects = [(language, texts) for language, group in ASKED.items() for texts in group.values()]
    for cluster, (language, texts) in enumerate(subjects):
        for i in range(40):
            text = texts[i % len(texts)]
            if i % 10 == 0:
                text = f"{text} for {rng.choice(SECRETS)}"
            rows.append((cluster, f"t{cluster}", f"a{cluster}-{i}", language, text))
    members = pl.DataFrame(rows, schema=["cluster_id", "topic", "account", "language", "text"], orient="row")
    vocabularies = support(members, settings=settings, key=b"1" * 32)
    by_cluster = {c: members.filter(pl.col("cluster_id") == c)["text"].to_list() for c in vocabularies}
    made = []
    for cluster, (language, _) in enumerate(subjects):
        middle = embedder.encode(by_cluster[cluster]).mean(axis=0)
        outside = by_cluster[(cluster + 1) % 4][:20]
        made.append(
            NamingSample(
                by_cluster[cluster], outside, vocabularies[cluster], language, middle / np.linalg.norm(middle)
            )
        )
    return made


@pytest.fixture(scope="module")
def named(analyst, samples) -> list[Summary]:
    return analyst.name_clusters(samples)


def test_a_name_says_what_its_cluster_asked_for(named):
    names = [summary.name.lower() for summary in named]
    for word, name in zip(["bicycle", "savings", "passport", "guitar", "vuelo", "予約"], names, strict=True):
        assert word in name


def test_names_are_short_distinct_and_repeat_no_word(named):
    assert len({summary.name.casefold() for summary in named}) == len(named)
    for summary in named:
        words = summary.name.replace(",", " ").replace(":", " ").lower().split()
        assert 1 < len(words) <= 10 and len(set(words)) == len(words)


def test_descriptions_are_at_most_two_sentences_in_the_past_tense(named):
    for summary in named:
        assert summary.description.startswith("Users asked ")
        assert summary.description.count(". ") <= 1 and summary.description.endswith(".")


def test_every_name_and_description_keeps_to_the_clusters_vocabulary(named, samples):
    for summary, sample in zip(named, samples, strict=True):
        assert violations(f"{summary.name}. {summary.description}", sample.vocabulary) == []


def test_what_one_account_said_is_in_no_summary(named):
    written = " ".join(f"{summary.name} {summary.description}" for summary in named).lower()
    assert not any(word.lower() in written for secret in SECRETS for word in secret.split() if word != "Lane")


def test_naming_is_the_same_each_time(analyst, samples, named):
    assert analyst.name_clusters(samples) == named


def test_clusters_without_a_supported_word_get_public_labels_of_their_own(analyst, samples):
    bare = [
        NamingSample(["zxqv wvut", "qqrst"], ["plmk"], Vocabulary(), "en", sample.centroid)
        for sample in samples * 3
    ]
    summaries = analyst.name_clusters(bare)
    assert len({summary.name for summary in summaries}) == len(bare)
    assert all(violations(f"{s.name}. {s.description}", Vocabulary()) == [] for s in summaries)
    assert not any("zxqv" in summary.name.lower() for summary in summaries)


@pytest.mark.parametrize("seed", range(15))
def test_summaries_from_random_words_keep_to_p5(analyst, samples, seed):
    rng = random.Random(seed)
    words = [
        "kiwi",
        "marble",
        "anvil",
        "lantern",
        "the",
        "my",
        "of",
        "book",
        "transfer",
        "question",
        "how",
        "to",
        "and",
        "gravel",
        "walrus",
        "42",
        "über",
        "予約",
        "вопрос",
    ]
    supported = rng.sample(words, 6)
    pairs = frozenset(frozenset(rng.sample(supported, 2)) for _ in range(4))
    vocabulary = Vocabulary(dict.fromkeys(supported, 1.0), pairs)
    texts = [" ".join(rng.choices(words, k=rng.randint(2, 9))) + rng.choice(".,!") for _ in range(20)]
    sample = NamingSample(texts, texts[:3], vocabulary, rng.choice(["en", "de", "ja"]), samples[0].centroid)
    (summary,) = analyst.name_clusters([sample])
    assert violations(f"{summary.name}. {summary.description}", vocabulary) == []


COOKING = {
    "en": "How do I cook rice with chicken for dinner?",
    "es": "¿Cómo preparo arroz con pollo para la cena?",
    "de": "Wie koche ich Reis mit Hähnchen zum Abendessen?",
    "fr": "Comment cuisiner du riz au poulet pour le dîner ?",
    "ja": "夕食に鶏肉とご飯をどう料理すればいいですか。",
}


def test_a_cluster_in_many_languages_is_named_by_a_category_label(analyst, embedder):
    vector = embedder.encode(list(COOKING.values())).mean(axis=0)
    sample = NamingSample(
        list(COOKING.values()) * 4, ["Book a flight"] * 9, Vocabulary(), "de", vector / np.linalg.norm(vector)
    )
    (summary,) = analyst.name_clusters([sample])
    label = summary.name.casefold()
    assert label in headings() and any(
        word in label for word in ("cook", "meal", "dinner", "recipe", "food", "kitchen")
    )
    assert summary.description == f"Users asked about {label}."


def test_no_name_consists_of_function_words_in_any_language(analyst, embedder):
    texts = [
        "Qui vient en premier pour une",
        "De la une et pour",
        "Das die mit etwas",
        "la letzte und ich",
    ] * 5
    vocabulary = Vocabulary({"premier": 1.0, "letzte": 1.0}, frozenset())
    sample = NamingSample(texts, [], vocabulary, "fr", embedder.encode(texts[:1])[0])
    (summary,) = analyst.name_clusters([sample])
    # "premier" and "letzte" are among the most frequent words of their languages.
    assert not any(word in summary.name.casefold() for word in ("premier", "letzte", "die", "pour"))


def test_clusters_with_the_same_label_are_told_apart_by_their_words(analyst, embedder):
    said = {"pollo": "Quiero cocinar pollo", "tarta": "Quiero cocinar una tarta"}
    vector = embedder.encode(["quiero cocinar una receta"])[0]
    samples = [
        NamingSample([text] * 20, [], Vocabulary({word: 1.0, "cocinar": 0.1}), "es", vector)
        for word, text in said.items()
    ]
    names = [summary.name.casefold() for summary in analyst.name_clusters(samples)]
    assert len(set(names)) == 2
    assert all(word in name for word, name in zip(said, names, strict=True))


def test_a_name_that_lies_as_near_to_a_neighbour_serves_less_than_one_that_tells_them_apart():
    own, other = np.array([1.0, 0.0, 0.0]), np.array([0.8, 0.6, 0.0])
    map_ = Map(np.stack([own, other]), nearest_clusters(np.stack([own, other]), 1))
    between, beyond = np.array([0.95, 0.31, 0.0]), np.array([0.8, -0.6, 0.0])
    shared, telling = map_.fit(np.stack([between, beyond]), [0, 0])
    assert between @ own > beyond @ own and telling > shared
    alone = Map(own[None, :], nearest_clusters(own[None, :], 1))
    assert alone.fit(beyond[None, :], [0])[0] == pytest.approx(beyond @ own)


def test_what_many_ask_alike_in_two_clusters_names_neither(analyst, embedder):
    """Both ask to book something; each is named by what it books."""
    asked = {
        "flight": ["book it for me please", "please book a flight to the coast", "book a flight for me"],
        "restaurant": [
            "book it for me please",
            "please book a restaurant tonight",
            "book a restaurant for me",
        ],
    }
    samples = []
    for word, texts in asked.items():
        middle = embedder.encode(texts).mean(axis=0)
        vocabulary = Vocabulary({word: 1.0, "coast": 0.1}, frozenset())
        samples.append(NamingSample(texts * 6, [], vocabulary, "en", middle / np.linalg.norm(middle)))
    names = [summary.name.casefold() for summary in analyst.name_clusters(samples)]
    assert all(word in name for word, name in zip(asked, names, strict=True))


def test_a_given_name_is_in_no_summary_however_many_used_it(analyst, embedder):
    texts = [
        "Reserve a table under Kevin",
        "reserve a table for Kevin please",
        "Kevin wants to reserve a table",
    ]
    middle = embedder.encode(texts).mean(axis=0)
    pairs = frozenset({frozenset({"kevin", "table"}), frozenset({"kevin", "reserve"})})
    vocabulary = Vocabulary({"kevin": 2.0, "table": 1.0, "reserve": 1.0}, pairs)
    sample = NamingSample(texts * 7, [], vocabulary, "en", middle / np.linalg.norm(middle))
    (summary,) = analyst.name_clusters([sample])
    assert "kevin" not in f"{summary.name} {summary.description}".casefold()


def test_what_is_near_no_label_says_so(analyst):
    vector = np.random.default_rng(0).normal(size=512)  # near nothing
    sample = NamingSample(["zxqv"] * 9, [], Vocabulary(), "en", vector / np.linalg.norm(vector))
    (summary,) = analyst.name_clusters([sample])
    assert summary.name == "Mixed requests" and "no subject in common" in summary.description


@pytest.mark.parametrize(
    ("text", "tongue"),
    [
        ("Where is the letter that I wrote?", "en"),
        ("Wo ist der Brief, den ich geschrieben habe?", "de"),
        ("Où est la lettre que j'ai écrite ?", "fr"),
        ("手紙はどこですか", "ja"),
        ("我的信在哪里", "zh"),
        ("Где моё письмо?", "ru"),
        ("zxqv", "it"),
    ],
)
def test_the_language_of_a_request_is_told_by_script_and_function_words(text, tongue):
    texts = pl.DataFrame(
        {"row": [0], "content": [text], "language": ["it"]}, schema_overrides={"row": pl.UInt32}
    )
    words = segment(texts["content"], texts["language"]).select("row", "word")
    assert tongues(texts, words)["tongue"].to_list() == [tongue]


def test_no_clusters_no_names(analyst):
    assert analyst.name_clusters([]) == [] and analyst.rename([]) == [] and analyst.audit([]) == []


def test_labels_beside_one_another_say_and_once():
    assert beside(["travel", "food"]) == "travel and food"
    assert beside(["food and drink", "games"]) == "food and drink, games"


@pytest.fixture(scope="module")
def children(embedder) -> list[Node]:
    names = [
        "Transfer money", "Bank balance", "Credit card payment", "Pay a bill", "Open a bank account",
        "Find a recipe", "Cook chicken", "Bake a cake", "Dinner ideas",
        "Book a flight", "Cheap flights", "Flight delays",
    ]  # fmt: skip
    vectors = embedder.encode(names)
    return [
        Node(Summary(name, f"Users asked about {name.lower()}."), v)
        for name, v in zip(names, vectors, strict=True)
    ]


def test_proposals_are_as_many_as_wanted_and_children_find_their_own(analyst, children):
    parents = analyst.deduplicate(analyst.propose(children, [], 4), 3)
    assert len(parents) == 3
    assigned = analyst.assign(children, parents)
    assert len(set(assigned[:5])) == len(set(assigned[5:9])) == len(set(assigned[9:])) == 1
    assert len({assigned[0], assigned[5], assigned[9]}) == 3


def test_assignment_does_not_depend_on_the_parents_order(analyst, children):
    parents = analyst.propose(children, [], 3)
    turned = list(reversed(parents))
    forward = [parents[i].summary for i in analyst.assign(children, parents)]
    assert forward == [turned[i].summary for i in analyst.assign(children, turned)]


def test_a_parent_is_broader_than_its_children_and_keeps_to_what_two_of_them_share(analyst, children):
    vocabulary = parent_vocabulary([Vocabulary({"payee": 1.0, "iou": 1.0}), Vocabulary({"payee": 1.0})])
    groups = [children[:5], children[5:9], children[9:], children[:5]]
    samples = [ParentSample(group, [10] * len(group), vocabulary, "en") for group in groups]
    renamed = analyst.rename(samples)
    taken = {child.summary.name for child in children}
    assert len({summary.name for summary in renamed}) == len(groups)
    for summary in renamed:
        assert summary.name not in taken and len(summary.name.split()) <= 10
        assert violations(f"{summary.name}. {summary.description}", vocabulary) == []


def test_a_parent_of_two_kinds_of_children_is_named_by_both(analyst, children):
    (summary,) = analyst.rename([ParentSample([*children[:5], *children[5:9]], [10] * 9, Vocabulary(), "en")])
    name = summary.name.casefold()
    assert any(word in name for word in ("bank", "money", "payment", "account", "bill", "transfer"))
    assert any(word in name for word in ("cook", "meal", "food", "recipe", "bak", "dinner"))


def test_labels_of_harm_name_no_parent_of_harmless_children(analyst, children):
    group = [*children[:2], *children[5:7], *children[9:]]
    (summary,) = analyst.rename([ParentSample(group, [10] * len(group), Vocabulary(), "en")])
    assert not any(label in summary.name.casefold() for label in harms())


@pytest.mark.parametrize(
    ("name", "description", "score"),
    [
        ("Transfer money between accounts", "Users asked to transfer money.", 5),
        ("Orders from 12 shops", "Users asked about orders.", 4),
        ("Plan for the year 2031", "Users asked about plans.", 2),
        ("Reach someone", "Users asked to write to ann.lee@example.com.", 1),
    ],
)
def test_the_auditor_lowers_its_score_for_what_could_name_somebody(analyst, name, description, score):
    words = Vocabulary({word: 1.0 for word in re.findall(r"\w+", f"{name} {description}".casefold())})
    assert analyst.audit([AuditSample(Summary(name, description), words)]) == [score]


@pytest.mark.parametrize(("word", "score"), [("zqkiln", 2), ("lupus", 2), ("question", 5)])
def test_the_auditor_lowers_its_score_for_a_word_that_too_few_used(analyst, word, score):
    summary = Summary(f"Help with a {word}", "Users asked for help.")
    assert analyst.audit([AuditSample(summary, Vocabulary())]) == [score]


def test_a_word_that_can_hurt_is_never_wholly_general(analyst):
    summary = Summary("Help with lupus", "Users asked for help.")
    assert analyst.audit([AuditSample(summary, Vocabulary({"lupus": 1.0}))]) == [3]


def test_the_auditor_distrusts_full_names(analyst):
    words = Vocabulary({word: 1.0 for word in ("complaints", "maria", "lopez")})
    summary = Summary("Complaints about Maria Lopez", "Users asked about Maria Lopez.")
    assert analyst.audit([AuditSample(summary, words)])[0] <= 2
