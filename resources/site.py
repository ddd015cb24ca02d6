"""The site: its settings, its warehouse and its sources, as every other resource and asset sees them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from dagster import ConfigurableResource
from pydantic import Field

from clio_dagster.settings import Settings, load_settings
from resources.warehouse import Warehouse, open_warehouse


class Site(ConfigurableResource):
    """Settings of this site (environment, then clio.toml), and what is made from them."""

    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings that win over the environment and clio.toml."
    )

    @cached_property
    def settings(self) -> Settings:
        return load_settings(**self.overrides)

    @cached_property
    def warehouse(self) -> Warehouse:
        return open_warehouse(self.settings)
