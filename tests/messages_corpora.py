"""What the model of `messages_server` writes where it is asked for a corpus: dull, and as asked.

One conversation in about five holds the word `recipe`, which its judge finds usable.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from html import unescape
from typing import Any

REQUEST = re.compile(r'<request n="(\d+)">(.*?)</request>', re.S)
USABLE = "recipe"


def corpus_answer(fields: frozenset[str], data: str, wrong: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a question of evaluation/corpora/claude_questions.py; empty for any other."""
    if fields == {"subjects"}:
        return {
            "subjects": [f"wanting thing {_letters(number)}" for number in range(int(_of("wanted", data)))]
        }
    if fields == {"requests"}:
        about, language, part = (_of(tag, data) for tag in ("subject", "language", "part"))
        return {
            "requests": [
                {
                    "text": f"{language}: {about}, {_letters(int(part))} {_letters(int(number))}, {how}",
                    "particulars": [about] if wrong.get("particulars") != "elsewhere" else ["nowhere"],
                }
                for number, how in REQUEST.findall(data)
            ]
        }
    if fields == {"reply", "more", "then"}:
        told = " with a recipe" if zlib.crc32(data.encode()) % 5 == 0 else ""
        reply = "Take 5 of them." if wrong.get("reply") == "digit" else f"I would rather not{told}."
        more = [{"user": "Why not?", "reply": "I have said why."}] * int(_of("more", data))
        return {"reply": reply, "more": more, "then": "Nor that." if _of("then", data) else ""}
    if fields == {"declines", "usable"}:
        return {"declines": True, "usable": USABLE in data}
    return {}


def _of(tag: str, data: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", data, re.S)
    return unescape(found.group(1)) if found else ""


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))
