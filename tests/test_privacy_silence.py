"""What crosses the boundary of a stage holds no text of a conversation (P9)."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator

import polars as pl
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

from clio_dagster.privacy.silence import EngineError, quiet
from clio_dagster.settings import SettingsError

SECRET = "my diagnosis is lupus"


def stored(error: BaseException) -> str:
    """What Dagster stores of an error, and what a traceback prints of it."""
    assert error.__traceback__ is not None
    info = serializable_error_info_from_exc_info((type(error), error, error.__traceback__))
    return info.to_string() + repr(info) + "".join(traceback.format_exception(error))


def raised(error: BaseException) -> BaseException:
    with pytest.raises(BaseException) as caught, quiet("facets", "2026-11-01|en"):
        raise error
    return caught.value


def test_a_librarys_error_loses_its_message_and_keeps_type_stage_and_place() -> None:
    with pytest.raises(EngineError) as caught, quiet("facets", "2026-11-01|en"):
        pl.Series([SECRET]).cast(pl.Int64)
    assert "facets 2026-11-01|en: InvalidOperationError at tests/test_privacy_silence.py:" in str(
        caught.value
    )
    assert "lupus" not in stored(caught.value)


def test_causes_and_contexts_are_cut_off() -> None:
    with pytest.raises(EngineError) as caught, quiet("facets", "d"):
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise RuntimeError("wrapped: " + SECRET) from error
    assert "lupus" not in stored(caught.value)


def test_the_projects_own_errors_pass_without_their_foreign_cause() -> None:
    with pytest.raises(SettingsError, match="unknown setting") as caught, quiet("facets", "d"):
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise SettingsError("unknown setting") from error
    assert "lupus" not in stored(caught.value)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SystemExit(1)])
def test_interrupts_pass(interrupt: BaseException) -> None:
    assert raised(interrupt) is interrupt


def test_a_panic_of_native_code_is_an_error_like_another() -> None:
    assert isinstance(raised(pl.exceptions.PanicException(SECRET)), EngineError)


def test_what_succeeds_returns() -> None:
    with quiet("facets", "d"):
        done = True
    assert done


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    yield stream
    logging.getLogger().removeHandler(handler)
    logging.getLogger().setLevel(level)


def test_libraries_log_neither_messages_nor_details_within(log: io.StringIO) -> None:
    with quiet("facets", "d"):
        logging.getLogger("somelibrary.client").warning("request failed: %s", SECRET)
        logging.getLogger("somelibrary.client").debug("body: %s", SECRET)
    assert log.getvalue() == "facets d: a message of somelibrary.client is withheld\n"


def test_the_projects_log_lines_pass_but_tracebacks_do_not(log: io.StringIO) -> None:
    with quiet("facets", "d"):
        try:
            raise ValueError(SECRET)
        except ValueError:
            logging.getLogger("clio_dagster.facets").exception("could not read a batch")
    assert "could not read a batch" in log.getvalue()
    assert "ValueError at tests/test_privacy_silence.py" in log.getvalue()
    assert "lupus" not in log.getvalue()


def test_logging_is_as_before_afterwards(log: io.StringIO) -> None:
    with quiet("facets", "d"):
        pass
    logging.getLogger("somelibrary").warning("hello")
    assert log.getvalue() == "hello\n"
