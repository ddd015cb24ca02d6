"""Unit vectors of the text facets that are clustered."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, asset

from assets.common import about
from assets.contracts import CLUSTERINGS
from assets.partitions import DATE_LANGUAGES
from clio_dagster.facets import vectors_of
from clio_dagster.own_facets import clustered
from clio_dagster.shards import here
from clio_dagster.tables import EMBEDDINGS, FACETS
from resources.fingerprints import Input, Stage
from resources.io_manager import Reader
from resources.readers import EmbedderResource, identities, kept_embedder
from resources.shards import mapping
from resources.site import Site
from resources.stage import Slices

STAGE = Stage(
    (EMBEDDINGS,),
    (Input(FACETS),),
    uses=lambda site: {"embedder": identities(site.settings)[1]} | clustered(site.settings.facets),
)


@asset(**about(EMBEDDINGS, group="conversations", kinds={"numpy", "duckdb"}), partitions_def=DATE_LANGUAGES)
def embeddings(
    context: AssetExecutionContext, facets: Reader, site: Site, embedder: EmbedderResource
) -> Slices:
    def vectors(partition: str) -> Iterator[pl.DataFrame]:
        for by in sorted(CLUSTERINGS):
            texts = facets.read(partition, ["conversation_id", "date", "language", by])
            apart = mapping(site.settings, EMBEDDINGS.name, partition, texts.height)
            encoding = None if apart is here else partial(apart, partial(encode, site.settings.embedder))
            yield from vectors_of(texts, embedder.embedder, by, folder=site.settings.home, encoding=encoding)

    return Slices(context, STAGE, site, lambda partition: {EMBEDDINGS.name: vectors(partition)})


def encode(name: str, texts: list[str]) -> np.ndarray:
    """Vectors of one chunk of texts, where a process of the cluster makes them."""
    return kept_embedder(name, 1).encode(texts)
