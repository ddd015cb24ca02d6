"""The contracts of this site's tables, which have a column for each facet of its own."""

from assets.partitions import SETTINGS
from clio_dagster import tables
from clio_dagster.own_columns import tables_of

TABLES = tables_of(SETTINGS.facets)
"""As clio_dagster.tables.TABLES, in its order."""

FACETS, COUNTED_CONVERSATIONS = TABLES[tables.FACETS.name], TABLES[tables.COUNTED_CONVERSATIONS.name]
