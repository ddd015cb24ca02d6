"""The server's own pages, without a script: the frame around a release, the comparison, and what is said instead.

Whatever comes from a release is text: escaped, without control characters, and isolated in its direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from html import escape
from importlib.resources import files
from math import ceil
from typing import Any
from urllib.parse import quote, urlencode

import polars as pl

from clio_dagster.release.compare import MEANINGS, Change
from clio_dagster.release.read import Release
from clio_dagster.release.tree import printable

ROWS = 500
"""Topics on one page of a comparison."""

NOT_PUBLISHED, NOT_SHOWN = "not published", "not shown"

_CLEAR = {Change.GREW, Change.SHRANK, Change.NEW}
_COLUMNS = {
    "name": "Topic",
    "level": "Level",
    "before": "",
    "after": "",
    "difference": "Difference",
    "change": "What it means",
}
SORTS = ("moved", *(name for column in _COLUMNS for name in (column, f"-{column}")))
"""Orders of a comparison: `moved` has the largest difference in either direction first, `-` is descending."""


@dataclass(frozen=True)
class View:
    """What of a comparison is shown, and how."""

    first: date
    last: date
    sort: str = "moved"
    show: str = ""
    page: int = 1

    @property
    def url(self) -> str:
        """The address that shows it."""
        query: dict[str, Any] = {"from": self.first.isoformat(), "to": self.last.isoformat()}
        if self.sort != "moved":
            query["sort"] = self.sort
        if self.show:
            query["show"] = self.show
        if self.page > 1:
            query["page"] = self.page
        return f"/compare?{urlencode(query)}"


@cache
def stylesheet() -> bytes:
    """The explorer's colours and type, and what these pages add."""
    base = files("clio_dagster.release") / "page" / "css" / "base.css"
    own = files("clio_dagster.serve") / "css" / "serve.css"
    return f"{base.read_text('utf-8')}\n{own.read_text('utf-8')}".encode()


def frame(day: date, dates: Sequence[date]) -> bytes:
    """A release's page under a bar that leads to the other dates."""
    main = (
        f'<main id="release"><iframe src="/releases/{day}/" title="Topics of {day}" '
        'referrerpolicy="no-referrer"></iframe></main>'
    )
    alone = f'<a href="/releases/{day}/">Open alone</a>'
    skip = '<a class="skip" href="#release">To the release</a>'
    return _page(f"Topics of {day}", f"{skip}{_bar(day, dates, alone)}{main}", body_class="frame")


def nothing_yet() -> bytes:
    """Said where there is no release."""
    return said("No release yet", "Publish a date with `clio run FILE`, and load this page again.", ())


def said(title: str, text: str, dates: Sequence[date]) -> bytes:
    """A page that says why there is no other."""
    bar = _bar(None, dates, "")
    return _page(title, f'{bar}<main class="said"><h1>{escape(title)}</h1><p>{escape(text)}</p></main>')


def choose(first: date | None, last: date | None, dates: Sequence[date]) -> bytes:
    """The form alone, where two dates are not chosen."""
    form = _choice(first, last, dates)
    hint = (
        "Choose two different dates." if len(dates) > 1 else "There is one release, and no other to compare."
    )
    if not dates:
        hint = "There is no release yet."
    return _page(
        "Compare two dates",
        f"{_bar(None, dates, '')}<main><h1>Compare two dates</h1>"
        f'<div class="said"><p>{hint}</p></div>{form}</main>',
    )


def comparison(
    rows: pl.DataFrame, before: Release, after: Release, view: View, dates: Sequence[date]
) -> bytes:
    """The comparison of two releases (compare.compare) as `view` wants it."""
    title = f"Topics of {view.first} and {view.last}"
    chosen = rows.filter(pl.col("change") == view.show) if view.show else rows
    pages = max(1, ceil(chosen.height / ROWS))
    view = replace(view, page=min(view.page, pages))
    shown = _sorted(chosen, view.sort).slice((view.page - 1) * ROWS, ROWS)
    several = rows["clustered_by"].n_unique() > 1
    caption = (
        f"Share of each day's conversations. {chosen.height:,} topics"
        + (f", page {view.page} of {pages}" if pages > 1 else "")
        + (", by how far they moved." if view.sort == "moved" else ", by the marked heading.")
    )
    body = "".join(_row(row, view, several) for row in shown.iter_rows(named=True))
    empty = (
        ""
        if body
        else f'<tr role="row"><td role="cell" colspan="{len(_COLUMNS)}" class="none">No topic.</td></tr>'
    )
    return _page(
        title,
        f'<a class="skip" href="#rows">To the topics</a>{_bar(None, dates, "")}<main><h1>{title}</h1>'
        f'<div class="said">{_noise(before, after)}</div>{_choice(view.first, view.last, dates)}'
        f"{_kinds(rows, view)}{_meanings()}"
        f'<div class="rows" id="rows" tabindex="0" role="region" aria-label="Topics"><table role="table">'
        f'<caption>{caption}</caption><thead role="rowgroup"><tr role="row">{_heads(view)}</tr></thead>'
        f'<tbody role="rowgroup">{body}{empty}</tbody></table></div>{_pager(view, pages)}</main>',
    )


def _page(title: str, body: str, *, body_class: str = "") -> bytes:
    classes = f' class="{body_class}"' if body_class else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n<base target="_top">\n'
        f'<link rel="stylesheet" href="/style.css">\n<title>{escape(title)}</title>\n</head>\n'
        f"<body{classes}>\n{body}\n</body>\n</html>\n"
    ).encode()


def _bar(day: date | None, dates: Sequence[date], alone: str) -> str:
    brand = '<a class="brand" href="/">Clio</a>'
    if not dates:
        return f'<header class="bar">{brand}</header>'
    picker = (
        f'<form action="/" method="get"><label for="date">Release of</label>'
        f'{_select("date", day or dates[0], dates)}<button type="submit">Show</button></form>'
    )
    last = day or dates[0]
    earlier = [other for other in dates if other < last]
    pair = (earlier[0], last) if earlier else (dates[-1], dates[0])
    link = f'<a href="{escape(View(*pair).url)}">Compare two dates</a>' if len(dates) > 1 else ""
    return f'<header class="bar">{brand}{picker}<nav aria-label="Releases">{alone} {link}</nav></header>'


def _choice(first: date | None, last: date | None, dates: Sequence[date]) -> str:
    if len(dates) < 2:
        return ""
    return (
        '<form action="/compare" method="get">'
        f'<label for="from">From</label>{_select("from", first or dates[1], dates)}'
        f'<label for="to">to</label>{_select("to", last or dates[0], dates)}'
        '<button type="submit">Compare</button></form>'
    )


def _select(name: str, chosen: date, dates: Sequence[date]) -> str:
    options = "".join(f"<option{' selected' if day == chosen else ''}>{day}</option>" for day in dates)
    return f'<select id="{name}" name="{name}">{options}</select>'


def _noise(before: Release, after: Release) -> str:
    one, other = before.manifest.noise, after.manifest.noise
    if one.within is None and other.within is None:
        noise = "Counts carry no noise: they are exact, and fit for tests alone."
    elif one.within == other.within:
        noise = (
            f"Published counts carry noise: 95 of 100 lie within {one.within} of what was counted. A difference "
            "that the noise of both days may explain is not called a change."
        )
    else:
        bounds = [
            "none" if noise.within is None else f"95 of 100 counts within {noise.within}"
            for noise in (one, other)
        ]
        noise = (
            f"Published counts carry noise ({before.manifest.date}: {bounds[0]}; {after.manifest.date}: "
            f"{bounds[1]}). A difference that the noise of both days may explain is not called a change."
        )
    return (
        f"<p>{escape(noise)} Among few conversations a share also moves by chance alone.</p>"
        f"<p>A topic that one date does not publish may have had conversations on it: too few, or of too few "
        "accounts, to show.</p>"
    )


def _kinds(rows: pl.DataFrame, view: View) -> str:
    counts = dict(rows["change"].value_counts().iter_rows())
    links = [_kind("all", "", rows.height, view)]
    links += [_kind(kind.value, kind.value, counts.get(kind.value, 0), view) for kind in Change]
    return f'<nav class="kinds" aria-label="Changes shown">{"".join(links)}</nav>'


def _kind(text: str, show: str, count: int, view: View) -> str:
    current = ' aria-current="true"' if view.show == show else ""
    url = replace(view, show=show, page=1).url
    return f'<a href="{escape(url)}"{current}>{text} ({count:,})</a>'


def _meanings() -> str:
    lines = "".join(f"<dt>{kind.value}</dt><dd>{escape(text)}</dd>" for kind, text in MEANINGS.items())
    return f'<details class="meanings"><summary>What these words mean</summary><dl>{lines}</dl></details>'


def _heads(view: View) -> str:
    titles = _COLUMNS | {"before": str(view.first), "after": str(view.last)}
    cells = []
    for column, title in titles.items():
        up, down = view.sort == column, view.sort == f"-{column}"
        starts_down = column in ("before", "after", "difference", "level")
        sort = column if down or (not up and not starts_down) else f"-{column}"
        state = ' aria-sort="ascending"' if up else ' aria-sort="descending"' if down else ""
        number = "" if column in ("name", "change") else ' class="number"'
        mark = (
            '<span aria-hidden="true"> ↑</span>'
            if up
            else '<span aria-hidden="true"> ↓</span>'
            if down
            else ""
        )
        link = f'<a href="{escape(replace(view, sort=sort, page=1).url)}">{title}{mark}</a>'
        cells.append(f'<th role="columnheader" scope="col"{number}{state}>{link}</th>')
    return "".join(cells)


def _row(row: dict[str, Any], view: View, several: bool) -> str:
    change = Change(row["change"])
    day = view.last if row["in_after"] else view.first
    target = f"/releases/{day}/#topic={quote(row['topic'], safe='')}"
    facet = f" <small>by {_text(row['clustered_by'])}</small>" if several else ""
    clear = ' class="clear"' if change in _CLEAR else ""
    difference = row["difference"]
    moved = (
        '<td role="cell" class="number none">–</td>'
        if difference is None
        else f'<td role="cell" class="number" data-of="Difference">{_points(difference)}</td>'
    )
    link = f'<a href="{escape(target)}"><bdi>{_text(row["name"])}</bdi></a>'
    return (
        f'<tr role="row"><th role="rowheader" scope="row">{link}{facet}</th>'
        f'<td role="cell" class="number" data-of="Level">{row["level"]}</td>'
        f"{_share(row['before'], row['in_before'], view.first)}{_share(row['after'], row['in_after'], view.last)}"
        f'{moved}<td role="cell"{clear}>{change.value}</td></tr>'
    )


def _share(share: float | None, published: bool, day: date) -> str:
    if share is None:
        return f'<td role="cell" class="number none" data-of="{day}">{NOT_SHOWN if published else NOT_PUBLISHED}</td>'
    return f'<td role="cell" class="number" data-of="{day}">{round(100 * share, 4):g}%</td>'


def _points(difference: float) -> str:
    """A difference of shares in points of a hundred, with the decimals that published shares have."""
    return f"{round(100 * difference, 4):+g} points".replace("-", "−") if difference else "0 points"


def _pager(view: View, pages: int) -> str:
    if pages == 1:
        return ""
    links = []
    if view.page > 1:
        links.append(f'<a rel="prev" href="{escape(replace(view, page=view.page - 1).url)}">Before</a>')
    links.append(f"<span>Page {view.page} of {pages}</span>")
    if view.page < pages:
        links.append(f'<a rel="next" href="{escape(replace(view, page=view.page + 1).url)}">Next</a>')
    return f'<nav class="kinds" aria-label="Pages">{"".join(links)}</nav>'


def _sorted(rows: pl.DataFrame, sort: str) -> pl.DataFrame:
    column, descending = sort.removeprefix("-"), sort.startswith("-")
    key = pl.col("difference").abs() if column == "moved" else pl.col(column)
    descending = descending or column == "moved"
    return rows.sort(
        key, "name", "clustered_by", "topic", descending=[descending, False, False, False], nulls_last=True
    )


def _text(text: str) -> str:
    return escape(printable(text))
