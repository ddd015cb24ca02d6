"""CLIO_HOME prepared: the folder, its rendered dagster.yaml, and the environment that Dagster needs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import SecretStr

from clio_dagster.own_facets import as_json
from clio_dagster.settings import Settings

PROJECT = Path(__file__).parents[1]
"""The folder that holds workspace.yaml and the template of dagster.yaml."""


def prepare(settings: Settings) -> Path:
    """Make the home ready and point DAGSTER_HOME at it; returns the home's absolute path.

    The home is readable by its owner alone: everything in it but the releases is restricted.
    """
    home = settings.home
    for folder in (home, home / "dagster" / "logs", home / "releases"):
        folder.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    template = (PROJECT / "dagster.yaml").read_text("utf-8")
    rendered = template.replace("{home}", home.as_posix())
    target = home / "dagster.yaml"
    if not target.exists() or target.read_text("utf-8") != rendered:
        target.write_text(rendered, "utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["CLIO_HOME"] = str(home)
    return home


def environment(settings: Settings) -> dict[str, str]:
    """The site's settings as CLIO_* variables: a process started in another folder finds another clio.toml."""
    values = settings.model_dump(exclude_unset=True, exclude_none=True)
    if settings.facets:
        values["facets"] = as_json(settings.facets)
    return {f"CLIO_{name.upper()}": _as_text(value) for name, value in values.items()}


def _as_text(value: object) -> str:
    """A setting's value as the environment holds it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return json.dumps(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)
