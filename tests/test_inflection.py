"""Inflected forms that support each other, and words that do not."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from clio_dagster.privacy.inflection import base_forms
from clio_dagster.privacy.vocabulary import support
from clio_dagster.settings import Settings

KEY = b"0" * 32


def form(word: str, language: str) -> str:
    return str(base_forms(pl.Series([word]), pl.Series([language])).item())


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "bicycle", "bicycles"),
        ("en", "bicycle", "bicycle's"),
        ("es", "cuaderno", "cuadernos"),
        ("fr", "tableau", "tableaux"),
        ("de", "fahrrad", "fahrrads"),
        ("it", "quaderno", "quaderni"),
        ("pt", "caderno", "cadernos"),
        ("nl", "fiets", "fietsen"),
        ("pl", "rowerami", "rowerów"),
        ("ru", "велосипеды", "велосипедами"),
        ("tr", "bisiklet", "bisikletler"),
        ("ar", "الدراجة", "دراجة"),
    ],
)
def test_forms_of_one_word_are_one(language: str, one: str, other: str) -> None:
    assert form(one, language) == form(other, language)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "universal", "university"),
        ("en", "organ", "organic"),
        ("en", "new", "news"),
        ("en", "car", "care"),
        ("de", "arm", "armut"),
        ("zh", "自行车", "自行"),
        ("ja", "レストラン", "レスト"),
        ("other", "bicycle", "bicycles"),
    ],
)
def test_different_words_are_different(language: str, one: str, other: str) -> None:
    assert form(one, language) != form(other, language)


def test_nulls_and_unknown_languages_are_left_alone() -> None:
    words, languages = pl.Series(["bicycles", "bicycles"]), pl.Series([None, "xx"], dtype=pl.String)
    assert base_forms(words, languages).to_list() == ["bicycles", "bicycles"]


def test_forms_support_each_other_and_a_form_of_one_account_does_not_show(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home", key_file=tmp_path / "key", epsilon=math.inf, epsilon_sensitive=math.inf
    )
    said = [("my kiln squeaks", 4), ("two kilns squeak", 4), ("a kiln's lid", 1)]
    rows = [
        (0, "t", f"a{number}-{place}", "en", text)
        for number, (text, count) in enumerate(said)
        for place in range(count)
    ]
    members = pl.DataFrame(rows, schema=["cluster_id", "topic", "account", "language", "text"], orient="row")
    words = support(members, settings=settings, key=KEY)[0].words
    assert {"kiln", "kilns"} <= set(words) and "kiln's" not in words


def test_a_form_that_can_hurt_makes_its_word_one(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home", key_file=tmp_path / "key", epsilon=math.inf, epsilon_sensitive=math.inf
    )
    rows = [(0, "t", f"a{place}", "en", "about tumors" if place % 2 else "a tumor") for place in range(11)]
    members = pl.DataFrame(rows, schema=["cluster_id", "topic", "account", "language", "text"], orient="row")
    assert support(members, settings=settings, key=KEY)[0].words == {}
