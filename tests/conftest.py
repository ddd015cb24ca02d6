"""Imported before any test."""

# Its pytest plugin imports it for the closing summary otherwise, deep in the stack and through pytest's rewriting of
# assertions, where CPython 3.11.7 fails with "AST constructor recursion depth mismatch".
import hypothesis
import pytest

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("clio", deadline=None)
hypothesis.settings.load_profile("clio")

LONGEST = (
    "test_unattended",
    "test_dagster_dev",
    "test_pipeline",
    "test_claude_pipeline",
    "test_unattended_disturbed",
    "test_erasure",
    "test_one_result",
    "test_checks",
    "test_leak_hunt",
    "test_retention",
    "test_corrections",
    "test_attacks",
    "test_own_facets_pipeline",
    "test_pipeline_input",
)
"""Files that take a minute or more: begun first, so that no worker is left with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
