"""`clio alerts`: whether what is posted arrives."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from clio_dagster.alerts.alert import TEST, Alert, id_of
from clio_dagster.alerts.send import NO_WEBHOOK, send
from clio_dagster.alerts.webhook import Patience
from clio_dagster.failures import CallError, StageError
from clio_dagster.settings import SettingsError, load_settings
from clio_dagster.terminal import console

alerts = typer.Typer(help="What is told outside the site of what goes wrong.", no_args_is_help=True)

ONCE = Patience(attempts=1)


@alerts.callback()
def _group() -> None:
    """A group, although it has one command."""


@alerts.command()
def test() -> None:
    """Post a test message to CLIO_ALERT_WEBHOOK, and say what came back. Exit 1 where it was not taken."""
    try:
        settings = load_settings()
    except SettingsError as error:
        raise CallError(str(error)) from None
    if settings.alert_webhook is None:
        raise CallError(NO_WEBHOOK)
    now = datetime.now(UTC)
    alert = Alert(id_of("test", now), TEST, "This is a test: alerts arrive here", now)
    answer = send(alert, settings, ONCE)
    said = f": {answer.said}" if answer.said else ""
    if not answer.is_taken:
        raise StageError(f"the test message was not taken: {answer}{said}. See CLIO_ALERT_WEBHOOK")
    console.print(f"Taken: {answer}{said} ({settings.alert_format}, id {alert.alert_id})", markup=False)
