"""Private data that nobody has: planted in conversations so that its absence from a release can be shown.

Every canary is a string that occurs once in a corpus. Cards and IBANs have right check digits, telephone
numbers the form of their country; all are made up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from clio_dagster.synthetic.topics import NUMBERS, Language

KINDS = ("name", "email", "phone", "card", "iban", "address", "diagnosis", "api_key")
"""Kinds of private data; of a diagnosis, the string is the name of the person who has it."""

_PHONES = {
    "en": ("+44 7700 900###", "+1 (415) 555-01##", "+44 7911 ######", "+1 (617) 555-####"),
    "es": ("6## ### ###", "+34 6## ## ## ##"),
    "de": ("030 23125###", "+49 151 ########"),
    "fr": ("06 39 98 ## ##", "+33 6 ## ## ## ##"),
    "pt": ("(11) 9#### ####", "+55 21 9####-####"),
    "it": ("347 #######", "+39 33# ### ####"),
    "ja": ("090-####-####", "080-####-####"),
    "zh": ("138########", "+86 136 #### ####"),
    "ru": ("+7 916 ###-##-##", "8 903 ###-##-##"),
    "uk": ("+380 67 ### ## ##", "050 ### ## ##"),
    "hi": ("+91 98### #####", "98########"),
    "ca": ("6## ### ###", "+34 6## ## ## ##"),
    "hy": ("+374 91 ######", "091 ## ## ##"),
    "ar": ("+20 100 ### ####", "010########"),
    "af": ("+27 82 ### ####", "082 ### ####"),
    "tr": ("+90 532 ### ## ##", "0532 ### ## ##"),
    "ka": ("+995 599 ## ## ##", "599 ## ## ##"),
}
_IBANS = {"en": ("GB", "NWBK", 14), "es": ("ES", "", 20), "de": ("DE", "", 18), "fr": ("FR", "", 23),
          "pt": ("PT", "", 21), "it": ("IT", "X", 22)}  # fmt: skip
"""Country, letters that open the account number, and how many digits follow."""
_SPELLED_LAST_FIRST = ("ja", "zh")
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True)
class Canary:
    """What was planted: its kind, the string, and the sentence that carries it."""

    kind: str
    text: str
    sentence: str


class Canaries:
    """Makes canaries, each a string that it has not made before."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._people: Counter[str] = Counter()
        self._made: set[str] = set()

    def plant(self, code: str, language: Language) -> Canary:
        """A canary of any kind that the language has a sentence for, carried by such a sentence."""
        kind = self._random.choice(language.carrier_kinds)
        slot = {"name": "person", "diagnosis": "person", "api_key": "secret"}.get(kind, kind)
        text = self._unused(kind, code, language)
        bound = {slot: text, "illness": self._random.choice(language.person["illness"])}
        return Canary(kind, text, language.carriers.say(kind, self._random, bound))

    def _unused(self, kind: str, code: str, language: Language) -> str:
        while True:
            text = self._make(kind, code, language)
            if text not in self._made:
                self._made.add(text)
                return text

    def _make(self, kind: str, code: str, language: Language) -> str:
        if kind in ("name", "diagnosis"):
            return self._person(code, language)
        if kind == "email":
            domain = self._random.choice(("example.org", "example.com", "example.net"))
            return f"{self._letters(3)}.{self._letters(6)}{self._digits('##')}@{domain}"
        if kind == "phone":
            return self._digits(self._random.choice(_PHONES[code]))
        if kind == "card":
            return self._card()
        if kind == "iban":
            return self._iban(*_IBANS[code])
        if kind == "address":
            return self._address(language)
        return self._random.choice(("sk-proj-", "ghp_", "AKIA")) + "".join(
            self._random.choices(_ALPHABET, k=36)
        )

    def _person(self, code: str, language: Language) -> str:
        """People of a language in turn, every pair of names once; then with an initial between."""
        first, last = language.person["first"], language.person["last"]
        turn = self._people[code]
        self._people[code] += 1
        one = first[turn % len(first)]
        other = last[(turn // len(first) + turn % len(first)) % len(last)]
        again = turn // (len(first) * len(last))
        if code in _SPELLED_LAST_FIRST:
            return f"{other}{one}{'二' * again}"
        return f"{one} {chr(64 + again) + '. ' if again else ''}{other}"

    def _address(self, language: Language) -> str:
        parts = {name: self._random.choice(language.person[name]) for name in ("street", "city")}
        parts |= {name: self._random.choice(NUMBERS[name]) for name in ("number", "small")}
        return self._random.choice(language.person["address"]).format(**parts)

    def _card(self) -> str:
        body = self._digits("4539 #### #### ###")
        digits = [int(digit) for digit in body if digit.isdigit()]
        doubled = [
            sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits)
        ]
        return f"{body}{-sum(doubled) % 10}"

    def _iban(self, country: str, bank: str, length: int) -> str:
        account = bank + self._digits("#" * length)
        number = int("".join(str(int(letter, 36)) for letter in f"{account}{country}00"))
        code = f"{country}{98 - number % 97:02d}{account}"
        return " ".join(code[start : start + 4] for start in range(0, len(code), 4))

    def _digits(self, pattern: str) -> str:
        return "".join(str(self._random.randrange(10)) if sign == "#" else sign for sign in pattern)

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_ALPHABET[:26], k=count))
