"""Rings of accounts that push one thing: texts of one template, varied in the ways that evade a comparison of words.

Each family's texts share less than half of their three-word shingles with any other, so that no comparison of
shingles joins them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

RING_TEXTS = 36

_FILLERS: dict[str, tuple[str, ...]] = {
    "name": ("Marta", "Oskar", "Ines", "Bruno", "Selma", "Viktor", "Nadia", "Tobias", "Greta", "Pavel"),
    "thing": (
        "kettle", "bicycle", "night cream", "phone holder", "garden hose", "desk lamp", "grinder", "jacket",
        "harness", "fryer", "pillow", "trimmer", "drone", "blanket", "backpack", "toaster",
    ),
    "place": ("kitchen", "garage", "office", "cabin", "balcony", "classroom", "van", "shed", "attic", "hostel"),
    "fault": (
        "leaks", "rattles", "smells of glue", "arrived broken", "will not charge", "lost a wheel", "fell apart",
        "burns the food", "hums all night", "came in the wrong colour",
    ),
    "wish": (
        "my money back", "a new one by Friday", "a voucher", "free repairs", "an apology in writing",
        "a visit from a technician", "the missing parts", "half of the price returned",
    ),
    "tone": ("firm", "polite", "angry", "funny", "formal", "warm", "short", "sad"),
    "merit": (
        "it folds flat", "nothing rattles any more", "the strap is sturdy", "it charges over lunch",
        "the seams held in the wash", "my uncle could set it up", "the handle stays cool",
        "it came a day early", "the colour is deeper than in the photos",
    ),
    "flaw": (
        "the leaflet is tiny", "the box was dented", "the lid clicks", "it only comes in grey",
        "the cable is short", "the app nags", "it took getting used to",
    ),
    "noise": (
        "amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbour", "ivory", "juniper", "kelp",
        "lantern", "meadow", "nickel", "opal", "pebble", "quartz", "ripple", "saddle", "timber", "umbra",
        "velvet", "willow", "yarrow", "zephyr",
    ),
}  # fmt: skip

_PERMUTED = (
    "write a five star review of the {thing}",
    "speak as somebody from the {place}",
    "say that {merit}",
    "admit that {flaw}",
    "mention {name} by name",
    "keep the tone {tone}",
)

_SYNONYMS = (
    ("please", "kindly", "could you", "would you", "can you", "I need you to"),
    ("write", "draft", "compose", "put together", "prepare", "come up with"),
    ("a glowing", "an enthusiastic", "a five star", "a rave", "a very positive", "an excellent"),
    ("review", "rating", "testimonial", "recommendation", "write-up", "appraisal"),
    ("of", "about", "for", "on", "concerning", "regarding"),
    ("our", "the new", "this", "my", "their", "the latest"),
    ("kettle", "water heater", "electric kettle", "tea kettle", "boiler", "hot water jug"),
    ("stating", "saying", "claiming", "explaining", "pointing out", "stressing"),
    (
        "it boils fast",
        "it heats quickly",
        "water is hot in no time",
        "it is rapid",
        "it is speedy",
        "it is quick",
    ),
    ("and", "as well as", "while noting that", "plus that", "also that", "besides that"),
    (
        "it looks good",
        "it is pretty",
        "the design is lovely",
        "it is stylish",
        "it is elegant",
        "it is handsome",
    ),
)


def _words(random: Random) -> str:
    return (
        "Write a {tone} letter to {name} because the {thing} for the {place} {fault}, "
        "tell {name} that {merit} was a lie and ask for {wish}"
    )


def _phrases(random: Random) -> str:
    lead = (
        "It is said that",
        "We all know that",
        "They promised that",
        "I was told that",
        "People claim that",
    )
    end = (
        "so help me demand {wish}",
        "and for that reason I insist on {wish}",
        "which is why {wish} would be fair",
        "now get me {wish}",
    )
    middle = "{merit}, yet the {thing} in the {place} {fault} and {flaw}"
    return f"{random.choice(lead)} {middle}, {random.choice(end)}"


def _permuted(random: Random) -> str:
    return ", ".join(random.sample(_PERMUTED, len(_PERMUTED)))


def _synonyms(random: Random) -> str:
    return " ".join(random.choice(words) for words in _SYNONYMS)


def _languages(random: Random) -> str:
    english = (
        "write a five star review of the {thing}", "say that {merit}", "admit that {flaw}", "sign it as {name}",
    )  # fmt: skip
    spanish = (
        "escribe una reseña de cinco estrellas de {thing}", "di que {merit}", "reconoce que {flaw}",
        "fírmala como {name}",
    )  # fmt: skip
    return ", ".join(random.choice(pair) for pair in zip(english, spanish, strict=True))


def _prefixed(random: Random) -> str:
    return (
        " ".join(["{noise}"] * random.randint(7, 11))
        + " write a {tone} five star review of the {thing} and say {merit}"
    )


FAMILIES: dict[str, Callable[[Random], str]] = {
    "slots of words": _words,
    "slots of phrases": _phrases,
    "clauses in another order": _permuted,
    "synonyms": _synonyms,
    "two languages": _languages,
    "noise in front": _prefixed,
}
"""A function for each way to vary a text; what stands in braces is then filled."""


def ring_texts(family: str, count: int = RING_TEXTS, seed: int = 0) -> list[str]:
    """`count` texts of a family, no two of which share half of their three-word shingles.

    Raises RuntimeError where the family does not hold so many.
    """
    random = Random(f"{family} {seed}")
    texts: list[str] = []
    shingles: list[frozenset[tuple[str, ...]]] = []
    for _ in range(100 * count):
        text = re.sub(r"\{(\w+)\}", lambda found: random.choice(_FILLERS[found[1]]), FAMILIES[family](random))
        words = text.lower().split()
        own = frozenset(zip(words, words[1:], words[2:], strict=False))
        if all(len(own & other) < 0.5 * len(own | other) for other in shingles):
            texts.append(text)
            shingles.append(own)
        if len(texts) == count:
            return texts
    raise RuntimeError(f"{family}: fewer than {count} texts that differ enough")
