"""What runs the steps of a run: its own process, or Ray (docs/ray.md).

The steps are started and watched by dagster-ray. Two things are added: while the run's own process waits for steps, a
lease says that it lives, as it does of a step at work; and a step that is lost with its node is run again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from dagster import ExecutorDefinition, executor, in_process_executor
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.events import DagsterEvent, StepRetryData
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.base import Executor
from dagster._core.executor.init import InitExecutorContext
from dagster._core.executor.step_delegating import StepDelegatingExecutor, StepHandler
from dagster._utils.error import SerializableErrorInfo

from clio_dagster.settings import Settings, SettingsError
from clio_dagster.shared_state import shared_state_problem
from resources.ledger import Ledger
from resources.shards import ATTEMPTS, address_of, missing_extra, open_environment
from resources.site import Site

STEP_BYTES = 2**30
"""Memory that a step reserves. It reserves no core: the pieces that it waits for must find one free. Without any
reservation Ray would start every step on its head node."""

LOOK_SECONDS = 5
"""Seconds between two looks at whether a step's Ray job is still there."""

AUTHENTICATED = ("token", "k8s")
"""Values of RAY_AUTH_MODE under which a cluster asks who calls."""


def executor_of(settings: Settings) -> ExecutorDefinition:
    """The executor that CLIO_EXECUTOR names. Raises SettingsError where what it needs is not there."""
    if settings.executor == "process":
        # Heavy imports are paid once, and a slice is handed on through the warehouse anyway.
        return in_process_executor
    if problem := shared_state_problem(settings):
        raise SettingsError(f"CLIO_EXECUTOR=ray: {problem}")
    if os.environ.get("RAY_AUTH_MODE") not in AUTHENTICATED:
        raise SettingsError(
            "CLIO_EXECUTOR=ray: set RAY_AUTH_MODE=token here and on every node. Without it, whoever reaches a port of "
            "Ray's runs code as this site, and reads what it reads (docs/ray.md)"
        )
    try:
        import dagster_ray  # noqa: F401
    except ImportError:
        raise missing_extra() from None
    return ray_steps


@executor(name="ray", config_schema={}, requirements=multiple_process_executor_requirements())
def ray_steps(_context: InitExecutorContext) -> Executor:
    """Each step as a job of the site's Ray cluster, on whichever node has memory for it."""
    from dagster_ray.core.executor import RayStepHandler
    from ray.job_submission import JobSubmissionClient

    site = Site()
    handler = RayStepHandler(
        client=JobSubmissionClient(address_of(site.settings)),
        env_vars=None,
        runtime_env={"env_vars": open_environment(site.settings)},
        num_cpus=None,
        num_gpus=None,
        memory=STEP_BYTES,
        resources=None,
    )
    return StepsOnRay(handler, site.ledger)


class StepsOnRay(StepDelegatingExecutor):
    """Dagster's loop over steps that work elsewhere."""

    def __init__(self, handler: StepHandler, ledger: Ledger) -> None:
        super().__init__(
            handler,
            retries=RetryMode.ENABLED,
            check_step_health_interval_seconds=LOOK_SECONDS,
            should_verify_step=True,
        )
        self._ledger = ledger

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[DagsterEvent]:
        with self._ledger.living(plan_context.run_id):
            yield from super().execute(plan_context, execution_plan)

    def log_failure_or_retry_event_after_error(
        self, step_context: Any, err_info: SerializableErrorInfo, known_state: Any
    ) -> DagsterEvent:
        """A step that did not say itself that it failed: it was lost, and is run again, ATTEMPTS times in all.

        What Ray says of it, which holds the end of its output, is not passed on.
        """
        if err_info.cls_name is not None:
            return super().log_failure_or_retry_event_after_error(step_context, err_info, known_state)
        before = known_state.get_retry_state().get_attempt_count(step_context.step.key)
        lost = SerializableErrorInfo(
            f"{step_context.step.key}: its Ray job ended before it did, with its node or its process",
            [],
            None,
        )
        if before + 1 < ATTEMPTS:
            return DagsterEvent.step_retry_event(step_context, StepRetryData(lost, seconds_to_wait=0))
        return super().log_failure_or_retry_event_after_error(step_context, lost, known_state)
