"""Tells a national identity number from another run of signs, by its form and its check digits.

Part of the detector (P3). Pure functions of one candidate string. Each check is the issuer's own, as the
docstring of its function says; forms without a check digit (SSN, NINO, PAN, Egypt) are told by their form alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from clio_dagster.privacy.identifiers import digits_of, passes_luhn

Check = Callable[[list[int]], bool]


def is_national_id(candidate: str, introduced: bool = False) -> bool:
    """Whether the whole candidate is a national id that its form or its checksum tells apart.

    Spaces, points, hyphens and slashes inside do not matter, save where they are the form. Numbers of 9 and 10
    bare digits, one in ten or eleven of which pass a check by chance, count only where `introduced`: a
    word such as "BSN" or "NIF" stands before them.
    """
    text = candidate.strip().upper()
    if any(form.fullmatch(text) and holds(digits_of(text)) for form, holds in _WRITTEN):
        return True
    bare = re.sub(r"[\s./\-()]", "", text)
    if any(form.fullmatch(bare) and holds(bare) for form, holds in _LETTERED):
        return True
    if not bare.isdecimal():
        return False
    digits = digits_of(bare)
    checks = _BY_LENGTH.get(len(digits), ())
    return any(check(digits) for check, alone in checks if alone or introduced)


def _weighted(digits: list[int], weights: list[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def _any(digits: list[int]) -> bool:
    return True


def _is_date(year: int, month: int, day: int) -> bool:
    return year >= 0 and 1 <= month <= 12 and 1 <= day <= 31


def _two(digits: list[int], at: int) -> int:
    return digits[at] * 10 + digits[at + 1]


# Eleven digits.


def _is_cpf(digits: list[int]) -> bool:
    """Brazil, CPF: two check digits modulo 11 (Receita Federal)."""
    first = _weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10
    second = _weighted(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10
    return len(set(digits)) > 1 and [first, second] == digits[9:]


def _is_pesel(digits: list[int]) -> bool:
    """Poland, PESEL: weights 1, 3, 7, 9 modulo 10; the month carries the century (Ministerstwo Cyfryzacji)."""
    born = _two(digits, 2)
    return born % 20 in range(1, 13) and -_weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10 == digits[10]


def _is_turkish(digits: list[int]) -> bool:
    """Turkey, T.C. kimlik numarası: two check digits (Nüfus ve Vatandaşlık İşleri)."""
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] != 0 and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def _is_german_tax_id(digits: list[int]) -> bool:
    """Germany, Steuer-ID: ISO 7064 modulo 11,10, one digit repeated among the first ten (BZSt)."""
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = 2 * total % 11
    return digits[0] != 0 and len(set(digits[:10])) in (8, 9) and (11 - product) % 10 == digits[10]


def _is_snils(digits: list[int]) -> bool:
    """Russia, SNILS: weights 9 to 1, modulo 101 (Social Fund of Russia)."""
    return _weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == _two(digits, 9)


def _is_belgian(digits: list[int]) -> bool:
    """Belgium, national number: 97 less the first nine digits modulo 97, with a 2 before them from 2000 on."""
    first = int("".join(map(str, digits[:9])))
    checks = (97 - first % 97, 97 - (2 * 10**9 + first) % 97)
    return _two(digits, 2) <= 12 and _two(digits, 9) in checks


# Nine and ten digits.


def _is_bsn(digits: list[int]) -> bool:
    """Netherlands, BSN: the eleven test, weights 9 to 2 and −1 (Rijksdienst voor Identiteitsgegevens)."""
    return any(digits) and _weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 == 0


def _is_nif(digits: list[int]) -> bool:
    """Portugal, NIF: weights 9 to 2 modulo 11 (Autoridade Tributária); persons begin with 1, 2, 3 or 45."""
    check = 11 - _weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2]) % 11
    return digits[0] in (1, 2, 3, 4, 5, 6, 7, 8, 9) and check % 11 % 10 == digits[8]


def _is_canadian(digits: list[int]) -> bool:
    """Canada, SIN: Luhn's check (Employment and Social Development Canada)."""
    return digits[0] != 0 and passes_luhn(digits)


def _is_saudi(digits: list[int]) -> bool:
    """Saudi Arabia, national id and iqama: begins with 1 or 2, Luhn's check (Ministry of Interior)."""
    return digits[0] in (1, 2) and passes_luhn(digits)


def _is_nhs(digits: list[int]) -> bool:
    """United Kingdom, NHS number: weights 10 to 2 modulo 11 (NHS Data Dictionary)."""
    check = 11 - _weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11
    return check % 11 == digits[9] and check != 10


def _is_austrian(digits: list[int]) -> bool:
    """Austria, SVNR: the fourth digit checks the rest, weights 3, 7, 9, 5, 8, 4, 2, 1, 6 modulo 11."""
    rest = digits[:3] + digits[4:]
    return digits[0] != 0 and _weighted(rest, [3, 7, 9, 5, 8, 4, 2, 1, 6]) % 11 == digits[3]


# Twelve digits and more.


def _is_my_number(digits: list[int]) -> bool:
    """Japan, My Number: weights 2 to 7 and 2 to 6 from the right, modulo 11 (Order 85 of 2014, article 5)."""
    rest = _weighted(digits[10::-1], [2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6]) % 11
    return len(set(digits)) > 1 and (0 if rest <= 1 else 11 - rest) == digits[11]


def _is_inn(digits: list[int]) -> bool:
    """Russia, INN of a person: two check digits modulo 11 (Federal Tax Service)."""
    first = _weighted(digits, [7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10
    second = _weighted(digits, [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10
    return any(digits) and [first, second] == digits[10:]


_VERHOEFF_PRODUCT = tuple(
    tuple(
        (one + other) % 5 if one < 5 and other < 5
        else (one + other) % 5 + 5 if one < 5
        else (one - other) % 5 + 5 if other < 5
        else (one - other) % 5
        for other in range(10)
    )
    for one in range(10)
)  # fmt: skip
"""The dihedral group of the pentagon."""
_VERHOEFF_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _is_aadhaar(digits: list[int]) -> bool:
    """India, Aadhaar: begins with 2 to 9, Verhoeff's check (UIDAI)."""
    check, turned = 0, list(range(10))
    for digit in reversed(digits):
        check = _VERHOEFF_PRODUCT[check][turned[digit]]
        turned = [_VERHOEFF_TURN[place] for place in turned]
    return digits[0] >= 2 and check == 0


def _is_korean(digits: list[int]) -> bool:
    """Korea, RRN: a date of birth, weights 2 to 9 and 2 to 5 modulo 11 (before October 2020; since then none)."""
    check = (11 - _weighted(digits, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10
    return _is_date(0, _two(digits, 2), _two(digits, 4)) and digits[6] in range(1, 9) and check == digits[12]


def _is_thai(digits: list[int]) -> bool:
    """Thailand, national id: weights 13 to 2 modulo 11 (Department of Provincial Administration)."""
    check = (11 - _weighted(digits, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10
    return digits[0] in range(1, 9) and check == digits[12]


def _is_south_african(digits: list[int]) -> bool:
    """South Africa, id: a date of birth, then 0 or 1 for citizenship, Luhn's check (Home Affairs)."""
    dated = _is_date(0, _two(digits, 2), _two(digits, 4))
    return dated and digits[10] in (0, 1, 2) and passes_luhn(digits)


def _is_swiss(digits: list[int]) -> bool:
    """Switzerland, AHV number: 756 and the check digit of EAN-13 (Zentrale Ausgleichsstelle)."""
    check = -_weighted(digits, [1, 3] * 6) % 10
    return digits[:3] == [7, 5, 6] and check == digits[12]


def _is_egyptian(digits: list[int]) -> bool:
    """Egypt, national id: century, date of birth, governorate; its check digit is not published."""
    dated = _is_date(0, _two(digits, 3), _two(digits, 5))
    return digits[0] in (2, 3) and dated and (1 <= _two(digits, 7) <= 35 or _two(digits, 7) == 88)


def _is_emirati(digits: list[int]) -> bool:
    """United Arab Emirates, Emirates ID: 784, a year of birth, Luhn's check (ICP)."""
    return digits[:3] == [7, 8, 4] and digits[3] in (1, 2) and passes_luhn(digits)


# With letters.


def _is_spanish(text: str) -> bool:
    """Spain, DNI and NIE: the letter that 23 leaves (Ministerio del Interior)."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def _is_chinese(text: str) -> bool:
    """China, resident identity number: ISO 7064 modulo 11-2 (GB 11643-1999)."""
    check = _weighted(digits_of(text[:17]), [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11
    return "10X98765432"[check] == text[17] and 1 <= int(text[10:12]) <= 12


def _is_french(text: str) -> bool:
    """France, NIR: 97 less the number modulo 97, Corsica's 2A and 2B as 19 and 18 (INSEE)."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdecimal() and 97 - int(number) % 97 == int(text[13:15])


def _is_curp(text: str) -> bool:
    """Mexico, CURP: weights 18 to 2 over an alphabet with Ñ, modulo 10 (RENAPO)."""
    alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(alphabet.index(sign) * (18 - at) for at, sign in enumerate(text[:17]))
    return str(-total % 10) == text[17] and _is_date(0, int(text[6:8]), int(text[8:10]))


def _is_chilean(text: str) -> bool:
    """Chile, RUT: weights 2 to 7 from the right modulo 11, K for 10 (Registro Civil)."""
    total = sum(int(digit) * (2 + at % 6) for at, digit in enumerate(reversed(text[:-1])))
    return "0123456789K0"[(11 - total % 11) % 11] == text[-1]


def _is_cuil(digits: list[int]) -> bool:
    """Argentina, CUIL: weights 5, 4, 3, 2, 7, 6, 5, 4, 3, 2 modulo 11 (ANSES)."""
    return (11 - _weighted(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == digits[10]


def _is_singaporean(text: str) -> bool:
    """Singapore, NRIC and FIN: weights 2, 7, 6, 5, 4, 3, 2 modulo 11 (ICA)."""
    total = _weighted(digits_of(text), [2, 7, 6, 5, 4, 3, 2]) + 4 * (text[0] in "TG")
    letters = "JZIHGFEDCBA" if text[0] in "ST" else "XWUTRQPNMLK"
    return letters[total % 11] == text[-1]


def _is_taiwanese(text: str) -> bool:
    """Taiwan, national id: the letter stands for two digits, weights 1, 9, 8 … 1, 1 modulo 10 (Interior)."""
    region = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0]) + 10
    digits = [region // 10, region % 10, *digits_of(text[1:])]
    return _weighted(digits, [1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1]) % 10 == 0


def _is_polish_card(text: str) -> bool:
    """Poland, dowód osobisty: weights 7, 3, 1 with the check digit at the fourth place, modulo 10."""
    values = [int(sign, 36) for sign in text]
    return _weighted(values[:3] + values[4:], [7, 3, 1, 7, 3, 1, 7, 3]) % 10 == values[3]


def _always(text: str) -> bool:
    return True


_WRITTEN: tuple[tuple[re.Pattern[str], Check], ...] = (
    (re.compile(r"(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}"), _any),  # United States, SSN
    (re.compile(r"9\d\d([- ])(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\1\d{4}"), _any),  # United States, ITIN
    (re.compile(r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}"), _any),  # Korea, RRN
    (re.compile(r"\d{3} \d{3} \d{4}"), _is_nhs),
    (re.compile(r"\d{3}[- ]\d{3}[- ]\d{3}"), _is_canadian),
    (re.compile(r"\d{2}-\d{8}-\d"), _is_cuil),
)
"""Forms in which the signs between the digits matter."""

_LETTERED: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]"), _always),  # NINO
    (re.compile(r"[A-Z]{6}\d\d[A-EHLMPRST][0-7]\d[A-Z]\d{3}[A-Z]"), _always),  # Italy, codice fiscale
    (re.compile(r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"), _always),  # India, PAN
    (re.compile(r"\d{8}[A-Z]|[XYZ]\d{7}[A-Z]"), _is_spanish),
    (re.compile(r"[1-9]\d{16}[\dX]"), _is_chinese),
    (re.compile(r"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{8}"), _is_french),
    (re.compile(r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{5}[A-Z\d]\d"), _is_curp),
    (re.compile(r"\d{7,8}K"), _is_chilean),
    (re.compile(r"[STFG]\d{7}[A-Z]"), _is_singaporean),
    (re.compile(r"[A-Z][12]\d{8}"), _is_taiwanese),
    (re.compile(r"[A-Z]{3}\d{6}"), _is_polish_card),
    (re.compile(r"\d{9}[A-Z]{2}\d"), _always),  # Portugal, cartão de cidadão
)

_BY_LENGTH: dict[int, tuple[tuple[Check, bool], ...]] = {
    9: ((_is_bsn, False), (_is_nif, False), (_is_canadian, False)),
    10: ((_is_saudi, False), (_is_nhs, False), (_is_austrian, False)),
    11: tuple(
        (check, True)
        for check in (_is_cpf, _is_pesel, _is_turkish, _is_german_tax_id, _is_snils, _is_belgian)
    ),
    12: ((_is_my_number, True), (_is_inn, True), (_is_aadhaar, True)),
    13: ((_is_korean, True), (_is_thai, True), (_is_south_african, True), (_is_swiss, True)),
    14: ((_is_egyptian, True),),
    15: ((_is_emirati, True),),
}
"""Checks by the number of digits, and whether one is evidence enough without an introduction."""
