"""What the detector finds in each configured language, and what it leaves alone there (P3)."""

from __future__ import annotations

import time

import polars as pl
import pytest

from clio_dagster.privacy.detector import detect, scrub
from clio_dagster.privacy.national_ids import is_national_id

FOUND = {
    "en": [
        ("I argued with Perpetua Wrenfield about it", "name", "Perpetua Wrenfield"),
        ("my coworker norbert keeps calling", "name", "norbert"),
        ("Sent to 19 Heron Court, Apt. 4 last week", "address", "19 Heron Court, Apt. 4"),
    ],
    "de": [
        ("Mein Chef Korbinian Hallhuber kündigt mir", "name", "Korbinian Hallhuber"),
        ("Ich wohne Am Sonnenhang 7", "address", "Am Sonnenhang 7"),
    ],
    "fr": [
        ("Ma sœur Clotilde Marnequin ne vient pas", "name", "Clotilde Marnequin"),
        ("au 9 avenue des Marronniers, je crois", "address", "9 avenue des Marronniers"),
    ],
    "es": [
        ("ayer cené con Amancio Berruezo", "name", "Amancio Berruezo"),
        ("vivo en la calle de Atocha 57", "address", "calle de Atocha 57"),
    ],
    "it": [
        ("il mio amico Onofrio Calabresi mente", "name", "Onofrio Calabresi"),
        ("abito in via delle Rose 31", "address", "via delle Rose 31"),
    ],
    "nl": [
        ("mijn vriendin Wilhelmina Kooistra wacht", "name", "Wilhelmina Kooistra"),
        ("ik woon op Beukenlaan 22", "address", "Beukenlaan 22"),
    ],
    "pl": [
        ("moja siostra Bogumiła Zarzycka dzwoni", "name", "Bogumiła Zarzycka"),
        ("mieszkam przy ul. Lipowej 6", "address", "ul. Lipowej 6"),
    ],
    "pt": [
        ("minha tia Hermínia Cabrita adoeceu", "name", "Hermínia Cabrita"),
        ("moro na Rua do Sol, 18", "address", "Rua do Sol, 18"),
    ],
    "ru": [
        ("мой сосед Всеволод Лапшин шумит", "name", "Всеволод Лапшин"),
        ("я живу на ул. Мира, д. 8", "address", "ул. Мира, д. 8"),
        ("позвони Анне Сергеевне вечером", "name", "Анне Сергеевне"),
    ],
    "tr": [
        ("kardeşim Şükrü Bozdağ aramıyor", "name", "Şükrü Bozdağ"),
        ("adres: Menekşe Sokak No: 9", "address", "Menekşe Sokak No: 9"),
    ],
    "zh": [
        ("我同事林秀英不理我", "name", "林秀英"),
        ("我住在解放路25号", "address", "解放路25号"),
        ("我的电话是13900001234。", "phone", "13900001234"),
    ],
    "ja": [
        ("同僚の清水美香さんに謝りたい", "name", "清水美香"),
        ("荷物は新宿区西新宿2-8-1に届く", "address", "新宿区西新宿2-8-1"),
        ("電話は０９０－１２３４－５６７８です", "phone", "０９０－１２３４－５６７８"),
    ],
    "ko": [
        ("어제 윤서연 씨를 만났어요", "name", "윤서연"),
        ("서울시 종로구 세종대로 175 근처", "address", "서울시 종로구 세종대로 175"),
        ("번호는 010-2222-3333입니다", "phone", "010-2222-3333"),
    ],
    "th": [
        ("หัวหน้าชื่อ นายวิชัย ศรีสุข ครับ", "name", "วิชัย ศรีสุข"),
        ("โทร 089-111-2222 ได้เลย", "phone", "089-111-2222"),
    ],
    "ar": [
        ("تحدثت مع محمد العتيبي أمس", "name", "محمد العتيبي"),
        ("أسكن في شارع النيل رقم 30", "address", "شارع النيل رقم 30"),
        ("اتصل على ٠٥٠١٢٣٤٥٦٧ مساء", "phone", "٠٥٠١٢٣٤٥٦٧"),
    ],
}
CASES = [(code, *case) for code, cases in FOUND.items() for case in cases]


@pytest.mark.parametrize(
    ("code", "text", "kind", "value"),
    CASES,
    ids=[f"{case[0]}-{case[2]}-{at}" for at, case in enumerate(CASES)],
)
def test_a_planted_item_is_masked_as_its_kind(code: str, text: str, kind: str, value: str) -> None:
    found = [
        (row["kind"], text[row["start"] : row["end"]])
        for row in detect(pl.Series([text])).iter_rows(named=True)
    ]
    assert found == [(kind, value)]


ORDINARY = {
    "en": "Can you compare Paris, Excel and Python on Monday, or the World Cup in Germany?",
    "de": "Bitte erkläre mir den Unterschied zwischen Rennen, Rahmen und Bereich im Vertrag.",
    "fr": "Quelle est la capitale de l'Espagne et combien d'habitants a Lyon ?",
    "es": "¿Cómo preparo una tortilla de patatas para seis personas el domingo?",
    "it": "Mi spieghi la differenza tra Roma e Milano per una vacanza ad agosto?",
    "nl": "Kun je een recept voor appeltaart geven, liefst zonder suiker?",
    "pl": "Jak napisać list motywacyjny do pracy w sklepie w Warszawie?",
    "pt": "Como faço um bolo de chocolate para doze pessoas no domingo?",
    "ru": "Как приготовить борщ на шесть человек и сколько это займёт времени?",
    "tr": "İstanbul ile Ankara arasında hangi gün tren var?",
    "zh": "请帮我写一份关于环境保护的报告,大约三千字。",
    "ja": "来週の会議のために資料をまとめてください。",
    "ko": "회의 자료를 정리하는 방법을 알려 주세요.",
    "th": "ช่วยเขียนจดหมายลาออกให้หน่อย",
    "ar": "كيف أكتب رسالة رسمية لطلب إجازة؟",
}


@pytest.mark.parametrize("code", sorted(ORDINARY))
def test_an_ordinary_request_is_left_alone(code: str) -> None:
    assert scrub(pl.Series([ORDINARY[code]]))[0] == ORDINARY[code]


# Valid numbers were made with python-stdnum 2.2, an implementation that shares nothing with ours.
IDS = {
    "Netherlands BSN": "628194821",
    "Portugal NIF": "260016659",
    "United Kingdom NHS": "3981017439",
    "Saudi Arabia": "1058529940",
    "Brazil CPF": "403.533.886-96",
    "Poland PESEL": "57081189049",
    "Turkey": "82837989284",
    "Germany tax id": "59127640344",
    "Russia SNILS": "112-233-445 95",
    "Russia INN": "500100732259",
    "Japan My Number": "123456789018",
    "India Aadhaar": "7627 4384 7887",
    "Korea RRN": "6003061791805",
    "Thailand": "1-6112-56517-88-0",
    "Spain DNI": "38902939A",
    "China": "110105200109016081",
    "France NIR": "1 51 03 45 332 872 02",
    "Mexico CURP": "BOXW310820HNERXN09",
    "United Arab Emirates": "784-1984-1234567-4",
}


@pytest.mark.parametrize("country", sorted(IDS))
def test_a_national_id_holds_and_most_of_its_neighbours_do_not(country: str) -> None:
    number = IDS[country]
    assert is_national_id(number, introduced=True)
    at = max(at for at, sign in enumerate(number) if sign.isdecimal())
    others = [number[:at] + digit + number[at + 1 :] for digit in "0123456789" if digit != number[at]]
    assert sum(is_national_id(other, introduced=True) for other in others) <= 4  # other countries' checks


@pytest.mark.parametrize("text", ["the population was 628194821", "order 260016659 came"])
def test_nine_bare_digits_are_no_national_id_by_chance(text: str) -> None:
    number = text[detect(pl.Series([text]))["start"][0] :].split()[0]
    assert "national_id" not in detect(pl.Series([text]))["kind"].to_list()
    assert is_national_id(number, introduced=True)


@pytest.mark.parametrize(
    "hostile",
    [
        "@" * 100_000,
        "7" * 100_000,
        "4539 1488 0343 6467 " * 5_000,
        "A" * 100_000,
        "Anna " * 20_000,
        "Xq Zv " * 16_000,
        "[" * 100_000,
        "12 Calle " * 11_000,
        "王小明" * 33_000,
        "佐藤" * 50_000,
        "김민준" * 33_000,
        "สมชาย " * 16_000,
        "محمد " * 20_000,
        "passport " * 11_000,
        "Anna, " * 16_000,
        "1 rue de la " * 8_000,
        "+1 415 555 " * 9_000,
    ],
    ids=[
        "ats", "digits", "cards", "capitals", "given names", "unknown names", "brackets", "streets", "chinese",
        "japanese", "korean", "thai", "arabic", "cues", "lists", "french streets", "phones",
    ],
)  # fmt: skip
def test_a_hostile_hundred_kilobytes_take_bounded_time(hostile: str) -> None:
    detect(pl.Series(["warm up, Anna"]))
    begin = time.process_time()
    scrub(pl.Series([hostile]))
    assert time.process_time() - begin < 10


def test_masks_are_kinds_in_brackets_that_a_later_reader_can_cut_out() -> None:
    texts = pl.Series([text for cases in FOUND.values() for text, _, _ in cases])
    kinds = {kind for cases in FOUND.values() for _, kind, _ in cases}
    masks = set(scrub(texts).str.extract_all(r"\[[a-z_ ]+\]").explode())
    assert masks == {f"[{kind}]" for kind in kinds}
    assert detect(scrub(texts)).is_empty()
