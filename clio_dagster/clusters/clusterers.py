"""Which clusterer finds the base clusters: k-means or density, behind one signature."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from clio_dagster.clusters.density import density_clusters
from clio_dagster.clusters.kmeans import spherical_kmeans
from clio_dagster.settings import Settings


class Clusterer(Protocol):
    """Unit vectors to labels. What the parameters mean stands at kmeans.spherical_kmeans."""

    def __call__(
        self,
        vectors: np.ndarray,
        clusters: int,
        *,
        seed: int,
        threads: int,
        starts: np.ndarray | None = None,
        trained: np.ndarray | None = None,
    ) -> np.ndarray:
        """Label of each row (int32): from 0, without gaps; density.NOISE where it is in no cluster."""


def clusterer_of(settings: Settings) -> Clusterer:
    """The one that CLIO_CLUSTERER names; `auto` is k-means at every size (how far measured: docs/quality.md)."""
    return density_clusters if settings.clusterer == "hdbscan" else spherical_kmeans
