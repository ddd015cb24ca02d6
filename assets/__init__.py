"""One module a stage: which engine function makes it, from what, and who checks it."""

from assets.audit import audited_summaries
from assets.checks import safety_suites, suites
from assets.classifier import classifier_audit
from assets.clusters import clusters
from assets.conversations import raw_conversations
from assets.coordination import coordinated_groups
from assets.day import day
from assets.drift import drift_check
from assets.embeddings import embeddings
from assets.evaluation import evaluation
from assets.events import event_alerts, event_conversations, event_topics
from assets.facet_batches import facet_batches
from assets.facets import facets
from assets.gate import gate_check
from assets.hierarchy import hierarchy
from assets.landing import landed, landing
from assets.lineage import lineage
from assets.models import safety_sql_checks, sql_checks, sql_models
from assets.partitions import IN_BATCHES
from assets.publishing import positions, published_cells
from assets.release import release
from assets.status import status
from assets.summaries import cluster_summaries

all_assets = [
    landing,
    landed,
    raw_conversations,
    *([facet_batches] if IN_BATCHES else []),
    facets,
    embeddings,
    day,
    clusters,
    lineage,
    cluster_summaries,
    hierarchy,
    audited_summaries,
    published_cells,
    positions,
    *sql_models,
    classifier_audit,
    coordinated_groups,
    release,
    event_conversations,
    event_topics,
    event_alerts,
    status,
    evaluation,
]

all_checks = [*suites, *sql_checks, gate_check, drift_check, *safety_suites, *safety_sql_checks]
