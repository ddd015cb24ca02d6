"""Finds personal data in text and masks it (P3, P6).

Answers the model that copies a private string into a facet or a name, and the colluder who plants one. Kinds:
email, url, ip, card, iban, national_id, phone, handle, secret, address, name, and number (a long run of
digits that is none of the others). Patterns, checksums and a list of given names; no model and no network.
Names in scripts without capitals are found only behind what introduces them ("my name is" and the like).

A text is looked at more closely only for the kinds whose screen, a linear-time search in Polars, it passes;
the closer patterns have bounded repetition, so a hostile text costs no more than a long one.
"""

# ruff: noqa: E501, SIM905 (patterns)

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import groupby, pairwise

import polars as pl

from clio_dagster.privacy import addresses, people
from clio_dagster.privacy.identifiers import IBAN_LENGTHS, digits_of, is_card, is_iban, is_national_id
from clio_dagster.privacy.spans import Kind, Span, every, matches, where


def detect(texts: pl.Series) -> pl.DataFrame:
    """Spans of personal data: row (position in `texts`), kind, start, end (character offsets, end exclusive).

    Spans of a row do not overlap and come in order; where two kinds claim the same characters, the one listed
    first in `KINDS` has them. Null texts have none.
    """
    frame = texts.cast(pl.String).alias("text").to_frame().with_row_index("row").drop_nulls()
    screened = frame.with_columns(
        pl.col("text").str.contains(kind.screen).alias(f"kind {number}") for number, kind in enumerate(KINDS)
    ).filter(pl.any_horizontal(pl.col("^kind .*$")))
    found: dict[str, list[object]] = {"row": [], "kind": [], "start": [], "end": []}
    for row, text, *passed in screened.iter_rows():
        for start, end, kind in _spans(text, passed):
            for column, value in zip(found.values(), (row, kind, start, end), strict=True):
                column.append(value)
    return pl.DataFrame(
        found, schema={"row": pl.UInt32, "kind": pl.String, "start": pl.UInt32, "end": pl.UInt32}
    )


def scrub(texts: pl.Series) -> pl.Series:
    """The texts with each span replaced by its kind in brackets, such as `[email]`; null stays null."""
    spans = detect(texts)
    cleaned = texts.cast(pl.String).to_list()
    for (row,), part in spans.group_by("row", maintain_order=True):
        text, pieces, at = cleaned[row], [], 0
        for kind, start, end in part.select("kind", "start", "end").iter_rows():
            pieces += [text[at:start], f"[{kind}]"]
            at = end
        cleaned[row] = "".join([*pieces, text[at:]])
    return pl.Series(texts.name, cleaned, dtype=pl.String)


def _spans(text: str, passed: list[bool]) -> list[tuple[int, int, str]]:
    taken: list[tuple[int, int, str]] = []
    for name, ways in groupby(zip(KINDS, passed, strict=True), key=lambda way: way[0].name):
        found = sorted(span for kind, passes in ways if passes for span in kind.find(text))
        free = _without(_union(found), taken)
        taken += [(start, end, name) for start, end in free if any(map(str.isalnum, text[start:end]))]
        taken.sort()
    return taken


def _union(spans: list[Span]) -> list[Span]:
    """Sorted spans, those that overlap made one."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _without(spans: list[Span], taken: list[tuple[int, int, str]]) -> Iterator[Span]:
    """What sorted spans have to themselves beside sorted spans that are taken. One pass over both."""
    at = 0
    for start, end in spans:
        while at < len(taken) and taken[at][1] <= start:
            at += 1
        inside = at
        while inside < len(taken) and taken[inside][0] < end:
            yield start, taken[inside][0]
            start = max(start, taken[inside][1])
            inside += 1
        yield start, end


def _is_ip(candidate: str) -> bool:
    try:
        address = ipaddress.ip_address(candidate)
    except ValueError:
        return False
    return address.version == 4 or len(digits_of(candidate)) >= 2 or candidate.count(":") >= 4


_PHONE_REGIONS = (
    "US",
    "GB",
    "FR",
    "DE",
    "ES",
    "IT",
    "NL",
    "PL",
    "BR",
    "MX",
    "TR",
    "RU",
    "IN",
    "JP",
    "KR",
    "CN",
)
_PHONE = re.compile(
    r"(?:(?<!\w)\+|(?<![\w.,:/#$€£-])(?:00)?|(?<=:)|(?<=\\,))\(?\d(?:[ \t().\-–/]{0,2}\d){6,16}"
    r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w%])"
)
_PHONE_CUE = re.compile(
    r"(?i)\b(?:phone|tel|telephone|call|cell|mobile|fax|whatsapp|text me|sms|desk|office|answering at|messages to|number|teléfono|telefono|móvil|celular"
    r"|téléphone|portable|telefon|handy|nummer|numero|número|cellulare|telefone|telefoon|numer|numara)\w{0,3}\b"
    r"[^\d]{0,25}$|(?:телефон|电话|手机|電話|携帯|전화|هاتف|โทร)[^\d]{0,12}$"
)
_YEARS_OR_DAY = re.compile(
    r"(?:1[5-9]|20)\d\d\s?[-–/]\s?(?:1[5-9]|20)\d\d|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[\s.]\d{1,2})?"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3}){2,}")


def _phones(text: str) -> Iterator[Span]:
    """Runs of digits shaped as a phone number: international, introduced as one, or valid in some region."""
    for match in _PHONE.finditer(text):
        candidate = match.group()
        count = len(digits_of(candidate))
        if count > 19 or _YEARS_OR_DAY.fullmatch(candidate):
            continue
        international = candidate.startswith(("+", "00")) and count >= 8
        introduced = _PHONE_CUE.search(text[max(0, match.start() - 50) : match.start()])
        grouped = len(re.findall(r"\d+", candidate)) >= 3 and len(re.findall(r"\d{2,}", candidate)) >= 2
        if _THOUSANDS.fullmatch(candidate):  # an amount, unless it cannot be told from a number that exists
            grouped = "000" not in candidate and "." not in candidate and _is_valid_phone(candidate)
        if international or introduced or grouped or (count >= 9 and _is_valid_phone(candidate)):
            yield match.span()


@cache
def _is_valid_phone(candidate: str) -> bool:
    import phonenumbers

    for region in _PHONE_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(candidate, region)):
                return True
        except phonenumbers.NumberParseException:
            return False
    return False


_NOT_HANDLES = frozenset(
    """
    app charset classmethod component dataclass deprecated else entity font override import param property media
    keyframes pytest return returns returntype staticmethod supports test throws todo types
    """.split()
)


def _is_handle(candidate: str) -> bool:
    return candidate.lstrip("@").lower() not in _NOT_HANDLES


def _is_token(candidate: str) -> bool:
    """Whether a run of letters and digits looks drawn at random: cases and digits well mixed."""
    changes = sum(_sort(one) != _sort(other) for one, other in pairwise(candidate))
    return (
        any(map(str.isdigit, candidate))
        and any(map(str.isalpha, candidate))
        and changes >= len(candidate) / 4
    )


def _sort(character: str) -> str:
    return unicodedata.category(character)


_IBAN_START = re.compile(r"(?i)(?<!\w)([a-z]{2})\d{2}(?=[ -]?[a-z0-9]{2})")


def _ibans(text: str) -> Iterator[Span]:
    """From each country code and check digits on, as many letters and digits as that country's IBANs have."""
    for match in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(match.group(1).upper(), 0)
        taken = re.compile(rf"[A-Za-z0-9](?:[ -]?[A-Za-z0-9]){{{length - 1}}}(?!\w)") if length else None
        found = taken.match(text, match.start()) if taken else None
        if found and is_iban(found.group()):
            yield found.span()


_TLD = (
    "com|org|net|edu|gov|mil|int|info|biz|io|co|ai|app|dev|me|tv|xyz|site|online|shop|blog|de|at|ch|fr|es|it|pt|br|nl|be"
    "|pl|cz|sk|hu|ro|bg|gr|tr|ru|ua|uk|ie|se|no|dk|fi|is|ee|lv|lt|eu|us|ca|mx|ar|cl|pe|au|nz|jp|cn|kr|in|th|vn|za"
)
KINDS = (
    Kind(
        "secret",
        r"(?i)[a-z0-9+/_\-]{20}|akia[0-9a-z]{16}|passw|passcode|\bpwd|contraseña|mot de passe|kennwort|senha|parola|token"
        r"|hasł|парол|密码|パスワード|비밀번호|api.?key|secret|\bpin\b",
        every(
            matches(
                r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,4000}?(?:-----END [A-Z ]{0,30}-----|$)",
                re.DOTALL,
            ),
            matches(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
            matches(
                r"\b(?:sk|pk|rk)[-_][\w-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}"
                r"|\bxox[abeprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\bglpat-[\w-]{16,}|\bhf_\w{20,}|\bnpm_\w{20,}"
            ),
            matches(
                r"(?i)(?:password|passwd|passcode|pass phrase|pwd|contraseña|mot de passe|passwort|kennwort|senha|"
                r"wachtwoord|hasło|parola|пароль|密码|パスワード|비밀번호|api[ _-]?key|secret(?: key)?|access token|auth token|\bpin)"
                r"\s?(?:number|code)?\s?(?:\bis\b|\bes\b|\best\b|\bist\b|\bé\b|是|は|:|=)\s{0,2}"
                r"[\"'`]?(?P<it>(?=[^\s\"'`]{0,40}[\d!@#$%^&*_=+])[^\s\"'`,;]{4,80})"
            ),
            matches(
                r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{32,128}\b"
            ),
            where(r"(?<![\w/.])[A-Za-z0-9+_-]{24,200}(?![\w/])", _is_token),
        ),
    ),
    Kind(
        "email",
        r"(?i)@|\bat\b.{1,40}\bdot\b",
        every(
            matches(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,5}"),
            matches(
                r"(?i)\b[\w.+-]{1,64}\s?[\[(]?\s?\b(?:at)\b\s?[\])]?\s?[\w-]{2,63}"
                r"\s?[\[(]?\s?\b(?:dot)\b\s?[\])]?\s?(?:com|net|org|edu|co|io|de|fr|es)\b"
            ),
        ),
    ),
    Kind(
        "url",
        rf"(?i)://|www\.|[a-z0-9]\.(?:{_TLD})\b",
        every(
            matches(
                r"(?i)\b(?:https?|ftp|s3|ssh|file)://[^\s<>\"'\])}]{1,2000}|\bwww\.[^\s<>\"'\])}]{2,2000}"
            ),
            matches(
                rf"(?i)(?<![@\w.-])(?:[a-z0-9-]{{2,63}}\.){{1,4}}(?:{_TLD})(?![\w-]|\.\w)(?:/[^\s<>\"'\])}}]{{0,500}})?"
            ),
        ),
    ),
    Kind(
        "ip",
        r"\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-fA-F]:[0-9a-fA-F:]*:",
        every(
            where(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", _is_ip),
            where(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])", _is_ip),
        ),
    ),
    Kind(
        "iban",
        r"(?i)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{4}",
        _ibans,
    ),
    Kind(
        "national_id",
        r"(?i)\d[\d\s.-]{6,}\d|\b[a-z]{2}\s?\d\d\s?\d\d|[a-z]{6}\d\d[a-z]|[xyz]-?\d{7}|\d{8}-?[a-z]\b"
        r"|ssn|social security|passport|licen[cs]e|driver|pasaporte|passeport|reisepass|ausweis|dni|护照|身份证",
        every(
            where(r"(?<![\w-])\d{3}[- ]\d{2}[- ]\d{4}(?![\w-])", is_national_id),
            where(r"(?<![\w-])\d{6}-\d{7}(?![\w-])", is_national_id),
            where(
                r"(?i)\b[a-z]{2}\s?\d\d\s?\d\d\s?\d\d\s?[a-d]\b|\b[a-z]{6}\d\d[a-z]\d\d[a-z]\d{3}[a-z]\b",
                is_national_id,
            ),
            where(r"(?i)\b(?:\d{8}|[xyz]-?\d{7})-?[a-z]\b", is_national_id),
            where(
                r"(?i)(?<![\w.])[12][\d ]{4,6}(?:\d\d|2[ab])[\d ]{8,12}(?!\w)|\b\d{17}[\dx]\b", is_national_id
            ),
            where(
                r"(?<![\w.-])\d{3}\.?\d{3}\.?\d{3}-?\d{2}(?!\w)|(?<!\w)\d{2}(?: ?\d{3}){3}(?!\w)",
                is_national_id,
            ),
            matches(
                r"(?i)(?:\bssn|social security(?: number)?|passport|driver'?s?'? licen[cs]e|licen[cs]e|pasaporte|passeport"
                r"|reisepass\w*|ausweis\w*|\bdni|护照|身份证)\s?(?:number|no\.?|num|id|nummer|número|numéro|#|号码?)?"
                r"\s?(?:is|es|est|ist|:|#|是)?\s{0,2}(?P<it>(?=[a-z-]{0,4}\d)[a-z0-9][a-z0-9-]{5,19})\b"
            ),
        ),
    ),
    Kind("card", r"\d(?:[ -]?\d){11}", where(r"(?<![\w.])\d(?:[ -]?\d){11,18}(?!\w)", is_card)),
    Kind("phone", r"\d(?:[\s().\-–/]{0,2}\d){6}", _phones),
    Kind(
        "handle",
        r"@\w|(?i)\bu/\w|\w#\d{4}\b",
        where(r"(?<![\w@./])@[A-Za-z_]\w{1,29}\b(?!\()|(?<!\w)/?u/\w{3,20}\b|\b\w{2,32}#\d{4}\b", _is_handle),
    ),
    Kind(
        "number",
        r"\d{8}|\d(?:[ -]\d{2,}){4}",
        matches(r"(?<![\w.,])\d{8,30}(?![\w,]|\.\d)|(?<!\w)\d{2,6}(?:[ -]\d{2,6}){4,6}(?!\w)"),
    ),
    *addresses.KINDS,
    *people.KINDS,
)
"""Every way to find a kind, the more certain first; a kind may have several."""
