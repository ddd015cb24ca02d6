"""Finds street addresses: the forms of the configured languages and of some others, and what introduces one.

Part of the detector (P3). An address here holds a number: a street, a square or a town alone is none. Houses
without a number behind a cue ("I live in …") and most postal codes alone are not found.
"""

# ruff: noqa: E501 (patterns)

from __future__ import annotations

from clio_dagster.privacy.spans import Kind, matches

_L = "A-Za-zÀ-ÖØ-öø-ɏͰ-ϿЀ-ԯḀ-ỿ"
"""Letters of the scripts with capitals."""
_HAN = r"(?:(?![在到是住寄我你他她往去从给])[\u4e00-\u9fff])"
_WORD = rf"[{_L}][{_L}.'’-]{{0,25}}"
_CAPITAL = rf"(?![a-zß-öø-ÿа-яёά-ώ])[{_L}][{_L}.'’-]{{1,25}}"
_NUMBER = r"\d{1,6}(?:[A-Za-zа-яё](?![a-zа-яё])|[/-]\d{1,4})?"

_EN = (
    r"street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|circle|cir|way|place|pl|square|sq|terrace"
    r"|parkway|pkwy|highway|hwy|close|crescent|row|trail|alley|gardens|grove|mews|walk|hill|view|rise|quay|loop"
)
_BEFORE = (
    r"calle|c/|carrer|avenida|avda\.?|paseo|plaza|camino|carretera|carrera|cra\.?|ronda|rua|rúa|travessa|praça|alameda|largo|estrada|rodovia|r\."
    r"|rue|chemin|allée|quai|impasse|boulevard|avenue|place|square|route|cours|via|viale|corso|piazza|piazzale|vicolo|strada|ul\.|ulica|ulicy|aleja|alei"
    r"|al\.|os\.|osiedle|osiedlu|pl\.|plac|placu|улица|улице|улицу|ул\.|проспект|проспекте|просп\.|пр\.|пр-т|переулок|пер\.|бульвар|бул\.|шоссе|набережная|наб\.|площадь|пл\.|проезд"
    r"|am|an der|λεωφόρος|λ\.|οδός"
)
_JOINED = (
    r"straße|strasse|str\.|weg|platz|gasse|allee|damm|ufer|ring|markt|berg|hof|steig|stieg|graben|straat|laan|plein|gracht|kade|dijk|singel|pad|steenweg"
    r"|gatan|vägen|gade|vej|gata|veien|vegen|katu|katu|tie|kuja|polku|utca|út|tér|toften|krogen|vangen|vænget|terrasse|bakken"
)
_APART = r"straße|strasse|str\.|weg|platz|allee|gasse|utca|utcája|útja|u\.|út|tér|köz|katu|tn\.?|mnt|gate|rkp\.|kapu|sor|krt\.|terrasse|vej|plass|пр\.|пр-т|проспект|улица|ул\.|шоссе|бульвар|переулок"
_TURKISH = r"cadde(?:si)?|cad\.?|sokak|sokağı|sok\.?|sk\.?|bulvarı|blv\.?|mahallesi|mah\.?"
_UNITS = r"apt|apartment|suite|ste|flat|unit|apto|apartamento|piso|appartement|étage|wohnung|daire|kat|d|кв|квартира"
_UNIT = rf"(?:,?\s+(?i:{_UNITS})\b\.?\s*(?:no)?\.?:?\s*#?\w{{1,5}})?"
_CUES = (
    r"address|lives? at|living at|located at|office is (?:at|in)|reside at|arrived at|is at|drops you off at|dirección|adresse|indirizzo|endereço|adres"
    r"|wohne in der|vivo en|habite au|woon op|mieszkam przy"
)

# Name of the form: what a text must hold, and where the address is. Every text must hold a digit as well.
_FORMS = {
    "12 Main Street, Apt. 5": (
        rf"[0-9][A-Za-z]?,?\s[^\n]{{1,120}}(?i-u:\b(?:{_EN})\b)",
        rf"\b\d{{1,6}}[A-Za-z]?,?\s+(?:\d{{1,6}}\s+)?(?:[NSEW]{{1,2}}\.?\s+)?(?:(?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th))\s+){{1,4}}(?i:{_EN})\b\.?"
        rf"(?:\s+(?:\d{{1,5}}|[NSEW]{{1,2}})\b)?(?:,?\s+(?i:{_UNITS}|no)\b\.?\s*#?\w{{1,6}})?(?:,\s+{_CAPITAL}(?:\s{_CAPITAL})?(?:,?\s+[A-Z]{{1,2}}\d?[A-Z\d]?\s?\d[A-Z]{{2}}|,?\s+[A-Z]{{2}}\s+\d{{5}})\b)?",
    ),
    "12 main street, in lower case": (
        r"(?-u)\b[0-9]{1,5} [a-z]+ (?:[a-z]+ )?(?:street|avenue|road|lane|drive|boulevard|court)\b",
        r"\b\d{1,5} (?!(?:of|in|on|to|the|hour|minute|mile|percent)\b)(?:\d{1,5} )?[a-z]{3,20} (?:[a-z]{3,20} )?(?:street|avenue|road|lane|drive|boulevard|court)\b(?: (?:suite|apt|unit)\.? ?\d{1,5})?",
    ),
    "Calle Mayor 5": (
        rf"(?i)(?:^|[^\p{{L}}])(?:{_BEFORE})[\s.]",
        rf"(?<![{_L}])(?:\d{{1,5}}(?:\s?(?:bis|ter|[a-z]))?,?\s+)?(?:\d{{1,5}}\s+)?(?i:{_BEFORE})\s{{0,3}}(?:(?:de|del|de la|de los|de las|des|du|do|da|dos|das|las|los|la|le|di|della|dei|degli|delle)\s+)?"
        rf"(?:(?:\d{{1,2}}\s+)?{_CAPITAL})(?:\s+(?:(?:de|la|do|da|di|e|y|del|dos)\s+)?{_CAPITAL}){{0,3}},?\s{{0,3}}(?:(?i:n[.ºo°]{{1,2}}|№|nº|д\.?|дом)\s*)?{_NUMBER}(?!\d|[.,]\d|\s?(?:[%€$]|Uhr|Jahr|km|%))"
        rf"(?:,?\s*(?:кв\.?|квартира|корп\.?)\s*\d{{1,4}})*{_UNIT}",
    ),
    "Carrera 15 # 93-47": (
        r"(?i)#\s?[0-9]+-[0-9]",
        r"(?i:carrera|calle|cra|cl|kr|transversal|diagonal)\.?\s+\d{1,3}[A-Za-z]?\s*(?:#|no\.?)\s*\d{1,3}[A-Za-z]?\s?-\s?\d{1,3}",
    ),
    "12 rue de la Paix": (
        r"(?i)[0-9]\s?\w*,?\s+(?:rue|avenue|av\.|boulevard|bd|chemin|allée|impasse|place|quai|cours|route|square)\s",
        r"\b\d{1,5}(?:\s?(?:bis|ter))?,?\s+(?:\d{1,5}\s+)?(?i:rue|avenue|av\.|boulevard|bd|chemin|allée|impasse|place|quai|cours|route|square)\s+"
        rf"(?:(?:de la|de|des|du|d’|d'|l'|le|la|les|al|el)\s*){{0,2}}{_CAPITAL}(?:\s+(?:(?:de|la|du|des|al)\s+)?{_CAPITAL}){{0,3}}(?:,?\s+\d{{5}}\s+{_CAPITAL})?",
    ),
    "Hauptstraße 5": (
        rf"(?i)\p{{L}}(?:{_JOINED})[.,]?\s+[0-9]",
        rf"(?:(?<![{_L}])\d{{2,6}}\s+)?(?:(?<![{_L}-])(?:{_CAPITAL}[ -]){{1,2}})?(?<![{_L}])(?!\d)[{_L}][{_L}'’-]{{1,30}}(?i:{_JOINED})[.,]?\s+\d{{1,4}}\s?(?:[a-zA-Z]\b|-\d{{1,3}})?(?!\d|[.,]\d|\s?(?:Uhr|Jahr|km|%|€))(?:,?\s+\d{{4,5}}(?:\s[A-Z]{{2}}\b)?\s+{_CAPITAL})?",
    ),
    "Petőfi utca 5": (
        rf"(?i)\s(?:{_APART}),?\s+(?:д\.?\s?|дом\s)?[0-9]",
        rf"(?:(?<![{_L}])\d{{2,6}}\s+)?(?<![{_L}])(?:{_CAPITAL}\s+){{1,3}}(?i:{_APART}),?\s+(?:(?:д\.?|дом)\s?)?\d{{1,4}}\b\.?",
    ),
    "Atatürk Caddesi No: 14": (
        rf"(?i)\s(?:{_TURKISH})\s*(?:no|[0-9])",
        rf"(?<![{_L}])(?:(?:\d{{1,4}}\.|{_CAPITAL})\s+){{1,3}}(?i:{_TURKISH})[ ,]*(?:(?:{_CAPITAL}\s+){{1,2}}(?i:{_TURKISH})[ ,]*)?(?i:no)?\s?[:.]?\s?\d{{1,4}}(?:/\d{{1,3}})?{_UNIT}",
    ),
    "280 Edeby 55, Apt. 297": (
        r"[0-9]{2}\s+\p{Lu}\p{L}*[^\n]*[0-9]",
        rf"(?<![{_L}\d.,])\d{{2,6}}\s+(?:{_CAPITAL}\s+){{1,3}}\d{{1,4}}[A-Za-z]?\b\.?(?=\s*(?:,|\n|$)|\s+(?i:apt|suite|unit))",
    ),
    "5850 12 Some Name, on a line of its own": (
        r"(?m:^[ \t>?,]*[0-9]{2,6}\s+[^\n]*\p{L})",
        rf"(?m:^(?:[ \t>?]{{0,8}}|\?{{3}} )\d{{2,6}}\s+(?:\d{{1,5}}\s+)?{_CAPITAL}(?:\s+{_WORD}){{0,5}}\s+\d{{1,4}}[A-Za-z]?\.?(?:\s+(?i:apt|suite|unit)\.?\s*\d{{1,4}})?[ \t]*$)",
    ),
    "Estonia 62488, on a line of its own": (
        r"(?m:\p{L}\)?\s+[0-9]{4,6}\s*$)",
        rf"(?m:^[ \t>?,]{{0,8}}{_CAPITAL}(?: \(?{_CAPITAL}\)?){{0,2}}[ \t]+\d{{5,6}}[ \t]*$)",
    ),
    "Apt. 5": (
        rf"(?i)\b(?:{_UNITS})\.?\s*#?\s?[0-9]",
        r"\b(?i:apt|apartment|suite|ste|flat|unit|apto)\.?\s*#?\s?\d{1,5}[A-Za-z]?\b",
    ),
    "P.O. Box 12": (
        r"(?i)box|postfach|apartado|psc|casella|skrytka|ص\.ب",
        r"\b(?:\d{1,5}\s+)?(?i:p\.?\s?o\.?\s?box|postfach|postbox|apartado|casella postale|caixa postal|postbus|skrytka pocztowa|unit \d{1,5} box|psc(?: \d{1,5},? box)?)\s+\d{1,6}(?:\s+(?i:apt|suite)\.?\s*\d{1,4})?(?:,\s+[A-Z][a-z]{1,20},?\s+[A-Z]{2}\s+\d{5}\b)?|ص\.ب\.?\s?\d{2,6}(?:\s[\u0621-\u064a]+)?(?:\s\d{5})?",
    ),
    "the corner of 12 A and B": (
        r"(?i)corner of",
        rf"(?i:the corner of) (?:\d{{1,6}}\s+)?(?:{_WORD}\s+){{1,5}}(?:\d{{1,5}}\.?\s+)?(?:(?i:str?)\.?\s+)?and {_WORD}(?:\s+{_CAPITAL}){{0,2}}\.?",
    ),
    "zip code": (
        r"(?i)\b(?:zip|postcode|postal code|plz|postleitzahl|código postal|code postal|cap|postcode|kod pocztowy|индекс|posta kodu|邮编|郵便番号|우편번호)",
        r"(?i:\b(?:zip(?: code)?|postcode|postal code|plz|postleitzahl|código postal|code postal|cap|kod pocztowy|индекс|posta kodu)|邮编|郵便番号|우편번호)\s?(?:is|es|est|ist|è|é|to|:|是|は)?\s{0,3}(?P<it>[A-Z]{0,2}\d{2,6}(?:[ -]?\d{2,4})?(?:\s?\d?[A-Z]{2})?)\b",
    ),
    "SW1A 1AA": (r"(?-u)[0-9][A-Z0-9]? [0-9][A-Z]{2}\b", r"\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-BD-HJLNP-UW-Z]{2}\b"),
    "Springfield, IL 62701": (
        r"(?-u)\b[A-Z]{2}\s+[0-9]{5}|[0-9]{5}",
        rf"\b{_CAPITAL}(?:\s{_CAPITAL})?,?\s+[A-Z]{{2}}\s+\d{{5}}(?:-\d{{4}})?\b|\b\d{{5}}(?:-\d{{3}})?\s+{_CAPITAL}(?:\s{_CAPITAL})?(?=\s*(?:$|\n))",
    ),
    "Village Crown Squares, what a made-up street is called": (
        r"(?m:[0-9]\s+\p{Lu}\p{L}+\s+\p{Lu}\p{L}+\s*(?:[,.?!\n]|$))",
        rf"(?<![{_L}\d.,])\d{{1,4}}\s+{_CAPITAL}\s+(?:{_CAPITAL}\s+){{0,3}}(?:Squares|Parks|Courts|Coves|Rapids|Extensions|Crossroads?|Hill|Pass|Gateway|Route|Turnpike|Isle|Fort|Point|Union|Trace|Ridge|Branch|Mission|Mews|Views?|Walks?|Stream|Spring|Shoal|Knolls?|Junction|Inlet|Heights|Green|Glen|Forges?|Fords?|Fields?|Falls|Estates?|Divide|Dale|Curve|Crest|Cliffs?|Center|Burg|Brook|Bridge|Bypass|Bluff|Bend|Beach|Loop)\b",
    ),
    "路12号": (
        r"[路街巷弄道]\s?[0-9]{1,5}(?:号|號|弄)",
        rf"(?:{_HAN}{{1,6}}[省市区縣县]){{0,3}}(?:{_HAN}{{1,8}})(?:路|街|巷|弄|道)\s?\d{{1,5}}(?:号|號|弄)(?:院)?(?:\d{{1,4}}(?:栋|幢|号楼|楼|座))?(?:\d{{1,4}}(?:单元))?(?:\d{{1,5}}(?:室|号|户|层))?",
    ),
    "東京都世田谷区北沢2-14-8": (
        r"[都道府県市区町村条丁目沢台本東西南北\p{Han}][0-9]{1,4}(?:丁目|番|号|条|[-−ー－][0-9])",
        r"(?:〒?\d{3}-\d{4}\s?)?(?:[\u4e00-\u9fff]{2,3}[都道府県])?(?:[\u4e00-\u9fffヶケ々]{1,6}[市区郡町村]){1,3}[\u4e00-\u9fff\u3041-\u30fc々]{0,8}\d{1,4}(?:(?:丁目|番地|番|号|条(?:[東西南北])?|[-−ー－])(?:\d{1,4})?){1,4}(?:西\d{1,2}丁目)?|〒\s?\d{3}-\d{4}",
    ),
    "서울시 강남구 테헤란로 152": (
        r"[로길동리읍면]\s?[0-9]{1,5}",
        r"(?:[가-힣]{2,7}\s)?(?:[가-힣]{1,6}[시군구읍면]\s){1,3}[가-힣0-9]{1,12}(?<!으)(?:로|길|동|리)\s?\d{1,5}(?:-\d{1,4})?(?:번지|호)?(?!\d|\s?[년월일명개원시분대위급점%])",
    ),
    "123/45 ถนนสุขุมวิท": (
        r"ถนน|ถ\.|ซอย|ซ\.|หมู่|เลขที่|แขวง|ตำบล",
        r"(?:(?:บ้าน)?เลขที่\s?)?\d{1,4}(?:/\d{1,4})?\s?(?:หมู่(?:ที่)?\s?\d{1,3}\s?)?(?:(?:ถนน|ถ\.|ซอย|ซ\.|หมู่บ้าน|ตำบล|แขวง|อำเภอ|เขต|จังหวัด)\s?[\u0e01-\u0e4e]{2,25}(?:\s\d{1,3})?\s?){1,4}(?:กรุงเทพ[\u0e01-\u0e4eฯ]*\s?)?(?:\d{5}(?!\d))?"
        r"|(?:(?:บ้าน)?เลขที่\s?)\d{1,4}(?:/\d{1,4})?(?:\s(?:หมู่|ซอย|ซ\.)\s?[\u0e01-\u0e4e\d]{1,20}(?:\s\d{1,3})?)?",
    ),
    "شارع الملك فهد رقم 14": (
        r"شارع|طريق|حي|عمارة|شقة|ميدان",
        r"(?:\d{1,4}\s)?(?:حي\s[\u0621-\u064a]+(?:\s[\u0621-\u064a]+)?،?\s)?(?:شارع|طريق|ميدان)\s[\u0621-\u064a]+(?:\s(?!رقم|عمارة)[\u0621-\u064a]+){0,3}?(?:،?\s(?:رقم|عمارة|مبنى|بناية)?\s?\d{1,4})(?:،?\s(?:شقة|طابق|الدور)\s\d{1,4})*"
        r"|(?<!\d)\d{1,4}\s(?:شارع|طريق)\s[\u0621-\u064a]+(?:،\s[\u0621-\u064a]+)?",
    ),
    "introduced": (
        rf"(?i)\b(?:{_CUES})",
        rf"(?i:\b(?:{_CUES}))\b\s?(?i:is|of|es|ist|est|è|é|:)?\s{{0,3}}(?P<it>(?:\d{{1,6}}\s+){{0,2}}{_CAPITAL}"
        rf"(?:\s+(?:(?:de|do|da|la|du|del)\s+)?{_CAPITAL}){{0,4}},?\s+\d{{1,5}}[A-Za-z]?\b)",
    ),
}

KINDS = tuple(Kind("address", screen, matches(pattern), digits=True) for screen, pattern in _FORMS.values())
