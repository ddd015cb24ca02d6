"""What every asset says of itself: description, group, kinds, owner and the columns of its table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import (
    AssetOut,
    BackfillPolicy,
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableSchema,
)

from assets.partitions import ASKS_CLAUDE, SETTINGS
from clio_dagster.tables import Table
from clio_dagster.versions import STAGES

MANY_A_RUN = BackfillPolicy.multi_run(32)
"""A backfill's runs make so many partitions at most, one after the other: a month of a language, or of dates.

Dagster cuts a selection into stretches along one dimension, so that no run is asked for more than was selected.
"""

CHAIN = None if ASKS_CLAUDE else MANY_A_RUN
"""For the stages from conversations to the release. Where Claude is asked, a run makes one partition (Dagster's own
policy, None), and all of the chain does: only assets of one policy share a run."""

OWNERS = ["team:data-engineering"]

CLAUDE_POOL = "claude" if ASKS_CLAUDE else None
"""For steps that ask Claude: of all runs together, as many at a time as the pool has slots (dagster.yaml)."""

RESTRICTED, PUBLISHED = {"clio/zone": "restricted"}, {"clio/zone": "published"}
"""Tags of assets by what may be seen of them, for a selection such as `tag:"clio/zone"=restricted` in the UI."""


def about(table: Table, *, group: str, kinds: set[str], **more: Any) -> dict[str, Any]:
    """Keyword arguments of `@asset` for the stage that writes `table`."""
    return {
        "name": table.name,
        "description": table.description,
        "group_name": group,
        "kinds": kinds,
        "owners": OWNERS,
        "tags": {"clio/zone": table.zone},
        "metadata": {
            "docs": docs(table.name),
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": f"{table.zone}.{table.name}",
        },
        "code_version": str(STAGES.get(table.name, "")),
        "io_manager_key": "warehouse_io",
        "backfill_policy": CHAIN,
    } | more


def docs(stage: str) -> MetadataValue[Any]:
    """Where a stage is described."""
    if SETTINGS.docs_url:
        return MetadataValue.url(f"{SETTINGS.docs_url.rstrip('/')}/stages.md#{stage}")
    return MetadataValue.path(Path(__file__).parents[1] / "docs" / "stages.md")


def outs(*tables: Table, group: str, kinds: set[str]) -> Mapping[str, AssetOut]:
    """The same for a `@multi_asset` that writes several tables together; the first one names the stage."""
    version = str(STAGES[tables[0].name])
    described = {table.name: about(table, group=group, kinds=kinds, code_version=version) for table in tables}
    return {
        name: AssetOut(
            key=name, **{key: value for key, value in of.items() if key not in ("name", "backfill_policy")}
        )
        for name, of in described.items()
    }


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
