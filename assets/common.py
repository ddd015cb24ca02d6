"""What every asset says of itself: description, group, kinds, owner and the columns of its table."""

from collections.abc import Mapping
from typing import Any

from dagster import AssetOut, BackfillPolicy, TableColumn, TableColumnConstraints, TableSchema

from clio_dagster.tables import Table

MANY_A_RUN = BackfillPolicy.single_run()
"""Where no model is paid, a backfill is one run that makes its partitions one after the other."""

OWNERS = ["team:data-engineering"]


def about(table: Table, *, group: str, kinds: set[str], **more: Any) -> dict[str, Any]:
    """Keyword arguments of `@asset` for the stage that writes `table`."""
    return {
        "name": table.name,
        "description": table.description,
        "group_name": group,
        "kinds": kinds,
        "owners": OWNERS,
        "metadata": {
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": f"restricted.{table.name}",
        },
        "code_version": "1",
        "io_manager_key": "warehouse_io",
        "backfill_policy": MANY_A_RUN,
    } | more


def out(table: Table, *, group: str, kinds: set[str]) -> AssetOut:
    """The same, as one output of a `@multi_asset`."""
    described = about(table, group=group, kinds=kinds)
    del described["name"], described["backfill_policy"]
    return AssetOut(key=table.name, **described)


def outs(*tables: Table, group: str, kinds: set[str]) -> Mapping[str, AssetOut]:
    return {table.name: out(table, group=group, kinds=kinds) for table in tables}


def column_schema(table: Table) -> TableSchema:
    """The contract's columns, as the UI shows them."""
    return TableSchema(
        columns=[
            TableColumn(
                name=column.name,
                type=str(column.dtype),
                description=column.description,
                constraints=TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,)
                ),
            )
            for column in table.columns
        ]
    )
