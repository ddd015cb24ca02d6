"""Finds names of people in scripts with capitals: by what introduces them, by what they are known as, by shape.

Part of the detector (P3). A text is cut into words once; runs of capitalised words are then judged by the
words before and after them and by `name_lists`. Organisations named like people are masked with them. In
lower case, only a name with a surname, or one behind an introduction, is found.
"""

# ruff: noqa: E501 (patterns)

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from clio_dagster.privacy import people_cues as cues
from clio_dagster.privacy.given_names import AMBIGUOUS
from clio_dagster.privacy.name_lists import Known, fold, lexicon, unaccented
from clio_dagster.privacy.spans import Kind, Span

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
        self.is_german = sum(word.folded in cues.GERMAN for word in self.words[:60]) >= 2
        english = sum(word.folded in cues.ENGLISH for word in self.words[:60])
        foreign = sum(word.folded in cues.FOREIGN for word in self.words[:60])
        self.is_personal = any(word.folded in cues.PERSONAL for word in self.words)
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
        if gap != " " and not (
            gap == ". " and (len(words[last].text) == 1 or words[last].folded in cues.TITLES)
        ):
            break
        following = words[last + 1]
        if _is_capital(following):
            last += 1
            continue
        ahead = last + 1
        while (
            ahead < len(words)
            and ahead < last + 3
            and words[ahead].folded in cues.PARTICLES
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
        if not known & (_GIVEN | _SURNAME) and particle not in cues.NOBLE:
            break
        last = ahead
    return last


def _in_chain(parts: _Text, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Names within a run of capitalised words, cut at titles and ordinary words."""
    words = parts.words
    at = first
    titled = False
    while at <= last:
        if words[at].folded in cues.TITLES or words[at].folded in cues.KIN:
            titled, at = words[at].folded in cues.TITLES, at + 1
            continue
        cue = titled or _is_introduced(parts, at)
        known = parts.known(at)
        if words[at].folded in cues.PLACE_BEFORE and not cue and at < last:
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
    if word.folded in cues.TITLES or known & _FUNCTION:
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
    if last in cues.TITLES and "," not in gap:
        return True
    if known & _COMMON and not known & (_GIVEN | _SURNAME):
        return False
    for size in (3, 2, 1):
        phrase = " ".join(before[-size:])
        if size <= len(before) and phrase in cues.INTRODUCTIONS:
            if phrase in cues.LABELS:
                return ":" in gap
            return not (
                known & _COMMON and phrase in ("this is", "c'est", "это", "called", "sono", "ben", "heet")
            )
    end = parts.words[index].end
    if last in cues.GREETINGS and "." not in gap and ":" not in gap:
        return bool(_CLOSES.match(parts.text, _phrase_end(parts, index, end)))
    if last in cues.KIN or (
        last in ("is", "ist", "est", "es", "è", "é") and len(before) > 1 and before[-2] in cues.KIN
    ):
        kin = -1 if last in cues.KIN else -2
        possessed = last.endswith(("im", "ım", "um", "üm")) and last not in ("mom", "mum")  # Turkish, "my"
        return possessed or (len(before) > -kin and before[kin - 1] in cues.WHOSE)
    return False


def _phrase_end(parts: _Text, index: int, end: int) -> int:
    """Where the capitalised words and particles that open at a word end."""
    while index + 1 < len(parts.words) and parts.gap(index + 1) == " ":
        index += 1
        if not _is_capital(parts.words[index]) and parts.words[index].folded not in cues.PARTICLES:
            break
        end = parts.words[index].end
    return end


def _is_signed(parts: _Text, index: int, gap: str) -> bool:
    """Whether a letter's closing words stand on the line before and nothing else follows on this one."""
    if "\n" not in gap or gap.strip(" \t\r\n,.!-") or parts.words[index - 1].folded not in cues.SIGNED:
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
            and words[full[-1]].folded not in cues.PLACES
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
        placed = (
            _acts(parts, last)
            or before[-1] in cues.THAT
            or before[-1] in cues.BARE
            or before[0] in cues.TELLING
        )
        if parts.is_german:
            return placed or (parts.is_personal and parts.before(first, 1) in cues.TOWARDS)
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
        return not parts.is_german or (bool(known & _GIVEN) and parts.before(index, 1) in cues.TOWARDS)
    if parts.is_german:
        return False
    before = parts.before(index, 1)
    return before in cues.SAID or (parts.is_english and parts.text.startswith(("'s ", "’s "), word.end))


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
        (gap == ", " and following in cues.CALLING)
        or (opens_line and gap.startswith(":") and bool(known & _GIVEN))
        or (gap == " " and following in cues.BEING and bool(known & _GIVEN))
    )


def _acts(parts: _Text, index: int) -> bool:
    """Whether what follows is what people do."""
    words = parts.words
    if index + 1 >= len(words) or parts.gap(index + 1) != " ":
        return False
    following = words[index + 1].folded
    if following in cues.DOES:
        return True
    return (
        index + 2 < len(words)
        and parts.gap(index + 2) == " "
        and f"{following} {words[index + 2].folded}" in ("is from", "was born", "is my")
    )


def _is_place_before(parts: _Text, index: int) -> bool:
    return (
        bool(index)
        and parts.words[index - 1].folded in cues.PLACE_BEFORE
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
        and words[index - 1].folded in cues.TITLES
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
                and words[other].folded in cues.ANDS
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


def _any_case(text: str) -> Iterator[Span]:
    """Behind the plainest introductions, in whatever case it is written."""
    known = lexicon()
    for match in _ANY_CASE.finditer(text):
        first = match.group("it")
        folded = fold(first)
        if folded in cues.NO_NAME or (first[0].isupper() and known.get(folded, 0) & _FUNCTION):
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
