"""The analyst and the embedder as resources: made on first use, kept for the life of the process."""

from __future__ import annotations

from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from dagster import ConfigurableResource

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.embedding import Embedder, make_embedder
from clio_dagster.own_facets import asked
from clio_dagster.settings import Settings, uses_claude
from resources.site import Site

if TYPE_CHECKING:
    from clio_dagster.analyst.claude import ClaudeAnalyst


@lru_cache(maxsize=2)
def kept_embedder(name: str, threads: int) -> Embedder:
    """The embedder of that name, made once a process."""
    return make_embedder(name, threads=threads)


class EmbedderResource(ConfigurableResource):
    """Turns texts into unit vectors."""

    site: Site

    @cached_property
    def embedder(self) -> Embedder:
        settings = self.site.settings
        return kept_embedder(settings.embedder, settings.threads)

    @property
    def identity(self) -> str:
        return identity(self.embedder)


class AnalystResource(ConfigurableResource):
    """Reads conversations and names topics."""

    site: Site
    embedder: EmbedderResource

    @cached_property
    def analyst(self) -> Analyst:
        return make_analyst(self.site, self.embedder.embedder)

    @property
    def claude(self) -> ClaudeAnalyst:
        """The same where it is Claude: for what no other analyst does."""
        from clio_dagster.analyst.claude import ClaudeAnalyst

        assert isinstance(self.analyst, ClaudeAnalyst)
        return self.analyst

    @property
    def at_once(self) -> int:
        """How many questions it may be asked at a time, by threads."""
        settings = self.site.settings
        return settings.claude_concurrency if uses_claude(settings) else 1

    @property
    def models(self) -> str:
        """Models that read and named; the analyst's version where it has none."""
        settings = self.site.settings
        names = (settings.claude_facet_model, settings.claude_naming_model)
        return ", ".join(names) if uses_claude(settings) else self.analyst.version

    @property
    def prompts(self) -> dict[str, str]:
        """Version of each prompt."""
        if not uses_claude(self.site.settings):
            return {}
        from clio_dagster.analyst.claude import PROMPTS

        return {each.name: str(each.version) for each in PROMPTS}

    @cached_property
    def stand_in(self) -> Analyst | None:
        """Plain code that names what the analyst names wrongly twice; None where that is the analyst itself."""
        from clio_dagster.analyst.offline.analyst import OfflineAnalyst

        return None if isinstance(self.analyst, OfflineAnalyst) else OfflineAnalyst(self.embedder.embedder)

    @property
    def auditors(self) -> list[Analyst]:
        """Whoever judges a summary: the lowest score counts."""
        return [self.analyst, *([self.stand_in] if self.stand_in else [])]


def identity(part: Analyst | Embedder) -> str:
    """Name and version: what a fingerprint holds of whoever did the work."""
    return f"{part.name} {part.version}"


def identities(settings: Settings, stage: str = "facets") -> tuple[str, str]:
    """Analyst, as far as it decides what a stage makes, and embedder that these settings choose."""
    from clio_dagster.analyst.offline.analyst import OfflineAnalyst

    embedder = kept_embedder(settings.embedder, settings.threads)
    analyst = f"{OfflineAnalyst.name} {OfflineAnalyst.version}"
    if uses_claude(settings):
        # Of names and the tree, the stand-in does a part.
        claude = f"claude {claude_versions(settings)[stage]}"
        analyst = claude if stage == "facets" else f"{claude}, {analyst}"
    return analyst, identity(embedder)


def reading(settings: Settings) -> dict[str, object]:
    """For Stage.uses: what decides how conversations are read."""
    window = {"claude_window_tokens": settings.claude_window_tokens} if uses_claude(settings) else {}
    return {"analyst": identities(settings)[0], **window, **asked(settings.facets)}


def claude_versions(settings: Settings) -> dict[str, str]:
    """Models and prompts of each stage that asks Claude."""
    from clio_dagster.analyst.claude import versions

    return versions(settings)


def make_analyst(site: Site, embedder: Embedder, asked_on: date | None = None) -> Analyst:
    """The analyst that CLIO_ANALYST names. With a date, Claude answers what it has not answered for that date.

    Raises PriceError for a model whose price nobody knows.
    """
    from clio_dagster.analyst.offline.analyst import OfflineAnalyst

    offline = OfflineAnalyst(embedder)
    if not uses_claude(site.settings):
        return offline
    from clio_dagster.analyst.claude import ClaudeAnalyst

    return ClaudeAnalyst(site.settings, site.answers, embedder, offline, asked_on)
