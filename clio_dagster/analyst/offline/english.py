"""English words by their part in a request, for telling acts, things and empty phrases apart in spans."""

from __future__ import annotations

ASKS_BEFORE = frozenset({
    "you", "please", "and", "can", "could", "would", "let's", "lets",
})  # fmt: skip
"""Words before what is asked for ("can you … a table")."""

WANTS_TO = frozenset({
    "like", "want", "wanted", "need", "needed", "how", "help", "helps", "trying", "try", "able", "way",
    "going", "you", "possible", "love", "hoping", "have", "has", "wish", "best", "ways", "me", "remember",
    "learn", "where", "what", "forgot",
})  # fmt: skip
"""Words before the "to" of what is asked for ("I want to …")."""

NOT_ASKS_BEFORE = frozenset({
    "the", "a", "an", "my", "your", "his", "her", "their", "our", "this", "that", "of", "for", "on", "in",
    "with", "is", "are", "what", "any", "some",
})  # fmt: skip
"""Words before what is a thing rather than an act."""

VAGUE = frozenset({
    "able", "possible", "anymore", "anything", "something", "everything", "nothing", "someone", "anyone",
    "everyone", "thing", "things", "stuff", "kind", "kinds", "type", "types", "sort", "sorts", "right",
    "actually", "currently", "recently", "yesterday", "today", "tomorrow", "tonight", "last", "next",
    "first", "new", "good", "better", "best", "great", "nice", "different", "way", "ways", "try",
    "trying", "instead", "certain", "specific", "current", "sure", "one", "ones", "lot", "bit", "help",
    "make", "makes", "making", "made", "give", "show", "look", "looking", "use", "using", "used", "find",
    "take", "put", "long", "old", "big", "own", "come", "hear", "talk", "bad", "item", "items", "real",
    "whole", "people", "person", "day", "time", "times", "year", "years", "week", "month", "question",
    "questions", "answer", "information", "info", "idea", "ideas", "start", "happen", "happened", "work",
    "works", "full", "line", "point", "given", "mean", "ask", "asked", "enough", "far", "soon",
    "sometimes", "keep", "tried", "starting", "anyway", "wants", "monday", "tuesday", "wednesday",
    "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "june", "july",
    "august", "september", "october", "november", "december", "taken", "needed", "coming", "available",
    "free", "required", "am", "pm",
})  # fmt: skip
"""English words that are said of anything: a quarter of their weight, so that a name rests on what they
are said of."""

BEFORE_THINGS = frozenset({
    "new", "good", "best", "better", "first", "big", "old", "real", "full", "different", "current", "specific",
    "next", "bad", "whole",
})  # fmt: skip
"""Vague words that a phrase may begin with: they stand before a thing."""

INNER_VERBS = frozenset({
    "take", "takes", "get", "gets", "got", "go", "goes", "need", "needs", "want", "make", "makes", "come",
    "know", "think", "say", "says", "let", "see", "leave", "have", "has", "had", "do", "does", "did",
})  # fmt: skip
"""English verbs that make a piece of somebody's sentence of a phrase that holds them within."""

ODD_ENDING = r"ly$|^(lost|left|went|came|got|gave|told|took|said|made|kept|began)$"
"""English words that end a piece of somebody's sentence, not a phrase."""

ACTED_ON = ("a", "an", "the", "my", "your", "into")
"""English words after the first of a phrase that make it an act ("rob a bank")."""

CONNECTORS = frozenset({
    "a", "an", "the", "of", "for", "to", "in", "on", "at", "with", "from", "by", "into", "between",
    "about", "per", "up", "out", "off", "how", "my", "your", "no", "not",
})  # fmt: skip
"""English function words that a name may hold; others make it a piece of somebody's sentence."""

NUMBER_WORDS = frozenset({
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "hundred", "thousand",
    "million", "dozen",
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "second", "third",
})  # fmt: skip
"""Numbers written out: no name holds a number."""
