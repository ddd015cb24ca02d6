"""The gate in the UI: a blocking check on every date's audited tree. The release runs the same code on its own."""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from assets.checks import report
from assets.partitions import DATES
from clio_dagster.clusters.summaries import vocabularies_of
from clio_dagster.hierarchy.vocabularies import by_node
from clio_dagster.privacy.gate import verify
from clio_dagster.tables import AUDITED_SUMMARIES, CLUSTERED_BY, VOCABULARIES
from resources.site import Site
from resources.slices import content_hash

GATE = AssetCheckKey(AssetKey(AUDITED_SUMMARIES.name), "privacy_gate")


@multi_asset_check(
    name="privacy_gate",
    specs=[
        AssetCheckSpec(
            GATE.name,
            asset=GATE.asset_key,
            blocking=True,
            partitions_def=DATES,
            description="Every published topic passes thresholds, word support, the detector and the auditor.",
        )
    ],
)
def gate_check(context: AssetCheckExecutionContext, site: Site) -> Iterator[Any]:
    verdicts = []
    stored = site.warehouse.slices(AUDITED_SUMMARIES, context.partition_keys)
    for key in context.partition_keys:
        reasons = refused(site, key)
        verdicts.append((key, GATE, not reasons, {"refusals": len(reasons), "reasons": "; ".join(reasons)}))
    yield from report(verdicts, stored)


def refused(site: Site, key: str) -> list[str]:
    """Why the date's tree may not be published, in words that quote nothing; empty where it may."""
    audited = site.warehouse.read(AUDITED_SUMMARIES, {"date": key})
    stored = site.warehouse.slice_of(AUDITED_SUMMARIES, {"date": key})
    if stored is None:
        return [f"audited_summaries {key} is not there: materialize it first"]
    words = site.warehouse.read(VOCABULARIES, {"date": key})
    reasons = [
        f"by {tree['clustered_by'][0]}, {reason}" if tree["clustered_by"][0] != CLUSTERED_BY else reason
        for tree in audited.partition_by("clustered_by", maintain_order=True)
        for reason in verify(
            tree,
            vocabularies=by_node(tree, vocabularies_of(words.filter(clustered_by=tree["clustered_by"][0]))),
            settings=site.settings,
            key=site.settings.key,
        )
    ]
    if content_hash(audited) != stored.content_hash:
        reasons.append("audited_summaries was changed after the gate judged it: materialize it again")
    return reasons
