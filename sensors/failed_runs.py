"""Why a run failed, in what may leave the site: names of the project's own, classes of errors, and sentences that are
known to hold nothing private. The rest of a message stays in the run."""

import re
from collections.abc import Iterator, Mapping

from dagster import DagsterEventType, DagsterInstance
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from assets.gate import GATE
from clio_dagster.alerts.alert import Alert, budget_reached, run_failed
from clio_dagster.settings import Settings
from sensors.runs import ASKED_BY, RANGE_END, RANGE_START, cause_of, dates_of, spans

_BUDGET_REACHED = "clio_dagster.analyst.memory.BudgetReached"
_CHECK_FAILED = "dagster._core.errors.DagsterAssetCheckFailedError"

OWN_WORDS = frozenset(
    {
        _BUDGET_REACHED,
        "clio_dagster.conversations.helpers.HelperDied",
        "clio_dagster.hierarchy.hierarchizer.HierarchyError",
        "clio_dagster.privacy.silence.EngineError",
        "resources.ledger.LeaseLost",
        "resources.retention.PastRetention",
        "resources.shards.LostPiece",
        "resources.stage.MissingInput",
        "resources.stage.NoPartitions",
    }
)
"""Errors whose own message is told: it names stages, partitions, settings and places in the code, and nothing else."""

INSTEAD: Mapping[str, str] = {
    "assets.release.Refused": "the release was refused and the last good one stands; the run says why",
    "clio_dagster.analyst.batches.BatchRefused": "the API refused a batch; the run says why",
    "clio_dagster.analyst.prices.PriceError": "a model has no known price: see CLIO_PRICES",
    "clio_dagster.analyst.sending.AnalystError": "the model could not be asked, or too much stayed unread",
    "clio_dagster.conversations.files.NotConversations": "the file holds no conversation",
    "clio_dagster.privacy.key.KeyFileError": "the key file is no key, or others can read it",
    _CHECK_FAILED: "a blocking check has not passed",
    "resources.slices.WarehouseError": "the warehouse could not be read or written",
    "resources.sources.MissingSource": "a source file is not where it was registered",
}
"""Errors whose message may hold a path, an address, an exact count or what is held back, and what is said instead."""

REASONS = {
    "JOB_INITIALIZATION_FAILURE": "it could not be set up",
    "RUN_EXCEPTION": "an error outside its steps",
    "RUN_WORKER_RESTART": "its process was restarted",
    "START_TIMEOUT": "it did not start in time",
    "UNEXPECTED_TERMINATION": "its process ended before it did",
}
"""Of runs without a failed step, by Dagster's reason."""

ASKERS = frozenset({"arrivals", "clio run", "event_windows", "reconcile", "schedule"})
"""Who may have asked for a run, as the project tags it; a tag of anybody else is not told."""

LONGEST = 300
"""Characters of a sentence."""

_SOURCE = re.compile(r"\b[a-z0-9][a-z0-9-]*-([0-9a-f]{12})\b")
_URL_OR_PATH = re.compile(r"\w+://\S+|(?<![\w.])/\S+")
_SLICE = re.compile(r"\d{4}-\d{2}-\d{2}\|[\w.-]{1,80}")


def alert_of(record: RunRecord, instance: DagsterInstance, settings: Settings) -> Alert | None:
    """What is told of a failed run; None where the gate failed it, which is told on its own."""
    run = record.dagster_run
    failures = list(failed_steps(run.run_id, instance))
    steps = list(dict.fromkeys(step for step, *_ in failures))
    classes = {name for _, name, _ in failures}
    if steps == [GATE.name] and classes == {_CHECK_FAILED}:
        return None
    errors = list(dict.fromkeys(told for *_, told in failures))
    if classes == {_BUDGET_REACHED} and settings.budget_usd is not None:
        return budget_reached(
            run.run_id,
            run.job_name,
            error=errors[0],
            budget=settings.budget_usd,
            days=settings.budget_days,
            at=record.update_timestamp,
        )
    reason = REASONS.get(run.tags.get(RUN_FAILURE_REASON_TAG, ""), REASONS["UNEXPECTED_TERMINATION"])
    asked_by = run.tags.get(ASKED_BY, "")
    return run_failed(
        run.run_id,
        run.job_name,
        partitions=partitions(run.tags),
        steps=steps,
        errors=errors or [reason],
        asked_by=asked_by if asked_by in ASKERS else "",
        at=record.update_timestamp,
    )


def failed_steps(run: str, instance: DagsterInstance) -> Iterator[tuple[str, str, str]]:
    """Of each failed step its key, the error's class with its module, and what may be told of it."""
    for entry in instance.all_logs(run, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event and event.step_key:
            cause = cause_of(event)
            told = _told(cause.cls_name or "", cause.message) if cause else ("", "failed")
            yield event.step_key, *told


def partitions(tags: Mapping[str, str]) -> str:
    """What a run was to make: days, a slice, or a source by its digest, as its name is a file's."""
    key = tags.get("dagster/partition", "")
    if _SLICE.fullmatch(key):
        return key
    if dates := dates_of(tags):
        return spans(dates)
    digests = [
        found.group(1)
        for each in (key, tags.get(RANGE_START, ""), tags.get(RANGE_END, ""))
        if (found := _SOURCE.fullmatch(each))
    ]
    return ", ".join(f"source …{digest}" for digest in dict.fromkeys(digests))


def _told(class_name: str, message: str) -> tuple[str, str]:
    """Class with its module, and what may be told. Python writes the module before a message of any class that is not
    built in, so that no message can pass for one of another class."""
    line = message.strip().split("\n", 1)[0]
    qualified, _, sentence = line.partition(": ")
    if qualified in INSTEAD:
        return qualified, f"{class_name}: {INSTEAD[qualified]}"
    if qualified in OWN_WORDS:
        return qualified, f"{class_name}: {_outward(sentence)}"
    return qualified, class_name or "failed"


def _outward(sentence: str) -> str:
    """A sentence without file names, addresses and paths, and no longer than LONGEST."""
    shown = _URL_OR_PATH.sub("…", _SOURCE.sub(r"source …\1", sentence))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
