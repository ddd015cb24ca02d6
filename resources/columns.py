"""The columns of DuckDB's tables: made from the first frame, widened by later ones, read back as contracted.

Everything here works within a connection, and a transaction, of warehouse.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import polars as pl

from clio_dagster.models.loader import SCHEMA
from clio_dagster.tables import VECTOR_TYPE, Table
from resources.slices import WarehouseError


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def column_types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """DuckDB's types of a table's or view's columns, in order; empty if there is none of that name."""
    rows = connection.execute(
        """
        select column_name, data_type from duckdb_columns()
        where schema_name = $schema and table_name = $table
        order by column_index
        """,
        {"schema": SCHEMA, "table": table},
    ).fetchall()
    return dict(rows)


def fit_table(connection: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> None:
    """Create the table, or add the columns it lacks; WarehouseError for one that had another type before."""
    name = f"{SCHEMA}.{quoted(table.name)}"
    stored = column_types(connection, table.name)
    connection.register("incoming", frame.clear())
    arriving = {row[0]: row[1] for row in connection.execute("describe select * from incoming").fetchall()}
    connection.unregister("incoming")
    if not stored:
        columns = ", ".join(f"{quoted(column)} {dtype}" for column, dtype in arriving.items())
        connection.execute(f"create table {name} ({columns})")
        return
    for column, dtype in arriving.items():
        if column not in stored:
            connection.execute(f"alter table {name} add column {quoted(column)} {dtype}")
        elif stored[column] != dtype and table.schema.get(column) == VECTOR_TYPE:
            _fit_vectors(connection, name, column, stored[column], dtype)
        elif stored[column] != dtype:
            raise WarehouseError(
                f"{table.name}.{column} is {stored[column]} in the table's other slices, {dtype} in the frame"
            )


def as_contracted(table: Table, frame: pl.DataFrame, absent: Sequence[str]) -> pl.DataFrame:
    """The frame in the contract's types, with a null column for each one that the stored table predates.

    Raises WarehouseError for vectors of several widths.
    """
    contracted = [(column, dtype) for column, dtype in table.schema.items() if column in frame.columns]
    return frame.with_columns(
        *(pl.lit(None, table.schema[column]).alias(column) for column in absent),
        *(
            _one_width(table, frame[column]) if dtype == VECTOR_TYPE else pl.col(column).cast(dtype)
            for column, dtype in contracted
        ),
    )


def _fit_vectors(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, stored: str, arriving: str
) -> None:
    """Give a vector column the arriving width, or none while it must hold two.

    A site that changes its embedder has slices of both widths until the last one is made anew.
    """
    if arriving == "FLOAT[]":
        return
    is_empty = connection.execute(f"select count(*) from {table}").fetchall()[0][0] == 0
    wanted = arriving if is_empty else "FLOAT[]"
    if stored != wanted:
        connection.execute(f"alter table {table} alter column {quoted(column)} type {wanted}")


def _one_width(table: Table, vectors: pl.Series) -> pl.Series:
    if not isinstance(vectors.dtype, pl.List):
        return vectors
    widths = vectors.list.len().drop_nulls().unique()
    if len(widths) > 1:
        raise WarehouseError(
            f"{table.name}.{vectors.name} holds vectors of {len(widths)} widths, of more than one embedder: "
            "make the older slices anew"
        )
    return vectors.list.to_array(widths.item()) if len(widths) else vectors
