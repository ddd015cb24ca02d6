"""Unit vectors of the text facets that are clustered."""

import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.partitions import DATE_LANGUAGES
from clio_dagster.facets import vectors_of
from clio_dagster.tables import EMBEDDINGS
from resources.io_manager import Reader
from resources.readers import EmbedderResource
from resources.stage import Slices


@asset(**about(EMBEDDINGS, group="conversations", kinds={"numpy", "duckdb"}), partitions_def=DATE_LANGUAGES)
def embeddings(context: AssetExecutionContext, facets: Reader, embedder: EmbedderResource) -> Slices:
    hashes = facets.hashes(context.partition_keys)

    def make(partition: str) -> dict[str, pl.DataFrame]:
        columns = ["conversation_id", "date", "language", "request"]
        return {EMBEDDINGS.name: vectors_of(facets.read(partition, columns), embedder.embedder)}

    return Slices(
        context,
        [EMBEDDINGS],
        inputs=hashes.get,
        make=make,
        uses={"embedder": embedder.identity},
    )
