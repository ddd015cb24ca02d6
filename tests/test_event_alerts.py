"""What is new, grows or becomes more concerning within an event's window, and what is not said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from clio_dagster.clusters.vectors import normalized
from clio_dagster.evaluation.pipeline import Site, read, site_of
from clio_dagster.safety.events.alerts import event_alerts
from clio_dagster.safety.events.concern import by_account, rise
from clio_dagster.safety.events.definitions import Alerts, Event, WatchQuestion
from clio_dagster.safety.events.evidence import Rows, gather
from clio_dagster.safety.events.novelty import (
    NOVEL_SHARE,
    TOLD_SHARE,
    Pool,
    accounts_of,
    is_novel,
    is_told,
    nearest,
    novelty,
    surprise,
    usual_surprise,
)
from clio_dagster.safety.events.rates import growth, holm
from clio_dagster.safety.events.reach import Reach, counts_within, reach_of
from clio_dagster.safety.events.replay import Made, replay
from clio_dagster.safety.events.topics import Namers
from clio_dagster.safety.tables import (
    EVENT_ALERTS,
    EVENT_MEMBERS,
    EVENT_TOPICS,
    GROWTH,
    NEW_TOPIC,
    RESTRICTED,
    RISING_CONCERN,
)
from clio_dagster.synthetic.election import HARMFUL, KEYWORDS, NEW, WATCHED, Election, as_landed, generate
from clio_dagster.tables import PUBLISHED, WITHHELD

DAY = date(2026, 11, 3)
WIDTH = 24
CENTRES = normalized(np.random.default_rng(0).normal(size=(19, WIDTH)))
RARE, NEW_CENTRE, OTHER = normalized(np.random.default_rng(8).normal(size=(3, WIDTH)))[:, None]


def around(centre: np.ndarray, count: int, random: np.random.Generator, spread: float = 0.15) -> np.ndarray:
    return normalized(centre + spread * random.normal(size=(count, WIDTH)))


def sent(accounts: list[str | None], on: date = DAY, **columns: object) -> pl.DataFrame:
    """One conversation of each of these accounts."""
    named = {"conversation_id": [f"{on}-{number}" for number in range(len(accounts))], "account": accounts}
    return pl.DataFrame(named, schema={"conversation_id": pl.String, "account": pl.String}).with_columns(
        pl.lit(on).alias("date"), **columns
    )


# How much.


def test_a_topic_reaches_as_much_of_another_day_as_of_the_one_that_it_was_drawn_from() -> None:
    random = np.random.default_rng(0)
    centre = normalized(random.normal(size=(1, WIDTH)))
    inside, outside = [], []
    for _ in range(100):
        own, other = (around(centre, 20, random) for _ in range(2))
        reach = reach_of(pl.Series(["t"] * 20), own)
        inside.append(0.5 * len(own))  # by what reach is: half of its own, each held against the others
        outside.append(reach.within(other).sum())
    assert np.mean(outside) / np.mean(inside) == pytest.approx(1.0, abs=0.1)


def test_accounts_count_once_a_day_and_nobodys_conversations_for_no_account() -> None:
    reach = Reach(("t",), np.eye(1, WIDTH, dtype=np.float32), np.array([0.9], np.float32))
    rows = sent(["a", "a", "a", "b", None, "c"])
    vectors = np.eye(WIDTH, dtype=np.float32)[[0, 0, 0, 0, 0, 1]]
    (row,) = counts_within(reach, rows, vectors).to_dicts()
    assert row == {"date": DAY, "topic": "t", "conversations": 5, "accounts": 2, "all_accounts": 3}


def counts(accounts: int, all_accounts: int, on: date = DAY) -> pl.DataFrame:
    row = {
        "date": on,
        "topic": "t",
        "conversations": accounts,
        "accounts": accounts,
        "all_accounts": all_accounts,
    }
    return pl.DataFrame([row])


def test_a_days_rate_is_held_against_the_baseline_by_the_exact_conditional_test() -> None:
    steady = pl.concat(counts(4, 100, DAY - timedelta(days=back)) for back in range(1, 11))
    (found,) = growth(steady, counts(12, 100)).to_dicts()
    exact = binomtest(12, 52, 100 / 1100, alternative="greater").pvalue
    assert found["p_value"] == pytest.approx(exact)
    assert (found["today"], found["expected"], found["baseline_conversations"]) == (12, 4.0, 40)


def test_days_that_stray_make_the_test_more_careful_and_no_baseline_tells_nothing() -> None:
    steady = pl.concat(counts(4, 100, DAY - timedelta(days=back)) for back in range(1, 11))
    straying = pl.concat(counts(8 * (back % 2), 100, DAY - timedelta(days=back)) for back in range(1, 11))
    chances = [growth(before, counts(12, 100))["p_value"][0] for before in (steady, straying, steady.clear())]
    assert chances[0] < 0.1 * chances[1]
    assert chances[2] == 1.0


def test_holms_correction() -> None:
    given = pl.Series([0.01, 0.04, 0.03, 0.005])
    assert holm(given).to_list() == pytest.approx([0.03, 0.06, 0.06, 0.02])


# What was never there.


@pytest.fixture(scope="module")
def baseline() -> Pool:
    """Seven days of nineteen topics, and a rare one whose conversations are far apart."""
    random = np.random.default_rng(2)
    parts = [around(centre, 70, random) for centre in CENTRES]
    parts.append(around(RARE, 21, random, spread=0.25))
    days = [np.arange(len(part)) % 7 for part in parts]
    return Pool(np.concatenate(parts), np.concatenate(days))


def novel(vectors: np.ndarray, pool: Pool) -> np.ndarray:
    return is_novel(vectors, pool, usual_surprise(pool, seed=0))


def test_one_conversation_in_twenty_of_an_ordinary_day_is_novel(baseline: Pool) -> None:
    random = np.random.default_rng(3)
    ordinary = np.concatenate([around(centre, 50, random) for centre in CENTRES])
    assert novel(ordinary, baseline).mean() == pytest.approx(NOVEL_SHARE, abs=0.02)


def test_a_rare_old_topic_is_not_novel_for_lying_further_apart_than_others(baseline: Pool) -> None:
    rare = around(RARE, 200, np.random.default_rng(3), spread=0.25)
    own = nearest(baseline.vectors, baseline, baseline.days)[0][:, -1]
    assert (nearest(rare, baseline)[0][:, -1] < np.quantile(own, NOVEL_SHARE)).mean() > 0.9
    assert novel(rare, baseline).mean() < 0.5


def test_three_earlier_conversations_take_the_novelty_away_and_two_do_not(baseline: Pool) -> None:
    today = around(NEW_CENTRE, 30, np.random.default_rng(4))
    assert novel(today, baseline).mean() > 0.9
    today = today[[surprise(today, baseline).argmax()]]
    for earlier, is_still in ((2, True), (3, False)):
        known = np.concatenate([baseline.vectors, np.repeat(today, earlier, axis=0)])
        pool = Pool(known, np.concatenate([baseline.days, np.arange(earlier)]))
        assert novel(today, pool)[0] == is_still, earlier


def test_what_was_told_is_known_again_and_what_lies_beside_it_is_not(baseline: Pool) -> None:
    random = np.random.default_rng(5)
    told = around(NEW_CENTRE, 30, random)
    beside = normalized(NEW_CENTRE + OTHER)
    assert is_told(around(NEW_CENTRE, 200, random), told, baseline).mean() == pytest.approx(
        TOLD_SHARE, abs=0.15
    )
    assert is_told(around(beside, 200, random), told, baseline).mean() < 0.2
    assert is_told(around(CENTRES[:1], 200, random), told, baseline).sum() == 0
    assert is_told(told, told[:0], baseline).sum() == 0


def test_a_baseline_that_is_too_small_finds_nothing_novel(baseline: Pool) -> None:
    today = around(NEW_CENTRE, 30, np.random.default_rng(6))
    for size in (0, 2, 10):
        assert novel(today, Pool(baseline.vectors[:size], baseline.days[:size])).sum() == 0


def test_who_sends_fifty_novel_conversations_is_one_account() -> None:
    rows = sent(["spammer"] * 50 + [f"a{number}" for number in range(9)]).with_columns(
        pl.lit("t").alias("topic"), pl.Series("novel", [True] * 50 + [False] * 9)
    )
    (found,) = novelty(accounts_of(rows, ["novel"])).to_dicts()
    assert (found["accounts"], found["novel"]) == (10, 1)
    assert found["p_value"] > 0.3


# How concerning.


def concerned(levels: list[int], topic: str = "t", accounts: list[str] | None = None) -> pl.DataFrame:
    owners = accounts or [f"{topic}-{number}" for number in range(len(levels))]
    return sent(list(owners)).with_columns(
        pl.lit(topic).alias("topic"), pl.Series("concerning", levels, dtype=pl.Int8)
    )


def test_concern_is_held_against_the_topic_itself_or_else_against_the_whole_baseline() -> None:
    usual = by_account(concerned([1] * 300 + [2] * 60, topic=""))
    before = by_account(concerned([3, 4] * 10, topic="t"))
    today = by_account(pl.concat([concerned([4, 3] * 8), concerned([4, 3] * 8, topic="new")]))
    found = {row["topic"]: row for row in rise(today, before, usual, seed=0).to_dicts()}
    assert found["t"]["rise"] == 0
    assert found["t"]["p_value"] > 0.3
    assert found["new"]["rise"] > 2
    assert found["new"]["p_value"] < 0.001


def test_one_account_cannot_make_a_topic_more_concerning() -> None:
    usual = by_account(concerned([1] * 300 + [2] * 60, topic=""))
    alone = concerned([5] * 60 + [1] * 15, accounts=["x"] * 60 + [f"b{number}" for number in range(15)])
    (found,) = rise(by_account(alone), usual.clear(), usual, seed=0).to_dicts()
    assert found["concern"] == pytest.approx(1.25)
    assert found["p_value"] > 0.01


def test_a_window_in_which_nothing_is_screened_yet_raises_no_alert() -> None:
    facets = {"conversation_id": pl.String, "account": pl.String, "date": pl.Date, "concerning": pl.Int8}
    none = Rows(pl.DataFrame(schema=facets), np.zeros((0, 1), np.float32))

    def whole(day: date) -> Rows:
        found = {
            "conversation_id": ["a", "b"],
            "account": ["x", "y"],
            "date": [day] * 2,
            "concerning": [1, 1],
        }
        return Rows(pl.DataFrame(found, schema=facets), np.eye(2, 8, dtype=np.float32))

    days = [date(2026, 11, day) for day in range(1, 9)]
    evidence = gather(
        pl.DataFrame(schema=EVENT_TOPICS.schema),
        pl.DataFrame(schema=EVENT_MEMBERS.schema),
        window=none,
        today=whole(days[-1]),
        baseline=days[:-1],
        read=whole,
        alerted={},
        earlier=pl.DataFrame(schema=EVENT_ALERTS.schema),
        stood=pl.DataFrame(schema=EVENT_ALERTS.schema),
        on=days[-1],
        seed=0,
    )
    alerts = event_alerts(
        evidence,
        rules=Alerts(),
        event="e",
        on=days[-1],
        window_days=2,
        baseline_days=7,
        least_accounts=2,
        now=datetime(2026, 11, 8),
    )
    assert alerts.is_empty()
    assert alerts.schema == pl.DataFrame(schema=EVENT_ALERTS.schema).schema


# A window.


@dataclass(frozen=True)
class Window:
    """Three days of an election and the week before them, made day by day."""

    site: Site
    election: Election
    event: Event
    days: list[Made]
    truth: dict[str, str]

    def about(self, made: Made) -> dict[str, str]:
        """The planted topic that most of the day's own conversations of each topic are of."""
        own = made.members.filter(pl.col("day") == made.date)
        return {
            str(topic): Counter(self.truth[each] for each in of["conversation_id"]).most_common(1)[0][0]
            for (topic,), of in own.group_by("topic")
        }


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    site = site_of(7, threads=1, min_conversations=30, min_accounts=12)
    path = tmp_path_factory.mktemp("election") / "corpus.jsonl.gz"
    election = generate(path, conversations=2_400, seed=7, days=14)
    start = datetime.combine(election.window[0], datetime.min.time())
    event = Event(
        name="election",
        start=start,
        end=start + timedelta(days=3),
        timezone="UTC",
        languages=("en", "es"),
        watch=(WatchQuestion(question=WATCHED, keywords=KEYWORDS),),
        baseline_days=7,
        min_conversations=12,
        min_accounts=6,
    )
    raw = as_landed(path).filter(pl.col("started_at") < event.ends_at)
    rows, vectors, _ = read(raw, site.honest, site)
    answers = site.honest.screen(raw, event.watch[0].watch)
    screened = rows.select("conversation_id").join(
        answers, on="conversation_id", how="left", maintain_order="left"
    )
    made = replay(
        event,
        rows,
        vectors,
        screened["relates"].fill_null(False),
        settings=site.settings,
        key=site.key,
        namers=Namers(site.honest),
    )
    truth = dict(election.conversations.select("conversation_id", "topic").iter_rows())
    yield Window(site, election, event, list(made), truth)


def test_a_new_topic_is_told_on_its_first_day_and_no_more(window: Window) -> None:
    told = {
        (made.date, window.about(made)[topic])
        for made in window.days
        for topic in made.alerts.filter(kind=NEW_TOPIC)["topic"]
    }
    begun = {(window.election.window[begins], topic) for topic, begins in NEW.items() if begins < 3}
    assert {each for each in told if each[1] in NEW} == begun


def test_the_harmful_topic_is_the_most_concerning_and_raises_an_alert(window: Window) -> None:
    last = window.days[-1]
    worst = last.topics.filter(pl.col("status") != WITHHELD).sort("mean_concerning")["topic"][-1]
    assert window.about(last)[worst] == HARMFUL
    assert worst in last.alerts.filter(kind=RISING_CONCERN)["topic"]


def test_no_alert_is_raised_twice_and_growth_not_of_what_is_new(window: Window) -> None:
    alerts = pl.concat(made.alerts for made in window.days)
    assert not alerts.select("topic", "kind").is_duplicated().any()
    new = alerts.filter(kind=NEW_TOPIC)["topic"]
    assert alerts.filter(pl.col("kind") == GROWTH, pl.col("topic").is_in(new.implode())).is_empty()


def test_topics_are_published_under_the_sites_thresholds_and_restricted_under_the_events(
    window: Window,
) -> None:
    topics = pl.concat(made.topics for made in window.days)
    assert {*topics["status"]} >= {PUBLISHED, RESTRICTED}
    restricted = topics.filter(status=RESTRICTED)
    assert (restricted["reasons"].list.len() > 0).all()
    assert restricted["published_conversations"].null_count() == len(restricted)
    published = topics.filter(status=PUBLISHED)
    assert published["reasons"].list.len().sum() == 0
    assert topics.filter(status=WITHHELD)["name"].drop_nulls().is_empty()
    assert topics.filter(pl.col("status") != WITHHELD)["name"].null_count() == 0


def test_counts_that_readers_see_have_noise_and_are_the_days_own(window: Window) -> None:
    seen = 0
    for made in window.days:
        own = dict(
            made.members.filter("counted", pl.col("day") == made.date)["topic"].value_counts().iter_rows()
        )
        shown = made.topics.drop_nulls("published_conversations")
        for topic, figure in shown.select("topic", "published_conversations").iter_rows():
            assert figure >= window.site.settings.cell_min_conversations
            seen += figure != own[topic]
    assert seen > 0
