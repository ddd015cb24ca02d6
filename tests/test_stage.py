"""A stage's slices: kept while what decides them is unchanged, made anew when it is not, written whole."""

from collections.abc import Mapping
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
from resources.duckdb_warehouse import DuckDBWarehouse
from resources.slices import WarehouseError
from resources.stage import HELD_SLICES, MissingInput, Slices, Written, partition_values, write

FIRST = date(2026, 11, 1)
SECRET = "zanzibar-quartz"


def table(name: str) -> Table:
    columns = (
        Column("date", pl.Date, "Day."),
        Column("account", pl.String, "Who.", nullable=True),
        Column("passes", pl.Boolean, "Whether it may be shown."),
    )
    return Table(name, "", columns, key=("account",))


NAMES, SIZES = table("names"), table("sizes")


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
class Stage:
    """A stage over a warehouse, whose inputs, settings and code version a test may change."""

    warehouse: DuckDBWarehouse
    inputs: dict[str, object] = field(default_factory=dict)
    uses: Mapping[str, object] = field(default_factory=lambda: {"seed": 0, "cap": 5})
    code_version: str = "1"
    tables: tuple[Table, ...] = (NAMES, SIZES)
    made: list[str] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)

    def run(self, days: int = 1) -> Written:
        """Materialize the first `days` days in one run, as a range."""
        last = FIRST + timedelta(days=days - 1)
        self.inputs = {(FIRST + timedelta(days=n)).isoformat(): "hash" for n in range(days)} | self.inputs
        self.made.clear()

        @asset(partitions_def=DailyPartitionsDefinition(FIRST.isoformat()))
        def stage(context: AssetExecutionContext) -> Written:
            return write(self.warehouse, self.slices(context))

        asked = PartitionKeyRange(FIRST.isoformat(), last.isoformat())
        written = stage(build_asset_context(partition_key_range=asked))
        assert isinstance(written, Written)
        return written

    def slices(self, context: AssetExecutionContext) -> Slices:
        return Slices(
            context, self.tables, self.inputs.get, self._make, uses=self.uses, code_version=self.code_version
        )

    def _make(self, partition: str) -> dict[str, pl.DataFrame]:
        self.made.append(partition)
        return {each.name: rows(partition) for each in self.tables} | self.changed


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(DuckDBWarehouse(tmp_path))


def test_a_slice_is_made_once_and_then_kept(stage: Stage) -> None:
    stage.run()
    assert stage.made == ["2026-11-01"]
    before = stage.warehouse.slices(NAMES)
    written = stage.run()
    assert stage.made == []
    assert stage.warehouse.slices(NAMES) == before
    assert written.records[0].metadata("names")["reused"] is True


def test_a_kept_slice_reports_what_is_stored(stage: Stage) -> None:
    fresh = stage.run().records[0].metadata("sizes")
    kept = stage.run().records[0].metadata("sizes")
    assert (fresh["reused"], kept["reused"]) == (False, True)
    assert all(fresh[name] == kept[name] for name in ("rows", "fingerprint", "content_hash"))


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("inputs", {"2026-11-01": "another hash"}),
        ("uses", {"seed": 1, "cap": 5}),
        ("uses", {"seed": 0, "cap": 5, "new": 1}),
        ("code_version", "2"),
    ],
)
def test_what_decides_a_slice_makes_it_anew_when_it_changes(stage: Stage, what: str, value: Any) -> None:
    stage.run()
    setattr(stage, what, value)
    stage.run()
    assert stage.made == ["2026-11-01"]


def test_a_slice_that_was_edited_by_hand_is_made_anew(stage: Stage) -> None:
    stage.run()
    with duckdb.connect(str(stage.warehouse.path)) as connection:
        connection.execute("update restricted.names set passes = true")
    stage.run()
    assert stage.made == ["2026-11-01"]
    stage.run()
    assert stage.made == []


def test_the_order_in_which_settings_are_named_does_not_matter(stage: Stage) -> None:
    stage.run()
    stage.uses = {"cap": 5, "seed": 0}
    stage.run()
    assert stage.made == []


def test_only_the_partition_whose_input_changed_is_made_anew(stage: Stage) -> None:
    stage.run(days=3)
    stage.inputs["2026-11-02"] = "another hash"
    stage.run(days=3)
    assert stage.made == ["2026-11-02"]


def test_an_input_that_is_missing_is_named(stage: Stage) -> None:
    stage.inputs["2026-11-01"] = None
    with pytest.raises(MissingInput, match="names 2026-11-01: materialize what it is made from first"):
        stage.run()
    assert stage.made == []


def test_tables_of_a_slice_are_written_all_or_none(stage: Stage) -> None:
    stage.changed = {"sizes": rows("2026-11-01").drop("passes")}
    with pytest.raises(WarehouseError, match=r"sizes\.passes"):
        stage.run()
    assert stage.warehouse.slices(NAMES) == {}
    assert stage.warehouse.read(NAMES).is_empty()


def test_tables_that_are_out_of_step_are_made_anew_together(stage: Stage) -> None:
    stage.run()
    stage.warehouse.write(SIZES, {"date": FIRST}, rows("2026-11-01", accounts=5), fingerprint="older")
    stage.run()
    assert stage.made == ["2026-11-01"]
    assert stage.warehouse.read(SIZES).height == 2


def test_a_slice_that_cannot_be_made_leaves_the_stored_one_standing(stage: Stage) -> None:
    stage.run()
    before = stage.warehouse.slices(NAMES), stage.warehouse.read(NAMES)
    stage.code_version = "2"
    stage.changed = {"sizes": rows("2026-11-02")}
    with pytest.raises(WarehouseError):
        stage.run()
    assert stage.warehouse.slices(NAMES) == before[0]
    assert stage.warehouse.read(NAMES).equals(before[1])


def test_a_librarys_error_does_not_quote_what_it_choked_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(_self: Stage, _partition: str) -> dict[str, pl.DataFrame]:
        return {"names": pl.DataFrame({"account": [SECRET]}).cast(pl.Int64)}

    monkeypatch.setattr(Stage, "_make", choke)
    with pytest.raises(EngineError, match="names 2026-11-01") as caught:
        stage.run()
    assert SECRET not in repr(caught.value) + str(caught.value)


def test_more_slices_than_are_held_in_memory_are_all_written(stage: Stage) -> None:
    days = HELD_SLICES + 3
    written = stage.run(days=days)
    assert len(written.records) == days
    assert len(stage.warehouse.slices(NAMES)) == len(stage.warehouse.slices(SIZES)) == days
    assert stage.warehouse.read(SIZES)["date"].n_unique() == days


def test_a_slice_says_its_accounts_and_what_it_withholds(stage: Stage) -> None:
    metadata = stage.run().records[0].metadata("names")
    assert (metadata["rows"], metadata["accounts"], metadata["suppressed"]) == (2, 2, 1)


def test_a_partition_key_is_read_in_the_alphabetical_order_of_its_columns() -> None:
    both = Table("both", "", NAMES.columns, key=("account",), partitioned_by=("language", "date"))
    assert partition_values(both, "2026-11-01|es") == {"date": "2026-11-01", "language": "es"}
