"""The ledger of answers: nothing is asked twice at once, nothing is paid above the budget, and all of it can go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from clio_dagster.analyst.memory import Answered, BudgetReached, Remembered
from clio_dagster.analyst.prices import PriceError, Usage, dollars, estimated_tokens, price_of
from clio_dagster.settings import SettingsError, load_settings
from clio_dagster.work import Work
from resources.answers import Answers
from resources.ledger import Ledger, metadata
from tests.postgres_server import IS_THERE, postgres

WORK = Work("facets", "2026-11-01|en", "run")


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str | None]:
    """In a short path of its own: a socket's has little room."""
    if not IS_THERE:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="clio-") as folder, postgres(Path(folder) / "pg") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, postgres_url: str | None) -> str | None:
    if request.param == "sqlite":
        return None
    if postgres_url is None:
        pytest.skip("no PostgreSQL server is installed")
    with sa.create_engine(postgres_url).begin() as connection:
        metadata.drop_all(connection)
    return postgres_url


@pytest.fixture
def ledger(url: str | None, tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, lease_seconds=60, url=url)


@pytest.fixture
def answers(ledger: Ledger) -> Answers:
    return Answers(ledger)


def answered(key: str, usd: float = 0.01, *, about: str = "c1", day: int = 1, **more: object) -> Answered:
    value = Remembered({"request": "bake bread"})
    usage = Usage(100, 10)
    return Answered(key, "extract-1", "m", value, usage, usd, about=(about,), day=date(2026, 11, day), **more)  # type: ignore[arg-type]


def test_a_question_is_asked_by_one_at_a_time_and_answered_for_all(answers: Answers) -> None:
    with answers.claiming("one") as first, answers.claiming("two") as second:
        assert answers.claim({"a": 0.1, "b": 0.1}, first).mine == {"a", "b"}
        assert answers.claim({"a": 0.1, "c": 0.1}, second).mine == {"c"}
        answers.remember([answered("a")], first, WORK)
        claim = answers.claim({"a": 0.1, "b": 0.1}, second)
    assert claim.answered == {"a": Remembered({"request": "bake bread"})}
    assert not claim.mine


def test_what_was_claimed_and_not_answered_is_free_again(answers: Answers) -> None:
    with answers.claiming("one") as first:
        answers.claim({"a": 0.1}, first)
    with answers.claiming("two") as second:
        assert answers.claim({"a": 0.1}, second).mine == {"a"}


def test_an_answer_that_does_not_last_is_billed_and_asked_for_again(answers: Answers) -> None:
    with answers.claiming("one") as holder:
        answers.claim({"a": 0.1}, holder)
        answers.remember([answered("a", 0.02, final=False)], holder, WORK)
        assert answers.claim({"a": 0.1}, holder).mine == {"a"}
    assert answers.spent() == pytest.approx(0.02)


def test_the_bill_adds_up_by_stage_partition_model_and_prompt(answers: Answers) -> None:
    with answers.claiming("one") as holder:
        answers.remember([answered("a"), answered("b")], holder, WORK)
        answers.remember([answered("c", 0.5)], holder, Work("cluster_summaries", "2026-11-01", "run"))
    first, second = sorted(answers.bill(), key=lambda line: line.usd)
    assert (first.stage, first.calls, first.input_tokens, first.usd) == (
        "facets",
        2,
        200,
        pytest.approx(0.02),
    )
    assert second.stage == "cluster_summaries"
    assert answers.cost_of("2026-11-01") == pytest.approx(0.52)
    assert answers.cost_of("2026-11-0") == 0
    assert answers.bill(since=datetime.now(UTC).date() + timedelta(days=1)) == []


def test_a_claim_above_the_budget_is_refused_whole(ledger: Ledger) -> None:
    answers = Answers(ledger, budget_usd=1.0)
    with answers.claiming("one") as holder, answers.claiming("two") as other:
        answers.remember([answered("a", 0.5)], holder, WORK)
        answers.claim({"b": 0.3}, holder)
        with pytest.raises(BudgetReached, match="CLIO_BUDGET_USD"):
            answers.claim({"c": 0.3}, other)
        assert answers.claim({"d": 0.1}, other).mine == {"d"}
        # Cheaper than it might have been: what is left can be spent.
        answers.remember([answered("b", 0.01)], holder, WORK)
        assert answers.claim({"c": 0.3}, other).mine == {"c"}
        with pytest.raises(BudgetReached):
            answers.begin_batch({"e": 0.2}, "batch", WORK)
    assert answers.batches() == []


def test_a_key_in_a_batch_is_nobodys_until_it_has_come_back(answers: Answers) -> None:
    assert answers.begin_batch({"a": 0.1, "b": 0.1}, "x", WORK) == {"a", "b"}
    assert answers.begin_batch({"a": 0.1, "c": 0.1}, "y", WORK) == {"c"}
    with answers.claiming("one") as holder:
        claim = answers.claim({"a": 0.1}, holder)
        assert not claim.mine
        assert not claim.answered
        answers.batch_submitted("x", "msgbatch_1")
        answers.batch_seen("x", {"succeeded": 1, "errored": 1}, datetime.now(UTC))
        answers.remember([answered("a", batch="x")], holder, WORK)
        assert answers.in_batches(["a", "b", "c"]) == {"b": "x", "c": "y"}
        answers.batch_collected("x", ["b"])
        assert answers.claim({"b": 0.1}, holder).mine == {"b"}
    assert answers.failed_before(["a", "b"]) == {"b": 1}
    assert [each.name for each in answers.batches()] == ["y"]
    assert [each.name for each in answers.batch_log("2026-11-01|en")] == ["x", "y"]
    assert answers.came_back_lacking(["2026-11-01|en"]) == {"2026-11-01|en": ["x"]}


def test_a_batch_that_never_arrived_frees_its_keys(answers: Answers) -> None:
    answers.begin_batch({"a": 0.1}, "x", WORK)
    with answers.alone_with("x") as is_mine, answers.alone_with("x") as is_theirs:
        assert (is_mine, is_theirs) == (True, False)
    answers.batch_lost("x")
    assert answers.begin_batch({"a": 0.1}, "y", WORK) == {"a"}


def test_erasing_a_conversation_removes_every_answer_that_quoted_it(answers: Answers, tmp_path: Path) -> None:
    with answers.claiming("one") as holder:
        answers.remember([answered("a", about="c1"), answered("b", about="c2")], holder, WORK)
    answers.erase(["c1"])
    assert set(answers.recall(["a", "b"])) == {"b"}
    # The bill stays: money was spent.
    assert answers.spent() == pytest.approx(0.02)


def test_answers_expire_with_their_day_and_leave_no_byte(answers: Answers, tmp_path: Path) -> None:
    with answers.claiming("one") as holder:
        kept = answered("b", day=2)
        gone = Answered(
            "a", "p", "m", Remembered({"request": "mend a zither"}), Usage(), 0.0, day=date(2026, 11, 1)
        )
        answers.remember([gone, kept], holder, WORK)
    assert answers.expire([date(2026, 11, 1)]) == 1
    assert set(answers.recall(["a", "b"])) == {"b"}
    # Of PostgreSQL's files, `vacuum full` sees to the same.
    assert not any(b"zither" in path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))


def test_a_ledger_of_an_earlier_version_gains_what_it_lacks(tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.execute(
        "create table leases (subject text, partition text, holder text, host text, process integer, ends_at real, "
        "primary key (subject, partition))"
    )
    connection.execute("insert into leases values ('facets', 'p', 'old', 'elsewhere', 1, 9e12)")
    connection.commit()
    connection.close()
    ledger = Ledger(tmp_path, lease_seconds=60)
    assert [lease.holder for lease in ledger.leases()] == ["old"]
    with Answers(ledger).claiming("one") as holder:
        assert Answers(ledger).claim({"a": 0.1}, holder).mine == {"a"}


def test_of_several_that_open_a_new_ledger_at_once_all_have_it(url: str | None, tmp_path: Path) -> None:
    for attempt in range(5):
        if url:
            with sa.create_engine(url).begin() as connection:
                metadata.drop_all(connection)
        together = Barrier(8)

        def opened(_: int, home: Path = tmp_path / str(attempt), together: Barrier = together) -> sa.Engine:
            together.wait()
            return Ledger(home, lease_seconds=60, url=url).engine

        with ThreadPoolExecutor(8) as threads:
            for engine in threads.map(opened, range(8)):
                assert set(sa.inspect(engine).get_table_names()) == {*metadata.tables, "schema_version"}
                engine.dispose()


def test_a_ledger_url_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CLIO_LEDGER_URL"):
        Ledger(tmp_path, lease_seconds=60, url="nonsense")


def test_what_an_answer_costs_by_length_cache_and_batch() -> None:
    haiku, sonnet = price_of("claude-haiku-5-5", {}), price_of("claude-sonnet-5-5", {})
    assert dollars(Usage(1_000_000 // 10, 0), haiku) == pytest.approx(0.01)
    assert dollars(Usage(100_001, 1_000_000), haiku) == pytest.approx(0.1 * 0.500005 + 2.5)
    assert dollars(Usage(0, 1_000), sonnet, is_batch=True) == pytest.approx(0.005)
    assert dollars(Usage(cache_read=1_000_000), sonnet) == pytest.approx(0.1)
    assert dollars(Usage(cache_write=1_000), haiku) == pytest.approx(0.000125)


def test_an_unknown_model_is_an_error_unless_its_price_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PriceError, match="CLIO_PRICES"):
        price_of("some-model", {})
    monkeypatch.setenv("CLIO_PRICES", '{"some-model": {"input": 1, "output": 5}}')
    assert price_of("some-model", load_settings().prices).output == 5
    monkeypatch.setenv("CLIO_PRICES", '{"some-model": {"input": -1, "output": 5}}')
    with pytest.raises(SettingsError, match="CLIO_PRICES"):
        load_settings()


def test_tokens_are_counted_by_the_word_and_the_character() -> None:
    assert estimated_tokens("Hello, wonderful world!") == 2 + 1 + 3 + 2 + 1
    assert estimated_tokens("世界") == 2


def test_several_processes_on_one_ledger_claim_each_key_once(ledger: Ledger) -> None:
    from concurrent.futures import ThreadPoolExecutor

    answers = Answers(ledger, budget_usd=1e6)
    keys = {f"k{number:03}": 0.01 for number in range(200)}

    def one(run: str) -> set[str]:
        got: set[str] = set()
        with answers.claiming(run) as holder:
            for key in keys:
                if answers.claim({key: 0.01}, holder).mine:
                    answers.remember([answered(key)], holder, WORK)
                    got.add(key)
        return got

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, ["a", "b", "c", "d"]))
    assert set().union(*found) == keys.keys()
    assert sum(map(len, found)) == 200
    assert answers.bill()[0].calls == 200
