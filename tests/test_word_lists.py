"""P5's word lists, and the cutting of texts in scripts without spaces: what the generic lists must never hold or
give away."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from clio_dagster.privacy import word_lists
from clio_dagster.privacy.given_names import AMBIGUOUS, GIVEN
from clio_dagster.privacy.segmentation import segment
from clio_dagster.privacy.word_lists import (
    SENSITIVE_KINDS,
    every_generic_word,
    fold,
    is_generic,
    listed_languages,
    sensitive_kind,
    sensitive_list,
)
from clio_dagster.settings import Settings

FOLDER = Path(word_lists.__file__).parent / "words"
LANGUAGES = sorted(word_lists.LANGUAGE_NAMES)

MAY_BE_GENERIC = {
    "anders", "ante", "art", "edit", "else", "guy", "hope", "line", "may", "summer", "van", "vida", "will",
}  # fmt: skip
"""Given names in English lists of names whose everyday meaning is all but their only one."""

LEAST = {
    "illness": 60,
    "faith": 40,
    "orientation": 20,
    "place": 100,
    "substance": 40,
    "crime": 50,
    "employer": 20,
}

UNSPACED = {
    "zh": (
        "我想知道{}怎么办",
        "请问{}的费用是多少",
        "我妈妈有{}，请帮我写一封信",
        "他被诊断为{}之后",
        "{}是什么",
    ),
    "ja": (
        "{}について教えてください",
        "私は{}です",
        "母が{}なので手紙を書いて",
        "友達の{}に悩んでいます",
        "{}とは",
    ),
    "th": ("ช่วยอธิบายเรื่อง{}หน่อย", "แม่ของฉันเป็น{}มานาน", "ขอข้อมูลเกี่ยวกับ{}และการรักษา", "{}คืออะไร"),
    "ko": (
        "{}에 대해 알려주세요",
        "저는 {}을 앓고 있어요",
        "{}의 증상이 뭐예요",
        "어머니가 {}이라서",
        "{}도 괜찮나요",
    ),
}
"""Sentences to put a word in, with different letters before and after it."""

UNLISTED = {
    "zh": "白塞病 渐冻症 痛风 胃下垂 带状疱疹 不安腿综合征 中暑 小儿麻痹 内分泌失调 小三阳 重听 社恐 成人病 色盲",
    "ja": "もやもや病 むずむず脚症候群 ものもらい とびひ めまい しもやけ みずむし わきが できもの 潰瘍性大腸炎",
    "th": "เก๊าท์ งูสวัด ไทรอยด์ คางทูม ต้อหิน มือเท้าปาก น้ำในหูไม่เท่ากัน ขาไม่เท่ากัน กรดไหลย้อน มือสั่น",
    "ko": "대상포진 통풍 메니에르병 이석증 말더듬 조루 탈모 무좀 요실금 안면마비",
}
"""Illnesses and complaints that stand in no list."""

NAMES = {
    "zh": "于和平 向可心 马大成 高文明 王思成 文一诺 时子轩 方建国 何如意 李学文 成和 金志明",
    "ja": "森一郎 東和子 間正実 元心結 方大輔 上田もも そうた こうた ともや まさと まや みか りお ねね いちか",
    "th": "มาลี มานะ วันดี รักดี มีสุข ใจดี ใหม่ดาวิกา น้ำฝน สมใจ คำดี แสงดาว บุญมา",
    "ko": "이지은 고은이 우주원 김가은 안지만 한수정 이하나 정보라 서도윤 전하나 신지원 오이나",
}
"""Made-up names, most of them of letters that are words as well."""

NUMBERS = (
    "two three seven twelve hundred thousand million zwei drei sieben hundert tausend trois quatre sept vingt mille "
    "tres cuatro ocho veinte tre quattro sette dieci três quatro oito vinte twee drie zeven honderd dwa trzy siedem "
    "два три четыре семь сто тысяча iki üç dört yedi yüz ثلاثة سبعة مئة ألف 二 三 七 百 千 둘 셋 일곱"
    " สอง สาม เจ็ด ร้อย"
)


def lines(name: str) -> list[str]:
    return [line for line in (FOLDER / name).read_text("utf-8").splitlines() if not line.startswith("#")]


def files(*patterns: str) -> list[str]:
    return sorted(
        str(path.relative_to(FOLDER))
        for pattern in patterns
        for path in FOLDER.glob(pattern)
        if path.is_file()
    )


def pieces(carrier: str, words: list[str], language: str) -> list[tuple[str, list[str]]]:
    """Each word with those pieces of its sentence that hold a letter of it."""
    sentences = [carrier.format(word) for word in words]
    cut = segment(pl.Series(sentences), pl.Series([language] * len(words)))
    found = []
    for word, (_, parts) in zip(
        words, cut.group_by("row", maintain_order=True).agg("word").iter_rows(), strict=True
    ):
        start = "".join(parts).index(fold(word))
        end, place, holding = start + len(fold(word)), 0, []
        for part in parts:
            if place < end and place + len(part) > start:
                holding.append(part)
            place += len(part)
        found.append((word, holding))
    return found


def test_every_default_language_has_every_list():
    assert set(Settings.model_fields["languages"].default) <= set(LANGUAGES) == set(listed_languages())
    for language in LANGUAGES:
        for kind in SENSITIVE_KINDS:
            assert len(lines(f"sensitive/{kind}.{language}.txt")) >= LEAST[kind], (kind, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_generic_lists_are_of_the_size_that_was_reviewed(language):
    assert 100 <= len(lines(f"{language}.function.txt")) <= 320
    assert 300 <= len(lines(f"{language}.frequent.txt")) <= 600
    assert 550 <= len(lines(f"{language}.abstract.txt")) <= 2_400


@pytest.mark.parametrize("name", files("*.frequent.txt", "*.abstract.txt", "sensitive/*.txt", "names.txt"))
def test_lists_are_sorted_folded_and_single_words(name):
    words = lines(name)
    assert words == sorted(set(words))
    assert words == [fold(word) for word in words]
    assert [word for word in words if re.search(r"[\d\s-]", word)] == []
    cut = segment(pl.Series(words), pl.Series([None] * len(words), dtype=pl.String))
    assert "".join(cut["word"]) == "".join(words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_abstract_word_is_sensitive_or_a_name_in_any_language(language):
    abstract = set(lines(f"{language}.abstract.txt"))
    assert abstract & word_lists.kept_whole() == set()


def test_no_generic_word_is_sensitive_in_any_language():
    assert every_generic_word() & word_lists.sensitive_words() == frozenset()


def test_given_names_are_generic_only_where_reviewed():
    assert {fold(name) for name in GIVEN | AMBIGUOUS} & every_generic_word() == MAY_BE_GENERIC


@pytest.mark.parametrize("number", NUMBERS.split())
def test_numbers_are_not_generic(number):
    assert not is_generic(number)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("gift", "substance"), ("sida", "illness"), ("rak", "illness"), ("kanser", "illness"), ("tod", "crime")],
)
def test_a_word_that_hurts_in_one_language_is_generic_in_none(word, kind):
    assert sensitive_kind(word) == kind
    assert not is_generic(word)


@pytest.mark.parametrize("language", ["ja", "ko", "th", "zh"])
def test_a_single_letter_is_generic_only_as_a_function_word(language):
    single = {word for word in word_lists.generic_words(language) if len(word) == 1}
    assert single <= word_lists.function_words(language)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("depresion", "illness"),
        ("DEPRESSÃO", "illness"),
        ("oesterreich", "place"),
        ("muslim's", "faith"),
        ("schizofrenią", "illness"),
        ("onkologii", "illness"),
        ("мусульманином", "faith"),
        ("раком", "illness"),
        ("вичем", "illness"),
        ("بالسرطان", "illness"),
        ("والمسلمين", "faith"),
        ("kanserden", "illness"),
        ("İSTANBUL", "place"),
        ("HIV", "illness"),
        ("letters", None),
        ("抑鬱症", "illness"),
    ],
)
def test_sensitive_words_are_known_without_accents_and_with_what_is_joined_to_them(word, kind):
    assert sensitive_kind(word) == kind


@pytest.mark.parametrize(
    ("text", "word"),
    [("İstanbul'da bir otel", "istanbul"), ("Türkiye'nin nüfusu", "türkiye"), ("İslam'ı anlat", "islam")],
)
def test_turkish_endings_behind_an_apostrophe_come_off(text, word):
    assert word in segment(pl.Series([text]), pl.Series(["tr"]))["word"].to_list()


@pytest.mark.parametrize("word", ["don't", "it's", "we'll", "you're", "foto's"])
def test_apostrophes_of_other_languages_stay(word):
    assert segment(pl.Series([f"and {word} here"]), pl.Series(["en"]))["word"].to_list() == [
        "and",
        word,
        "here",
    ]


@pytest.mark.parametrize(
    ("language", "carrier"), [(code, text) for code, texts in UNSPACED.items() for text in texts]
)
def test_no_sensitive_word_dissolves_into_generic_pieces(language, carrier):
    words = sorted({word for kind in SENSITIVE_KINDS for word in lines(f"sensitive/{kind}.{language}.txt")})
    cut = pieces(carrier, words, language)
    assert [word for word, parts in cut if all(map(is_generic, parts))] == []
    kept = sum(any(map(sensitive_kind, parts)) for _, parts in cut)
    assert kept >= 0.96 * len(words)


@pytest.mark.parametrize("language", UNSPACED)
@pytest.mark.parametrize("words", [UNLISTED, NAMES], ids=["illnesses", "names"])
def test_what_no_list_holds_does_not_dissolve_either(language, words):
    for carrier in UNSPACED[language]:
        cut = pieces(carrier, words[language].split(), language)
        assert [word for word, parts in cut if all(map(is_generic, parts))] == []


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("zh", "他患有中风和抑郁症", ["中风", "抑郁症"]),
        ("zh", "我想去北京旅游", ["北京"]),
        ("ja", "うつ病とがんの治療について", ["うつ病", "がん"]),
        ("ja", "イスラム教徒の友達がいます", ["イスラム教徒"]),
        ("th", "เธอเป็นโรคเบาหวานและโรคซึมเศร้า", ["โรคเบาหวาน", "โรคซึมเศร้า"]),
        ("ko", "우울증환자가 서울에서", ["우울증", "서울"]),
        ("ko", "암이 무서워요", ["암"]),
        ("ar", "أعاني من الاكتئاب ومرض السكري", ["الاكتئاب", "السكري"]),
        ("tr", "annem kanserden korkuyor", ["kanserden"]),
        ("ru", "у мамы диабет и эпилепсия", ["диабет", "эпилепсия"]),
    ],
)
def test_illnesses_faiths_and_places_come_out_as_words_of_their_own(language, text, words):
    cut = segment(pl.Series([text]), pl.Series([language]))["word"].to_list()
    for word in words:
        assert word in cut
        assert sensitive_kind(word)


@pytest.mark.parametrize(
    ("language", "text", "word"),
    [
        ("th", "น้ำหนักของฉัน", fold("น้ำหนัก")),
        ("ja", "タイトルを考えて", "タイトル"),
        ("ja", "スローガンを作って", "スローガン"),
    ],
)
def test_a_listed_word_inside_another_is_not_taken_out(language, text, word):
    assert word in segment(pl.Series([text]), pl.Series([language]))["word"].to_list()


@pytest.mark.parametrize(
    ("language", "text", "word"),
    [("zh", "我在meta工作", "meta"), ("zh", "我叫johnson你好", "johnson"), ("th", "ผมชื่อtanakaครับ", "tanaka"),
     ("ja", "私はsmithersです", "smithers"), ("ko", "meta에서", "meta")],
)  # fmt: skip
def test_a_latin_word_between_unspaced_letters_stays_one_word(language, text, word):
    assert word in segment(pl.Series([text]), pl.Series([language]))["word"].to_list()


def test_the_pieces_of_a_text_give_it_back():
    texts = [carrier.format("抑郁症โรคเอดส์우울증") for carriers in UNSPACED.values() for carrier in carriers]
    cut = segment(pl.Series(texts), pl.Series(["ja"] * len(texts)))
    joined = cut.group_by("row", maintain_order=True).agg(pl.col("word").str.join(""))["word"].to_list()
    assert joined == [re.sub(r"[\s,]", "", fold(text)) for text in texts]


def test_firms_are_in_every_list_of_employers():
    assert all("toyota" in sensitive_list("employer", language) for language in LANGUAGES)
