"""The code location: every asset, check, job and schedule, with the resources that they are handed."""

from __future__ import annotations

from typing import Any

from dagster import Definitions


def build_definitions(**overrides: Any) -> Definitions:
    """The code location; `overrides` are settings that win over the environment (for tests)."""
    from assets import all_assets, all_checks
    from assets.partitions import IN_BATCHES, SETTINGS
    from resources.executor import executor_of
    from resources.io_manager import WarehouseIOManager
    from resources.readers import AnalystResource, EmbedderResource
    from resources.site import Site
    from sensors.alerts import alerts
    from sensors.arrivals import arrivals
    from sensors.batches import batches
    from sensors.events import event_windows
    from sensors.jobs import evaluate, jobs, watch
    from sensors.reconcile import reconcile
    from sensors.retention import purge_daily, purge_job
    from sensors.schedules import schedules

    site = Site(overrides=overrides)
    embedder = EmbedderResource(site=site)
    return Definitions(
        assets=all_assets,
        asset_checks=all_checks,
        jobs=[*jobs, watch, evaluate, purge_job],
        schedules=[*schedules, purge_daily],
        sensors=[arrivals, reconcile, event_windows, *([batches] if IN_BATCHES else []), alerts],
        resources={
            "site": site,
            "warehouse_io": WarehouseIOManager(site=site),
            "embedder": embedder,
            "analyst": AnalystResource(site=site, embedder=embedder),
        },
        executor=executor_of(SETTINGS),
    )


defs = build_definitions()
