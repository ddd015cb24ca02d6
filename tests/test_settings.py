"""Settings: where values come from, what is refused, and that the message names what is wrong."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from clio_dagster.home import environment
from clio_dagster.settings import OTHER, PRODUCTION, USE_LANGUAGES, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, a home in it, and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("CLIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIO_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(**overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    return str(caught.value)


# Where values come from.


def test_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert (settings.min_conversations, settings.min_accounts) == (25, 10)
    assert (settings.cell_min_conversations, settings.cell_min_accounts) == (15, 5)
    assert (settings.word_min_accounts, settings.sensitive_word_min_accounts) == (8, 12)
    assert (settings.epsilon, settings.epsilon_sensitive) == (1.0, 0.5)
    assert (settings.account_cap, settings.max_account_share) == (5, 0.15)
    assert (settings.timezone, settings.window_days, settings.analyst) == ("UTC", 7, "offline")


def test_home_is_dot_clio_in_the_current_folder_by_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLIO_HOME")
    assert load_settings().home == folder / ".clio"


def test_an_argument_wins_over_the_environment_and_that_over_clio_toml(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "clio.toml").write_text("min_accounts = 20\nseed = 1\nwindow_days = 3\n", "utf-8")
    monkeypatch.setenv("CLIO_MIN_ACCOUNTS", "30")
    monkeypatch.setenv("CLIO_SEED", "2")
    settings = load_settings(min_accounts=40)
    assert (settings.min_accounts, settings.seed, settings.window_days) == (40, 2, 3)


def test_clio_toml_of_the_current_folder_wins_over_that_of_the_home(folder: Path) -> None:
    (folder / "home" / "clio.toml").write_text("seed = 1\n", "utf-8")
    assert load_settings().seed == 1
    (folder / "clio.toml").write_text("seed = 2\n", "utf-8")
    assert load_settings().seed == 2


def test_types_of_toml_are_taken_as_they_are(folder: Path) -> None:
    text = 'languages = ["es", "en"]\nundated_as = 2026-11-01\nepsilon = 2\n'
    (folder / "clio.toml").write_text(text, "utf-8")
    settings = load_settings()
    assert settings.languages == ("en", "es")
    assert settings.undated_as == date(2026, 11, 1)
    assert settings.epsilon == 2.0


def test_production_raises_the_thresholds_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIO_PROFILE", "production")
    monkeypatch.setenv("CLIO_MIN_ACCOUNTS", "100")
    settings = load_settings()
    assert settings.min_conversations == PRODUCTION["min_conversations"]
    assert settings.min_accounts == 100


# What is made of them.


def test_languages_are_split_sorted_and_other_is_always_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIO_LANGUAGES", " ja, en,other,en ")
    settings = load_settings()
    assert settings.languages == ("en", "ja")
    assert settings.partition_languages == ("en", "ja", OTHER)


def test_the_default_languages_are_those_of_the_default_embedder() -> None:
    assert load_settings().languages == tuple(sorted(USE_LANGUAGES))


def test_clusters_grow_with_the_threshold_unless_their_size_is_set() -> None:
    assert load_settings().base_cluster_size == 100
    assert load_settings(min_conversations=50).base_cluster_size == 200
    assert load_settings(cluster_size=30).base_cluster_size == 30


def test_paths_are_absolute_so_that_another_folder_does_not_change_them(folder: Path) -> None:
    assert load_settings(home=Path("site")).home == folder / "site"


def test_the_key_is_made_once_for_its_owner_alone(folder: Path) -> None:
    key = load_settings().key
    assert len(key) == 32
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert load_settings().key == key


def test_settings_cannot_be_changed_and_do_not_show_the_key() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 1
    assert settings.key.hex() not in repr(settings)


# What is refused.


def test_an_unknown_variable_is_named_beside_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIO_TRESHOLD", "5")
    message = refused()
    assert "CLIO_TRESHOLD" in message
    assert all(f"CLIO_{name.upper()}" in message for name in Settings.model_fields)


def test_an_unknown_line_of_clio_toml_is_named(folder: Path) -> None:
    (folder / "clio.toml").write_text("min_acounts = 5\n", "utf-8")
    assert "min_acounts" in refused()


def test_a_clio_toml_that_is_no_toml_is_named(folder: Path) -> None:
    (folder / "clio.toml").write_text("min_accounts: 5\n", "utf-8")
    assert "clio.toml is not valid TOML" in refused()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timezone", "Mars/Phobos"),
        ("timezone", ""),
        ("start_date", "yesterday"),
        ("languages", "English"),
        ("languages", ""),
        ("window_days", "0"),
        ("window_days", "93"),
        ("analyst", "oracle"),
        ("storage", "paper"),
        ("min_conversations", "1"),
        ("min_accounts", "1"),
        ("max_account_share", "0"),
        ("max_account_share", "1.1"),
        ("account_cap", "0"),
        ("word_min_accounts", "1"),
        ("pair_min_accounts", "1"),
        ("epsilon", "0"),
        ("epsilon", "nan"),
        ("epsilon_sensitive", "-1"),
        ("cluster_size", "4"),
        ("max_clusters", "0"),
        ("top_topics", "1"),
        ("max_record_bytes", "999"),
        ("seed", "-1"),
        ("threads", "0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CLIO_{name.upper()}", value)
    assert f"CLIO_{name.upper()}: " in refused()


@pytest.mark.parametrize(
    "line", ["languages = 5", 'languages = [1, "en"]', "timezone = 5", "home = 5", "epsilon = []"]
)
def test_a_line_of_another_type_is_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (folder / "clio.toml").write_text(line + "\n", "utf-8")
    if line.startswith("home"):
        monkeypatch.delenv("CLIO_HOME")
    assert f"CLIO_{line.split()[0].upper()}" in refused()


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIO_SEED", "-1")
    monkeypatch.setenv("CLIO_THREADS", "0")
    message = refused()
    assert "CLIO_SEED" in message
    assert "CLIO_THREADS" in message


def test_a_key_within_the_home_is_refused(folder: Path) -> None:
    assert "outside home" in refused(key_file=folder / "home" / "key")


def test_a_process_in_another_folder_is_handed_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "home": tmp_path / "home",
        "key_file": tmp_path / "key",
        "languages": ("en", "es"),
        "prices": {"some-model": {"input": 1.0, "output": 5.0}},
        "ledger_url": "postgresql+psycopg://host/clio",
        "budget_usd": 2.5,
    }
    settings = load_settings(**given)  # type: ignore[arg-type]
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    handed = load_settings()
    assert handed == settings
    assert handed.ledger_url
    assert handed.ledger_url.get_secret_value() == given["ledger_url"]
    assert "host/clio" not in repr(handed)
