"""What the checks have said of a date: the last verdict on each of its slices, as far as it is about what is stored.

A verdict on what a slice held before it was last written, as a run leaves it that is killed between the two, is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from dagster import AssetCheckKey, AssetCheckSpec, AssetKey, DagsterInstance, PartitionsDefinition
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from assets.checks import WRITTEN_AT, suites
from assets.drift import drift_check
from assets.gate import gate_check
from assets.models import sql_checks
from assets.partitions import DATE_LANGUAGES, DATES, slices_of
from resources.fingerprints import Slicemap
from resources.slices import Slice

SPECS = tuple(
    spec
    for check in (*suites, *sql_checks, gate_check, drift_check)
    for spec in check.check_specs
    if spec.asset_key != AssetKey("release")  # they look at the release, after it
)
"""Every check that is about a date or its slices."""

_SAID = {AssetCheckExecutionRecordStatus.SUCCEEDED: True, AssetCheckExecutionRecordStatus.FAILED: False}


@dataclass(frozen=True)
class Verdict:
    """What a check says of one partition: True, False, or None where it has not looked at what is stored. `due_by`: the
    run at work that means to look, and has not yet."""

    spec: AssetCheckSpec
    partition: str
    passed: bool | None
    due_by: str | None = None


def of_slices(instance: DagsterInstance, day: str, stored: Slicemap) -> Iterator[Verdict]:
    """Verdicts on the slices of a date, every language."""
    return _verdicts(instance, slices_of(day), DATE_LANGUAGES, stored)


def of_date(instance: DagsterInstance, day: str, stored: Slicemap) -> Iterator[Verdict]:
    """Verdicts on the date itself."""
    return _verdicts(instance, [day], DATES, stored)


def _verdicts(
    instance: DagsterInstance,
    partitions: Sequence[str],
    partitions_def: PartitionsDefinition,
    stored: Slicemap,
) -> Iterator[Verdict]:
    @cache
    def at_work(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and not run.is_finished

    specs: dict[AssetCheckKey, AssetCheckSpec] = {
        spec.key: spec for spec in SPECS if spec.partitions_def == partitions_def
    }
    for partition in partitions:
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            list(specs), partition_filter=PartitionKeyFilter(key=partition)
        )
        for key, spec in specs.items():
            record = found.get(key)
            due_by = None
            if record and record.status is AssetCheckExecutionRecordStatus.PLANNED and at_work(record.run_id):
                due_by = record.run_id
                record = _last_said(instance, key, partition)
            written = stored.get(spec.asset_key.to_user_string(), {}).get(partition)
            passed = None
            if record and record.status in _SAID and _is_about(record, written):
                passed = _SAID[record.status]
            yield Verdict(spec, partition, passed, due_by)


def _is_about(record: AssetCheckExecutionRecord, written: Slice | None) -> bool:
    """Whether a check that has looked has seen what is stored."""
    if written is None or record.event is None or record.evaluation is None:
        return written is None
    seen = record.evaluation.metadata.get(WRITTEN_AT)
    if seen is None:
        # An evaluation of a version that did not say. Its time is no answer where the clock was set back.
        return record.event.timestamp >= written.written_at.timestamp()
    return seen.value == written.written_at.isoformat()


def _last_said(
    instance: DagsterInstance, check: AssetCheckKey, partition: str
) -> AssetCheckExecutionRecord | None:
    """A check's last verdict: what it said of what is stored stands until something else is."""
    said = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=1, status=set(_SAID), partition_filter=PartitionKeyFilter(key=partition)
    )
    return said[0] if said else None
