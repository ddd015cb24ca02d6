"""Where a slice lies in the bucket: `TABLE/date=2026-11-01/language=es.parquet`, below `PREFIX/restricted/`.

Columns stand in alphabetical order, values as in a URL, so that names sort by day and say which slice they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote, unquote

from clio_dagster.tables import Table
from resources.s3_objects import Entry, Objects, concurrently
from resources.slices import as_text

VIEWS = "_views"
"""Folder of the views' SELECTs; no table is called so."""

_SUFFIX = ".parquet"

_MOST_SPANS = 32
"""Listings that one question is worth; more values are sought in one listing over all that lies between them."""


@dataclass(frozen=True)
class Found:
    """The object of a slice: its table, its entry, and the slice's values as text, by column."""

    table: str
    entry: Entry
    values: dict[str, str]

    @property
    def partition(self) -> str:
        return "|".join(self.values.values())


def object_name(table: Table, values: Mapping[str, object]) -> str:
    """The name of a slice's object; `values` are those of slice_values()."""
    parts = [f"{column}={_quoted(as_text(value))}" for column, value in values.items()]
    return _folder(table) + "/".join(parts) + _SUFFIX


Question = tuple[Table, Mapping[str, Collection[str]]]
"""A table, and the texts that a slice's values must be among, by column."""


def find_slices(objects: Objects, questions: Iterable[Question]) -> list[Found]:
    """The objects of slices, table by table, in the order of their names.

    Texts of a table's first column bound what is listed, the others choose among it. Objects that are not named
    as a slice is are left out.
    """
    asked = [(question, listing) for question in questions for listing in _listings(*question)]
    answers = concurrently(lambda each: objects.listed(*each[1]), asked)
    return [
        Found(table.name, entry, values)
        for ((table, wanted), _), entries in zip(asked, answers, strict=True)
        for entry in entries
        if (values := _values(entry.name[len(_folder(table)) :]))
        and all(values.get(column) in texts for column, texts in wanted.items())
    ]


def _listings(table: Table, wanted: Mapping[str, Collection[str]]) -> list[tuple[str, str, str]]:
    """Arguments of Objects.listed()."""
    column = min(table.partitioned_by, default="")
    if column not in wanted:
        return [(_folder(table), "", "")]
    prefix = f"{_folder(table)}{column}="
    end = "/" if len(table.partitioned_by) > 1 else _SUFFIX
    return [
        (prefix + first + end, "", "") if first == last else (prefix, first, last)
        for first, last in _spans(wanted[column])
    ]


def _folder(table: Table) -> str:
    return f"{_quoted(table.name)}/"


def _values(rest: str) -> dict[str, str] | None:
    """What the name of an object says after its table's; None where it is no slice's."""
    parts = [part.partition("=") for part in rest.removesuffix(_SUFFIX).split("/")]
    if not rest.endswith(_SUFFIX) or not all(separator for _, separator, _ in parts):
        return None
    return {column: unquote(value) for column, _, value in parts}


def _spans(texts: Collection[str]) -> list[tuple[str, str]]:
    """First and last of each run of texts: days that follow each other are one run, other texts stand alone."""
    spans: list[tuple[str, str]] = []
    for text in sorted(map(_quoted, set(texts))):
        if spans and _day_after(spans[-1][1]) == text:
            spans[-1] = (spans[-1][0], text)
        else:
            spans.append((text, text))
    return spans if len(spans) <= _MOST_SPANS else [(spans[0][0], spans[-1][1])]


def _day_after(text: str) -> str | None:
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return None


def _quoted(text: str) -> str:
    return quote(text, safe="")
