"""`clio review`: Review on the command line, and who may use it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from clio_dagster.failures import CallError
from clio_dagster.review_admin import admin, client_here, failing, settings_of_site
from clio_dagster.terminal import console

if TYPE_CHECKING:
    from clio_dagster.review.views import Section
    from clio_dagster.settings import Settings

review = typer.Typer(
    help="""Look into topics, groups and, with a reason, accounts and conversations. See docs/review.md.

    The token is taken from CLIO_REVIEW_TOKEN, or asked for. `grant`, `revoke` and `users` need no token, but the
    right to write, or read, the file CLIO_ACCESS_FILE.
    """,
    no_args_is_help=True,
)

review.add_typer(admin)

_DAY = typer.Option("--date", formats=["%Y-%m-%d"], help="The date; the newest if not given.")
_JSON = typer.Option("--json", help="Print JSON.")
_REASON = typer.Option("--reason", help="Why you look, in 10 to 500 characters. It stands in the log.")
Day = Annotated[datetime | None, _DAY]
AsJson = Annotated[bool, _JSON]
Reason = Annotated[str, _REASON]


@review.command()
def topics(day: Day = None, as_json: AsJson = False) -> None:
    """A date's topics of events; for Trust & Safety the site's topics, too."""
    _view("topics", day, as_json)


@review.command()
def alerts(day: Day = None, as_json: AsJson = False) -> None:
    """Alerts of event windows."""
    _view("alerts", day, as_json)


@review.command()
def groups(day: Day = None, as_json: AsJson = False) -> None:
    """Groups of accounts that act alike, without the accounts."""
    _view("groups", day, as_json)


@review.command()
def audit(day: Day = None, as_json: AsJson = False) -> None:
    """How the site's classifier agrees with Clio, and where it may miss or flag too much."""
    _view("audit", day, as_json)


@review.command()
def accounts(
    subject: Annotated[str, typer.Argument(help="Id of a topic or a group.")],
    reason: Reason = "",
    day: Day = None,
    skip: Annotated[int, typer.Option(min=0, help="Accounts to pass over.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Accounts of a topic or group, 20 at a time. Trust & Safety."""
    from clio_dagster.review.looks import Looks

    with failing():
        settings, desk, data, reviewer = _opened("accounts")
        found, following = Looks(desk, data, settings.window_days).accounts(
            reviewer, _day(day, data), subject, reason, skip
        )
    _show([found], as_json)
    if following is not None and not as_json:
        console.print(f"Go on with --skip {following}.")


@review.command()
def conversations(
    account: Annotated[str, typer.Argument(help="Pseudonym of an account.")],
    reason: Reason = "",
    topic: Annotated[str | None, typer.Option(help="Only those in this topic.")] = None,
    day: Day = None,
    as_json: AsJson = False,
) -> None:
    """Conversations of an account, within a date's window. Trust & Safety."""
    from clio_dagster.review.looks import Looks

    with failing():
        settings, desk, data, reviewer = _opened("conversations")
        found = Looks(desk, data, settings.window_days).conversations(
            reviewer, _day(day, data), account, reason, topic
        )
    if as_json:
        _show([found], as_json)
        return
    console.print(Text(found.note))
    for row in found.rows.iter_rows(named=True):
        console.rule(Text(_plain(row["conversation_id"])))
        console.print(Text(_plain(row["request"]) or "–", "italic"), soft_wrap=True)
        for message in row["messages"] or []:
            console.print(Text(f"{_plain(message['role'])}:", "bold"))
            console.print(Text("\n".join(map(_plain, (message["text"] or "").split("\n")))), soft_wrap=True)


@review.command()
def log(as_json: AsJson = False) -> None:
    """The last lines of the log. Trust & Safety."""
    from clio_dagster.review.views import history

    with failing():
        _, desk, _, reviewer = _opened("log")
        found = history(desk.history(reviewer))
    _show([found], as_json)


def _view(name: str, day: datetime | None, as_json: bool) -> None:
    from clio_dagster.review import views
    from clio_dagster.review.roles import Role

    with failing():
        settings, desk, data, reviewer = _opened(name)
        desk.need(reviewer, Role.ANALYST if name in ("groups", "audit") else Role.VIEWER, name)
        on = _day(day, data)
        if name == "audit":
            sizes = (settings.min_conversations, settings.min_accounts)
            found = views.audit(data, on, reviewer.role, *sizes)
        else:
            others = {"topics": views.topics, "alerts": views.alerts, "groups": views.groups}
            found = others[name](data, on, reviewer.role)
    _show(found, as_json)


def _opened(action: str) -> tuple[Settings, Any, Any, Any]:
    """The settings, the desk, the tables, and who asks. Raises Refused."""
    from resources.review import WarehouseReview, desk_of
    from resources.site import Site

    settings = settings_of_site()
    if not settings.home.is_dir():
        raise CallError(f"there is nothing in {settings.home}")
    desk = desk_of(settings)
    reviewer = desk.reviewer(_token(settings), client_here(), action)
    return settings, desk, WarehouseReview(Site(overrides={"home": settings.home})), reviewer


def _token(settings: Settings) -> str | None:
    if settings.review_token is not None:
        return settings.review_token.get_secret_value()
    return typer.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else None


def _day(day: datetime | None, data: Any) -> date:
    dates = [] if day else data.dates()
    if not day and not dates:
        raise CallError("there is nothing to review yet")
    return day.date() if day else dates[0]


def _show(sections: Sequence[Section], as_json: bool) -> None:
    if as_json:
        found = [{"title": each.title, "note": each.note, "rows": each.rows.to_dicts()} for each in sections]
        typer.echo(json.dumps(found, default=str, indent=2))
        return
    for each in sections:
        console.print(_lines(each), soft_wrap=True)


def _lines(section: Section) -> Text:
    """A line a row: tables are wide, and their ids are there to be copied."""
    told = [(f"{section.title}\n", "bold"), *([(f"{section.note}\n", "dim")] if section.note else [])]
    for row in section.rows.iter_rows(named=True):
        shown = ", ".join(f"{name} {_plain(value)}" for name, value in row.items() if value not in (None, []))
        told.append((f"- {shown}\n", ""))
    return Text.assemble(*(told if section.rows.height else [*told, ("none\n", "")]))


def _plain(value: Any) -> str:
    """A value that cannot steer a terminal."""
    from clio_dagster.release.tree import printable

    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(map(_plain, value))
    return f"{value:.3g}" if isinstance(value, float) else printable(str(value))
