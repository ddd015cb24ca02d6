"""Reads a folder of SQL models: the SELECTs, what they refer to, and what models.yml says of them.

Whatever is wrong with a model is said here, at load, with the name of its file; nothing here runs a model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
import yaml

from clio_dagster.tables import TABLES, Column, Table, Zone

SCHEMA = "restricted"
"""Schema that holds the models and the tables they read."""

RESTRICTED = "restricted"
"""Folder of the models for Trust & Safety alone: their tables lie in the safety zone."""

PARAMETERS = frozenset({"date", "window_days", "noise_variance", "account_cap"})
"""What a table model may bind: `$date`, the partition's day, `$noise_variance` of a published cell, two settings."""

TYPES: dict[str, Any] = {
    "date": pl.Date,
    "text": pl.String,
    "tinyint": pl.Int8,
    "integer": pl.Int32,
    "bigint": pl.Int64,
    "double": pl.Float64,
    "boolean": pl.Boolean,
}
"""Column types that models.yml may name."""

_YAML = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # a tenth of the time, which every start of a process takes
_REF = re.compile(r"\{\{\s*ref\(\s*(['\"])(?P<name>\w+)\1\s*\)\s*\}\}")


class ModelError(ValueError):
    """A model cannot be loaded or built. The message names its file and says what is wrong."""


@dataclass(frozen=True)
class ColumnTest:
    """One test of a model: `columns` are those it looks at, `name` what must hold for them."""

    name: Literal["not_null", "unique", "accepted_values", "relationships"]
    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    to: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A SELECT and what models.yml says of it."""

    name: str
    path: Path
    sql: str
    refs: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    tests: tuple[ColumnTest, ...]
    materialized: Literal["view", "table"]
    key: tuple[str, ...]
    partitioned_by: str
    parameters: frozenset[str]
    upstream: tuple[Model, ...] = field(default=(), repr=False)

    @property
    def group(self) -> str:
        """`staging`, `marts` or `restricted`: the folder that the file lies in."""
        return self.path.parent.name

    @cached_property
    def select(self) -> str:
        """The SELECT as DuckDB takes it: every ref() a table or view of the schema."""
        return _REF.sub(lambda match: f"{SCHEMA}.{match['name']}", self.sql)

    @cached_property
    def table(self) -> Table:
        """The contract of what the model yields."""
        zone: Zone = "safety" if self.group == RESTRICTED and self.materialized == "table" else "restricted"
        return Table(self.name, self.description, self.columns, self.key, (self.partitioned_by,), zone)

    @cached_property
    def code_version(self) -> str:
        """Changes with the SELECT, or with that of a view it reads: a view has no rows of its own."""
        digest = hashlib.sha256(self.sql.encode())
        for model in self.upstream:
            if model.materialized == "view":
                digest.update(model.code_version.encode())
        return digest.hexdigest()[:16]

    @property
    def input_tables(self) -> tuple[Table, ...]:
        """Contracts of the tables it reads; views are not among them."""
        tables = [TABLES[name] for name in self.refs if name in TABLES]
        return (*tables, *(model.table for model in self.upstream if model.materialized == "table"))


def load_models(folder: Path) -> list[Model]:
    """Every model below `folder` (`*/NAME.sql`), each after those it refers to.

    Raises ModelError for two statements in a file, anything but a SELECT, an unknown ref or parameter, a
    cycle, a name taken twice, and a file and `models.yml` that do not tell of each other.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*/*.sql"))}
    if len(paths) < len(list(folder.glob("*/*.sql"))):
        raise ModelError(f"{folder}: two files have one name")
    described = _read_yaml(folder / "models.yml")
    for name in sorted(set(described) - set(paths)):
        raise ModelError(f"{folder / 'models.yml'}: {name} has no file {name}.sql")
    sources = {}
    for name, path in paths.items():
        if name in TABLES:
            raise ModelError(f"{path}: {name} is a table that Python writes; choose another name")
        if name not in described:
            raise ModelError(f"{path}: models.yml has no entry {name}")
        sources[name] = _read_sql(path, known=set(paths) | set(TABLES))
    models: dict[str, Model] = {}
    for name in _ordered(paths, {name: refs for name, (_, refs, _) in sources.items()}):
        sql, refs, parameters = sources[name]
        upstream = tuple(models[ref] for ref in refs if ref in models)
        models[name] = _model(paths[name], sql, refs, parameters, described[name], upstream)
    for model in models.values():
        _check_relationships(model, models)
    return list(models.values())


def _read_sql(path: Path, known: set[str]) -> tuple[str, tuple[str, ...], frozenset[str]]:
    """The text, what it refers to in order of appearance, and the parameters that it binds."""
    sql = path.read_text("utf-8").strip().removesuffix(";").rstrip()
    refs = tuple(dict.fromkeys(match["name"] for match in _REF.finditer(sql)))
    for ref in refs:
        if ref not in known:
            raise ModelError(f"{path}: ref('{ref}') is neither a model nor a table of the contract")
    plain = _REF.sub(lambda match: match["name"], sql)
    if "{{" in plain:
        raise ModelError(f"{path}: between braces only {{{{ ref('name') }}}} is understood")
    try:
        statements = duckdb.extract_statements(plain)
    except duckdb.Error as error:
        raise ModelError(f"{path}: {error}") from None
    if len(statements) != 1:
        raise ModelError(f"{path}: holds {len(statements)} statements; a model is one SELECT")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise ModelError(f"{path}: a model is a SELECT")
    parameters = frozenset(statements[0].named_parameters)
    if unknown := sorted(parameters - PARAMETERS):
        raise ModelError(f"{path}: ${unknown[0]} is not a parameter; there are $date and $window_days")
    return sql, refs, parameters


def _ordered(paths: Mapping[str, Path], refs: Mapping[str, Iterable[str]]) -> list[str]:
    sorter = TopologicalSorter({name: [ref for ref in refs[name] if ref in paths] for name in sorted(paths)})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        cycle = error.args[1]
        raise ModelError(f"{paths[cycle[0]]}: refers to itself: {' → '.join(reversed(cycle))}") from None


def _model(
    path: Path,
    sql: str,
    refs: tuple[str, ...],
    parameters: frozenset[str],
    entry: Mapping[str, Any],
    upstream: tuple[Model, ...],
) -> Model:
    materialized = entry.get("materialized")
    if materialized not in ("view", "table"):
        raise ModelError(f"{path}: models.yml must say materialized: view or table")
    if materialized == "view" and parameters:
        raise ModelError(f"{path}: a view binds no parameter; filter by date where it is read")
    columns = tuple(_column(path, column) for column in entry.get("columns") or ())
    tests = [test for column in entry["columns"] for test in _column_tests(path, column)]
    tests += [_parse_test(path, test, ()) for test in entry.get("tests") or ()]
    model = Model(
        name=path.stem,
        path=path,
        sql=sql,
        refs=refs,
        description=" ".join(str(entry.get("description") or "").split()),
        columns=columns,
        tests=tuple(tests),
        materialized=materialized,
        key=tuple(entry.get("key") or ()),
        partitioned_by=str(entry.get("partitioned_by") or "date"),
        parameters=parameters,
        upstream=upstream,
    )
    names = set(model.table.schema)
    for used in (*model.key, model.partitioned_by, *(name for test in tests for name in test.columns)):
        if used not in names:
            raise ModelError(f"{path}: models.yml uses a column {used} that it does not describe")
    if not model.description or not model.key:
        raise ModelError(f"{path}: models.yml must give a description and a key")
    return model


def _check_relationships(model: Model, models: Mapping[str, Model]) -> None:
    """A target that is not read is not built by then, and rows of a date are looked up among the date's."""
    for test in model.tests:
        if not test.to:
            continue
        if test.to not in (model.name, *model.refs):
            raise ModelError(f"{model.path}: relationships to {test.to}, which the SELECT does not refer to")
        target = models[test.to].table if test.to in models else TABLES[test.to]
        for name in ("date", *test.fields):
            if name not in target.schema:
                raise ModelError(f"{model.path}: relationships to {test.to}, which has no column {name}")


def _column(path: Path, entry: Mapping[str, Any]) -> Column:
    name, dtype = entry.get("name"), entry.get("type")
    if not name or dtype not in TYPES or not entry.get("description"):
        raise ModelError(
            f"{path}: column {name or '?'} in models.yml wants a name, a description and a type: "
            f"{', '.join(TYPES)}"
        )
    tests = _column_tests(path, entry)
    accepted = next((test.values for test in tests if test.values and dtype == "text"), None)
    is_nullable = all(test.name != "not_null" for test in tests)
    return Column(name, TYPES[dtype], str(entry["description"]), is_nullable, accepted=accepted)


def _column_tests(path: Path, entry: Mapping[str, Any]) -> list[ColumnTest]:
    return [_parse_test(path, test, (str(entry.get("name")),)) for test in entry.get("tests") or ()]


def _parse_test(path: Path, test: object, columns: tuple[str, ...]) -> ColumnTest:
    """A test of one column stands under it; one of several is under the model and names them."""
    match test:
        case "not_null" | "unique" if columns:
            return ColumnTest(test, columns)
        case {"unique": [*names]} if names and not columns:
            return ColumnTest("unique", tuple(map(str, names)))
        case {"accepted_values": [*values]} if columns and values:
            return ColumnTest("accepted_values", columns, values=tuple(map(str, values)))
        case {"relationships": {"to": str(to), "field": str(target)}} if columns:
            return ColumnTest("relationships", columns, to=to, fields=(target,))
        case {"relationships": {"columns": [*names], "to": str(to), "fields": [*targets]}} if not columns:
            if len(names) == len(targets) > 0:
                return ColumnTest(
                    "relationships", tuple(map(str, names)), to=to, fields=tuple(map(str, targets))
                )
    raise ModelError(
        f"{path}: models.yml has a test that is not understood; there are not_null, unique, "
        "accepted_values: [...] and relationships: {to, field} under a column, "
        "unique: [...] and relationships: {columns, to, fields} under a model"
    )


def _read_yaml(path: Path) -> dict[str, dict[str, Any]]:
    try:
        read = yaml.load(path.read_text("utf-8"), _YAML)
    except OSError:
        raise ModelError(f"{path} cannot be read: every folder of models needs one") from None
    except yaml.YAMLError as error:
        raise ModelError(f"{path} is not valid YAML: {error}") from None
    entries = read.get("models") if isinstance(read, dict) else None
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) and entry.get("columns") for entry in entries.values()
    ):
        raise ModelError(f"{path}: wants `models:` with an entry for each file, each with its columns")
    return entries
