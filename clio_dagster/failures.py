"""How a command of `clio` fails; `clio_dagster.cli.main` turns each into its exit code."""

from __future__ import annotations


class CallError(Exception):
    """The call was wrong: the message says what was expected."""


class StageError(Exception):
    """A stage or a gate failed: the message says which and what to do."""
