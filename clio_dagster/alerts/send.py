"""An alert sent as the site's settings say."""

from __future__ import annotations

from clio_dagster.alerts.alert import Alert
from clio_dagster.alerts.formats import body
from clio_dagster.alerts.webhook import Answer, Patience, post
from clio_dagster.settings import Settings

NO_WEBHOOK = "no webhook: set CLIO_ALERT_WEBHOOK"


def send(alert: Alert, settings: Settings, patience: Patience) -> Answer:
    """Post an alert to the site's webhook. Raises ValueError where it has none."""
    if settings.alert_webhook is None:
        raise ValueError(NO_WEBHOOK)
    content = body(alert, settings.alert_format, site=settings.site_name, ui=settings.dagster_url)
    return post(settings.alert_webhook.get_secret_value(), content, patience)
