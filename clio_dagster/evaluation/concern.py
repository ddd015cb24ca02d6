"""Whether the facets `concerning` and `refused` follow what conversations were made to be."""

from __future__ import annotations

import math

import polars as pl


def concern_by_language(read: pl.DataFrame) -> pl.DataFrame:
    """A row for all conversations and one for each language: language, conversations, rank correlation of `concerning`
    with `is_concerning` (Spearman's, nan where either is always the same), and shares for which `refused` was told, of
    those that the assistant `declined` and of the others (null where there are none).

    `read`: language, concerning, refused, is_concerning and declined.
    """
    parts = sorted(read.partition_by("language", as_dict=True).items())
    named = [("all", read), *((str(language), part) for (language,), part in parts)]
    return pl.DataFrame(
        [
            {
                "language": name,
                "conversations": part.height,
                "rank correlation": _rank_correlation(part),
                "declined, and told": part.filter("declined")["refused"].mean(),
                "not declined, yet told": part.filter(~pl.col("declined"))["refused"].mean(),
            }
            for name, part in named
        ],
        schema_overrides={"declined, and told": pl.Float64, "not declined, yet told": pl.Float64},
    )


def _rank_correlation(part: pl.DataFrame) -> float:
    from scipy.stats import spearmanr

    if part["concerning"].n_unique() < 2 or part["is_concerning"].n_unique() < 2:
        return math.nan
    return float(spearmanr(part["concerning"], part["is_concerning"]).statistic)
