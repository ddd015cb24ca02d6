"""CLIO_HOME prepared: the folder, its rendered dagster.yaml, and the environment that Dagster needs.

`python -m clio_dagster.home COMMAND…` prepares it and becomes that command: so Dagster's own programs (the daemon, the
webserver, a code location) are started each on its own, as in a container.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr

from clio_dagster.failures import CallError, StageError
from clio_dagster.own_facets import as_json
from clio_dagster.postgres_url import database_of, with_driver
from clio_dagster.settings import Settings, SettingsError, load_settings

PROJECT = Path(__file__).parents[1]
"""The folder that holds workspace.yaml and the template of dagster.yaml."""

HISTORY_URL = "CLIO_HISTORY_URL"

POSTGRES_STORAGE = f"""\
# Dagster's own PostgreSQL storage with its connections kept open. The URL stands in the environment alone.
storage:
  custom:
    module: resources.postgres_storage
    class: PooledPostgresStorage
    config:
      url:
        env: {HISTORY_URL}
"""

CONNECT_SECONDS = 10


def prepare(settings: Settings) -> Path:
    """Make the home ready and point DAGSTER_HOME at it; returns the home's absolute path.

    The home is readable by its owner alone: everything in it but the releases is restricted. Raises CallError where
    Dagster's storage is to lie in PostgreSQL and what that needs is not installed, StageError where it does not answer.
    """
    home = settings.home
    for folder in (home, home / "dagster" / "logs", home / "releases"):
        folder.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    rendered = render(home, in_postgres=settings.history_url is not None)
    target = home / "dagster.yaml"
    if not target.exists() or target.read_text("utf-8") != rendered:
        # Whole or not at all: other machines may be reading it.
        beside = target.with_name(f".{target.name}.{uuid4().hex}")
        beside.write_text(rendered, "utf-8")
        beside.replace(target)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["CLIO_HOME"] = str(home)
    if settings.history_url:
        _see_history(settings.history_url.get_secret_value())
        os.environ[HISTORY_URL] = settings.history_url.get_secret_value()
    return home


def render(home: Path, *, in_postgres: bool = False) -> str:
    """Text of a home's dagster.yaml, from the template."""
    template = (PROJECT / "dagster.yaml").read_text("utf-8")
    if in_postgres:
        block = re.compile(r"^# Dagster's own SQLite.*\nstorage:\n(?: .*\n)+", re.MULTILINE)
        template, replaced = block.subn(POSTGRES_STORAGE, template)
        if replaced != 1:
            raise CallError(
                "dagster.yaml has no block `storage:` of its own making: take it from the checkout anew"
            )
    return template.replace("{home}", home.as_posix())


def _see_history(url: str) -> None:
    """Open Dagster's database once: what it fails with later, deep in Dagster, says less."""
    try:
        import dagster_postgres  # noqa: F401
        import psycopg2
    except ImportError:
        raise CallError(
            f"{HISTORY_URL} needs dagster-postgres and psycopg2: pip install 'clio-dagster[postgres]'"
        ) from None
    try:
        address = with_driver(url, "psycopg2").replace("+psycopg2", "", 1)
        psycopg2.connect(address, connect_timeout=CONNECT_SECONDS).close()
    except psycopg2.Error as error:
        host, port, database = database_of(url)
        raise StageError(
            f"{HISTORY_URL}: the database {database!r} on {host or 'this machine'}, port {port}, cannot be opened "
            f"({type(error).__name__}): see that it runs, and that user and password are right"
        ) from None


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


def become(command: Sequence[str]) -> None:
    """Prepare the home and replace this process by a command. One that has a dagster.yaml elsewhere (DAGSTER_HOME), as
    under Dagster's Helm chart, keeps it."""
    elsewhere = os.environ.get("DAGSTER_HOME")
    settings = load_settings()
    os.environ.update(environment(settings))
    home = prepare(settings)
    if elsewhere and Path(elsewhere) != home:
        os.environ["DAGSTER_HOME"] = elsewhere
    # As `clio dev` does: Dagster imports from the current folder before anything else.
    os.chdir(home)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m clio_dagster.home COMMAND…")
    try:
        become(sys.argv[1:])
    except (CallError, SettingsError) as error:
        print(f"clio: {error}", file=sys.stderr)
        sys.exit(2)
    except StageError as error:
        print(f"clio: {error}", file=sys.stderr)
        sys.exit(1)
