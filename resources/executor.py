"""What runs the steps of a run: its own process, or Ray (docs/ray.md)."""

from __future__ import annotations

from dagster import ExecutorDefinition, in_process_executor

from clio_dagster.settings import Settings, SettingsError
from clio_dagster.shared_state import shared_state_problem
from resources.shards import missing_extra, open_environment

STEP_BYTES = 2**30
"""Memory that a step reserves. It reserves no core: pieces that it waits for must find them free. But without any
reservation Ray would start every step on its head node."""


def executor_of(settings: Settings) -> ExecutorDefinition:
    """The executor that CLIO_EXECUTOR names. Raises SettingsError where what it needs is not there."""
    if settings.executor == "process":
        # Heavy imports are paid once, and a slice is handed on through the warehouse anyway.
        return in_process_executor
    if problem := shared_state_problem(settings):
        raise SettingsError(f"CLIO_EXECUTOR=ray: {problem}")
    try:
        from dagster_ray import ray_executor
    except ImportError:
        raise missing_extra() from None
    ray = {
        **({"address": settings.ray_address} if settings.ray_address else {}),
        "memory": STEP_BYTES,
        "runtime_env": {"env_vars": open_environment(settings)},
    }
    configured: ExecutorDefinition = ray_executor.configured({"ray": ray}, name="ray")
    return configured
