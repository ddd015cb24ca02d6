"""How texts are built, whatever they are about: the keys by which P4 collapses templates, a number for each key.

Slots are masked first (privacy/collapse.py). Beside the whole form, its skeleton of function words and its opening,
a few runs of masked words stand for a long text (MinHash, privacy/alike.py): clauses may then change places.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from clio_dagster.privacy.alike import fragments
from clio_dagster.privacy.collapse import LONG_TEXT_WORDS, openings, template_keys

KEYS = ("form", "skeleton", "opening", "fragment 0", "fragment 1", "fragment 2", "fragment 3")
"""The kinds of structure that are compared."""

TEXTS_AT_ONCE = 50_000
"""Distinct texts that are masked at once: what bounds the memory."""

CHARACTERS = 2_000
"""What lies beyond is not looked at, as with the vectors."""


def structures(texts: pl.Series) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Of each kind in KEYS the number of each text's key (int64, −1 where there is none), and words of each (int64).

    Equal keys have equal numbers, from 0 without gaps. `texts` may be null: without keys, and of 0 words.
    """
    cut = texts.cast(pl.String).str.head(CHARACTERS).alias("text")
    distinct = cut.drop_nulls().unique().sort()
    parts = [
        _keys(distinct.slice(start, TEXTS_AT_ONCE))
        for start in range(0, max(1, len(distinct)), TEXTS_AT_ONCE)
    ]
    keyed = pl.concat(parts)
    placed = cut.to_frame().join(keyed, on="text", how="left", maintain_order="left")
    numbers = {
        kind: (placed[kind].rank("dense").cast(pl.Int64) - 1).fill_null(-1).to_numpy() for kind in KEYS
    }
    return numbers, placed["words"].fill_null(0).to_numpy()


def _keys(texts: pl.Series) -> pl.DataFrame:
    form, skeleton = template_keys(texts)
    words = (form.str.count_matches(" ", literal=True).cast(pl.Int64) + 1).fill_null(0)
    is_long = words >= LONG_TEXT_WORDS
    runs = fragments(form)
    strings = {"form": form, "skeleton": skeleton, "opening": openings(form)}
    hashed = {
        kind: key.to_frame("key").select(pl.when(is_long).then(pl.col("key").hash(0))).to_series()
        for kind, key in strings.items()
    }
    hashed |= {kind: runs[kind] for kind in KEYS if kind in runs}
    return pl.DataFrame({"text": texts, "words": words} | hashed)
