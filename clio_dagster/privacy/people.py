"""Finds names of people in scripts with capitals: by what introduces them, by what they are known as, by shape.

Part of the detector (P3). A text is cut into words once; runs of capitalised words are then judged by the
words before and after them and by `name_lists`. Organisations named like people are masked with them. In
lower case, only a name with a surname, or one behind an introduction, is found.
"""

# ruff: noqa: E501, SIM905 (word lists)

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from clio_dagster.privacy.given_names import AMBIGUOUS
from clio_dagster.privacy.name_lists import Known, fold, lexicon, unaccented
from clio_dagster.privacy.spans import Kind, Span

_PARTICLES = frozenset(
    "van der den de la los las della van von del dela di da dos das do du bin ibn bint al el ter ten te zu zum y af av e".split()
)
_NOBLE = frozenset("van von der den ter ten bin ibn bint al el della dela".split())
_TITLES = frozenset(
    """
    mr mrs ms miss mister mx dr prof professor doctor sir lady dame judge justice sgt sergeant capt captain lt col rev reverend father sister
    brother uncle aunt auntie coach sr sra srta señor señora señorita don doña mme mlle monsieur madame mademoiselle maître herr frau
    fräulein sig signor signora signorina dott dottor dottoressa dottore avvocato senhor senhora dona doutor doutora dhr mevr mevrouw meneer
    pan pani pana panu panią panem bay bayan sayın hoca г-н г-жа господин госпожа господина госпожи господину доктор профессор товарищ дядя тётя κύριος κυρία κος κα
    tante onkel oom oncle tía tío zia zio doutora doctora docteur doktor profesor profesora professeur
    """.split()
)
_INTRODUCTIONS = frozenset(
    line.strip()
    for line in """
    name is|name was|name's|names|name|surname|surname is|signed|signed by|written by|directed by|author is|called|named|call me|calls me|i'm|i am|im|this is|i go by|goes by
    they call me|is called|was called|was named|named him|named her|named it|known as|speaking with|speaking to|attn|attention|from|to|cc|user|patient|client|contact|contact person
    me llamo|se llama|llamado|llamada|nombre es|mi nombre|nombre|apellido|apellidos|soy|llaman|llamarme|de parte de
    m'appelle|s'appelle|me nomme|nommé|nommée|nom est|nom|prénom|appelé|appelée|je suis|c'est|de la part de
    name ist|name lautet|ich heiße|heiße|heisse|heißt|heisst|genannt|namens|ich bin|vorname|nachname|gruß
    mi chiamo|chiamo|si chiama|chiamato|chiamata|nome è|nome|cognome|sono
    me chamo|chamo-me|chama-se|se chama|chamado|chamada|nome é|sou|sou o|sou a|aqui é|aqui é o|aqui é a
    naam is|naam|heet|ik heet|genaamd|ik ben|voornaam|achternaam
    nazywam się|nazywa się|mam na imię|ma na imię|imię|nazwisko|jestem|o imieniu|o nazwisku
    benim adım|adım|adı|ismim|ismi|isim|soyadı|adlı|isimli|ben|adım soyadım
    меня зовут|её зовут|его зовут|ее зовут|зовут|моё имя|мое имя|имя|фамилия|это|по имени|по фамилии
    με λένε|το όνομά μου είναι
    """.replace("\n", "|").split("|")
    if line.strip()
)
_LABELS = frozenset(
    "name names surname from to cc user patient client contact attn attention nombre apellido apellidos nom prénom nome cognome naam voornaam achternaam vorname nachname imię nazwisko isim soyadı adı имя фамилия".split()
)
"""Introductions that need a colon or the like behind them."""
_GREETINGS = frozenset(
    """
    dear hi hello hey hola querida querido estimada estimado cher chère bonjour salut liebe lieber hallo lieve beste cara caro gentile ciao prezada prezado
    olá oi drogi droga cześć szanowna szanowny sayın merhaba selam sevgili привет уважаемый уважаемая дорогой дорогая здравствуйте здравствуй thanks bye
    """.split()
)
_KIN = frozenset(
    """
    wife husband son daughter brother sister mother father mom mum dad boss manager friend boyfriend girlfriend partner fiancé fiancée fiance fiancee ex colleague coworker
    neighbour neighbor teacher roommate flatmate cousin uncle aunt niece nephew therapist client patient student kid child baby grandmother grandfather grandma grandpa supervisor landlord landlady doctor lawyer guardian
    esposa esposo marido mujer hijo hija hermano hermana amigo amiga jefe jefa novio novia madre padre primo prima vecino vecina compañero compañera profesor profesora suegra suegro abuela abuelo sobrina sobrino
    mari femme fils fille frère sœur soeur ami amie patron patronne copain copine mère père cousin cousine voisin voisine collègue tante oncle
    mann frau sohn tochter bruder schwester freund freundin chef chefin mutter vater kollege kollegin kollegen nachbar nachbarin nachbarn cousine vermieter vermieterin lehrer lehrerin tante onkel
    moglie marito figlio figlia fratello sorella amico amica capo fidanzato fidanzata madre padre cugino cugina vicino vicina collega compagno compagna
    esposa filho filha irmão irmã chefe namorado namorada mãe pai primo prima vizinho vizinha colega sogra sogro
    vrouw man zoon dochter broer zus zusje vriend vriendin baas moeder vader buurman buurvrouw collega neef nicht
    żona żonie żoną mąż mężem mężowi syn synem syna córka córką córce córki brat bratem bratu brata siostra siostrą siostrze siostry szef szefem szefowa szefowi przyjaciel przyjaciółka przyjacielem przyjaciółką kolega koleżanka kolegą koleżanką sąsiad sąsiadka sąsiadem mama tata
    karım kocam eşim oğlum kızım kardeşim ablam abim ağabeyim annem babam arkadaşım patronum müdürüm komşum kuzenim sevgilim nişanlım öğretmenim
    жена жене женой жены муж мужем мужа мужу сын сыном сыну сына дочь дочерью дочери брат братом брату брата сестра сестрой сестре сестры мама папа друг другом другу подруга подругой подруге начальник начальником начальнику начальница коллега коллегой коллеге сосед соседом соседка соседкой бабушка дедушка
    """.split()
)
_SIGNED = frozenset(
    """
    regards sincerely truly cheers thanks love wishes yours faithfully saludos atentamente abrazo besos cordialement vous amitiés bises grüßen grüße gruß saluti cordialmente
    atenciosamente abraços cumprimentos groet groeten pozdrawiam poważaniem saygılarımla selamlar sevgiler уважением приветом
    """.split()
)
_TOWARDS = frozenset(
    """
    with by told tell asked ask meet met called emailed email texted text phoned contacted visited dated married thanked invited hired fired helped and or
    to for about from says said between via through against
    con por para a de e y avec par pour chez et mit von für bei an und oder per da o ou com met voor door bij en z od dla do przez i oraz ile ve için с со от для у к и о
    """.split()
)
"""Words that people stand behind, among much else: they help a word that is known as a name."""
_DOES = frozenset(
    """
    said says told tells asked asks wrote writes called calls emailed texted replied answered explained announced added shouted whispered thinks thought wants wanted lives lived
    works worked died married laughed cried smiled insists insisted promised phoned
    dijo dice vive trabaja quiere escribió llamó preguntó murió cree dit habite travaille veut pense écrit sagte sagt wohnt arbeitet meint möchte schrieb fragte
    disse vive lavora vuole pensa scrisse mora trabalha quer escreveu perguntou zei zegt woont werkt wil schreef vroeg
    powiedział powiedziała mówi mieszka pracuje chce napisał napisała zapytał dedi diyor söyledi yaşıyor çalışıyor istiyor yazdı sordu aradı
    сказал сказала говорит живёт живет работает хочет написал написала спросил спросила позвонил позвонила
    """.split()
)
_WHOSE = frozenset(
    """
    my our your his her their mi tu su nuestro nuestra mon ma ton ta son sa notre mein meine meinem meiner meinen unser unsere unserem dein deine sein seine ihr ihre
    mio mia suo sua il tuo tua meu minha seu sua o a nosso nossa mijn onze zijn haar mój moja moim moją mojej mojego mojemu moi z od nasz nasza benim мой моя моим моей моего моему моём наш наша с
    """.split()
)
_GERMAN = frozenset(
    "der die das und ist nicht ich ein eine einen zu mit für auf den dem von bei wie mein meine kann im".split()
)
_FOREIGN = frozenset(
    "le la les et des que un une el los y con por para il che per da do não een het van w na się że bir ve bu и в на не".split()
)
_PERSONAL = frozenset(
    "i my me ich mir mich mein meine meinen meinem meiner je me moi mon ma mes yo mi mis me mio mia miei io eu meu minha ik mij mijn me mnie mi mój moja moim ja ben bana benim я мне меня мой моя мы".split()
)
"""Words for oneself: people who write of themselves name people they know."""
_BARE = frozenset(
    "with avec con com met mit z ze с со chez pour à par per para por aan van voor door".split()
)
"""Prepositions that institutions follow with an article, where the language has articles, and people without."""
_TELLING = frozenset(
    "répondre réponds écrire écris dire dis demander rispondo rispondere scrivere scrivo dire respondo responder escrever escribir escribo decir contesto contestar antwoord antwoorden schrijf vraag napisz odpowiedzieć ответить написать".split()
)
_THAT = frozenset("dass ob weil que qui che dat of że czy jest что zwie kim est es".split())
_ENGLISH = frozenset(
    "the and is of to my i you for with was not it this that what how can please are do have".split()
)
_SURNAME_SHAPE = re.compile(
    r"(?i)(?:ss?on|sen|dóttir|dottir|dotter|ová|nová|ovi[cčć]|evi[cčć]|[a-zšžčđ]i[ć]|ovich|evich|enko|shvili|idis|opoulos|[wńnzrl]ski|[wńnzrl]ska|[nwl]cki|[nwl]cka|czyk|owicz|ewicz"
    r"|[nwvl]skaya|[nwvl]sky|(?:[a-z]{3})(?:yeva|eeva|ieva)|[yichklmnr]ev|[kmnrhl]ov|[kmnrlstvh]ova|[äaöoi]inen|[äaöou]nen|akis|akos|ström|qvist|kvist|gård|oğlu|ашвили|енко)$"
)
_PATRONYMIC = re.compile(
    r"(?i)(?:[оеё]вич(?:а|у|ем|е)?|[оеё]вн(?:а|ы|е|у|ой)|ични?(?:а|ы|е|у|ой)|ovich|evich|ovna|evna|ovič|evič)$"
)
_RUSSIAN_SURNAME = re.compile(
    r"(?i)[а-яё]{2}(?:[оеё]в|[иы]н)(?:а|у|ым|е|ой|ы|ых|ыми)?$|[а-яё]{3}[сц]к(?:ий|ого|ому|им|ом|ая|ую|ой)$|[а-яё]{2}(?:енко|чук|ук|юк|ян)(?:а|у|ом|е)?$"
)
_ENDINGS_CYRILLIC = ("", "а", "я", "й", "ь", "ия", "ий", "ья")
_CASES_CYRILLIC = re.compile(r"(?:а|у|ом|ем|ём|е|ой|ей|ы|и|ю|я|ью|ию|ии|ием|ией)$")
_ENDINGS_POLISH = ("", "a", "ia", "ek", "i", "y", "eł", "o")
_CASES_POLISH = re.compile(r"(?:owi|em|iem|ie|ze|y|i|ę|ą|o|u|a|ek|iego|iemu|im|ego|emu|ym|ce)$")
_POLISH = re.compile(r"[ąęłńśźż]")
_LETTERS = "A-Za-zªºÀ-ÖØ-öø-ɏͰ-ϿЀ-ԯḀ-ỿ"
"""Scripts with capitals: letters of others may touch a name."""
_TOKEN = re.compile(rf"[{_LETTERS}]+(?:[’'ʼ-][{_LETTERS}]+)*")
_OPENS = re.compile(r"[.!?:;\n\r\"“”„«»()\[\]{}>•*|/\t]|[-–—]\s|^$")
_CLOSES = re.compile(r"\s*(?:[,!.:;?)\"”»\n<]|$)")

_GIVEN, _SURE, _SURNAME, _COMMON, _FUNCTION = (int(known) for known in Known)


class _Word(NamedTuple):
    start: int
    end: int
    text: str
    folded: str


class _Text:
    """The words of a text and what is known of them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lexicon = lexicon()
        self.words = [_word(match) for match in _TOKEN.finditer(text)]
        self.is_polish = bool(_POLISH.search(text))
        self.is_german = sum(word.folded in _GERMAN for word in self.words[:60]) >= 2
        english = sum(word.folded in _ENGLISH for word in self.words[:60])
        foreign = sum(word.folded in _FOREIGN for word in self.words[:60])
        self.is_personal = any(word.folded in _PERSONAL for word in self.words)
        self.is_english = not self.is_german and (english > foreign or (not foreign and len(self.words) < 4))
        self.known_memo: dict[str, int] = {}

    def gap(self, index: int) -> str:
        """What stands before a word."""
        before = self.words[index - 1].end if index else 0
        return self.text[before : self.words[index].start]

    def known(self, index: int) -> int:
        folded = self.words[index].folded
        found = self.lexicon.get(folded)
        if found is None:
            found = self.known_memo.get(folded)
            if found is None:
                found = self.known_memo[folded] = self._derived(self.words[index])
        return found

    def _derived(self, word: _Word) -> int:
        folded, lexicon = word.folded, self.lexicon
        if "-" in folded:
            return (
                lexicon.get(folded.split("-")[0], 0) & ~_COMMON & ~_FUNCTION
                | lexicon.get(folded.rsplit("-")[-1], 0) & _SURNAME
            )
        if not folded.isascii():
            found = lexicon.get(unaccented(folded), 0)
            if found & ~_COMMON and not found & _COMMON:
                return found
        found = 0
        if "а" <= folded[0] <= "ё":
            found = self._inflected(folded, _CASES_CYRILLIC, _ENDINGS_CYRILLIC)
            if _PATRONYMIC.search(folded):
                found |= _SURNAME | _SURE
            elif not found & _COMMON and _RUSSIAN_SURNAME.search(folded):
                found |= _SURNAME
        elif self.is_polish and len(folded) > 3:
            found = self._inflected(folded, _CASES_POLISH, _ENDINGS_POLISH)
        if (
            not found
            and len(folded) > 5
            and not self.is_german
            and not self.is_polish
            and (_SURNAME_SHAPE.search(folded) or _PATRONYMIC.search(folded))
        ):
            found = _SURNAME
        return found

    def _inflected(self, folded: str, cases: re.Pattern[str], endings: tuple[str, ...]) -> int:
        """What the word is known as in its first form; ordinary if any form is."""
        found = 0
        for cut in {1, 2, 3}:
            stem = folded[:-cut]
            if len(stem) >= 2 and cases.fullmatch(folded[-cut:]):
                for ending in endings:
                    found |= self.lexicon.get(stem + ending, 0)
        return found & ~_SURE & ~_FUNCTION

    def before(self, index: int, count: int) -> str:
        """The folded words before a word, joined, as far as only blanks and light punctuation part them."""
        words: list[str] = []
        for at in range(index, max(0, index - count), -1):
            gap = self.gap(at)
            if (
                len(gap) > 4
                or any(sign not in " \t:,\"“„«'’." for sign in gap)
                or ("." in gap and at < index)
            ):
                break
            words.insert(0, self.words[at - 1].folded)
        return " ".join(words)

    def opens(self, index: int) -> bool:
        """Whether a capital says nothing here: at the start of a sentence, a line or a quotation."""
        return index == 0 or bool(_OPENS.search(self.gap(index)))


def _word(match: re.Match[str]) -> _Word:
    """A word without an elided article before it and a suffix behind an apostrophe."""
    start, end = match.span()
    text = match.group()
    if "'" in text or "’" in text or "ʼ" in text:
        head, sign, tail = _parted(text)
        if head and head[0].islower() and tail[:1].isupper() and len(head) <= 3:
            start, text = start + len(head) + len(sign), tail
            head, sign, tail = _parted(text)
        if sign and head[:1].isupper() and tail.islower():
            text, end = head, start + len(head)
    return _Word(start, end, text, text.lower() if text.isascii() else fold(text).replace("ʼ", "'"))


def _parted(text: str) -> tuple[str, str, str]:
    parts = re.split("(['’ʼ])", text, maxsplit=1)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (text, "", "")


def _is_capital(word: _Word) -> bool:
    return word.text[0].isupper()


def find(text: str) -> Iterator[Span]:
    """Spans of names, in order."""
    parts = _Text(text)
    words = parts.words
    spans: list[tuple[int, int]] = []  # first and last word
    index = 0
    while index < len(words):
        if _is_capital(words[index]):
            joined = _joined_subjects(parts, index)
            if joined:
                spans += [(joined[0], joined[0]), (joined[1], joined[1])]
                index = joined[1] + 1
                continue
            last = _chain_end(parts, index)
            spans += _in_chain(parts, index, last)
            index = last + 1
        else:
            lower = _in_lower_case(parts, index)
            if lower:
                spans.append(lower)
                index = lower[1]
            index += 1
    for first, last in _with_echoes(parts, spans):
        yield words[first].start, words[last].end


def _chain_end(parts: _Text, first: int) -> int:
    """The last word of the run of capitalised words that opens here, particles within it included."""
    words, last = parts.words, first
    while last + 1 < len(words):
        gap = parts.gap(last + 1)
        if gap != " " and not (gap == ". " and (len(words[last].text) == 1 or words[last].folded in _TITLES)):
            break
        following = words[last + 1]
        if _is_capital(following):
            last += 1
            continue
        ahead = last + 1
        while (
            ahead < len(words)
            and ahead < last + 3
            and words[ahead].folded in _PARTICLES
            and parts.gap(ahead) == " "
        ):
            ahead += 1
        if (
            ahead == last + 1
            or ahead >= len(words)
            or not _is_capital(words[ahead])
            or parts.gap(ahead) not in (" ",)
        ):
            break
        known, particle = parts.known(last), words[ahead - 1].folded
        if not known & _GIVEN and (parts.is_german or known & _COMMON):
            break
        if not known & (_GIVEN | _SURNAME) and particle not in _NOBLE:
            break
        last = ahead
    return last


def _in_chain(parts: _Text, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Names within a run of capitalised words, cut at titles and ordinary words."""
    words = parts.words
    at = first
    titled = False
    while at <= last:
        if words[at].folded in _TITLES or words[at].folded in _KIN:
            titled, at = words[at].folded in _TITLES, at + 1
            continue
        cue = titled or _is_introduced(parts, at)
        known = parts.known(at)
        if words[at].folded in _PLACE_BEFORE and not cue and at < last:
            titled, at = False, at + 2
            continue
        stops = known & _FUNCTION and not known & _SURE
        if stops or (known & _COMMON and not cue and not known & (_GIVEN | _SURNAME)):
            titled, at = False, at + 1
            continue
        end = at
        while end < last and _goes_on(parts, at, end + 1, cue):
            end += 1
        while end > at and not _is_capital(words[end]):
            end -= 1
        if _is_name(parts, at, end, (first, last), cue):
            yield at, end
        titled, at = False, end + 1


def _goes_on(parts: _Text, first: int, index: int, cue: bool) -> bool:
    word, known = parts.words[index], parts.known(index)
    if len(word.text) == 1 or not _is_capital(word):
        return True
    if word.folded in _TITLES or known & _FUNCTION:
        return False
    if not known & _COMMON:
        return True
    opening = parts.known(first)
    return bool(known & (_SURNAME | _GIVEN)) and bool(
        cue or opening & _SURE or (opening & _GIVEN and not opening & _COMMON)
    )


def _is_introduced(parts: _Text, index: int) -> bool:
    """Whether the words before say that a name follows."""
    if index == 0:
        return False
    gap = parts.gap(index)
    before = parts.before(index, 4).split(" ")
    known = parts.known(index)
    last = before[-1]
    if not last:
        asked = (
            parts.words[index - 1].folded in ("name", "nombre", "nom", "nome", "naam") and gap.strip() == "?"
        )
        return asked or _is_signed(parts, index, gap)
    if last in _TITLES and "," not in gap:
        return True
    if known & _COMMON and not known & (_GIVEN | _SURNAME):
        return False
    for size in (3, 2, 1):
        phrase = " ".join(before[-size:])
        if size <= len(before) and phrase in _INTRODUCTIONS:
            if phrase in _LABELS:
                return ":" in gap
            return not (
                known & _COMMON and phrase in ("this is", "c'est", "это", "called", "sono", "ben", "heet")
            )
    end = parts.words[index].end
    if last in _GREETINGS and "." not in gap and ":" not in gap:
        return bool(_CLOSES.match(parts.text, _phrase_end(parts, index, end)))
    if last in _KIN or (
        last in ("is", "ist", "est", "es", "è", "é") and len(before) > 1 and before[-2] in _KIN
    ):
        kin = -1 if last in _KIN else -2
        possessed = last.endswith(("im", "ım", "um", "üm")) and last not in ("mom", "mum")  # Turkish, "my"
        return possessed or (len(before) > -kin and before[kin - 1] in _WHOSE)
    return False


def _phrase_end(parts: _Text, index: int, end: int) -> int:
    """Where the capitalised words and particles that open at a word end."""
    while index + 1 < len(parts.words) and parts.gap(index + 1) == " ":
        index += 1
        if not _is_capital(parts.words[index]) and parts.words[index].folded not in _PARTICLES:
            break
        end = parts.words[index].end
    return end


def _is_signed(parts: _Text, index: int, gap: str) -> bool:
    """Whether a letter's closing words stand on the line before and nothing else follows on this one."""
    if "\n" not in gap or gap.strip(" \t\r\n,.!-") or parts.words[index - 1].folded not in _SIGNED:
        return False
    end = _phrase_end(parts, index, parts.words[index].end)
    return not parts.text[end : end + 40].split("\n")[0].strip(" \t\r.")


def _is_name(parts: _Text, first: int, last: int, chain: tuple[int, int], cue: bool) -> bool:
    words = parts.words
    full = [at for at in range(first, last + 1) if len(words[at].text) > 1 and _is_capital(words[at])]
    if not full or _is_place_before(parts, first):
        return False
    known = [parts.known(at) for at in full]
    shouting = all(words[at].text.isupper() for at in full)
    if cue:
        return not (shouting and len(words[full[0]].text) < 3)
    has_given = any(one & _GIVEN and not one & _COMMON for one in known)
    has_surname = any(one & _SURNAME and not one & _COMMON for one in known)
    if len(full) > 1:
        if known[0] & _SURE or (has_given and has_surname):
            return True
        if shouting:
            return has_given and has_surname
        if (
            known[0] & _GIVEN
            and known[-1] & _SURNAME
            and words[full[-1]].folded not in _PLACES
            and words[full[0]].text in AMBIGUOUS
        ):
            return True
        if any(one & _COMMON for one in known):
            return (bool(known[0] & _GIVEN) and not known[-1] & _COMMON) or (
                bool(known[0] & _SURNAME) and has_given
            )
        if has_given or (has_surname and not parts.is_german):
            return True
        if chain[1] - chain[0] > last - first + 1 or len(full) > 3:
            return False
        before = parts.before(first, 2).split(" ")
        placed = _acts(parts, last) or before[-1] in _THAT or before[-1] in _BARE or before[0] in _TELLING
        if parts.is_german:
            return placed or (parts.is_personal and parts.before(first, 1) in _TOWARDS)
        return parts.is_english or parts.is_personal or placed
    return _is_lone_name(parts, full[0], known[0], shouting, initial=last > first)


def _is_lone_name(parts: _Text, index: int, known: int, shouting: bool, initial: bool) -> bool:
    word = parts.words[index]
    if known & _COMMON or len(word.text) < 3:
        return initial and bool(known & _GIVEN) and len(word.text) > 2 and not parts.opens(index)
    if shouting:
        return bool(known & _SURE) and len(word.text) > 3
    if known & _SURE or (initial and known) or _is_addressed(parts, index, known):
        return True
    if _acts(parts, index) and not parts.is_german:
        return True
    if parts.opens(index):
        return False
    if known & (_GIVEN | _SURNAME):
        return not parts.is_german or (bool(known & _GIVEN) and parts.before(index, 1) in _TOWARDS)
    if parts.is_german:
        return False
    before = parts.before(index, 1)
    return before in _SAID or (parts.is_english and parts.text.startswith(("'s ", "’s "), word.end))


_PLACES = frozenset(
    "day garden gardens street university city river state island beach bank court act agreement code tree water hill hills lake park road fields field church house school hall bridge tower valley bay france beer".split()
)
_SAID = frozenset(
    "says said asked replied told shouted whispered answered dijo dice disse zei powiedział powiedziała сказал сказала".split()
)
_CALLING = frozenset(
    "can could would will please do did are you i we what how when why where thank thanks let is".split()
)
_BEING = frozenset("is was has had will can began spent wants knows likes loves does did".split())


def _is_addressed(parts: _Text, index: int, known: int) -> bool:
    """Whether a word known as a name opens a line to address somebody, to give somebody the word, or as a subject."""
    if (
        not known & (_GIVEN | _SURNAME)
        or not parts.opens(index)
        or parts.is_german
        or index + 1 >= len(parts.words)
    ):
        return False
    gap, following = parts.gap(index + 1), parts.words[index + 1].folded
    opens_line = index == 0 or "\n" in parts.gap(index)
    return (
        (gap == ", " and following in _CALLING)
        or (opens_line and gap.startswith(":") and bool(known & _GIVEN))
        or (gap == " " and following in _BEING and bool(known & _GIVEN))
    )


def _acts(parts: _Text, index: int) -> bool:
    """Whether what follows is what people do."""
    words = parts.words
    if index + 1 >= len(words) or parts.gap(index + 1) != " ":
        return False
    following = words[index + 1].folded
    if following in _DOES:
        return True
    return (
        index + 2 < len(words)
        and parts.gap(index + 2) == " "
        and f"{following} {words[index + 2].folded}" in ("is from", "was born", "is my")
    )


_PLACE_BEFORE = frozenset(
    "san santa santo sankt saint sainte são sao north south east west port fort lake mount los las el la new saint-".split()
)


def _is_place_before(parts: _Text, index: int) -> bool:
    return (
        bool(index)
        and parts.words[index - 1].folded in _PLACE_BEFORE
        and _is_capital(parts.words[index - 1])
        and parts.gap(index) in (" ", ". ")
    )


def _in_lower_case(parts: _Text, index: int) -> tuple[int, int] | None:
    """A given name and a surname, or one of them behind a title or a kinship word."""
    words = parts.words
    known = parts.lexicon.get(words[index].folded, 0)
    if not known & (_GIVEN | _SURNAME) or known & _COMMON or len(words[index].text) < 3:
        return None
    if known & _SURE:
        end = index + 1
        if (
            end < len(words)
            and parts.gap(end) == ", "
            and parts.lexicon.get(words[end].folded, 0) & _SURE
            and not _is_capital(words[end])
        ):
            while (
                end < len(words)
                and parts.gap(end) == ", "
                and parts.lexicon.get(words[end].folded, 0) & _SURE
            ):
                end += 1
            if (
                end + 1 < len(words)
                and words[end].folded == "and"
                and parts.lexicon.get(words[end + 1].folded, 0) & _GIVEN
            ):
                end += 2
            return index, end - 1
        if (
            end < len(words)
            and len(words[end].text) == 1
            and parts.gap(end) == " "
            and parts.gap(min(end + 1, len(words) - 1)) in (" ", ". ")
        ):
            end += 1
        if (
            end < len(words)
            and words[end].text.islower()
            and parts.gap(end) in (" ", ". ")
            and len(words[end].text) > 2
        ):
            other = parts.known(end)
            if not other & _COMMON and other & _SURNAME:
                return index, end
        if _is_introduced(parts, index):
            return index, index
    if (
        index
        and words[index - 1].folded in _TITLES
        and parts.gap(index) in (" ", ". ")
        and words[index - 1].folded not in ("pan", "bay", "don", "dona", "col", "sir", "lady")
    ):
        return index, index
    return None


def _joined_subjects(parts: _Text, index: int) -> tuple[int, int] | None:
    """Two words at the start of an English sentence, joined by "and", one of them known as a name."""
    words = parts.words
    if (
        not parts.is_english
        or not parts.opens(index)
        or index + 3 >= len(words)
        or words[index + 1].folded != "and"
    ):
        return None
    other = index + 2
    if (
        not _is_capital(words[other])
        or parts.gap(other) != " "
        or parts.gap(index + 1) != " "
        or _is_capital(words[other + 1])
    ):
        return None
    one, two = parts.known(index), parts.known(other)
    if (one | two) & _FUNCTION or not (two & (_GIVEN | _SURNAME) and not (one & _COMMON and two & _COMMON)):
        return None
    return index, other


def _with_echoes(parts: _Text, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The names, and with them single capitalised words that stand beside one in a list or echo a part of one."""
    if not spans:
        return spans
    words = parts.words
    inside = [False] * len(words)
    said: set[str] = set()
    for first, last in spans:
        for at in range(first, last + 1):
            inside[at] = True
            if len(words[at].text) > 2 and _is_capital(words[at]) and not parts.known(at) & _COMMON:
                said.add(words[at].folded)
    more = [
        (at, at)
        for at, word in enumerate(words)
        if not inside[at] and word.folded in said and _is_capital(word)
    ]
    for at, _ in more:
        inside[at] = True
    for order in (range(len(words)), range(len(words) - 1, -1, -1)):
        step = 1 if order.step > 0 else -1
        for at in order:
            other = at + step
            if not inside[at] or not 0 <= other < len(words):
                continue
            if (
                not inside[other]
                and words[other].folded in _ANDS
                and 0 <= other + step < len(words)
                and parts.gap(max(at, other)) in (" ", ", ")
                and parts.gap(max(other, other + step)) == " "
            ):
                other += step
            elif parts.gap(max(at, other)) != ", ":
                continue
            if not inside[other] and _may_be_listed(parts, other):
                inside[other] = True
                more.append((other, other))
    return sorted(spans + more)


_ANDS = frozenset("and or & y e et und o ou en i oraz ve и".split())


def _may_be_listed(parts: _Text, index: int) -> bool:
    word, known = parts.words[index], parts.known(index)
    return (
        _is_capital(word)
        and len(word.text) > 2
        and not word.text.isupper()
        and not known & _FUNCTION
        and (not parts.opens(index) or bool(known & (_GIVEN | _SURNAME)))
        and not parts.is_german
        and (bool(known & (_GIVEN | _SURNAME)) or (known == 0 and parts.is_english))
        and not (
            index + 1 < len(parts.words)
            and _is_capital(parts.words[index + 1])
            and parts.gap(index + 1) == " "
        )
    )


_ANY_CASE = re.compile(
    r"(?i)\b(?:my (?:full |first |last |middle |maiden )?name is|my name's|name:|i am called|they call me|call me|mi nombre es|me llamo|mi nombre:|je m['’]appelle"
    r"|je me nomme|mon nom est|mein name ist|ich heiße|ich heisse|mi chiamo|il mio nome è|meu nome é|o meu nome é|me chamo|chamo-me|mijn naam is|ik heet"
    r"|nazywam się|mam na imię|benim adım|adım|меня зовут|моё имя|мое имя|maiden name is|surname is)\s{1,8}(?P<it>[^\W\d_]{2,25})(?P<more>(?:\s[^\W\d_]{2,25}){0,2})"
)
_NO_NAME = frozenset(
    """
    a about actually after again anymore anybody anything instead besides saved names name spanish english all already also always an and another any as asap at back because before being but by
    correct crazy cause day different difficult due first for from given going gonna hard important in incorrect is it its
    just later listed long misspelled my myself needed never new no not now of off on one only or other out over please
    really right so something spelled spelt stupid sure that the their them then there this to today tomorrow too unique
    unknown up very was wasn't what when where whether which who why with wrong written your on when if
    """.split()
)


def _any_case(text: str) -> Iterator[Span]:
    """Behind the plainest introductions, in whatever case it is written."""
    known = lexicon()
    for match in _ANY_CASE.finditer(text):
        first = match.group("it")
        folded = fold(first)
        if folded in _NO_NAME or (first[0].isupper() and known.get(folded, 0) & _FUNCTION):
            continue
        if known.get(folded, 0) & _COMMON and not known.get(folded, 0) & (_GIVEN | _SURNAME):
            continue
        end = match.end("it")
        second = re.match(r"\s([^\W\d_]+)", match.group("more"))
        if second and first[0].islower():
            other = known.get(fold(second.group(1)), 0)
            if other & (_GIVEN | _SURNAME) and not other & _COMMON:
                end = match.start("more") + second.end()
        yield match.start("it"), end


KINDS = (
    Kind("name", r"[\p{Lu}\p{Ll}]", find),
    Kind(
        "name",
        r"(?i:name|call|llam|nombre|nom |appelle|heiße|heisse|chiam|nome|cham|naam|heet|nazywam|imię|adım|зовут|имя)",
        _any_case,
    ),
)
"""Ways to find a name in a script with capitals."""
