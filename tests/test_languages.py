"""Languages: what the user wrote decides, and what is in no configured language is `other`."""

import polars as pl
import pytest

from clio_dagster.conversations.languages import identify
from clio_dagster.settings import USE_LANGUAGES

SENTENCES = {
    "ar": "كيف يمكنني كتابة رسالة إلى المدير لطلب إجازة؟",
    "de": "Kannst du mir bitte helfen, einen Brief an meinen Vermieter zu schreiben?",
    "en": "Could you help me write a letter to the people who own my flat?",
    "es": "¿Puedes ayudarme a escribir una carta para el dueño de mi piso?",
    "fr": "Pourrais-tu m'aider à écrire une lettre au propriétaire de mon appartement ?",
    "it": "Puoi aiutarmi a scrivere una lettera al proprietario del mio appartamento?",
    "ja": "大家さんへの手紙を書くのを手伝ってもらえますか。",
    "ko": "집주인에게 보낼 편지를 쓰는 것을 도와주시겠어요?",
    "nl": "Kun je me helpen een brief te schrijven aan de eigenaar van mijn huis?",
    "pl": "Czy możesz mi pomóc napisać list do właściciela mojego mieszkania?",
    "pt": "Você pode me ajudar a escrever uma carta para o dono do meu apartamento?",
    "ru": "Помоги мне, пожалуйста, написать письмо хозяину моей квартиры.",
    "th": "ช่วยฉันเขียนจดหมายถึงเจ้าของบ้านหน่อยได้ไหม",
    "tr": "Ev sahibime bir mektup yazmama yardım edebilir misin?",
    "zh": "你能帮我给房东写一封信吗？",
}
ELSEWHERE = {
    "uk": "Допоможи мені, будь ласка, написати листа власнику моєї квартири.",
    "hi": "क्या आप मुझे अपने मकान मालिक को पत्र लिखने में मदद कर सकते हैं?",
    "sv": "Kan du hjälpa mig att skriva ett brev till min hyresvärd?",
    "el": "Μπορείς να με βοηθήσεις να γράψω ένα γράμμα στον ιδιοκτήτη;",
    "fi": "Voisitko auttaa minua kirjoittamaan kirjeen vuokranantajalleni?",
}


def languages_of(*texts: str, languages: tuple[str, ...] = USE_LANGUAGES) -> list[str]:
    return identify(pl.Series(texts, dtype=pl.String), languages).to_list()


def test_each_configured_language_is_told_apart() -> None:
    assert languages_of(*SENTENCES.values()) == list(SENTENCES)


def test_text_in_no_configured_language_is_other() -> None:
    assert set(languages_of(*ELSEWHERE.values())) == {"other"}


def test_a_language_becomes_other_once_it_is_not_configured() -> None:
    assert languages_of(SENTENCES["es"], SENTENCES["en"], languages=("en",)) == ["other", "en"]


def test_a_configured_language_that_the_embedder_does_not_know_is_still_found() -> None:
    assert languages_of(ELSEWHERE["uk"], languages=("en", "uk")) == ["uk"]


def test_norwegian_is_found_under_either_of_its_codes() -> None:
    text = "Kan du hjelpe meg med å skrive et brev til han som eier leiligheten min?"
    assert languages_of(text, text, languages=("nb",)) == ["nb", "nb"]
    assert languages_of(text, languages=("no",)) == ["no"]


@pytest.mark.parametrize("text", ["", "   ", "12345", "😀😀", "???", "ok", "```\nfor i in x: print(i)\n```"])
def test_what_is_too_short_to_decide_is_other(text: str) -> None:
    assert languages_of(text) == ["other"]


@pytest.mark.parametrize("hint", ["es", "Spanish", "es-MX", " SPANISH "])
def test_a_records_own_language_helps_where_the_text_is_too_short(hint: str) -> None:
    assert identify(pl.Series(["ok"]), USE_LANGUAGES, hints=pl.Series([hint])).to_list() == ["es"]


def test_a_records_own_language_never_overrules_the_text() -> None:
    found = identify(pl.Series([SENTENCES["de"]]), USE_LANGUAGES, hints=pl.Series(["English"]))
    assert found.to_list() == ["de"]


@pytest.mark.parametrize("hint", ["sv", "Klingon", "", None])
def test_a_record_that_names_no_configured_language_is_no_help(hint: str | None) -> None:
    hints = pl.Series([hint], dtype=pl.String)
    assert identify(pl.Series(["ok"]), USE_LANGUAGES, hints=hints).to_list() == ["other"]


def test_pasted_code_does_not_make_a_question_english() -> None:
    code = "\n".join(["for item in inventory: print('the total of the items is', item.price)"] * 20)
    assert languages_of(f"```python\n{code}\n```\n¿Por qué no funciona mi programa?") == ["es"]


def test_capitals_are_read_like_small_letters() -> None:
    assert languages_of(SENTENCES["de"].upper()) == ["de"]


def test_a_text_is_identified_alike_alone_and_in_a_batch() -> None:
    texts = [*SENTENCES.values(), *ELSEWHERE.values(), "ok", ""]
    assert languages_of(*texts) == [languages_of(text)[0] for text in texts]


def test_the_batched_model_scores_as_py3langid_does() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    theirs = LanguageIdentifier.from_model_file(MODEL_FILE)
    texts = [*SENTENCES.values(), *ELSEWHERE.values()]
    codes = tuple(code for code in theirs.labels if len(code) == 2)
    assert languages_of(*texts, languages=codes) == [theirs.classify(text)[0] for text in texts]


def test_no_text_gives_no_language() -> None:
    assert languages_of() == []
