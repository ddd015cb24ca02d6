"""Keeps conversation text out of exceptions and log lines (P9).

Answers the engineer with the UI, who reads the event log, compute logs and check results: a library's error
quotes the value it choked on ("could not parse 'my number is …'"), and Dagster stores it with its causes.
What crosses this boundary is either one of the project's own errors, which are written to hold no text, or
reduced to its type and place.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWN_PACKAGES = frozenset({"clio_dagster", "assets", "resources", "sensors"})
_ROOT = Path(__file__).parents[2]
_PASSING = (KeyboardInterrupt, SystemExit, GeneratorExit)


class EngineError(RuntimeError):
    """A library's error without its message, which may quote a conversation: type, stage and place."""

    def __init__(self, kind: str, stage: str, where: str, place: str) -> None:
        super().__init__(
            f"{stage} {where}: {kind} at {place}. The message is withheld, as it may quote a conversation; "
            "run the stage in a debugger on made-up input to see it."
        )
        self.kind = kind


@contextmanager
def quiet(stage: str, where: str) -> Iterator[None]:
    """Run a stage's engine code so that neither its exceptions nor its log lines can hold text of
    conversations.

    `stage` and `where` (a partition, a source's key) name the work in what is said instead. The project's own
    errors pass, cut off from foreign causes; interrupts pass; everything else, panics of native code
    included, becomes an EngineError. Neither shows a cause or context, in a traceback or in Dagster's event
    log.
    """
    silencer = Silencer(stage, where)
    handlers = _handlers()
    for handler in handlers:
        handler.addFilter(silencer)
    try:
        yield
    except _PASSING:
        raise
    except BaseException as error:
        if _is_interrupt(error):
            raise
        if _is_own(error):
            raise error from None
        raise EngineError(_kind(error), stage, where, place_of(error)) from None
    finally:
        for handler in handlers:
            handler.removeFilter(silencer)


class Silencer(logging.Filter):
    """Cuts log records: foreign ones to logger and level, and every exception to its type and place."""

    def __init__(self, stage: str, where: str) -> None:
        super().__init__()
        self.stage, self.where = stage, where

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            if not _is_own(error):
                record.exc_text = f"{type(error).__name__} at {place_of(error)}"
                record.exc_info = None
        if record.name.split(".")[0] not in _OWN_PACKAGES | {"dagster"}:
            if record.levelno < logging.WARNING:
                return False
            record.msg, record.args = (
                f"{self.stage} {self.where}: a message of {record.name} is withheld",
                None,
            )
        return True


def _kind(error: BaseException) -> str:
    """Its type; of one that the system raised also which, in the system's words, which quote nothing."""
    number = error.errno if isinstance(error, OSError) else None
    return type(error).__name__ + (f" ({os.strerror(number)})" if number is not None else "")


def _is_own(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in _OWN_PACKAGES


def _is_interrupt(error: BaseException) -> bool:
    return not isinstance(error, Exception) and type(error).__module__.split(".")[0] in {"dagster", "asyncio"}


def place_of(error: BaseException) -> str:
    """File and line of the innermost frame of the project, the library's own being of less use."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if Path(frame.filename).is_relative_to(_ROOT) and "site-packages" not in frame.filename
    ]
    if not frames:
        return "an unknown place"
    frame = (own or list(frames))[-1]
    name = Path(frame.filename)
    return f"{name.relative_to(_ROOT) if name.is_relative_to(_ROOT) else name.name}:{frame.lineno}"


def _handlers() -> list[logging.Handler]:
    """Every handler that a record may reach now."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    found = {id(handler): handler for logger in loggers for handler in logger.handlers}
    if logging.lastResort is not None:
        found[id(logging.lastResort)] = logging.lastResort
    return list(found.values())
