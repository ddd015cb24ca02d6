"""Evaluations as folders: one that is kept can be compared with a later one.

A folder holds `evaluation.json` (what made it, each section with its figures and bars), `tables/` and `pictures/` a
section, and `hits.parquet`: HITS of figures that are shares of conversations. It is written beside its place and
renamed: there is no half of one, whoever else writes.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from clio_dagster.evaluation.evaluate import Evaluation
from clio_dagster.evaluation.section import Bar, Section

SCHEMA = 1
"""Of evaluation.json."""

HITS = pl.Schema(
    {
        "section": pl.String,
        "what": pl.String,
        "conversation_id": pl.String,
        "hit": pl.Boolean,
        "together": pl.String,
    }
)
"""Columns of hits.parquet; `together` is null throughout for figures that have none."""

ABOUT, OF_HITS = "evaluation.json", "hits.parquet"
LATEST = "latest"


class SavedError(ValueError):
    """A folder holds no evaluation, or a damaged one, or none answers to a name. The message names it."""


def save(evaluation: Evaluation, folder: Path) -> None:
    """Write an evaluation as a folder that is not there yet. Raises FileExistsError where it is."""
    if folder.exists():
        raise FileExistsError(f"{folder} is there already")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        _write(evaluation, beside)
        try:
            beside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            raise FileExistsError(f"{folder} is there already") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def load(folder: Path) -> Evaluation:
    """The evaluation of a folder, as it was but for intervals, whose ends are infinite where nothing was known.

    Raises SavedError, which names the folder, where it is damaged or of another schema.
    """
    try:
        told = json.loads((folder / ABOUT).read_text("utf-8"))
        if told["schema"] != SCHEMA:
            raise SavedError(f"{folder} is of schema {told['schema']}; this version reads {SCHEMA}")
        hits = (
            pl.read_parquet(folder / OF_HITS).select(list(HITS)).partition_by("section", "what", as_dict=True)
        )
        of_bars = {key: _hits(rows) for key, rows in hits.items()}
        return Evaluation([_section(each, folder, of_bars) for each in told["sections"]], told["made_by"])
    except SavedError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        raise SavedError(f"{folder} holds no whole evaluation ({type(error).__name__})") from None


def keep(evaluation: Evaluation, home: Path) -> Path:
    """Save it among those of a home, under the time (UTC) and a hash of what it says; returns the folder. A home that
    is not there is made, readable by its owner alone."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(as_dict(evaluation), sort_keys=True).encode()).hexdigest()[:8]
    now = datetime.now(UTC)
    folder = _kept_in(home) / f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}-{digest}"
    with suppress(FileExistsError):  # the same, of the same millisecond
        save(evaluation, folder)
    return folder


def kept(home: Path) -> list[Path]:
    """Folders of the evaluations of a home, the oldest first."""
    found = _kept_in(home).glob("[!.]*") if _kept_in(home).is_dir() else ()
    return sorted(folder for folder in found if folder.is_dir())


def latest(home: Path) -> Path | None:
    """The newest evaluation of a home."""
    return next(reversed(kept(home)), None)


def find(called: str, home: Path) -> Path:
    """A folder by its path; or one that a home keeps: by its name, by a beginning of it (a date: the newest of that
    date), by its hash, or as `latest`. Raises SavedError where there is none."""
    if (Path(called) / ABOUT).is_file():
        return Path(called)
    named = [
        each
        for each in kept(home)
        if called == LATEST or each.name.startswith(called) or each.name.endswith(f"-{called}")
    ]
    if called and named:
        return named[-1]
    raise SavedError(
        f"no evaluation is called {called}: give a folder, or of {_kept_in(home)} a name, a date or `{LATEST}`"
    )


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """All of it but pictures and hits as JSON can hold it: null is a value that could not be measured, and the end of
    an interval that has none."""
    sections = [
        _told(section) | {"tables": {name: _rows(table) for name, table in section.tables.items()}}
        for section in evaluation.sections
    ]
    return {
        "schema": SCHEMA,
        "made_by": dict(evaluation.made_by),
        "held": evaluation.held,
        "sections": sections,
    }


def _kept_in(home: Path) -> Path:
    return home / "evaluations"


def _write(evaluation: Evaluation, folder: Path) -> None:
    told = as_dict(evaluation)
    for section, of in zip(evaluation.sections, told["sections"], strict=True):
        for part in ("tables", "pictures"):
            (folder / part / section.name).mkdir(parents=True)
        of["tables"] = {name: f"{number}.parquet" for number, name in enumerate(section.tables)}
        of["pictures"] = {name: f"{number}.svg" for number, name in enumerate(section.pictures)}
        for name, file in of["tables"].items():
            section.tables[name].write_parquet(folder / "tables" / section.name / file)
        for name, file in of["pictures"].items():
            (folder / "pictures" / section.name / file).write_text(section.pictures[name], "utf-8")
    hits = [
        bar.hits.select(pl.lit(section.name).alias("section"), pl.lit(bar.what).alias("what"), pl.all())
        for section in evaluation.sections
        for bar in section.bars
        if bar.hits is not None
    ]
    folder.mkdir(exist_ok=True)
    pl.concat([pl.DataFrame(schema=HITS), *hits], how="diagonal_relaxed").select(pl.col(*HITS)).cast(
        HITS
    ).write_parquet(folder / OF_HITS)
    (folder / ABOUT).write_text(json.dumps(told, ensure_ascii=False, indent=2), "utf-8")


def _told(section: Section) -> dict[str, Any]:
    return {
        "name": section.name,
        "title": section.title,
        "about": section.about,
        "bars": [
            {
                "what": bar.what,
                "value": _finite(float(bar.value)),
                "at_least": None if bar.at_least is None else float(bar.at_least),
                "at_most": None if bar.at_most is None else float(bar.at_most),
                "held": None if bar.held is None else bool(bar.held),
                "n": int(bar.n),
                "interval": bar.interval and [_finite(float(end)) for end in bar.interval],
            }
            for bar in section.bars
        ],
    }


def _section(told: Mapping[str, Any], folder: Path, hits: Mapping[Any, pl.DataFrame]) -> Section:
    name = told["name"]
    bars = [
        Bar(
            each["what"],
            math.nan if each["value"] is None else each["value"],
            each["at_least"],
            each["at_most"],
            each["n"],
            _interval(each["interval"]),
            hits.get((name, each["what"])),
        )
        for each in told["bars"]
    ]
    tables = {
        caption: pl.read_parquet(folder / "tables" / name / file) for caption, file in told["tables"].items()
    }
    pictures = {
        picture: (folder / "pictures" / name / file).read_text("utf-8")
        for picture, file in told["pictures"].items()
    }
    return Section(name, told["title"], told["about"], bars, tables, pictures)


def _hits(rows: pl.DataFrame) -> pl.DataFrame:
    without = ["together"] if rows["together"].null_count() == rows.height else []
    return rows.drop("section", "what", *without)


def _interval(ends: list[float | None] | None) -> tuple[float, float] | None:
    if ends is None:
        return None
    low, high = ends
    return -math.inf if low is None else low, math.inf if high is None else high


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in table.iter_rows(named=True)]


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
