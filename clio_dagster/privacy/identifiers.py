"""Checksums that tell a card or an IBAN from another run of digits; lengths of IBANs are the SWIFT registry's.

Pure functions of one candidate string. Where they are looked for is the detector's; national ids have a
module of their own.
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
    """The decimal digits of a text, of any script, as numbers."""
    return [int(character) for character in text if character.isdecimal()]


def passes_luhn(digits: list[int]) -> bool:
    """Luhn's check (ISO/IEC 7812-1): from the right, every other digit doubled, the sum a multiple of 10."""
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_card(candidate: str) -> bool:
    """12 to 19 digits that pass Luhn's check and do not all repeat one digit."""
    digits = digits_of(candidate)
    return 12 <= len(digits) <= 19 and len(set(digits)) > 1 and passes_luhn(digits)


def is_iban(candidate: str) -> bool:
    """A country's length and the check of ISO 7064 modulo 97; spaces and case do not matter."""
    text = re.sub(r"[\s-]", "", candidate).upper()
    if not (text.isascii() and text.isalnum()) or IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1
