"""Finds names of people: by what introduces them, by titles, by given names.

Part of the detector (P3); the patterns for names are apart because they lean on words, not on forms.
"""

# ruff: noqa: E501, SIM905 (patterns and word lists)

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from clio_dagster.privacy.given_names import AMBIGUOUS, GIVEN
from clio_dagster.privacy.spans import Finder, Kind, Span

UPPER = "A-Z" + "".join(chr(code) for code in range(0xC0, 0x530) if chr(code).isupper())
"""Capitals of the Latin, Greek and Cyrillic scripts, for a character class."""

WORD = rf"[{UPPER}][^\W\d_]{{1,25}}(?:[’'-][^\W\d_]{{1,25}}){{0,2}}"
"""A capitalised word."""

_PROPER = rf"[{UPPER}](?![{UPPER}])[^\W\d_]{{1,25}}(?:[’'-][^\W\d_]{{2,25}})?"

_PARTICLES = r"(?:van der|van den|van de|von der|de la|de los|della|van|von|de|del|der|den|di|da|dos|do|du|bin|ibn|al|el|le|la|ter|zu)"
_FULL = rf"{WORD}(?:\s(?:[{UPPER}]\.?\s){{0,2}}(?:{_PARTICLES}\s)?{WORD}){{0,3}}"

_INTRODUCED = (
    r"my (?:full |first |last |middle )?name is|my name's|name:|i am called|they call me|i go by|signed by|written by|directed by"
    r"|author is|mi nombre es|me llamo|mi nombre:|je m['’]appelle|je me nomme|mon nom est|mein name ist|ich heiße|ich heisse"
    r"|mi chiamo|il mio nome è|meu nome é|o meu nome é|me chamo|chamo-me|mijn naam is|ik heet|nazywam się|mam na imię"
    r"|benim adım|adım|меня зовут|моё имя|мое имя"
)
_INTRODUCED_ANY_CASE = _INTRODUCED.replace("|i go by|signed by|written by|directed by|author is", "")
_CALLED = (
    r"call me|i'm|i am|this is|named|called|llamad[oa]|soy|ich bin|je suis|sono|sou|namens|genannt|appelée?"
)
_TITLES = (
    r"mr|mrs|ms|miss|mister|dr|prof|professor|doctor|sir|lady|judge|sgt|capt|rev|sr|sra|srta|señora?|señorita|don|doña|mme|mlle"
    r"|monsieur|madame|mademoiselle|herr|frau|sig|signora?|senhora?|dhr|mevr|meneer|mevrouw|pan|pani|bay|bayan|г-н|г-жа|господин"
    r"|госпожа|κύριος|κυρία"
)
_GREETINGS = (
    r"dear|hi|hello|hey|hola|querid[oa]|estimad[oa]|cher|chère|bonjour|liebe[r]?|hallo|lieve|beste|car[oa]|gentile|ciao|prezad[oa]|olá"
    r"|drog[ia]|cześć|sayın|merhaba|привет|уважаем(?:ый|ая)"
)
_KIN = (
    r"wife|husband|son|daughter|brother|sister|mother|father|mom|mum|dad|boss|manager|friend|boyfriend|girlfriend|partner"
    r"|fianc[ée]e?|ex|colleague|coworker|neighbou?r|teacher|roommate|cousin|uncle|aunt|niece|nephew|therapist|client|patient|student"
    r"|esposa|esposo|marido|hij[oa]|herman[oa]|amig[oa]|jefe|jefa|novi[oa]|mari|femme|fils|fille|frère|sœur|ami|amie|patron|mann|sohn"
    r"|tochter|bruder|schwester|freund|freundin|chef|chefin|moglie|marito|figli[oa]|fratello|sorella|amic[oa]|filh[oa]|irmão|irmã"
)
_SIGNED = (
    r"(?:best |kind |warm )?regards|sincerely|yours truly|cheers|many thanks|thanks|love|saludos|atentamente|cordialement|bien à vous"
    r"|mit freundlichen grüßen|viele grüße|grüße|cordiali saluti|atenciosamente|met vriendelijke groet|pozdrawiam|с уважением"
)

_NOT_NAMES = frozenset(
    """
    A About Account Administrator Afraid All An And Any Assistant Back Board Bot British Chat ChatGPT Class Claude Client
    Colleague Colleagues Committee Company Customer Customers Day Department Diary Editor English Everyone Friend Friends
    French From German God Guest Hiring How Human I If Important In Is It Italian Ladies Later Lord Love Madam Madame Mom
    Dad Monday Tuesday Wednesday Thursday Friday Saturday Sunday Manager Member My Name New No Not Now On Or Our Parent
    Parents Please Professor Reader Readers Recruiter Santa Siri Sir Sirs Spanish Student Students Subscriber Support Teacher
    Team Thank Thanks That The There This To Today Tomorrow User Valued We What When Who Why World You Your January February
    March April May June July August September October November December Alexa American Christian Muslim Jewish Chinese Indian
    Dr Mr Mrs Ms Miss Prof Herr Frau Mme Sr Sra Señor Señora Señores Monsieur Mesdames Damen Herren Freunde Kunde Cliente Clientes Equipo Amigo Amigos Mundo Monde Welt
    """.split()
)
_LOWER_NOT_NAMES = frozenset(
    """
    a about actually after again anymore anybody anything instead besides saved names name spanish english all already also always an and another any as asap at back because before being but by
    correct crazy cause day different difficult due first for from given going gonna hard important in incorrect is it its
    just later listed long misspelled my myself needed never new no not now of off on one only or other out over please
    really right so something spelled spelt stupid sure that the their them then there this to today tomorrow too unique
    unknown up very was wasn't what when where whether which who why with wrong written your
    """.split()
)

_NAME = rf"(?P<it>{_FULL})"
_WHOSE = r"my|our|his|her|mi|mon|ma|mein|meine|meinem|meiner|mio|mia|meu|minha|mijn|moj|moja"
_DOES = (
    r"lives|lived|works|worked|was born|is from|said|says|told|asked|wrote|called|emailed|vive|nació|habite|wohnt|mora|woont"
    r"|mieszka"
)
_SURNAME_CUE = r"(?:last|first|full|family|maiden|middle|sur) ?name"

# What a text must hold, and where the name is behind it.
_CONTEXTS = (
    (rf"(?i:\b(?:{_INTRODUCED}))\s", rf"\b(?i:{_INTRODUCED})\s{{1,3}}[\"“]?{_NAME}"),
    (rf"(?i:\b(?:{_CALLED}))\s{{1,2}}[\"“]?[{UPPER}]", rf"\b(?i:{_CALLED})\s{{1,2}}[\"“]?{_NAME}"),
    (rf"(?i:\b(?:{_TITLES}))\.?\s{{1,2}}[{UPPER}]", rf"\b(?i:{_TITLES})\.?\s{{1,2}}{_NAME}"),
    (rf"(?i:\b(?:{_GREETINGS}))\s{{1,2}}[{UPPER}]", rf"\b(?i:{_GREETINGS})\s{{1,2}}{_NAME}(?=\s*[,!.:\n]|$)"),
    (
        rf"(?i:\b(?:{_KIN})),?\s{{1,2}}(?:is\s)?[{UPPER}]",
        rf"\b(?i:{_WHOSE})\s+(?i:{_KIN}),?\s{{1,2}}(?:is\s)?{_NAME}",
    ),
    (
        rf"(?i:\b(?:{_SIGNED})),?\s*\n\s*[{UPPER}]",
        rf"\b(?i:{_SIGNED}),?\s{{0,3}}\n\s{{0,3}}{_NAME}\s*(?:\n|$)",
    ),
    (
        rf"[{UPPER}]\p{{Ll}}[\p{{L}}’'-]*\s[{UPPER}]\.?\s[{UPPER}]",
        rf"(?P<it>{_PROPER}\s(?![AI]\s)[{UPPER}]\.?\s{_PROPER})\b",
    ),
    (
        rf"(?i:{_SURNAME_CUE})",
        rf"(?i:\b{_SURNAME_CUE}\??)\s?(?i:is|was|:|on the account\?)?\s{{0,2}}(?i:user:\s)?{_NAME}",
    ),
    (
        rf"[{UPPER}][\p{{L}}’'-]+\s(?:{_DOES})\b",
        rf"(?P<it>{_PROPER}\s(?:{_PARTICLES}\s)?{_PROPER})(?=\s(?:{_DOES})\b)",
    ),
)
_ANY_CASE = re.compile(
    rf"(?i)\b(?:{_INTRODUCED_ANY_CASE}|call me)\s{{1,3}}(?P<it>[^\W\d_]{{2,25}})(?P<more>(?:\s(?:{_PARTICLES}\s)?[^\W\d_]{{2,25}}){{0,2}})"
)
_OTHER_SCRIPTS = re.compile(
    r"(?:我叫|我的名字是|我的名字叫|我是)(?P<zh>[\u4e00-\u9fff]{2,3})(?=[，。,.\s！]|$)"
    r"|(?:私の名前は|名前は|わたしは)(?P<ja>[\u3040-\u30ff\u4e00-\u9fff]{2,8}?)(?=です|と申|と言|。|、|$)"
    r"|(?:제 이름은|내 이름은|저는)\s?(?P<ko>[\uac00-\ud7a3]{2,4}?)(?=입니다|이에요|예요|이야|야|$|[.\s])"
    r"|(?:ผมชื่อ|ฉันชื่อ|ดิฉันชื่อ|หนูชื่อ)\s?(?P<th>[\u0e00-\u0e7f]{2,15})"
    r"|(?:اسمي|أنا اسمي)\s(?P<ar>[\u0600-\u06ff]{2,15}(?:\s[\u0600-\u06ff]{2,15})?)"
    r"|(?P<san>[\u4e00-\u9fff]{2,4})(?=さん|氏(?![\u4e00-\u9fff]))"
    r"|(?P<ssi>[\uac00-\ud7a3]{2,4})(?=\s?씨(?![\uac00-\ud7a3]))"
)
_NOT_SAN = frozenset(
    "お母 お父 お兄 お姉 母 父 兄 姉 奥 旦那 客 皆 看護婦 医者 店員 子供 娘 息子 患者 業者".split()
)

_CHAIN = re.compile(_FULL)
_PLACE_BEFORE = re.compile(
    r"(?:\b(?:San|Santa|Santo|Sankt|St|Saint|Sainte|São|Sao|North|South|Port|Fort|Lake|Mount)\.?)\s$"
)


def _introduced(pattern: str) -> Finder:
    """Spans of the group `it`, up to the first of its words that is no name."""
    compiled = re.compile(pattern)

    def find(text: str) -> Iterator[Span]:
        for match in compiled.finditer(text):
            end = match.start("it")
            for word in re.finditer(r"\S+", match.group("it")):
                if word.group() in _NOT_NAMES:
                    break
                end = match.start("it") + word.end()
            yield match.start("it"), end

    return find


def _given(text: str) -> Iterator[Span]:
    """Chains of capitalised words from the first given name on; an ambiguous one needs a surname behind it."""
    for match in _CHAIN.finditer(text):
        chain = match.group()
        for word in re.finditer(r"\S+", chain):
            first = word.group().removesuffix("'s").removesuffix("’s")
            parts = first.split("-")
            start = match.start() + word.start()
            if _PLACE_BEFORE.search(text[max(0, start - 8) : start]):
                break
            followed = word.end() < len(chain)
            lone = _is_given(first, parts)
            if lone or (first in AMBIGUOUS and _is_followed_by_surname(text, match, word)):
                end = match.end() if followed else start + len(first)
                yield start, end
                break


def _is_given(first: str, parts: list[str]) -> bool:
    return first in GIVEN or (len(parts) > 1 and parts[0] in GIVEN)


def _is_followed_by_surname(text: str, chain: re.Match[str], word: re.Match[str]) -> bool:
    """Whether a name that is a word as well opens the chain and a surname, not a common noun, closes it."""
    rest = chain.group()[word.end() :].split()
    if word.start() or not 1 <= len(rest) <= 2 or text[: chain.start()].lower().endswith("the "):
        return False
    return not (rest[-1].isupper() or rest[-1] in _NOT_NAMES or rest[-1] in _common_words())


@cache
def _common_words() -> frozenset[str]:
    """Words that follow a month, a colour or a flower in titles, and are no surname there."""
    return frozenset(
        "Day Garden Street University City River State Island Beach Bank Court Act Agreement Code Tree Water".split()
    )


def _any_case(text: str) -> Iterator[Span]:
    """Behind the plainest introductions, in whatever case it is written."""
    known = GIVEN | AMBIGUOUS
    for match in _ANY_CASE.finditer(text):
        first = match.group("it")
        if first.lower() in _LOWER_NOT_NAMES or first in _NOT_NAMES:
            continue
        end = match.end("it")
        for word in re.finditer(r"\s([^\W\d_]+)", match.group("more")):
            if (
                word.group(1).lower() in _LOWER_NOT_NAMES
                or not first[0].islower()
                or first.title() not in known
            ):
                break
            end = match.start("more") + word.end()
            break  # one surname; what follows in lower case is more often a sentence
        yield match.start("it"), end


def _other_scripts(text: str) -> Iterator[Span]:
    for match in _OTHER_SCRIPTS.finditer(text):
        group = str(match.lastgroup)
        if match.group(group) not in _NOT_SAN:
            yield match.span(group)


KINDS = (
    *(Kind("name", screen, _introduced(pattern)) for screen, pattern in _CONTEXTS),
    Kind("name", rf"\b(?:{'|'.join(sorted(GIVEN))})|\b(?:{'|'.join(sorted(AMBIGUOUS))})\s+[{UPPER}]", _given),
    Kind("name", rf"(?i:\b(?:{_INTRODUCED_ANY_CASE}|call me))\s", _any_case),
    Kind("name", r"我叫|我的名字|我是|名前|わたしは|이름은|저는|ชื่อ|اسمي|さん|氏|씨", _other_scripts),
)
"""Ways to find a name, those with the longest evidence first."""
