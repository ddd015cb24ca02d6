"""The columns of DuckDB's tables: made from the first frame, widened by later ones, read back as contracted.

Everything here works within a connection, and a transaction, of a warehouse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import polars as pl

from clio_dagster.key_ranges import KeyRange
from clio_dagster.models.loader import SCHEMA
from clio_dagster.tables import VECTOR_TYPE, Table
from resources.duckdb_errors import told
from resources.slices import WarehouseError, as_column_values

SESSION = "set TimeZone = 'UTC'; set python_enable_replacements = false;"
"""What every connection begins with: a name that is misspelt in SQL is never a Python variable called so."""

_ABOUT_NAMES = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""They speak of names in the statement, never of values in a row."""


@contextmanager
def naming_no_value(doing: str, file: str = "the file") -> Iterator[None]:
    """DuckDB's errors as WarehouseError: its own messages quote values. `file` is where it worked."""
    try:
        yield
    except duckdb.Error as error:
        if known := told(doing, error, file):
            raise known from None
        detail = f": {error}" if isinstance(error, _ABOUT_NAMES) else ""
        raise WarehouseError(f"{doing} failed in DuckDB ({type(error).__name__}){detail}") from None


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
    """Create the table, or add the columns it lacks; WarehouseError for one that had another type before.

    A facet of the site's own takes the type that it has now: what other slices hold that does not fit it becomes null.
    """
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
        elif stored[column] != dtype and column in table.own:
            connection.execute(
                f"alter table {name} alter {quoted(column)} type {dtype} using try_cast({quoted(column)} as {dtype})"
            )
        elif stored[column] != dtype:
            raise WarehouseError(
                f"{table.name}.{column} is {stored[column]} in the table's other slices, {dtype} in the frame"
            )


def select_where(
    connection: duckdb.DuckDBPyConnection | None,
    contract: Table,
    where: Mapping[str, object],
    columns: Sequence[str] | None,
) -> tuple[pl.DataFrame, list[str]]:
    """Rows of a table or view whose columns equal the given values or are among them; and the columns wanted.

    The frame is for `in_order`, once the connection is closed. A contract without columns is that of a name
    alone, which must exist; no connection, and nothing does.
    """
    stored = column_types(connection, contract.name) if connection else {}
    if not stored and not contract.columns:
        raise WarehouseError(f"there is no table {contract.name}")
    known = [*contract.schema, *(column for column in stored if column not in contract.schema)]
    check_known(contract.name, known, (*(columns or ()), *where))
    wanted = list(columns) if columns is not None else known
    if connection is None or not stored:
        return contract.empty(), wanted
    # A key that is not asked for still sets the order.
    fetched = [column for column in dict.fromkeys((*wanted, *contract.key)) if column in stored]
    tests, parameters = _tests(contract, where, stored)
    frame = connection.sql(
        f"select {', '.join(map(quoted, fetched))} from {SCHEMA}.{quoted(contract.name)}"
        + (f" where {' and '.join(tests)}" if tests else ""),
        params=parameters,
    ).pl()
    return frame, wanted


def check_known(table: str, known: Collection[str], used: Iterable[str]) -> None:
    """Raises WarehouseError for the first column used that is not among those known."""
    for column in used:
        if column not in known:
            raise WarehouseError(f"{table} has no column {column}")


def in_order(contract: Table, frame: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
    """The wanted columns as contracted, null where the frame has none, sorted by the key."""
    frame = as_contracted(contract, frame, [column for column in wanted if column not in frame.columns])
    order = [column for column in contract.key or frame.columns if column in frame.columns]
    return frame.sort(order, maintain_order=True).select(wanted)


def _tests(
    contract: Table, where: Mapping[str, object], stored: Collection[str]
) -> tuple[list[str], dict[str, object]]:
    tests: list[str] = []
    parameters: dict[str, object] = {}
    for column, value in where.items():
        wanted = as_column_values(contract, column, value)
        if isinstance(wanted, KeyRange):
            for sign, bound in ((">", wanted.after), ("<=", wanted.upto)):
                if bound is not None:
                    tests.append(f"{quoted(column)} {sign} $w{len(parameters)}")
                    parameters[f"w{len(parameters)}"] = bound
            continue
        if column not in stored or wanted == []:
            # An empty list says nothing of its type.
            tests.append("false")
            continue
        is_list, number = isinstance(wanted, list), len(parameters)
        tests.append(
            f"{quoted(column)} " + (f"in (select unnest($w{number}))" if is_list else f"= $w{number}")
        )
        parameters[f"w{number}"] = wanted
    return tests, parameters


def as_contracted(table: Table, frame: pl.DataFrame, absent: Sequence[str]) -> pl.DataFrame:
    """The frame in the contract's types, with a null column for each one that the stored table predates.

    Raises WarehouseError for vectors of several widths.
    """
    contracted = [(column, dtype) for column, dtype in table.schema.items() if column in frame.columns]
    return frame.with_columns(
        *(pl.lit(None, table.schema[column]).alias(column) for column in absent),
        *(
            _one_width(table, frame[column])
            if dtype == VECTOR_TYPE
            else pl.col(column).cast(dtype, strict=column not in table.own)
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
