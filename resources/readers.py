"""The analyst and the embedder as resources: made on first use, kept for the life of the process."""

from __future__ import annotations

import os
from functools import cached_property, lru_cache

from dagster import ConfigurableResource

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.embedding import Embedder, make_embedder
from clio_dagster.settings import Settings, SettingsError
from resources.site import Site


@lru_cache(maxsize=2)
def _embedder(name: str, threads: int) -> Embedder:
    return make_embedder(name, threads=threads)


class EmbedderResource(ConfigurableResource):
    """Turns texts into unit vectors."""

    site: Site

    @cached_property
    def embedder(self) -> Embedder:
        settings = self.site.settings
        return _embedder(settings.embedder, settings.threads)

    @property
    def identity(self) -> str:
        return identity(self.embedder)


class AnalystResource(ConfigurableResource):
    """Reads conversations and names topics."""

    site: Site
    embedder: EmbedderResource

    @cached_property
    def analyst(self) -> Analyst:
        return make_analyst(self.site.settings, self.embedder.embedder)

    @cached_property
    def stand_in(self) -> Analyst | None:
        """Plain code that names what the analyst names wrongly twice; None where that is the analyst itself."""
        from clio_dagster.analyst.offline.analyst import OfflineAnalyst

        return None if isinstance(self.analyst, OfflineAnalyst) else OfflineAnalyst(self.embedder.embedder)

    @property
    def auditors(self) -> list[Analyst]:
        """Whoever judges a summary: the lowest score counts."""
        return [self.analyst, *([self.stand_in] if self.stand_in else [])]

    @property
    def identity(self) -> str:
        return identity(self.analyst)


def identity(part: Analyst | Embedder) -> str:
    """Name and version: what a fingerprint holds of whoever did the work."""
    return f"{part.name} {part.version}"


def identities(settings: Settings) -> tuple[str, str]:
    """Analyst and embedder that these settings choose."""
    embedder = _embedder(settings.embedder, settings.threads)
    return identity(make_analyst(settings, embedder)), identity(embedder)


def make_analyst(settings: Settings, embedder: Embedder) -> Analyst:
    """The analyst that CLIO_ANALYST names: `auto` takes Claude where a key is set, once there is one here."""
    from clio_dagster.analyst.offline.analyst import OfflineAnalyst

    if settings.analyst == "claude" or (settings.analyst == "auto" and os.environ.get("ANTHROPIC_API_KEY")):
        raise SettingsError("CLIO_ANALYST: the Claude analyst is not part of this version; use offline")
    return OfflineAnalyst(embedder)
