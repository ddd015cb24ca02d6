"""Keyed noise, pseudonyms and the key: functions of the secret and the thing named, and of nothing else."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clio_dagster.privacy.accounts import pseudonyms
from clio_dagster.privacy.key import KeyFileError, read_or_make_key
from clio_dagster.privacy.noise import two_sided_geometric

KEY = bytes(range(32))
CELLS = st.lists(st.text(max_size=12), min_size=1, max_size=30)


def draw(
    cells: list[str], key: bytes = KEY, purpose: str = "test", epsilon: float = 1.0, sensitivity: int = 1
) -> list[int]:
    series = pl.Series(cells, dtype=pl.String)
    return two_sided_geometric(
        series, key=key, purpose=purpose, epsilon=epsilon, sensitivity=sensitivity
    ).to_list()


@given(CELLS)
def test_a_cell_keeps_its_draw_whatever_is_asked_beside_it(cells: list[str]) -> None:
    together = draw(cells)
    assert together == [draw([cell])[0] for cell in cells]
    assert draw(cells[::-1]) == together[::-1]


@pytest.mark.parametrize(("epsilon", "sensitivity"), [(1.0, 1), (0.5, 1), (1.0, 5)])
def test_draws_follow_the_two_sided_geometric_distribution(epsilon: float, sensitivity: int) -> None:
    count = 40_000
    draws = np.array(
        draw([f"cell {number}" for number in range(count)], epsilon=epsilon, sensitivity=sensitivity)
    )
    alpha = math.exp(-epsilon / sensitivity)
    for value in range(-3 * sensitivity, 3 * sensitivity + 1):
        expected = (1 - alpha) / (1 + alpha) * alpha ** abs(value)
        spread = math.sqrt(expected * (1 - expected) / count)
        assert abs((draws == value).mean() - expected) < 4.5 * spread
    assert abs(draws.mean()) < 5 * draws.std() / math.sqrt(count)


def test_the_odds_of_any_value_move_by_at_most_epsilon_when_a_count_moves_by_the_sensitivity() -> None:
    draws = np.array(draw([f"cell {number}" for number in range(60_000)], epsilon=1.0, sensitivity=3))
    for value in range(-5, 3):
        ratio = (draws == value).mean() / (draws == value + 3).mean()
        assert abs(math.log(ratio)) < 1.0 + 0.15


@pytest.mark.parametrize("other", [{"key": bytes(32)}, {"purpose": "another"}])
def test_another_key_or_purpose_draws_anew(other: dict[str, object]) -> None:
    cells = [f"cell {number}" for number in range(200)]
    assert draw(cells) != draw(cells, **other)  # type: ignore[arg-type]


def test_infinite_epsilon_is_no_noise() -> None:
    assert draw(["a", "b"], epsilon=math.inf) == [0, 0]


@pytest.mark.parametrize(("epsilon", "sensitivity"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (1.0, 0)])
def test_noise_that_could_not_hide_anything_is_refused(epsilon: float, sensitivity: int) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        draw(["a"], epsilon=epsilon, sensitivity=sensitivity)


def test_a_cell_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no name"):
        two_sided_geometric(pl.Series(["a", None]), key=KEY, purpose="test", epsilon=1.0)


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=30))
def test_pseudonyms_keep_accounts_apart_and_nulls_null(accounts: list[str | None]) -> None:
    hidden = pseudonyms(pl.Series(accounts, dtype=pl.String), KEY).to_list()
    assert [name is None for name in hidden] == [account is None for account in accounts]
    assert len(set(hidden)) == len(set(accounts))
    assert all(name is None or (len(name) == 64 and int(name, 16) >= 0) for name in hidden)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=10))
def test_pseudonyms_depend_on_the_key_and_not_on_the_company(accounts: list[str]) -> None:
    series = pl.Series(accounts, dtype=pl.String)
    assert pseudonyms(series, KEY).to_list() == [pseudonyms(pl.Series([one]), KEY)[0] for one in accounts]
    assert set(pseudonyms(series, KEY)).isdisjoint(pseudonyms(series, bytes(32)))


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    key = read_or_make_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_make_key(path) == key
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=spawn) as pool:
        assert len(set(pool.map(read_or_make_key, [tmp_path / "key"] * 8))) == 1


def test_a_key_of_another_length_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    with pytest.raises(KeyFileError, match=r"key is not a key: it holds 5 bytes"):
        read_or_make_key(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_or_make_key(path)
