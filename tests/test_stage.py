"""A stage's slices: kept while what decides them is unchanged, made anew when it is not, written whole."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from dagster import (
    AssetExecutionContext,
    DailyPartitionsDefinition,
    PartitionKeyRange,
    asset,
    build_asset_context,
)

from clio_dagster.privacy.silence import EngineError
from clio_dagster.tables import Column, Table
from resources.fingerprints import Input, Stage, changes
from resources.ledger import LeaseLost
from resources.site import Site
from resources.slices import WarehouseError
from resources.stage import HELD_SLICES, MissingInput, Slices, Written, partition_values, write
from resources.warehouse import Warehouse

FIRST = date(2026, 11, 1)
SECRET = "zanzibar-quartz"


def table(name: str) -> Table:
    columns = (
        Column("date", pl.Date, "Day."),
        Column("account", pl.String, "Who.", nullable=True),
        Column("passes", pl.Boolean, "Whether it may be shown."),
    )
    return Table(name, "", columns, key=("account",))


NAMES, SIZES, MADE_FROM = table("names"), table("sizes"), table("made_from")


def rows(partition: str, *, accounts: int = 2) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [date.fromisoformat(partition)] * accounts,
            "account": [f"a{number}" for number in range(accounts)],
            "passes": [number == 0 for number in range(accounts)],
        },
        schema=NAMES.schema,
    )


@dataclass
class Step:
    """A stage over a warehouse, whose inputs, settings and code version a test may change."""

    site: Site
    inputs: dict[str, int] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    uses: Mapping[str, object] = field(default_factory=lambda: {"seed": 0, "cap": 5})
    code_version: str = "1"
    goes_on: bool = False
    tables: tuple[Table, ...] = (NAMES, SIZES)
    made: list[str] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None

    @property
    def warehouse(self) -> Warehouse:
        return self.site.warehouse

    def run(self, days: int = 1, run: str = "a run") -> Written:
        """Materialize the first `days` days in one run, as a range."""
        keys = [(FIRST + timedelta(days=n)).isoformat() for n in range(days)]
        for key in keys:
            if accounts := self.inputs.get(key, 1):
                self.warehouse.write(MADE_FROM, {"date": key}, rows(key, accounts=accounts))
        self.made.clear()

        @asset(partitions_def=DailyPartitionsDefinition(FIRST.isoformat()))
        def stage(context: AssetExecutionContext) -> Written:
            return write(Slices(context, self.stage, self.site, self._make))

        written = stage(build_asset_context(partition_key_range=PartitionKeyRange(keys[0], keys[-1])))
        assert isinstance(written, Written)
        return written

    @property
    def stage(self) -> Stage:
        return Stage(
            self.tables,
            (Input(MADE_FROM),),
            uses=lambda _: self.uses,
            facts=lambda _site, _keys: self.facts,
            sql_version=self.code_version,
            goes_on=self.goes_on,
        )

    def _make(self, partition: str) -> dict[str, pl.DataFrame]:
        self.made.append(partition)
        self.meanwhile()
        return {each.name: rows(partition) for each in self.tables} | self.changed


@pytest.fixture
def step(tmp_path: Path) -> Step:
    overrides = {"home": str(tmp_path / "home"), "key_file": str(tmp_path / "key"), "lease_seconds": 5}
    return Step(Site(overrides=overrides))


def test_a_slice_is_made_once_and_then_kept(step: Step) -> None:
    step.run()
    assert step.made == ["2026-11-01"]
    before = step.warehouse.slices(NAMES)
    written = step.run()
    assert step.made == []
    assert step.warehouse.slices(NAMES) == before
    assert written.records[0].metadata("names")["reused"] is True


def test_a_kept_slice_reports_what_is_stored(step: Step) -> None:
    fresh = step.run().records[0].metadata("sizes")
    kept = step.run().records[0].metadata("sizes")
    assert (fresh["reused"], kept["reused"]) == (False, True)
    assert all(fresh[name] == kept[name] for name in ("rows", "fingerprint", "content_hash"))


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("inputs", {"2026-11-01": 2}),
        ("facts", {"2026-11-01": "another"}),
        ("uses", {"seed": 1, "cap": 5}),
        ("uses", {"seed": 0, "cap": 5, "new": 1}),
        ("code_version", "2"),
    ],
)
def test_what_decides_a_slice_makes_it_anew_when_it_changes(step: Step, what: str, value: Any) -> None:
    step.run()
    setattr(step, what, value)
    step.run()
    assert step.made == ["2026-11-01"]


def test_a_slice_that_was_edited_by_hand_is_made_anew(step: Step) -> None:
    step.run()
    with duckdb.connect(str(step.site.settings.home / "clio.duckdb")) as connection:
        connection.execute("update restricted.names set passes = true")
    step.run()
    assert step.made == ["2026-11-01"]
    step.run()
    assert step.made == []


def test_the_order_in_which_settings_are_named_does_not_matter(step: Step) -> None:
    step.run()
    step.uses = {"cap": 5, "seed": 0}
    step.run()
    assert step.made == []


def test_only_the_partition_whose_input_changed_is_made_anew(step: Step) -> None:
    step.run(days=3)
    step.inputs["2026-11-02"] = 2
    step.run(days=3)
    assert step.made == ["2026-11-02"]


def test_an_input_that_is_missing_is_named(step: Step) -> None:
    step.inputs["2026-11-01"] = 0
    with pytest.raises(MissingInput, match="names 2026-11-01: materialize made_from first"):
        step.run()
    assert step.made == []


def test_tables_of_a_slice_are_written_all_or_none(step: Step) -> None:
    step.changed = {"sizes": rows("2026-11-01").drop("passes")}
    with pytest.raises(WarehouseError, match=r"sizes\.passes"):
        step.run()
    assert step.warehouse.slices(NAMES) == {}
    assert step.warehouse.read(NAMES).is_empty()


def test_tables_that_are_out_of_step_are_made_anew_together(step: Step) -> None:
    step.run()
    step.warehouse.write(SIZES, {"date": FIRST}, rows("2026-11-01", accounts=5), fingerprint="older")
    step.run()
    assert step.made == ["2026-11-01"]
    assert step.warehouse.read(SIZES).height == 2


def test_a_slice_that_cannot_be_made_leaves_the_stored_one_standing(step: Step) -> None:
    step.run()
    before = step.warehouse.slices(NAMES), step.warehouse.read(NAMES)
    step.code_version = "2"
    step.changed = {"sizes": rows("2026-11-02")}
    with pytest.raises(WarehouseError):
        step.run()
    assert step.warehouse.slices(NAMES) == before[0]
    assert step.warehouse.read(NAMES).equals(before[1])


def test_a_librarys_error_does_not_quote_what_it_choked_on(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(_self: Step, _partition: str) -> dict[str, pl.DataFrame]:
        return {"names": pl.DataFrame({"account": [SECRET]}).cast(pl.Int64)}

    monkeypatch.setattr(Step, "_make", choke)
    with pytest.raises(EngineError, match="names 2026-11-01") as caught:
        step.run()
    assert SECRET not in repr(caught.value) + str(caught.value)


def test_more_slices_than_are_held_in_memory_are_all_written(step: Step) -> None:
    days = HELD_SLICES + 3
    written = step.run(days=days)
    assert len(written.records) == days
    assert len(step.warehouse.slices(NAMES)) == len(step.warehouse.slices(SIZES)) == days
    assert step.warehouse.read(SIZES)["date"].n_unique() == days


def test_a_slice_made_in_chunks_is_written_whole_and_tells_the_same(step: Step) -> None:
    whole = rows("2026-11-01", accounts=5)
    step.changed = {"sizes": whole}
    known = step.run().records[0]
    step.changed = {"sizes": (whole.slice(start, 2) for start in (0, 2, 4))}
    step.code_version = "2"
    found = step.run().records[0]
    assert (found.rows, found.hashes, found.numbers) == (known.rows, known.hashes, known.numbers)
    assert step.warehouse.read(SIZES).height == 5


def test_chunks_that_end_in_an_error_leave_the_stored_slice_standing(step: Step) -> None:
    def choking() -> Iterator[pl.DataFrame]:
        yield from (rows("2026-11-01", accounts=5).slice(start, 2) for start in (0, 2))
        raise ValueError(SECRET)

    step.run()
    before = step.warehouse.slices(SIZES), step.warehouse.read(SIZES)
    step.code_version, step.changed = "2", {"sizes": choking()}
    with pytest.raises(EngineError) as caught:
        step.run()
    assert SECRET not in repr(caught.value) + str(caught.value)
    assert (step.warehouse.slices(SIZES), step.warehouse.read(SIZES).rows()) == (before[0], before[1].rows())


def test_a_slice_says_its_accounts_and_what_it_withholds(step: Step) -> None:
    metadata = step.run().records[0].metadata("names")
    assert (metadata["rows"], metadata["accounts"], metadata["suppressed"]) == (2, 2, 1)


def test_a_status_that_no_row_has_is_counted_as_none(step: Step) -> None:
    status = Column("status", pl.String, "The verdict.", accepted=("published", "withheld"))
    judged = Table("judged", "", (*NAMES.columns, status), key=("account",))
    step.tables = (judged,)
    step.changed = {"judged": rows("2026-11-01").with_columns(status=pl.lit("published"))}
    metadata = step.run().records[0].metadata("judged")
    assert (metadata["published"], metadata["withheld"], metadata["share_published"]) == (2, 0, 1)


def test_a_partition_key_is_read_in_the_alphabetical_order_of_its_columns() -> None:
    both = Table("both", "", NAMES.columns, key=("account",), partitioned_by=("language", "date"))
    assert partition_values(both, "2026-11-01|es") == {"date": "2026-11-01", "language": "es"}


def test_of_two_runs_at_once_one_makes_each_partition_and_the_other_keeps_it(step: Step) -> None:
    other = Step(step.site)
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        go_on.wait(20)

    step.meanwhile = hold
    first = threading.Thread(target=step.run, kwargs={"days": 3})
    second = threading.Thread(target=other.run, kwargs={"days": 3})
    first.start()
    inside.wait(20)
    second.start()
    go_on.set()
    first.join(30)
    second.join(30)
    assert sorted(step.made + other.made) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert step.site.ledger.leases() == []


def test_a_run_that_lost_its_lease_writes_nothing(step: Step) -> None:
    """What stood still for longer than its lease finds another run in its place."""
    ledger = step.site.ledger

    def be_overtaken() -> None:
        for lease in ledger.leases():
            ledger.give(lease.subject, [lease.partition], lease.holder)
        ledger.take("names", ["2026-11-01"], "another run")

    step.meanwhile = be_overtaken
    with pytest.raises(LeaseLost):
        step.run()
    assert step.warehouse.slices(NAMES) == {}


def test_a_slice_says_why_it_does_not_hold(step: Step) -> None:
    stored = step.run().records[0].made.fingerprint
    key = "2026-11-01"

    def wanted() -> str:
        fingerprint = step.stage.fingerprint(key, step.stage.look(step.site, [key]))
        assert fingerprint is not None
        return fingerprint

    assert wanted() == stored
    step.uses = {"seed": 1, "cap": 5}
    assert changes(stored, wanted()) == ["seed changed"]
    step.code_version = "2"
    step.facts = {key: "another"}
    step.warehouse.write(MADE_FROM, {"date": key}, rows(key, accounts=3))
    assert changes(stored, wanted()) == [
        "the code of this stage changed",
        "seed changed",
        "made_from has new content",
        "what was landed changed",
    ]
    assert changes("written by an older version", wanted()) != []


def test_a_stage_that_goes_on_from_the_date_before_finds_it_written(step: Step) -> None:
    """However quickly dates are made: what is held back would be missed by the next."""
    found: list[int] = []
    step.meanwhile = lambda: found.append(len(step.warehouse.slices(NAMES)))
    step.goes_on = True
    step.run(days=4)
    assert found == [0, 1, 2, 3]
