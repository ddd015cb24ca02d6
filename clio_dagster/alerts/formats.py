"""An alert as it is posted: a message for Slack and what understands its messages, or flat JSON."""

from __future__ import annotations

import json
from typing import Any, Literal

from clio_dagster.alerts.alert import RESOLVED, Alert

TEXT, FIELD, FIELDS = 3_000, 2_000, 10
"""Characters of a section's text and of a field, and fields of a section, at most (Slack's Block Kit reference)."""

Format = Literal["slack", "json"]


def body(alert: Alert, form: Format, *, site: str, ui: str | None) -> bytes:
    """What is posted, as UTF-8 JSON. `site` is the site's name, `ui` where its Dagster UI is."""
    url = f"{ui.rstrip('/')}/{alert.page}" if ui and alert.page else None
    made = _slack(alert, site, url) if form == "slack" else _flat(alert, site, url)
    return json.dumps(made, ensure_ascii=False).encode()


def _slack(alert: Alert, site: str, url: str | None) -> dict[str, Any]:
    """Blocks, and all of it in `text`, for notifications and for what knows no blocks. Nothing in a value is read as a
    mention, a link or a channel."""
    is_over = alert.state == RESOLVED
    title = f"{'Resolved: ' if is_over else ''}{alert.title}"
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": _mrkdwn(f"*{_escaped(site)}*: {_escaped(title)}", TEXT)}
    ]
    if alert.facts:
        fields = [_mrkdwn(f"*{_escaped(name)}*\n{_escaped(value)}", FIELD) for name, value in alert.facts]
        blocks += [
            {"type": "section", "fields": fields[start : start + FIELDS]}
            for start in range(0, len(fields), FIELDS)
        ]
    said = [f"{alert.found_at:%Y-%m-%d %H:%M} UTC", alert.alert_id]
    if url:
        said.append(f"<{url}|open in Dagster>")
    blocks.append({"type": "context", "elements": [_mrkdwn(" · ".join(said), FIELD)]})
    told = "; ".join(f"{name}: {value}" for name, value in alert.facts)
    text = _escaped(f"{site}: {title}" + (f" ({told})" if told else ""))
    return {"text": _clipped(text, TEXT), "blocks": blocks}


def _flat(alert: Alert, site: str, url: str | None) -> dict[str, str]:
    facts = {name.replace(" ", "_"): value for name, value in alert.facts}
    return facts | {
        "alert_id": alert.alert_id,
        "kind": alert.kind,
        "state": alert.state,
        "site": site,
        "title": alert.title,
        "found_at": alert.found_at.isoformat(),
        **({"url": url} if url else {}),
    }


def _mrkdwn(text: str, at_most: int) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": _clipped(text, at_most), "verbatim": True}


def _clipped(text: str, at_most: int) -> str:
    return text if len(text) <= at_most else f"{text[: at_most - 1]}…"


def _escaped(text: str) -> str:
    """The three characters that Slack gives a meaning to, as its entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
