"""Tables and their cells as HTML. Whatever comes from a table is text: escaped, without control characters."""

from __future__ import annotations

from datetime import date, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

from clio_dagster.release.tree import printable
from clio_dagster.review.views import Section

ROWS = 500
"""Rows of a table that a page shows."""

SENTENCES = "reasons"
"""Column whose sentences stand below the row, as wide as the table."""

IDS = ("topic", "group_id", "account")
"""Columns of ids, which are copied and not read: never broken."""

_NUMBER = ' class="number"'


def table(section: Section, opens: date | None) -> str:
    """A section; ids of topics and groups lead to their pages on the date `opens`, if there is one."""
    rows = section.rows.head(ROWS)
    columns = [name for name in rows.columns if name != SENTENCES]
    more = f" The first {ROWS} of {section.rows.height:,}." if section.rows.height > ROWS else ""
    heads = "".join(
        f'<th scope="col"{_NUMBER if kind.is_numeric() else ""}>{escape(name.replace("_", " "))}</th>'
        for name, kind in rows.select(columns).schema.items()
    )
    body = "".join(
        f"<tr>{''.join(_td(name, row[name], opens) for name in columns)}</tr>{_below(row, len(columns))}"
        for row in rows.iter_rows(named=True)
    )
    title = escape(section.title)
    note = (section.note + more).strip()
    caption = f"<caption>{escape(note)}</caption>" if note else ""
    empty = "" if body else f'<tr><td class="none" colspan="{len(columns)}">None.</td></tr>'
    return (
        f'<h2>{title}</h2><div class="rows" tabindex="0" role="region" aria-label="{title}">'
        f"<table>{caption}<thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}{empty}</tbody></table></div>"
    )


def _below(row: dict[str, Any], columns: int) -> str:
    said = row.get(SENTENCES)
    if not said:
        return ""
    items = "".join(f"<li>{text(each)}</li>" for each in said)
    return f'<tr class="below"><td colspan="{columns}"><ul>{items}</ul></td></tr>'


def _td(name: str, value: Any, opens: date | None) -> str:
    if value is not None and opens is not None and name in ("topic", "group_id"):
        query = urlencode({"date": opens.isoformat(), "id": value})
        return f'<td class="id"><a href="{escape(f"/review/subject?{query}")}">{text(value)}</a></td>'
    if name in IDS:
        return f'<td class="id">{cell(value)}</td>'
    number = _NUMBER if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"<td{number}>{cell(value)}</td>"


def cell(value: Any) -> str:
    """A value as a cell shows it."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return "; ".join(text(each) for each in value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"<bdi>{text(value)}</bdi>"


def text(value: Any) -> str:
    """A value as text within HTML."""
    return escape(printable(str(value)))
