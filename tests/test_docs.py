"""The docs name what there is: every asset, its inputs, settings and checks; settings, commands, files and images."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from dagster import AssetSpec
from typer.main import get_command

from assets import all_assets, all_checks
from assets.events import ALERTS_STAGE, CONVERSATIONS_STAGE, TOPICS_STAGE
from assets.release import WHERE_NOT_WHAT
from assets.staleness import INSPECT, PUBLISH, READ, State
from clio_dagster.cli import app
from clio_dagster.models.loader import Model
from clio_dagster.settings import Settings
from clio_dagster.tables import RELEASES
from resources.contracts import models
from resources.freshness import _LANDING
from resources.site import Site
from sensors.status import Doing

PROJECT = Path(__file__).parents[1]
PAGES = [*sorted((PROJECT / "docs").glob("*.md")), PROJECT / "README.md", PROJECT / "CONTRIBUTING.md"]
SPECS = {
    spec.key.to_user_string(): spec
    for asset in all_assets
    for spec in ([asset] if isinstance(asset, AssetSpec) else asset.specs)
}
EVENT_STAGES = (CONVERSATIONS_STAGE, TOPICS_STAGE, ALERTS_STAGE)
STAGES = {stage.name: stage for stage in (*READ, *PUBLISH, *INSPECT, *EVENT_STAGES)}
MODELS = {model.name: model for model in models()}
EVERY_TABLE = {"contract", "keys"}
"""Checks that each has, and no section names."""

PARTS = {"analyst", "embedder", "key", "cluster_summaries", "audited_summaries"}
"""Of what decides a stage, what is no setting's value."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
assets = pytest.mark.parametrize("name", SPECS)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    facets = [{"name": "user_goal", "question": "What for?", "kind": "text", "clustered": True}]
    return Site(
        overrides={"home": str(tmp_path / "home"), "key_file": str(tmp_path / "key"), "facets": facets}
    )


def sections(page: Path) -> dict[str, str]:
    """Text under each heading, by heading."""
    parts = re.split(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


STAGE_SECTIONS = sections(PROJECT / "docs" / "stages.md")


def said(name: str, about: str) -> str:
    """A line of an asset's section."""
    (line,) = re.findall(rf"^- \*\*{about}\*\* (.+)$", STAGE_SECTIONS[name], flags=re.MULTILINE)
    return str(line)


def settings_in(text: str) -> set[str]:
    return set(re.findall(r"\bCLIO_[A-Z0-9_]+", text))


def as_settings(names: Iterable[str]) -> set[str]:
    own = {"base_cluster_size": "cluster_size"}
    return {f"CLIO_{own.get(name, name).upper()}" for name in names}


def anchors(page: Path) -> set[str]:
    """Headings as GitHub links to them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in sections(page)}


# Stages


@assets
def test_every_asset_has_its_section(name: str) -> None:
    for about in ("Reads", "Writes", "Partition", "Decided by", "Checks", "Zone"):
        assert said(name, about)


def test_every_section_of_a_table_is_an_assets() -> None:
    named = {heading for heading in STAGE_SECTIONS if re.fullmatch(r"[a-z_]+", heading)}
    assert named == set(SPECS)


@assets
def test_a_section_says_its_zone(name: str) -> None:
    assert said(name, "Zone") == SPECS[name].tags.get("clio/zone", "restricted")


@assets
def test_a_section_names_what_is_read(name: str) -> None:
    above = {dep.asset_key.to_user_string() for dep in SPECS[name].deps}
    stage = STAGES.get(name)
    inputs = {each.table.name for each in stage.inputs} if stage else set()
    if name == "release":  # it waits for tables whose checks it wants; what it reads decides it
        above, inputs = set(), {each.table.name for each in STAGES[RELEASES.name].inputs}
    linked = set(re.findall(r"\(#([a-z_]+)\)", said(name, "Reads")))
    written_with = {table.name for each in STAGES.values() for table in each.tables[1:]}
    assert name in written_with or above | inputs <= linked


@pytest.mark.parametrize("name", [name for name in STAGES if name in SPECS])
def test_a_section_names_the_settings_that_decide(name: str, site: Site) -> None:
    deciding = set(STAGES[name].uses(site))
    assert settings_in(said(name, "Decided by")) == as_settings(deciding - PARTS)
    for part in PARTS & deciding:
        assert re.search(rf"\b{part}\b", said(name, "Decided by"))


def test_the_releases_section_names_the_settings_that_do_not(site: Site) -> None:
    deciding = set(STAGES[RELEASES.name].uses(site)) - {"version"}
    assert settings_in(said("release", "Decided by")) == as_settings(WHERE_NOT_WHAT)
    assert deciding - PARTS == set(Settings.model_fields) - WHERE_NOT_WHAT - PARTS


def test_landings_section_names_the_settings_that_decide() -> None:
    assert settings_in(said("landing", "Decided by")) == as_settings([*_LANDING, "undated_as"])


@assets
def test_a_section_names_its_checks(name: str) -> None:
    own = {
        spec.name
        for check in all_checks
        for spec in check.check_specs
        if spec.asset_key.to_user_string() == name and spec.name not in EVERY_TABLE
    }
    named = set(re.findall(r"`(\w+)`", said(name, "Checks")))
    if isinstance(MODELS.get(name), Model):
        assert "`models.yml`" in said(name, "Checks")
    else:
        assert named - {"CLIO_DAILY_HOUR"} == own


# What runs by itself


def test_every_state_is_explained() -> None:
    told = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    rows = set(re.findall(r"^\| \*\*(.+?)\*\* \|", told, flags=re.MULTILINE))
    assert rows == {state.value for state in (*State, *Doing)}


# Names


@pages
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    assert settings_in(page.read_text("utf-8")) <= as_settings(Settings.model_fields)


@pages
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    calls = re.findall(r"(?:`|bin/|^\$ )clio ([a-z]+)((?: [^`\n]*)?)", page.read_text("utf-8"), re.MULTILINE)
    for command, rest in calls:
        assert command in commands
        called = commands[command]
        for word in rest.split():
            called = getattr(called, "commands", {}).get(word, called)
        options = {option for each in called.params for option in each.opts}
        assert {word for word in re.findall(r"(?<= )--[a-z-]+", rest)} <= options


@pages
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_image_is_shown_and_small() -> None:
    images = {path for path in (PROJECT / "docs" / "images").rglob("*") if path.is_file()}
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", page.read_text("utf-8"))
    }
    assert images == shown
    assert max(image.stat().st_size for image in images) < 250_000
    assert sum(image.stat().st_size for image in images) < 1_200_000
