"""The version of each stage's code: part of the fingerprint of everything that it makes.

Raise a stage's number with a change of what it makes from the same input: its slices are then stale, on every site,
and are made again. A change that leaves the result as it is leaves the number as it is. The analyst, the embedder and
the SQL models carry versions of their own.
"""

from __future__ import annotations

STAGES = {
    "raw_conversations": 1,
    "facet_batches": 1,
    "facets": 2,
    "embeddings": 1,
    "day": 1,
    "clusters": 4,
    "lineage": 1,
    "cluster_summaries": 2,
    "hierarchy": 2,
    "audited_summaries": 2,
    "published_cells": 1,
    "positions": 2,
    "releases": 1,
    "classifier_audit": 1,
    "coordinated_groups": 1,
    "event_conversations": 1,
    "event_topics": 1,
    "event_alerts": 1,
}
"""By the first table that the stage writes."""
