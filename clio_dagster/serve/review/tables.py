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

_NUMBER = ' class="number"'


def table(section: Section, opens: date | None) -> str:
    """A section; ids of topics and groups lead to their pages on the date `opens`, if there is one."""
    rows = section.rows.head(ROWS)
    more = f" The first {ROWS} of {section.rows.height:,}." if section.rows.height > ROWS else ""
    heads = "".join(
        f'<th scope="col"{_NUMBER if kind.is_numeric() else ""}>{escape(name.replace("_", " "))}</th>'
        for name, kind in rows.schema.items()
    )
    body = "".join(
        f"<tr>{''.join(_td(name, value, opens) for name, value in row.items())}</tr>"
        for row in rows.iter_rows(named=True)
    )
    title = escape(section.title)
    note = (section.note + more).strip()
    caption = f"<caption>{escape(note)}</caption>" if note else ""
    empty = "" if body else f'<tr><td class="none" colspan="{len(rows.columns)}">None.</td></tr>'
    return (
        f'<h2>{title}</h2><div class="rows" tabindex="0" role="region" aria-label="{title}">'
        f"<table>{caption}<thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}{empty}</tbody></table></div>"
    )


def _td(name: str, value: Any, opens: date | None) -> str:
    if value is not None and opens is not None and name in ("topic", "group_id"):
        query = urlencode({"date": opens.isoformat(), "id": value})
        return f'<td><a href="{escape(f"/review/subject?{query}")}">{text(value)}</a></td>'
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
