"""What the detector finds, what it leaves alone, and how it masks (P3)."""

from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clio_dagster.privacy.detector import KINDS, detect, scrub
from clio_dagster.privacy.identifiers import is_card, is_iban
from clio_dagster.privacy.national_ids import is_national_id

FOUND = [
    ("write to jane.roe+x@mail.example.org today", "email", "jane.roe+x@mail.example.org"),
    ("reach me: jane at example dot com", "email", "jane at example dot com"),
    ("see https://example.org/a?b=c#d for it", "url", "https://example.org/a?b=c#d"),
    ("it is on shop.example.com/cart", "url", "shop.example.com/cart"),
    ("the server 203.0.113.77 is down", "ip", "203.0.113.77"),
    ("ping 2001:db8::ff00:42:8329 again", "ip", "2001:db8::ff00:42:8329"),
    ("card 4111 1111 1111 1111 was charged", "card", "4111 1111 1111 1111"),
    ("pay to DE89 3704 0044 0532 0130 00 by noon", "iban", "DE89 3704 0044 0532 0130 00"),
    ("from GB82WEST12345698765432 to other accounts", "iban", "GB82WEST12345698765432"),
    ("my ssn is 536-22-8710 ok", "national_id", "536-22-8710"),
    ("mi DNI 12345678Z caduca", "national_id", "12345678Z"),
    ("meu CPF: 529.982.247-25", "national_id", "529.982.247-25"),
    ("passport number X4519823A expired", "national_id", "X4519823A"),
    ("call me on +49 30 901820 tonight", "phone", "+49 30 901820"),
    ("phone: (212) 555-0187", "phone", "(212) 555-0187"),
    ("mobile 06 12 34 56 78", "phone", "06 12 34 56 78"),
    ("follow @some_person there", "handle", "@some_person"),
    ("key sk-abcDEF0123456789abcdefXYZ works", "secret", "sk-abcDEF0123456789abcdefXYZ"),
    ("my password is hunter42! so", "secret", "hunter42!"),
    ("AKIAIOSFODNN7EXAMPLE leaked", "secret", "AKIAIOSFODNN7EXAMPLE"),
    ("customer 8837462910445", "number", "8837462910445"),
    ("I live at 221 Baker Street", "address", "221 Baker Street"),
    ("wohne in der Lindenstraße 14 b", "address", "Lindenstraße 14 b"),
    ("envíalo a Calle Mayor 5", "address", "Calle Mayor 5"),
    ("habite 12 rue de la République", "address", "12 rue de la République"),
    ("my name is Quillon Abernark", "name", "Quillon Abernark"),
    ("my name is quillon and I wait", "name", "quillon"),
    ("Dear Dr. Ostrowska, thank you", "name", "Ostrowska"),
    ("a letter for Sarah Vanterpool please", "name", "Sarah Vanterpool"),
    ("me llamo Eustaquio Barrenechea", "name", "Eustaquio Barrenechea"),
    ("ich heiße Gundula Pfannmüller", "name", "Gundula Pfannmüller"),
    ("меня зовут Ярополк Свистунов", "name", "Ярополк Свистунов"),
    ("我叫王小明。", "name", "王小明"),
    ("my boss Thistlewood is unfair", "name", "Thistlewood"),
]


@pytest.mark.parametrize(("text", "kind", "value"), FOUND)
def test_personal_data_is_found_as_its_kind(text: str, kind: str, value: str) -> None:
    spans = detect(pl.Series([text]))
    assert [(row["kind"], text[row["start"] : row["end"]]) for row in spans.iter_rows(named=True)] == [
        (kind, value)
    ]


ORDINARY = [
    "How do I convert 1,234,567.89 dollars to euros?",
    "Write a story set between 1914-1918 and 1939-1945",
    "What changed in Python 3.12.1 on 2024-05-17 at 10:30?",
    "My name is spelled wrong on the list",
    "call me back when the flight lands",
    "Dear Hiring Manager, I apply for the post",
    "Explain the World Cup, the United Nations and New York to a child",
    "Use @property and @staticmethod in a class",
    "In April and May the Amber Road is closed",
    "the ratio is 16:9 and the score was 3-2",
    "Ich brauche Hilfe mit meiner Steuererklärung",
    "¿Cuál es la capital de Francia?",
    "请帮我写一封道歉信",
    "internationalization and counterrevolutionaries",
    "San Francisco and North Carolina in summer",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert scrub(pl.Series([text]))[0] == text


def test_each_span_becomes_its_kind_in_brackets() -> None:
    texts = pl.Series("request", ["mail a@b.org or c@d.org, call +44 20 7946 0958", None, "nothing here"])
    assert scrub(texts).to_list() == ["mail [email] or [email], call [phone]", None, "nothing here"]
    assert scrub(texts).name == "request"


PIECES = st.sampled_from([text for text, _, _ in FOUND] + ORDINARY) | st.text(max_size=20)


@settings(max_examples=80, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=4))
def test_spans_lie_in_order_within_the_text_and_never_overlap(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    spans = detect(pl.Series([text]))
    at = 0
    for start, end, kind in spans.select("start", "end", "kind").iter_rows():
        assert at <= start < end <= len(text)
        assert kind in {one.name for one in KINDS}
        at = end


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([text for text, _, _ in FOUND]), min_size=1, max_size=3))
def test_what_was_masked_once_is_clean(pieces: list[str]) -> None:
    once = scrub(pl.Series([". ".join(pieces)]))
    assert detect(once).is_empty()


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 50_000,
        "1" * 50_000,
        "1 " * 25_000,
        "Aa " * 16_000,
        "a." * 25_000,
        "@" * 50_000,
        "-" * 50_000,
        "A b C " * 8_000,
        "a@b.co " * 40_000,
    ],
    ids=["letters", "digits", "spaced", "capitals", "dots", "ats", "hyphens", "initials", "addresses"],
)
def test_hostile_text_costs_no_more_than_long_text(hostile: str) -> None:
    begin = time.perf_counter()
    scrub(pl.Series([hostile]))
    assert time.perf_counter() - begin < 5


@given(st.integers(10**14, 10**15 - 1))
def test_of_ten_last_digits_one_makes_a_card(stem: int) -> None:
    assert sum(is_card(f"{stem}{digit}") for digit in range(10)) == 1


@given(st.integers(2, 98), st.integers(0, 10**18 - 1))
def test_an_iban_with_a_wrong_check_is_none(check: int, account: int) -> None:
    valid = [number for number in range(2, 99) if is_iban(f"DE{number:02}{account:018}")]
    assert len(valid) == 1
    assert is_iban(f"DE{check:02}{account:018}") == (check in valid)


@pytest.mark.parametrize(
    "identifier", ["44051401359", "10000000146", "11010519491231002X", "RSSMRA85T10A562S", "AB 12 34 56 C"]
)
def test_national_ids_of_other_countries(identifier: str) -> None:
    assert is_national_id(identifier)


@pytest.mark.parametrize("identifier", ["000-12-3456", "12345678A", "12345678901", "529.982.247-24"])
def test_what_fails_its_check_is_no_national_id(identifier: str) -> None:
    assert not is_national_id(identifier)
