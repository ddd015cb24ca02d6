"""The pages of Review, without a script. Whatever comes from a table is text: escaped, and inert.

What a conversation says stands in `pre`, in which nothing is a link, markup or a command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import polars as pl

from clio_dagster.review.desk import LONGEST_REASON, SHORTEST_REASON, Reviewer
from clio_dagster.review.roles import Role
from clio_dagster.review.views import Section
from clio_dagster.serve import pages
from clio_dagster.serve.review.tables import cell, table, text

LONGEST_TEXT = 20_000
"""Characters of a message that a page shows."""

TOLD = {
    "alerts": "alerts of event windows",
    "groups": "groups of accounts that act alike",
    "audit": "candidates of the classifier’s audit",
    "topics": "topics",
}
"""What is counted of each view."""

VIEWS = {
    "topics": Role.VIEWER,
    "alerts": Role.VIEWER,
    "groups": Role.ANALYST,
    "audit": Role.ANALYST,
}
"""Views of a date, and the role that each needs."""


@cache
def stylesheet() -> bytes:
    """The releases' style, and what these pages add."""
    own = files("clio_dagster.serve") / "css" / "review.css"
    return pages.stylesheet() + own.read_bytes()


def sign_in(said: str, nonce: str, has_provider: bool) -> bytes:
    """The form to sign in."""
    provider = '<p><a href="/review/oidc">Sign in at this site’s provider</a></p>' if has_provider else ""
    notice = f'<p class="said" role="alert">{escape(said)}</p>' if said else ""
    return _page(
        "Sign in to Review",
        None,
        f'{notice}<form action="/review/login" method="post">{_hidden("nonce", nonce)}'
        '<label for="token">Token</label><input id="token" name="token" type="password" required '
        f'autocomplete="off" maxlength="256"><button type="submit">Sign in</button></form>{provider}',
    )


def going_on() -> bytes:
    """After the provider: a page of this site leads on, since cookies of this site are not sent from the other."""
    head = '<meta http-equiv="refresh" content="0;url=/review/">'
    return _page("Signed in", None, '<p><a href="/review/">Go on to Review</a></p>', head)


def said(title: str, told: str, reviewer: Reviewer | None = None, out: str = "") -> bytes:
    """A page that only says something."""
    return _page(title, reviewer, f'<p class="said">{escape(told)}</p>', out=out)


def overview(reviewer: Reviewer, dates: Sequence[date], counts: Mapping[str, int], out: str) -> bytes:
    """What waits on the newest date, by view (`counts`), and the other dates, as far as the role sees them."""
    if not dates:
        return said("Review", "There is nothing to review yet.", reviewer, out)
    open_to = [view for view, role in VIEWS.items() if reviewer.role >= role]
    options = "".join(f"<option>{day}</option>" for day in dates)
    buttons = "".join(
        f'<button type="submit" formaction="/review/{view}">{view.capitalize()}</button>' for view in open_to
    )
    form = (
        f'<form action="/review/topics" method="get"><label for="date">Date</label>'
        f'<select id="date" name="date">{options}</select>{buttons}</form>'
    )
    waiting = "".join(
        f'<li><a href="/review/{view}?date={dates[0]}"><b>{counts[view]:,}</b>'
        f"<span>{told} on {dates[0]}</span></a></li>"
        for view, told in TOLD.items()
        if view in counts
    )
    form = f'<ul class="waiting">{waiting}</ul><h2>Other dates</h2>{form}'
    log = '<p><a href="/review/log">The log of who looked at what</a></p>'
    return _page("Review", reviewer, form + (log if reviewer.role == Role.TRUST_AND_SAFETY else ""), out=out)


def view(
    title: str,
    reviewer: Reviewer,
    sections: Sequence[Section],
    out: str,
    day: date | None = None,
    above: str = "",
) -> bytes:
    """Tables, one after the other; the names of topics and groups lead to their pages where those may be seen."""
    may_open = day if reviewer.role == Role.TRUST_AND_SAFETY else None
    shown = title if day is None else f"{title} of {day}"
    return _page(
        shown, reviewer, _nav(reviewer, day) + above + "".join(table(s, may_open) for s in sections), out=out
    )


def subject(
    reviewer: Reviewer, day: date, which: str, sections: Sequence[Section], nonce: str, out: str
) -> bytes:
    """A group's or a topic's page: what is known of it, and the form that asks for its accounts."""
    form = _reason_form("accounts", nonce, {"date": day, "subject": which, "offset": 0}, "Show its accounts")
    tables = "".join(table(section, None) for section in sections)
    return _page(f"{which} on {day}", reviewer, f"{_nav(reviewer, day)}{tables}{form}", out=out)


def accounts(
    reviewer: Reviewer,
    day: date,
    which: str,
    shown: Section,
    reason: str,
    following: int | None,
    nonces: Sequence[str],
    out: str,
) -> bytes:
    """Accounts, the form for one's conversations, and the form for those that come next (from `following` on)."""
    choices = "".join(f"<option>{text(account)}</option>" for account in shown.rows["account"])
    one = _reason_form(
        "conversations",
        nonces[0],
        {"date": day, "subject": which},
        "Show its conversations",
        f'<label for="account">Account</label><select id="account" name="account">{choices}</select>',
    )
    more = ""
    if following is not None:
        hidden = {"date": day, "subject": which, "offset": following}
        more = _reason_form("accounts", nonces[1], hidden, "Show those that follow", reason=reason)
    return _page(
        f"Accounts of {which}", reviewer, f"{_nav(reviewer, day)}{table(shown, None)}{one}{more}", out=out
    )


def conversations(
    reviewer: Reviewer, day: date, account: str, rows: pl.DataFrame, note: str, out: str
) -> bytes:
    """Conversations, each message inert."""
    note = f"Account {account}. {note}"
    body = "".join(_conversation(row) for row in rows.iter_rows(named=True)) or "<p>None.</p>"
    return _page(
        f"Conversations of {account[:12]}…",
        reviewer,
        f'{_nav(reviewer, day)}<p class="said">{escape(note)}</p>{body}',
        out=out,
    )


def out_form(nonce: str) -> str:
    """The button that ends a session."""
    button = '<button type="submit">Sign out</button>'
    return f'<form action="/review/logout" method="post">{_hidden("nonce", nonce)}{button}</form>'


def _conversation(row: Mapping[str, Any]) -> str:
    facts = ", ".join(
        f"{name} {cell(row[name])}" for name in ("language", "concerning", "flagged") if row[name] is not None
    )
    request = f"<p>{text(row['request'])}</p>" if row["request"] else ""
    messages = row["messages"]
    if messages is None:
        told = '<p class="none">Its text is past retention.</p>'
    else:
        told = "".join(
            f"<h3>{text(each['role'])}</h3><pre>{_message(each['text'])}</pre>" for each in messages
        )
    when = f"<p>{cell(row['started_at'] or row['date'])}. {facts}</p>"
    return f"<article><h2>{text(row['conversation_id'])}</h2>{when}{request}{told}</article>"


def _message(told: str | None) -> str:
    shown = (told or "")[:LONGEST_TEXT]
    cut = "" if len(shown) == len(told or "") else "\n[cut here]"
    return "\n".join(text(line) for line in shown.split("\n")) + cut


def _reason_form(
    action: str, nonce: str, hidden: Mapping[str, Any], button: str, first: str = "", reason: str = ""
) -> str:
    fields = "".join(_hidden(name, str(value)) for name, value in hidden.items())
    place = f"reason-{action}-{len(reason)}"
    return (
        f'<form class="asking" action="/review/{action}" method="post">{_hidden("nonce", nonce)}{fields}{first}'
        f'<label for="{place}">Why</label><textarea id="{place}" name="reason" required minlength="{SHORTEST_REASON}" '
        f'maxlength="{LONGEST_REASON}" rows="2">{escape(reason)}</textarea><button type="submit">{button}</button>'
        "<p>What you look at, and why, is written to the log.</p></form>"
    )


def _nav(reviewer: Reviewer, day: date | None) -> str:
    links = [
        f'<a href="/review/{view}?date={day}">{view.capitalize()}</a>'
        for view, role in VIEWS.items()
        if day is not None and reviewer.role >= role
    ]
    return f'<nav class="kinds" aria-label="Views"><a href="/review/">Dates</a>{"".join(links)}</nav>'


def _page(title: str, reviewer: Reviewer | None, body: str, head: str = "", out: str = "") -> bytes:
    who = f"<span>{text(reviewer.name)}, {reviewer.role.text}</span>{out}" if reviewer else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n{head}'
        f'<link rel="stylesheet" href="/review/style.css">\n<title>{text(title)}</title>\n</head>\n<body>\n'
        f'<header class="bar"><a class="brand" href="/review/">Clio Review</a>{who}</header>\n'
        f"<main><h1>{text(title)}</h1>{body}</main>\n</body>\n</html>\n"
    ).encode()


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{text(value)}">'
