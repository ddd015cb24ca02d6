"""Who and what made an evaluation, as far as it decides the figures: what a comparison names where it differs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.settings import Settings

DECIDING = (
    *("account_cap", "min_accounts", "min_conversations", "max_account_share"),
    *("word_min_accounts", "sensitive_word_min_accounts", "pair_min_accounts"),
    *("cell_min_accounts", "cell_min_conversations"),
    *("epsilon", "epsilon_topic", "epsilon_word", "epsilon_pair", "epsilon_cell", "epsilon_sensitive"),
    *("clusterer", "cluster_size", "max_clusters", "outliers", "top_topics", "window_days"),
    *("facets", "languages", "claude_window_tokens", "claude_thinking", "seed"),
)
"""Settings that decide figures, beside those that name the analyst, its models and the embedder."""


def identity(analyst: Analyst, settings: Settings, asked_on: date | None = None) -> dict[str, Any]:
    """Models and versions of prompts by name, and the date for which it was asked anew, where Claude is the analyst;
    and DECIDING settings that are not at their defaults."""
    defaults = Settings.model_fields
    own = {
        name: value
        for name, value in settings.model_dump(mode="json", include=set(DECIDING)).items()
        if getattr(settings, name) != defaults[name].default
    }
    if analyst.name != "claude":
        return {"settings": own}
    from clio_dagster.analyst.claude import PROMPTS

    return {
        "models": {"facets": settings.claude_facet_model, "naming": settings.claude_naming_model},
        "prompts": {each.name: str(each.version) for each in PROMPTS},
        **({"asked anew": asked_on.isoformat()} if asked_on else {}),
        "settings": own,
    }


def kernels() -> str:
    """The code that products are computed with, chosen by the processor: another rounds otherwise in the last bits, and
    base clusters come out a little different."""
    from threadpoolctl import threadpool_info

    found = {
        f"{library['internal_api']} {library['architecture']}"
        for library in threadpool_info()
        if "architecture" in library
    }
    return ", ".join(sorted(found))


@cache
def corpora_digest() -> str:
    """Of everything that the corpora are made from: a seed gives other conversations where it differs."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources(files("clio_dagster.evaluation.corpora"))):
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]


def corpora_of(written: Mapping[str, Path]) -> str:
    """What the corpora are: a digest of what makes them, and of each file that was written instead, by kind."""
    files_of = [f"{kind} {_digest(path)}" for kind, path in sorted(written.items())]
    return ", ".join([corpora_digest(), *files_of])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _sources(folder: Traversable) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += [(f"{each.name}/{name}", content) for name, content in _sources(each)]
        elif each.name.endswith((".py", ".toml")):
            found.append((each.name, each.read_bytes()))
    return found
