"""Conversations for Claude, and the analyst that gives them to a server of tests/messages_server.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clio_dagster.analyst.claude import ClaudeAnalyst
from clio_dagster.analyst.protocol import Node, Summary
from clio_dagster.settings import Settings
from clio_dagster.tables import MESSAGES_TYPE
from resources.answers import Answers
from resources.ledger import Ledger

KEY = bytes(range(32))
DAY = date(2026, 11, 1)


class Texts:
    """An embedder that needs no model: a vector by the text's bytes."""

    name, version, dimensions = "bytes", "1", 8
    languages: frozenset[str] | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        found = np.array(
            [[1 + text.encode().count(number) for number in range(97, 105)] for text in texts], np.float32
        )
        return found / np.linalg.norm(found, axis=1, keepdims=True)


class StandIn:
    """Does what Claude does wrongly twice, and is seen to."""

    name, version = "stand-in", "1"

    def propose(self, inside: Sequence[Node], outside: Sequence[Node], wanted: int) -> list[Node]:
        return [Node(Summary("Stood in", "It stood in."), np.ones(8, np.float32))] * wanted

    def deduplicate(self, proposed: Sequence[Node], wanted: int) -> list[Node]:
        return list(proposed)[:wanted]

    def assign(self, children: Sequence[Node], parents: Sequence[Node]) -> list[int]:
        return [0] * len(children)


def conversations(texts: Sequence[str], day: date = DAY) -> pl.DataFrame:
    """One conversation of two turns for each text: tables.RAW_CONVERSATIONS columns that matter here."""
    return pl.DataFrame(
        {
            "conversation_id": [f"c{number}" for number in range(len(texts))],
            "account": [f"account-{number}" for number in range(len(texts))],
            "date": [day] * len(texts),
            "language": ["sw"] * len(texts),
            "messages": [
                [{"role": "user", "text": text}, {"role": "assistant", "text": "Here you are."}]
                for text in texts
            ],
        },
        schema_overrides={"messages": MESSAGES_TYPE},
    )


def requests(count: int) -> list[str]:
    """Texts that differ from one another."""
    return [f"How do I bake bread number {number} without an oven? Please say." for number in range(count)]


def analyst(
    home: Path,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    budget: float | None = None,
    asked_on: date | None = None,
    **settings: Any,
) -> ClaudeAnalyst:
    """Claude at `url`, with a ledger in `home`."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    key_file = home.parent / f"{home.name}-key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o600)
    own = {"batch_poll_seconds": 0.05, "claude_retries": 5, "languages": ("en", "sw")} | settings
    site = Settings(home=home, key_file=key_file, **own)
    answers = Answers(Ledger(home, lease_seconds=60), budget_usd=budget)
    return ClaudeAnalyst(site, answers, Texts(), StandIn(), asked_on)  # type: ignore[arg-type]
