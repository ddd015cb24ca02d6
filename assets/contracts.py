"""What this site's own facets decide: the columns of its tables, and what is clustered."""

from assets.partitions import SETTINGS
from clio_dagster import tables
from clio_dagster.own_columns import tables_of
from clio_dagster.own_facets import clusterings

TABLES = tables_of(SETTINGS.facets)
"""As clio_dagster.tables.TABLES, in its order."""

CLUSTERINGS = clusterings(SETTINGS.facets, tables.CLUSTERED_BY)
"""The text facets that are clustered, the request first. Each has vectors and a tree of topics of its own."""

FACETS, COUNTED_CONVERSATIONS = TABLES[tables.FACETS.name], TABLES[tables.COUNTED_CONVERSATIONS.name]
