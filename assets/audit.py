"""The gate's verdict on every node of the tree: published, or withheld and why."""

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.clusters import latest
from assets.common import CLAUDE_POOL, about
from assets.contracts import CLUSTERINGS
from assets.partitions import DATES, settings_used, window
from clio_dagster.clusters.summaries import vocabularies_of
from clio_dagster.hierarchy.vocabularies import by_node
from clio_dagster.privacy.gate import audit_samples, audit_tree, lowest_scores
from clio_dagster.privacy.key import key_identity
from clio_dagster.tables import AUDITED_SUMMARIES, HIERARCHY, PUBLISHED, VOCABULARIES
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import AnalystResource, identities
from resources.site import Site
from resources.stage import Slices

USES = ("min_conversations", "min_accounts", "account_cap", "epsilon", "epsilon_topic")

STAGE = Stage(
    (AUDITED_SUMMARIES,),
    (Input(HIERARCHY), Input(VOCABULARIES)),
    uses=lambda site: (
        settings_used(*USES)
        | {
            "analyst": identities(site.settings, "audited_summaries")[0],
            "key": key_identity(site.settings.key),
        }
    ),
    goes_on=True,
)


@asset(
    **about(AUDITED_SUMMARIES, group="topics", kinds={"python", "duckdb"}),
    pool=CLAUDE_POOL,
    partitions_def=DATES,
)
def audited_summaries(
    context: AssetExecutionContext,
    hierarchy: Reader,
    vocabularies: Reader,
    site: Site,
    analyst: AnalystResource,
) -> Slices:
    def audited(key: str, clustered_by: str) -> pl.DataFrame:
        tree, base = (each.read(key).filter(clustered_by=clustered_by) for each in (hierarchy, vocabularies))
        words = by_node(tree, vocabularies_of(base))
        days = {"date": window(key)[:-1], "clustered_by": clustered_by}
        before = latest(site.warehouse.read(AUDITED_SUMMARIES, days, ["date", "topic", "status"]))
        return audit_tree(
            tree,
            vocabularies=words,
            scores=lowest_scores(audit_samples(tree, words), [each.audit for each in analyst.auditors]),
            settings=site.settings,
            key=site.settings.key,
            standing=frozenset(before.filter(status=PUBLISHED)["topic"]),
        )

    def make(key: str) -> dict[str, pl.DataFrame]:
        return {AUDITED_SUMMARIES.name: pl.concat(audited(key, by) for by in CLUSTERINGS)}

    return Slices(context, STAGE, site, make)
