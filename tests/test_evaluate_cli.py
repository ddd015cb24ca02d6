"""`clio evaluate`: measured, kept, written and compared, as the command line does it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from clio_dagster.cli import app
from clio_dagster.evaluation.corpora.bank import CONCERNING, ORDINARY
from clio_dagster.evaluation.corpora.corpus import make_corpus
from clio_dagster.evaluation.corpora.files import write_corpus
from clio_dagster.evaluation.document import figure
from clio_dagster.evaluation.evaluate import SECTIONS
from clio_dagster.evaluation.saved import kept, load, save
from clio_dagster.evaluation.section import Bar, Section
from clio_dagster.failures import CallError, StageError


@dataclass(frozen=True)
class Place:
    """A site that never ran, and what the command printed there."""

    folder: Path
    told: dict[str, Any]
    error: BaseException | None

    @property
    def home(self) -> Path:
        return self.folder / "home"


def called(folder: Path, *words: str, **settings: str) -> Any:
    environment = {
        "CLIO_HOME": str(folder / "home"),
        "CLIO_KEY_FILE": str(folder / "key"),
        "CLIO_THREADS": "2",
    }
    return CliRunner().invoke(app, ["evaluate", *words], env=environment | settings)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("site")
    words = ("--section", "reconstruction", "--conversations", "600", "--seed", "3", "--json")
    result = called(folder, *words, "--out", str(folder / "docs" / "evaluation.md"), CLIO_MIN_ACCOUNTS="8")
    return Place(folder, json.loads(result.stdout), result.exception)


def test_a_home_that_never_ran_is_measured_with_its_settings_and_kept(place: Place) -> None:
    (folder,) = kept(place.home)
    made = load(folder)
    assert made.made_by == place.told["made_by"]
    assert made.made_by["settings"] == {"min_accounts": 8}
    assert (made.made_by["conversations"], made.made_by["seed"]) == (600, 3)
    assert made.sections[0].bars[0].value == place.told["sections"][0]["bars"][0]["value"] > 0
    hits = made.sections[0].bars[0].hits
    assert hits is not None and hits.height == made.sections[0].bars[0].n


def test_the_sites_key_is_neither_read_nor_made(place: Place) -> None:
    assert not (place.folder / "key").exists()


def test_it_fails_where_a_bar_is_missed_and_names_it(place: Place) -> None:
    missed = [bar["what"] for of in place.told["sections"] for bar in of["bars"] if bar["held"] is False]
    assert place.told["held"] is (not missed)
    assert missed  # so few conversations do not do
    assert isinstance(place.error, StageError)
    assert all(f"reconstruction: {what}" in str(place.error) for what in missed)


def test_the_document_holds_what_was_printed(place: Place) -> None:
    text = (place.folder / "docs" / "evaluation.md").read_text("utf-8")
    for bar in place.told["sections"][0]["bars"]:
        assert f"| {bar['what']} | {figure(bar['value'])} |" in text
    assert "| conversations | 600 |" in text


def test_one_compared_with_itself_shows_nothing_and_with_a_better_one_fails(place: Place) -> None:
    same = called(place.folder, "compare", "latest", "latest", "--json")
    assert same.exit_code == 0
    assert {row["verdict"] for row in json.loads(same.stdout)["bars"]} == {"no difference seen"}
    made = load(kept(place.home)[0])
    first = made.sections[0].bars[0]
    assert first.hits is not None
    single = first.hits.select("conversation_id", "hit")  # so few base clusters prove nothing
    every = single.with_columns(pl.lit(value=True).alias("hit"))
    folders = [str(place.folder / name) for name in ("earlier", "later")]
    for folder, analyst, bar in zip(
        folders,
        ("one", "another"),
        (replace(first, value=1.0, hits=every), replace(first, hits=single)),
        strict=True,
    ):
        section = replace(made.sections[0], bars=[bar])
        save(replace(made, sections=[section], made_by=made.made_by | {"analyst": analyst}), Path(folder))
    found = called(place.folder, "compare", *folders)
    assert isinstance(found.exception, StageError)
    assert str(found.exception) == f"1 figures are worse: reconstruction: {first.what}"
    assert "analyst" in found.stdout and "another" in found.stdout


def test_a_corpus_that_was_written_is_read_and_told_apart(tmp_path: Path) -> None:
    written = tmp_path / "written.jsonl.gz"
    write_corpus([make_corpus(CONCERNING, 200, languages=["en"], seed=5)], written)
    result = called(
        tmp_path, "--section", "corpora", "--conversations", "200", "--corpus", str(written), "--json"
    )
    told = json.loads(result.stdout)
    assert (
        f"{CONCERNING} {hashlib.sha256(written.read_bytes()).hexdigest()[:12]}" in told["made_by"]["corpora"]
    )
    sizes = {row["corpus"]: row["conversations"] for row in told["sections"][0]["tables"]["In all"]}
    assert sizes == {ORDINARY: 100, CONCERNING: 200}
    twice = called(tmp_path, "--corpus", str(written), "--corpus", str(written))
    assert "two corpora of one kind" in str(twice.exception)


def test_claude_is_not_asked_before_somebody_says_yes(tmp_path: Path) -> None:
    result = called(tmp_path, "--conversations", "100", CLIO_ANALYST="claude")
    assert isinstance(result.exception, CallError)
    assert "--yes" in str(result.exception)
    assert "Estimate" in result.stderr and "USD" in result.stderr
    assert not kept(tmp_path / "home")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--section", "nothing"), "nothing: there are "),
        (("--data", "/nonexistent"), "is no folder of labelled sets"),
        (("--seed", "3", "privacy"), "not before privacy: --seed"),
        (("compare", "latest", "latest"), "no evaluation is called latest"),
    ],
)
def test_a_wrong_call_is_told(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = called(tmp_path, *words)
    assert isinstance(result.exception, CallError)
    assert said in str(result.exception)
    assert not (tmp_path / "home").exists()


def test_where_nothing_can_be_kept_it_is_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    small = Section("small", "Small", "About.", [Bar("figure", 0.5, at_least=0.4)])
    monkeypatch.setitem(SECTIONS, "small", lambda _given: small)
    result = called(tmp_path, "--section", "small")
    assert result.exit_code == 0
    assert "≥ 0.4" in result.stdout
    assert "Not kept" in result.stderr
