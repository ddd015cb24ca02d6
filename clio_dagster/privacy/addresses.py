"""Finds street addresses: the forms of English and of several European languages, of China, and what
introduces one.

Part of the detector (P3).
"""

# ruff: noqa: E501 (patterns)

from __future__ import annotations

from clio_dagster.privacy.people import UPPER, WORD
from clio_dagster.privacy.spans import Kind, matches

_EN = (
    r"street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|circle|cir|way|place|pl|square|sq|terrace"
    r"|parkway|pkwy|highway|hwy|close|crescent|row|trail|alley"
)
_BEFORE = (
    r"calle|c/|avenida|avda\.|paseo|plaza|rua|travessa|praça|alameda|rue|chemin|allée|quai|via|viale|corso|piazza|ul\."
    r"|ulica|aleja|al\.|os\.|улица|ул\.|проспект|пр\.|sokak|caddesi|cad\."
)
_FRENCH = r"rue|avenue|boulevard|chemin|allée|impasse|place|quai"
_JOINED = (
    r"straße|strasse|str\.|weg|platz|gasse|allee|damm|ufer|straat|laan|plein|gracht|gatan|vägen|gade|vej|gata|veien|vegen"
    r"|katu|tie|kuja|polku|utca|út|tér"
)
_APART = r"straße|strasse|str\.|weg|platz|allee|utca|u\.|út|tér|köz|katu|tn\.?|mnt"
_UNITS = r"apt|apartment|suite|ste|flat|unit"
_CUES = (
    r"address|lives? at|living at|located at|office is (?:at|in)|reside at|dirección|adresse|indirizzo|endereço|adres"
    r"|wohne in der|vivo en|habite au"
)

# Name of the form: what a text must hold, and where the address is.
_FORMS = {
    "12 Main Street, Apt. 5": (
        rf"\d\w?,?\s(?s:.){{1,90}}\b(?i:{_EN})\b",
        rf"\b\d{{1,6}}[A-Za-z]?,?\s+(?:[NSEW]{{1,2}}\.?\s+)?(?:{WORD}\.?\s+){{1,4}}(?i:{_EN})\b\.?"
        rf"(?:,?\s+(?i:{_UNITS}|no)\.?\s*#?\w{{1,6}})?",
    ),
    "Calle Mayor 5": (
        rf"(?i:\b(?:{_BEFORE}))(?s:.)+\d",
        rf"\b(?:\d{{1,5}}(?:\s?(?:bis|ter|[a-z]))?,?\s+)?(?i:{_BEFORE})"
        rf"\s*(?:(?:de|del|de la|des|du|do|da|dos|las|los|la|le|di|della|dei)\s+)?{WORD}(?:\s+(?:(?:de|la|do|da|di)\s+)?{WORD})"
        r"{0,3},?\s*(?:n[.ºo°]{1,2}\s*)?\d{1,5}[A-Za-z]?\b",
    ),
    "12 rue de la Paix": (
        rf"\d\s?\w*,?\s+(?i:{_FRENCH})\s",
        rf"\b\d{{1,5}}(?:\s?(?:bis|ter))?,?\s+(?i:{_FRENCH})\s+"
        rf"(?:(?:de la|de|des|du|d’|d'|l'|le|la)\s*){{0,2}}{WORD}(?:\s+(?:(?:de|la|du)\s+)?{WORD}){{0,3}}",
    ),
    "Hauptstraße 5": (
        rf"\p{{L}}{{2}}(?i:{_JOINED})\s+\d",
        rf"\b(?:{WORD}[ -]){{0,2}}[{UPPER}]?[^\W\d_]{{2,30}}(?i:{_JOINED})\s+\d{{1,4}}\s?[a-zA-Z]?\b",
    ),
    "Petőfi utca 5": (rf"\s(?i:{_APART})\s+\d", rf"\b{WORD}\s+(?i:{_APART})\s+\d{{1,4}}\b"),
    "280 Edeby 55, Apt. 297": (
        r"\d\d\s+\p{Lu}\p{L}+\s(?s:.)*\d",
        rf"\b\d{{2,6}}\s+(?:{WORD}\s+){{1,3}}\d{{1,4}}[A-Za-z]?\b\.?(?=\s*(?:,|\n)|\s+(?i:apt|suite|unit))",
    ),
    "Estonia 62488, on a line of its own": (
        r"(?m:\p{L}\s+\d{5,6}\s*$)",
        rf"(?m:^[ \t>]{{0,8}}{WORD}(?: {WORD})?[ \t]+\d{{5,6}}[ \t]*$)",
    ),
    "Apt. 5": (rf"(?i:\b(?:{_UNITS}))\.?\s*#?\s?\d", rf"\b(?i:{_UNITS})\.?\s*#?\s?\d{{1,5}}[A-Za-z]?\b"),
    "P.O. Box 12": (
        r"(?i:box|postfach|apartado|psc)\s+\d",
        r"\b(?i:p\.?\s?o\.?\s?box|postfach|apartado|psc)\s+\d{1,6}",
    ),
    "SW1A 1AA": (r"\d[A-Z\d]?\s\d[A-Z]{2}\b", r"\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-BD-HJLNP-UW-Z]{2}\b"),
    "Springfield, IL 62701": (
        r"\b[A-Z]{2}\s+\d{5}",
        rf"\b{WORD}(?:\s{WORD})?,?\s+[A-Z]{{2}}\s+\d{{5}}(?:-\d{{4}})?\b",
    ),
    "路12号": (r"[路街巷弄]\d{1,5}号", r"(?:[^\s\d]{1,6}[省市区縣县])?[^\s\d]{1,8}(?:路|街|巷|弄)\d{1,5}号"),
    "introduced": (
        rf"(?i:\b(?:{_CUES}))(?s:.)*\d",
        rf"(?i:\b(?:{_CUES}))\b\s?(?i:is|of|es|ist|est|è|é|:)?\s{{0,3}}(?P<it>(?:\d{{1,6}}\s+)?{WORD}"
        rf"(?:\s+(?:(?:de|do|da|la|du|del)\s+)?{WORD}){{0,4}},?\s+\d{{1,5}}[A-Za-z]?\b)",
    ),
}

KINDS = tuple(Kind("address", screen, matches(pattern)) for screen, pattern in _FORMS.values())
