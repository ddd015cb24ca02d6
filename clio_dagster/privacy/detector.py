"""Finds personal data in text and masks it (P3, P6).

Answers the model that copies a private string into a facet or a name, and the colluder who plants one. Kinds:
email, url, ip, card, iban, national_id, phone, handle, secret, address, name, and number (a long run of
digits that is none of the others). Patterns, checksums and lists of names; no model and no network. Digits
of other scripts and full-width signs count as their ASCII forms.

A text is looked at more closely only for the kinds whose screen, a linear-time search in Polars, it passes;
the closer patterns have bounded repetition, so a hostile text costs no more than a long one.
"""

# ruff: noqa: E501, SIM905 (patterns)

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, pairwise

import polars as pl

from clio_dagster.privacy import addresses, people, people_uncased
from clio_dagster.privacy.identifiers import IBAN_LENGTHS, digits_of, is_card, is_iban
from clio_dagster.privacy.national_ids import is_national_id
from clio_dagster.privacy.spans import Kind, Span, every, matches, screened, where


def detect(texts: pl.Series) -> pl.DataFrame:
    """Spans of personal data: row (position in `texts`), kind, start, end (character offsets, end exclusive).

    Spans of a row do not overlap and come in order; where two kinds claim the same characters, the one listed
    first in `KINDS` has them. Null texts have none.
    """
    plain = _plain(texts.cast(pl.String)).fill_null("")
    found: dict[str, list[object]] = {"row": [], "kind": [], "start": [], "end": []}
    for row, passed in sorted(screened(plain, KINDS).items()):
        for start, end, kind in _spans(plain[row], passed):
            for column, value in zip(found.values(), (row, kind, start, end), strict=True):
                column.append(value)
    return pl.DataFrame(
        found, schema={"row": pl.UInt32, "kind": pl.String, "start": pl.UInt32, "end": pl.UInt32}
    )


def scrub(texts: pl.Series) -> pl.Series:
    """The texts with each span replaced by its kind in brackets, such as `[email]`; null stays null."""
    cleaned = texts.cast(pl.String).to_list()
    for row, spans in groupby(detect(texts).iter_rows(), key=lambda span: span[0]):
        text, pieces, at = cleaned[row], [], 0
        for _, kind, start, end in spans:
            pieces += [text[at:start], f"[{kind}]"]
            at = end
        cleaned[row] = "".join([*pieces, text[at:]])
    return pl.Series(texts.name, cleaned, dtype=pl.String)


_OTHER_FORMS = "[\u00a0\u2009-\u2012\u202f\u2212\u3000\uff01-\uff5e\u0660-\u0669\u06f0-\u06f9]"
_ASCII_OF = (
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | {chr(zero + digit): str(digit) for zero in (0x660, 0x6F0) for digit in range(10)}
    | dict.fromkeys("\u3000\u00a0\u2009\u202f", " ")
    | dict.fromkeys("\u2010\u2011\u2012\u2212", "-")
)
_TO_ASCII = str.maketrans(_ASCII_OF)


def _plain(texts: pl.Series) -> pl.Series:
    """The texts with full-width signs and Arabic digits in ASCII, character for character."""
    odd = texts.str.contains(_OTHER_FORMS).fill_null(False)
    if not odd.any():
        return texts
    return texts.scatter(odd.arg_true(), [text.translate(_TO_ASCII) for text in texts.filter(odd)])


def _spans(text: str, passed: list[int]) -> list[tuple[int, int, str]]:
    """The spans of one text by the numbers of the kinds whose screens it passed."""
    taken: list[tuple[int, int, str]] = []
    for name, numbers in groupby(passed, key=lambda number: KINDS[number].name):
        found = sorted(span for number in numbers for span in KINDS[number].find(text))
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


_PHONE_REGIONS = "US GB FR DE ES IT NL PL PT BR MX TR RU IN JP KR CN TH SA AE EG AT BE CH".split()
_PHONE = re.compile(
    r"(?:(?<!\w)\+|(?<![\w.,:/#$€£-])(?:00)?|(?<=:)|(?<=\\,))\(?\d(?:[ \t().\-–/]{0,2}\d){6,16}"
    r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w%])",
    re.ASCII,
)
_PHONE_CUE = re.compile(
    r"(?i)\b(?:phone|tel|telephone|call|cell|mobile|fax|whatsapp|text me|sms|desk|office|answering at|messages to|number|teléfono|telefono|móvil|celular"
    r"|téléphone|portable|telefon|handy|nummer|numero|número|cellulare|telefone|telefoon|numer|numara|téléphoner|appelle|appelez|llama|llámame|ligue|liga|chiama|chiamami|bel|ruf|anrufen|zadzwoń|ara)\w{0,3}\b"
    r"[^\d]{0,25}$|(?:телефон|номер|звони|电话|手机|電話|携帯|携帯|電番|전화|번호|휴대폰|هاتف|جوال|موبايل|رقم|اتصل|โทร|เบอร์|มือถือ)[^\d]{0,16}$"
)
_YEARS_OR_DAY = re.compile(
    r"(?:1[5-9]|20)\d\d\s?[-–/]\s?(?:1[5-9]|20)\d\d|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[\s.]\d{1,2})?"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3}){2,}")


def _phones(text: str) -> Iterator[Span]:
    """Runs of digits shaped as a phone number: international, introduced as one, or valid in some region."""
    looked_up = 0
    for match in _PHONE.finditer(text):
        candidate = match.group()
        count = len(digits_of(candidate))
        if count > 19 or _YEARS_OR_DAY.fullmatch(candidate):
            continue
        international = candidate.startswith(("+", "00")) and count >= 8
        introduced = _PHONE_CUE.search(text[max(0, match.start() - 50) : match.start()])
        grouped = len(re.findall(r"\d+", candidate)) >= 3 and len(re.findall(r"\d{2,}", candidate)) >= 2
        amount = _THOUSANDS.fullmatch(candidate)  # unless it cannot be told from a number that exists
        if international or introduced or (grouped and not amount):
            yield match.span()
        elif (grouped or count >= 9) and not (amount and ("000" in candidate or "." in candidate)):
            looked_up += 1  # past a bound, a text so full of numbers is believed
            if looked_up > _LOOKED_UP_AT_MOST or _is_valid_phone(candidate):
                yield match.span()


_LOOKED_UP_AT_MOST = 200


@lru_cache(maxsize=256)
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
    """Whether a run of letters and digits looks drawn at random: cases and digits well mixed, more so without digits,
    where names in code mix cases too."""
    changes = sum(_sort(one) != _sort(other) for one, other in pairwise(candidate))
    least = 1 / 4 if any(map(str.isdigit, candidate)) else 0.42
    return any(map(str.isalpha, candidate)) and changes >= len(candidate) * least


def _sort(character: str) -> str:
    return unicodedata.category(character)


_IBAN_START = re.compile(r"(?i)(?<!\w)([a-z]{2})\d{2}(?=[ -]?[a-z0-9]{2})", re.ASCII)


def _ibans(text: str) -> Iterator[Span]:
    """From each country code and check digits on, as many letters and digits as that country's IBANs have."""
    for match in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(match.group(1).upper(), 0)
        taken = (
            re.compile(rf"[A-Za-z0-9](?:[ -]?[A-Za-z0-9]){{{length - 1}}}(?!\w)", re.ASCII)
            if length
            else None
        )
        found = taken.match(text, match.start()) if taken else None
        if found and is_iban(found.group()):
            yield found.span()


_ID_WORDS = (
    "ssn", "social security", "passport", "license", "licence", "driver", "nhs", "national insurance", "aadhaar", "tax id", "itin", "identity card",
    "identity number", "national id", "pasaporte", "dni", "nie", "curp", "cédula", "rut", "carnet", "passeport", "sécurité sociale", "carte d'identité",
    "titre de séjour", "reisepass", "ausweis", "steuer-id", "steuerid", "steuernummer", "steueridentifikationsnummer", "sozialversicherungsnummer",
    "passaporto", "codice fiscale", "carta d'identità", "passaporte", "cpf", "nif", "contribuinte", "cartão de cidadão", "bsn", "burgerservicenummer",
    "paspoort", "rijbewijs", "paszport", "pesel", "nip", "dowód", "dowodu", "pasaport", "kimlik", "паспорт", "снилс", "инн", "водительск", "护照", "身份证",
    "護照", "パスポート", "旅券", "マイナンバー", "個人番号", "免許", "여권", "주민등록", "운전면허", "บัตรประชาชน", "พาสปอร์ต", "หนังสือเดินทาง", "جواز", "هوية", "بطاقة",
    "الإقامة", "تحقيق الشخصية",
)  # fmt: skip
"""Words that a number of identity stands behind."""
_ID_CUE = re.compile(
    "(?i)(?:"
    + "|".join(rf"(?<![^\W\d_]){word}" if word.isascii() and len(word) < 5 else word for word in _ID_WORDS)
    + r")[^\d\n]{0,26}$"
)
_ID_SHAPE = re.compile(
    r"(?i)(?<![a-z0-9])(?:[a-z]{0,3}\d(?:[ ./-]?\d){4,17}(?:[ -]?[a-z](?![a-z0-9]))?"
    r"|(?=(?:[a-z]{0,20}\d){3})[a-z0-9]{6,20}(?![a-z0-9]))"
)


def _introduced_ids(text: str) -> Iterator[Span]:
    """What looks like a number, or letters and digits in one word, shortly behind a word for an identity number."""
    lowered = text.lower()
    if not any(word in lowered for word in _ID_WORDS):
        return
    for match in _ID_SHAPE.finditer(text):
        if len(match.group()) >= 6 and _ID_CUE.search(text, max(0, match.start() - 60), match.start()):
            yield match.span()


_SECRET_CUES = (
    "passw", "passcode", "pass phrase", "contraseña", "mot de passe", "kennwort", "senha", "wachtwoord", "parola", "hasło", "şifre",
    "парол", "密码", "密碼", "パスワード", "비밀번호", "รหัสผ่าน", "كلمة السر", "كلمة المرور", "api key", "api-key", "api_key", "apikey", "secret", "token",
)  # fmt: skip

_LATIN = "\u00c0-\u024f"
_UNSPACED = "\u0e00-\u0e7f\u3000-\u9fff\uac00-\ud7a3\uff00-\uffef"
"""Scripts whose words touch what they stand beside, and their punctuation."""

_TLD = (
    "com|org|net|edu|gov|mil|int|info|biz|io|co|ai|app|dev|me|tv|xyz|site|online|shop|blog|de|at|ch|fr|es|it|pt|br|nl|be"
    "|pl|cz|sk|hu|ro|bg|gr|tr|ru|ua|uk|ie|se|no|dk|fi|is|ee|lv|lt|eu|us|ca|mx|ar|cl|pe|au|nz|jp|cn|kr|in|th|vn|za"
)
KINDS = (
    Kind(
        "secret",
        r"(?-u)[A-Za-z0-9+/_-]{20}|(?i-u:akia[0-9a-z]{16}|\bpin\b|\bpwd\b)",
        every(
            matches(
                r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,4000}?(?:-----END [A-Z ]{0,30}-----|$)",
                re.DOTALL,
            ),
            matches(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", re.ASCII),
            matches(
                r"\b(?:sk|pk|rk)[-_][\w-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}"
                r"|\bxox[abeprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\bglpat-[\w-]{16,}|\bhf_\w{20,}|\bnpm_\w{20,}",
                re.ASCII,
            ),
            matches(
                r"(?i)(?:password|passwd|passcode|pass phrase|pwd|contraseña|mot de passe|passwort|kennwort|senha|"
                r"wachtwoord|hasło|parola|пароль|密码|パスワード|비밀번호|api[ _-]?key|secret(?: key)?|access token|auth token|\bpin)"
                r"\s?(?:number|code)?\s?(?:\bis\b|\bes\b|\best\b|\bist\b|\bé\b|是|は|:|=)\s{0,2}"
                r"[\"'`]?(?P<it>(?=[^\s\"'`]{0,40}[\d!@#$%^&*_=+])[^\s\"'`,;]{4,80})"
            ),
            matches(
                r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{32,128}\b",
                re.ASCII,
            ),
            where(r"(?<![\w/.])[A-Za-z0-9+_-]{24,200}(?![\w/])", _is_token),
        ),
        cues=_SECRET_CUES,
    ),
    Kind(
        "email",
        r"@|(?i)\bat\b.{1,40}\bdot\b",
        every(
            matches(
                rf"[\w{_LATIN}.+%'-]{{1,64}}@[\w{_LATIN}-]{{1,63}}(?:\.[\w{_LATIN}-]{{2,63}}){{1,5}}",
                re.ASCII,
            ),
            matches(
                r"(?i)\b[\w.+-]{1,64}\s?[\[(]?\s?\b(?:at)\b\s?[\])]?\s?[\w-]{2,63}"
                r"\s?[\[(]?\s?\b(?:dot)\b\s?[\])]?\s?(?:com|net|org|edu|co|io|de|fr|es)\b"
            ),
        ),
    ),
    Kind(
        "url",
        rf"://|(?i-u:www\.|[a-z0-9]\.(?:{_TLD})\b)",
        every(
            matches(
                rf"(?i)\b(?:https?|ftp|s3|ssh|file)://[^\s<>\"'\]){_UNSPACED}}}]{{1,2000}}|\bwww\.[^\s<>\"'\]){_UNSPACED}}}]{{2,2000}}",
                re.ASCII,
            ),
            matches(
                rf"(?i)(?<![@\w.-])(?:[a-z0-9-]{{2,63}}\.){{1,4}}(?:{_TLD})(?![\w-]|\.\w)(?:/[^\s<>\"'\]){_UNSPACED}}}]{{0,500}})?",
                re.ASCII,
            ),
        ),
    ),
    Kind(
        "ip",
        r"(?-u)[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9a-fA-F]:[0-9a-fA-F:]*:",
        every(
            where(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", _is_ip),
            where(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])", _is_ip),
        ),
    ),
    Kind(
        "iban",
        r"(?-u)[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}",
        _ibans,
        digits=True,
    ),
    Kind(
        "national_id",
        r"(?-u)[0-9][0-9 ./-]{5,}[0-9A-Za-z]|[A-Za-z][0-9]{6}|[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2}|[A-Za-z]{3} [0-9]{6}|[A-Za-z]{4}[0-9]{2}",
        every(
            where(r"(?<![\w-])\d{3}[- ]\d{2}[- ]\d{4}(?![\w-])", is_national_id),
            where(r"(?<![\w-])\d{6}-\d{7}(?![\w-])", is_national_id),
            where(
                r"(?i)\b[a-z]{2}\s?\d\d\s?\d\d\s?\d\d\s?[a-d]\b|\b[a-z]{6}\d\d[a-z]\d\d[a-z]\d{3}[a-z]\b"
                r"|\b[a-z]{5}\d{4}[a-z]\b|\b[a-z]{4}\d{6}[hmx][a-z]{5}[a-z\d]\d\b|\b[stfg]\d{7}[a-z]\b|\b[a-z][12]\d{8}\b"
                r"|\b[a-z]{3}\s?\d{6}\b|\b\d{8} ?\d ?[a-z]{2}\d\b|\b\d{1,2}\.?\d{3}\.?\d{3}-?k\b",
                is_national_id,
            ),
            where(r"(?i)\b(?:\d{8}|[xyz]-?\d{7})-?[a-z]\b", is_national_id),
            where(
                r"(?i)(?<![\w.])[12][\d ]{4,8}(?:\d\d|2[ab])[\d ]{8,14}(?!\w)|(?<![a-z0-9_])\d{17}[\dx](?![a-z0-9_])",
                is_national_id,
            ),
            where(
                r"(?<![\w.-])\d{3}\.?\d{3}\.?\d{3}-?\d{2}(?!\w)|(?<!\w)\d{2}(?: ?\d{3}){3}(?!\w)"
                r"|(?<![\w.-])\d{3}[- ]\d{3}[- ]\d{3} \d{2}(?!\w)|(?<![\w.-])\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}(?!\w)"
                r"|(?<![\w.-])\d{2}-\d{8}-\d(?![\w-])|(?<![\w.-])756\.\d{4}\.\d{4}\.\d{2}(?!\w)"
                r"|(?<![\w.-])784-?\d{4}-?\d{7}-?\d(?!\w)|(?<![\w.-])\d-\d{4}-\d{5}-\d{2}-\d(?![\w-])|(?<![\w.-])(?<!\d )\d{4}[ -]\d{4}[ -]\d{4}(?![ -]?\w)"
                r"|(?<![a-zA-Z0-9_.-])\d{11,14}(?![a-zA-Z0-9_])",
                is_national_id,
            ),
            _introduced_ids,
        ),
        cues=_ID_WORDS,
        digits=True,
    ),
    Kind("card", r"(?-u)[0-9](?:[ -]?[0-9]){11}", where(r"(?<![\w.+])\d(?:[ -]?\d){11,18}(?!\w)", is_card)),
    Kind("phone", r"[0-9](?:[\s().\-–/]{0,2}[0-9]){6}", _phones, digits=True),
    Kind(
        "handle",
        r"(?-u)@[A-Za-z_]|\bu/[A-Za-z0-9_]|[A-Za-z0-9_]#[0-9]{4}",
        where(r"(?<![\w@./])@[A-Za-z_]\w{1,29}\b(?!\()|(?<!\w)/?u/\w{3,20}\b|\b\w{2,32}#\d{4}\b", _is_handle),
    ),
    Kind(
        "number",
        r"(?-u)[0-9]{8}|[0-9](?:[ -][0-9]{2,}){4}",
        matches(r"(?<![\w.,])\d{8,30}(?![\w,]|\.\d)|(?<!\w)\d{2,6}(?:[ -]\d{2,6}){4,6}(?!\w)", re.ASCII),
    ),
    *addresses.KINDS,
    *people.KINDS,
    *people_uncased.KINDS,
)
"""Every way to find a kind, the more certain first; a kind may have several."""
