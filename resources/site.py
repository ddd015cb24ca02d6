"""The site: its settings, its warehouse and its sources, as every other resource and asset sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field

from clio_dagster.settings import Settings, load_settings
from resources.answers import Answers
from resources.ledger import Ledger, open_ledger
from resources.outbox import Outbox
from resources.pause import Pauses
from resources.warehouse import open_warehouse
from resources.zones import Zones


class Site(ConfigurableResource):
    """Settings of this site (environment, then clio.toml), and what is made from them."""

    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings that win over the environment and clio.toml."
    )

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[Self]:
        """While a run's process works, a lease says that it lives."""
        if context.run is None:
            yield self
            return
        with self.ledger.living(context.run.run_id):
            yield self

    @cached_property
    def settings(self) -> Settings:
        return load_settings(**self.overrides)

    @cached_property
    def ledger(self) -> Ledger:
        url = self.settings.ledger_url
        return open_ledger(
            self.settings.home, self.settings.lease_seconds, url.get_secret_value() if url else None
        )

    @cached_property
    def answers(self) -> Answers:
        return Answers(
            self.ledger, budget_usd=self.settings.budget_usd, budget_days=self.settings.budget_days
        )

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.ledger)

    @cached_property
    def pauses(self) -> Pauses:
        return Pauses(self.ledger)

    @cached_property
    def warehouse(self) -> Zones:
        return open_warehouse(self.settings)
