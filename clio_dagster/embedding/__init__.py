"""From facet texts to unit vectors: which embedder, and how a column of texts goes through it.

What an embedder is stands in `protocol.py`; each one has a module of its own, imported when it is asked for.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from clio_dagster.embedding.protocol import Embedder, MissingExtraError

__all__ = [
    "MAX_CHARACTERS",
    "Embedder",
    "Encoding",
    "MissingExtraError",
    "embed_in_chunks",
    "embed_texts",
    "make_embedder",
]

MAX_CHARACTERS = 2_000
"""What lies beyond this many characters of a text is not embedded. A facet is one or two sentences."""

CHUNK = 2_048
"""Distinct texts handed to the embedder at once: what bounds its memory, and how often progress is told."""

SENTENCE_TRANSFORMERS = "sentence-transformers:"

Encoding = Callable[[Iterable[list[str]]], Iterable[np.ndarray]]
"""Chunks of texts encoded one after the other, or apart: the vectors of each, in the chunks' order."""


def make_embedder(name: str, *, threads: int) -> Embedder:
    """The embedder called `name`: `use`, `wordllama`, or `sentence-transformers:NAME_OR_PATH`.

    `threads` is the number of cores it may use. Raises ValueError for another name, MissingExtraError where
    the package is an extra that is not installed, and WeightsError where `use` finds other weights.
    """
    if name == "use":
        from clio_dagster.embedding.use import UniversalSentenceEncoder

        return UniversalSentenceEncoder(threads=threads)
    if name == "wordllama":
        from clio_dagster.embedding.wordllama import WordLlamaEmbedder

        return WordLlamaEmbedder()
    if name.startswith(SENTENCE_TRANSFORMERS) and len(name) > len(SENTENCE_TRANSFORMERS):
        from clio_dagster.embedding.sentence_transformers import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(name.removeprefix(SENTENCE_TRANSFORMERS), threads=threads)
    raise ValueError(
        f"CLIO_EMBEDDER: unknown embedder {name!r}; "
        f"give `use`, `wordllama` or `{SENTENCE_TRANSFORMERS}NAME_OR_PATH`"
    )


def embed_texts(
    texts: pl.Series, embedder: Embedder, on_progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """Unit vectors of `texts`, in their order: float32, (len(texts), embedder.dimensions).

    Identical texts are embedded once. The distinct ones are sorted by length, then content, and embedded in
    chunks, so the result depends on which texts there are and never on their order or number; between calls
    with other texts beside it, a vector may differ in the last bits of its floats (a matrix product rounds
    by the shape of its batch). `on_progress` is called with the number of rows each chunk settles.

    Raises ValueError for a null text.
    """
    places, distinct = _distinct(texts)
    vectors = np.empty((len(distinct), embedder.dimensions), dtype=np.float32)
    for start, chunk in _embedded(distinct, embedder, on_progress):
        vectors[start : start + len(chunk)] = chunk
    return vectors[places]


def embed_in_chunks(
    texts: pl.Series,
    embedder: Embedder,
    *,
    rows: int,
    folder: Path | None = None,
    encoding: Encoding | None = None,
) -> Iterator[np.ndarray]:
    """The vectors of `embed_texts`, bit for bit, `rows` of them at a time, at least once.

    Until all are made they wait in a file in `folder` (by default where temporary files are), which has no name: it
    goes with the process, however that ends. `encoding` stands in for the embedder where chunks are encoded elsewhere,
    by its like: which texts share a chunk follows from the texts alone, so that the bits are the same.
    """
    places, distinct = _distinct(texts)
    width = 4 * embedder.dimensions
    with tempfile.TemporaryFile(dir=folder) as file:
        for _, chunk in _embedded(distinct, embedder, encoding=encoding):
            file.write(np.ascontiguousarray(chunk, dtype=np.float32).data)
        file.flush()
        del distinct
        for start in range(0, max(1, len(places)), rows):
            wanted, where = np.unique(places[start : start + rows], return_inverse=True)
            found = b"".join(os.pread(file.fileno(), width, place * width) for place in wanted.tolist())
            yield np.frombuffer(found, dtype=np.float32).reshape(-1, embedder.dimensions)[where]


def _distinct(texts: pl.Series) -> tuple[np.ndarray, pl.DataFrame]:
    """The distinct texts [text, rows], by length, then content; and of each text in which row it is."""
    if texts.null_count():
        raise ValueError(
            f"{texts.null_count()} texts to embed are null: embed the conversations that were read"
        )
    rows = pl.DataFrame({"text": texts.cast(pl.String).str.head(MAX_CHARACTERS)})
    distinct = (
        rows.group_by("text").len("rows").sort(pl.col("text").str.len_chars(), "text").with_row_index("place")
    )
    places = rows.join(distinct.select("text", "place"), on="text", how="left", maintain_order="left")
    return places["place"].to_numpy(), distinct.drop("place")


def _embedded(
    distinct: pl.DataFrame,
    embedder: Embedder,
    on_progress: Callable[[int], None] | None = None,
    encoding: Encoding | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Vectors of the distinct texts, CHUNK at a time, each with the row of its first."""
    starts = range(0, len(distinct), CHUNK)
    chunks = (distinct["text"].slice(start, CHUNK).to_list() for start in starts)
    encoded = map(embedder.encode, chunks) if encoding is None else encoding(chunks)
    for start, vectors in zip(starts, encoded, strict=True):
        yield start, vectors
        if on_progress is not None:
            on_progress(int(distinct["rows"].slice(start, CHUNK).sum()))
