"""The code location: every asset, check, job and schedule, with the resources that they are handed."""

from __future__ import annotations

import warnings
from typing import Any

from dagster import BetaWarning, Definitions, PreviewWarning, in_process_executor

# Named APIs that are not final yet, each pinned by a test in tests/test_upstream.py: any other warning is shown.
for _category, _beginning in (
    (BetaWarning, "Class `MultiToSingleDimensionPartitionMapping`"),
    (
        BetaWarning,
        "Parameter `allow_nonexistent_upstream_partitions` of initializer `TimeWindowPartitionMapping",
    ),
    (BetaWarning, "Parameter `backfill_policy` of function `asset`"),
    (PreviewWarning, "Specifying a partitions_def on an AssetCheckSpec"),
):
    warnings.filterwarnings("ignore", message=_beginning, category=_category)


def build_definitions(**overrides: Any) -> Definitions:
    """The code location; `overrides` are settings that win over the environment (for tests)."""
    from assets import all_assets, all_checks
    from resources.io_manager import WarehouseIOManager
    from resources.readers import AnalystResource, EmbedderResource
    from resources.site import Site
    from sensors.jobs import jobs
    from sensors.schedules import schedules

    site = Site(overrides=overrides)
    embedder = EmbedderResource(site=site)
    return Definitions(
        assets=all_assets,
        asset_checks=all_checks,
        jobs=jobs,
        schedules=schedules,
        resources={
            "site": site,
            "warehouse_io": WarehouseIOManager(site=site),
            "embedder": embedder,
            "analyst": AnalystResource(site=site, embedder=embedder),
        },
        # One process a run: heavy imports are paid once, and a slice is handed on through the warehouse anyway.
        executor=in_process_executor,
    )


defs = build_definitions()
