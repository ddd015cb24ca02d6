"""What a source landed is taken back by command, or by a newer version of its file: all of it, told to Dagster, and
whole again after a kill at any moment."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, materialize

from assets.landing import landing
from assets.partitions import SETTINGS
from clio_dagster.conversations.landed import read_landed, touched_days
from clio_dagster.conversations.landing import slice_hash, source_lock
from clio_dagster.privacy.silence import EngineError
from clio_dagster.tables import QUARANTINE, SOURCES
from resources.freshness import unlanded_sources
from resources.site import Site
from resources.sources import (
    UnknownSource,
    files_at,
    register,
    registered_as,
    withdraw_source,
)
from sensors.pipeline import Outcome, _register
from tests.scenario import Site as CommandLine
from tests.test_landing import DAY, SPANISH, lines, record, says

NEXT = "2026-11-02"
LANDING = import_module("assets.landing")
"""The module: `assets.landing` is the asset."""


class Killed(BaseException):
    """What a kill is to the code that it hits, but for what `finally` does."""


class Home:
    """A site and its Dagster, and a file that is written and landed."""

    def __init__(self, folder: Path, **settings: str) -> None:
        places = {"home": str(folder / "home"), "key_file": str(folder / "key")}
        self.site = Site(overrides=places | {"threads": 1} | settings)
        self.instance = DagsterInstance.ephemeral()
        self.file = folder / "chats.jsonl"

    def write(self, *records: dict[str, Any], file: Path | None = None) -> str:
        """Write the file and register it; its key."""
        path = file or self.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(lines(*records))
        (found,) = files_at(path)
        register(self.site, [found])
        self.instance.add_dynamic_partitions("sources", [found.key])
        return found.key

    def land(self, key: str) -> dict[str, Any]:
        """Land a source, and what is said of it."""
        result = materialize(
            [landing], partition_key=key, instance=self.instance, resources={"site": self.site}
        )
        (said,) = result.asset_materializations_for_node("landing")[-1:]
        return {name: value.value for name, value in said.metadata.items()}

    def ids(self, day: object = DAY, language: str = "en") -> list[str]:
        return read_landed(self.site.settings.home, str(day), language)["conversation_id"].to_list()

    def row(self, key: str) -> dict[str, Any]:
        return self.site.warehouse.read(SOURCES, {"source": key}).row(0, named=True)

    def files(self, key: str) -> list[Path]:
        return list(self.site.settings.home.rglob(f"{key}.parquet"))

    def reported(self, day: object, language: str) -> str | None:
        """The data version of a slice that Dagster was last told of."""
        for stored in self.instance.fetch_materializations(AssetKey("landed"), limit=1000).records:
            event = stored.asset_materialization
            if event is not None and event.partition == f"{day}|{language}":
                return (event.tags or {})["dagster/data_version"]
        return None

    def is_told(self, day: object, language: str = "en") -> bool:
        """Whether Dagster was told of the slice as it is now."""
        return self.reported(day, language) == slice_hash(self.site.settings.home, str(day), language)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def killed_at(moment: int, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> bool:
    """Do `work` and end it before the n-th change of what is landed; whether it came so far."""
    done = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *others: Any, **named: Any) -> Any:
            nonlocal done
            parts = (others[0] if others else path).parts
            done += "landing" in parts and ".staging" not in parts
            if done >= moment:
                raise Killed
            return original(path, *others, **named)

        return call

    with monkeypatch.context() as patch, suppress(Killed, EngineError):
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        work()
    return done >= moment


# Taken back by command.


def test_a_withdrawn_source_leaves_nothing_of_what_it_landed(home: Home) -> None:
    key = home.write(record(1), record(2, messages=says(SPANISH)), record(3, messages=[]))
    home.land(key)
    assert withdraw_source(home.site, home.instance, key) == [DAY]
    assert (home.ids(), home.ids(language="es"), home.files(key)) == ([], [], [])
    assert home.site.warehouse.read(QUARANTINE).is_empty()
    row = home.row(key)
    assert row["withdrawn_at"] is not None
    assert [row[name] for name in ("landed_at", "landed", "first_date")] == [None, None, None]


def test_dagster_is_told_of_the_slices_that_a_withdrawn_source_had(home: Home) -> None:
    key = home.write(record(1))
    home.land(key)
    before = home.reported(DAY, "en")
    withdraw_source(home.site, home.instance, key)
    assert home.is_told(DAY)
    assert home.reported(DAY, "en") != before


def test_what_other_sources_landed_stays(home: Home) -> None:
    other = home.write(record(2), file=home.file.with_name("other.jsonl"))
    key = home.write(record(1))
    home.land(other)
    home.land(key)
    withdraw_source(home.site, home.instance, key)
    assert home.ids() == ["c2"]


def test_a_withdrawn_source_is_not_landed_by_whoever_asks_for_it_until_clio_run_is_given_it(
    home: Home,
) -> None:
    key = home.write(record(1))
    home.land(key)
    withdraw_source(home.site, home.instance, key)
    assert home.write(record(1)) == key
    assert unlanded_sources(home.site.warehouse, home.site.settings, [key]) == []
    home.land(key)
    assert home.ids() == []
    assert _register(home.site, home.instance, [home.file], Outcome()) == [key]
    assert unlanded_sources(home.site.warehouse, home.site.settings, [key]) == [key]
    home.land(key)
    assert home.ids() == ["c1"]


@pytest.mark.parametrize("moment", [1, 2])
def test_a_withdrawal_that_is_killed_leaves_all_or_nothing_and_ends_when_called_again(
    moment: int, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = home.write(record(1), record(2, messages=says(SPANISH)))
    home.land(key)
    assert killed_at(moment, monkeypatch, lambda: withdraw_source(home.site, home.instance, key))
    assert (home.ids(), home.ids(language="es")) == ((["c1"], ["c2"]) if moment == 1 else ([], []))
    assert withdraw_source(home.site, home.instance, key) == [DAY]
    assert (home.ids(), home.files(key)) == ([], [])
    assert home.is_told(DAY)


def test_a_landing_that_was_killed_is_taken_back_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    key = home.write(record(1))
    assert killed_at(2, monkeypatch, lambda: home.land(key))
    assert home.files(key)
    withdraw_source(home.site, home.instance, key)
    assert home.files(key) == []


def test_a_source_is_named_by_its_key_or_by_its_path_with_all_versions(home: Home) -> None:
    first, second = home.write(record(1)), home.write(record(2))
    assert registered_as(home.site, [first]) == [first]
    assert set(registered_as(home.site, [str(home.file)])) == {first, second}


def test_an_unknown_source_is_answered_with_those_that_are_called_alike(home: Home) -> None:
    key = home.write(record(1))
    with pytest.raises(UnknownSource, match=key):
        registered_as(home.site, ["chat.jsonl"])


# Replaced under one name.


def test_an_earlier_version_gives_way_on_the_days_of_the_new_one_alone(home: Home) -> None:
    old = home.write(record(1), record(2, started_at=f"{NEXT}T09:00:00Z"))
    home.land(old)
    new = home.write(record(3))
    assert home.land(new)["replaced_slices"] == 1
    assert (home.ids(), home.ids(NEXT)) == (["c3"], ["c2"])
    assert (home.row(old)["replaced_by"], home.row(new)["replaced_by"]) == (new, None)


def test_nobody_is_to_land_a_replaced_version_again_under_other_settings(home: Home) -> None:
    old = home.write(record(1))
    home.land(old)
    new = home.write(record(2))
    home.land(new)
    other = home.site.settings.model_copy(update={"max_record_bytes": 5_000})
    assert unlanded_sources(home.site.warehouse, other, [old, new]) == [new]


def test_an_earlier_version_loses_all_languages_of_a_day(home: Home) -> None:
    home.land(home.write(record(1, messages=says(SPANISH))))
    home.land(home.write(record(1)))
    assert (home.ids(), home.ids(language="es")) == (["c1"], [])
    assert home.is_told(DAY, "es")


def test_a_file_that_returns_to_an_earlier_version_lands_that_one_again(home: Home) -> None:
    for number in (1, 2, 3, 1, 2):
        home.land(home.write(record(number)))
        assert home.ids() == [f"c{number}"]


def test_an_earlier_version_that_lands_late_gives_way(home: Home) -> None:
    old = home.write(record(1), record(2, started_at=f"{NEXT}T09:00:00Z"))
    content = home.file.read_bytes()
    home.land(home.write(record(3)))
    home.file.write_bytes(content)  # as for a landing that had begun to read it
    home.land(old)
    assert (home.ids(), home.ids(NEXT)) == (["c3"], ["c2"])


def test_a_file_that_lies_at_another_path_too_gives_way_to_none(home: Home) -> None:
    home.write(record(1), file=home.file.parent / "copy" / home.file.name)
    home.land(home.write(record(1)))
    home.land(home.write(record(2)))
    assert home.ids() == ["c1", "c2"]


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_kill_while_one_version_gives_way_to_another_leaves_old_or_new_or_both(
    moment: int, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = home.write(record(1))
    home.land(old)
    new = home.write(record(2))
    assert killed_at(moment, monkeypatch, lambda: home.land(new))
    assert home.ids() in (["c1"], ["c2"], ["c1", "c2"])
    home.land(new)
    assert (home.ids(), home.files(old)) == (["c2"], [])
    assert home.is_told(DAY)


# Landed again.


def test_days_that_a_source_has_no_more_are_reported(tmp_path: Path) -> None:
    home = Home(tmp_path)
    key = home.write(record(1), record(2, started_at=f"{NEXT}T09:00:00Z"))
    home.land(key)
    later = Home(tmp_path, start_date=NEXT)
    later.instance = home.instance
    later.land(key)
    assert (later.ids(), later.ids(NEXT)) == ([], ["c2"])
    assert all(later.is_told(DAY, language) for language in SETTINGS.partition_languages)
    assert [day.isoformat() for day in touched_days(later.site.settings.home, [key])] == [
        DAY.isoformat(),
        NEXT,
    ]


def test_a_source_that_has_landed_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    key = home.write(record(1), record(2, messages=[]))
    first = home.land(key)
    monkeypatch.setattr(LANDING, "land", None)
    assert home.land(key) | {"seconds": 0} == first | {"reused": True, "seconds": 0}


def test_a_source_whose_files_are_gone_lands_again(home: Home) -> None:
    key = home.write(record(1))
    home.land(key)
    home.files(key)[0].unlink()
    assert home.land(key)["reused"] is False
    assert home.ids() == ["c1"]


_ASKS = """
import sys
from pathlib import Path
from tests.test_unland import LANDING, Home

def waiting(*arguments):
    print("asks", flush=True)
    return source_lock(*arguments)

source_lock, LANDING.source_lock = LANDING.source_lock, waiting
home = Home(Path(sys.argv[1]))
home.instance.add_dynamic_partitions("sources", [sys.argv[2]])
print(home.land(sys.argv[2])["reused"])
"""


def test_of_two_that_ask_for_a_source_at_once_one_reads_the_file(home: Home) -> None:
    key = home.write(record(1))
    with source_lock(home.site.settings.home, key):
        asking = [
            subprocess.Popen(
                [sys.executable, "-c", _ASKS, str(home.file.parent), key],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(2)
        ]
        assert [process.stdout.readline() for process in asking if process.stdout] == ["asks\n"] * 2
    said = [process.communicate(timeout=120)[0].strip() for process in asking]
    assert sorted(said) == ["False", "True"]


# The command.


def test_the_command_takes_a_path_back_and_answers_a_wrong_one_with_what_is_near(
    tmp_path: Path, home: Home
) -> None:
    key = home.write(record(1), record(2, started_at=f"{NEXT}T09:00:00Z"))
    home.land(key)
    site = CommandLine(tmp_path / "site", {"home": str(home.site.settings.home)})
    wrong = site.clio("unland", "chats.json")
    assert wrong.returncode == 2
    assert key in wrong.stderr
    run = site.clio("unland", home.file)
    assert run.returncode == 0, run.stderr
    assert f"{DAY} to {NEXT}" in run.stdout
    assert (home.ids(), home.row(key)["landed_at"]) == ([], None)
