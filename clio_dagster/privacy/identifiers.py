"""Checksums and forms that tell an identifier from another run of digits: cards, IBANs, national ids.

Pure functions of one candidate string. Where they are looked for is the detector's.
"""

from __future__ import annotations

import re

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def digits_of(text: str) -> list[int]:
    return [int(character) for character in text if "0" <= character <= "9"]


def is_card(candidate: str) -> bool:
    """12 to 19 digits that pass Luhn's check and do not all repeat one digit."""
    digits = digits_of(candidate)
    if not 12 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(candidate: str) -> bool:
    """A country's length and the check of ISO 7064 modulo 97; spaces and case do not matter."""
    text = re.sub(r"[\s-]", "", candidate).upper()
    if not (text.isascii() and text.isalnum()) or IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def _weighted(digits: list[int], weights: list[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def _is_cpf(digits: list[int]) -> bool:
    first = _weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10
    second = _weighted(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10
    return len(set(digits)) > 1 and [first, second] == digits[9:]


def _is_pesel(digits: list[int]) -> bool:
    born = digits[2] * 10 + digits[3]
    return born % 20 in range(1, 13) and -_weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10 == digits[10]


def _is_turkish(digits: list[int]) -> bool:
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] != 0 and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def _is_german_tax_id(digits: list[int]) -> bool:
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = 2 * total % 11
    return digits[0] != 0 and len(set(digits[:10])) in (8, 9) and (11 - product) % 10 == digits[10]


def _is_spanish(text: str) -> bool:
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def _is_chinese(text: str) -> bool:
    check = _weighted(digits_of(text[:17]), [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11
    return "10X98765432"[check] == text[17] and 1 <= int(text[10:12]) <= 12


def _is_french(text: str) -> bool:
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:15])


def is_national_id(candidate: str) -> bool:
    """Whether the whole candidate is a national id that its form or its checksum tells apart.

    United States (SSN), United Kingdom (NINO), Spain (DNI, NIE), Italy, France, Germany (tax id), Poland,
    Turkey, Brazil, China and Korea. Spaces, points and hyphens inside do not matter, save where they are the
    form.
    """
    text = candidate.strip().upper()
    if re.fullmatch(r"(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}", text):
        return True
    if re.fullmatch(r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-4]\d{6}", text):
        return True
    bare = re.sub(r"[\s.-]", "", text)
    if re.fullmatch(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", bare):
        return True
    if re.fullmatch(r"[A-Z]{6}\d\d[A-EHLMPRST][0-7]\d[A-Z]\d{3}[A-Z]", bare):
        return True
    if re.fullmatch(r"\d{8}[A-Z]|[XYZ]\d{7}[A-Z]", bare):
        return _is_spanish(bare)
    if re.fullmatch(r"[1-9]\d{16}[\dX]", bare):
        return _is_chinese(bare)
    if re.fullmatch(r"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{8}", bare):
        return _is_french(bare)
    if re.fullmatch(r"\d{11}", bare):
        digits = digits_of(bare)
        return _is_cpf(digits) or _is_pesel(digits) or _is_turkish(digits) or _is_german_tax_id(digits)
    return False
