"""Where a site's classifier and the analyst disagree: the SQL model against cases made by hand, r against numpy's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clio_dagster.models.build import build_view, select_rows
from clio_dagster.models.loader import load_models
from clio_dagster.safety.classifier_audit import correlations, flagged_clusters, pearson
from clio_dagster.tables import CLUSTER_MEMBERS, CLUSTERS, FACETS
from resources.duckdb_warehouse import DuckDBWarehouse

DAY = date(2026, 11, 8)
MODELS = {model.name: model for model in load_models(Path(__file__).parents[1] / "dbt_like_sql")}

HARMLESS, SECURITY, HARM, EVEN_HARM, FEW = range(5)


def conversations(
    cluster: int, count: int, *, flagged: int, concerning: int = 1, language: str = "en", account: str = ""
) -> Iterable[dict[str, Any]]:
    """Of one cluster and language, the first so many flagged, each of an account of its own unless one is named."""
    for number in range(count):
        name = f"{cluster}-{language}-{account}{number}"
        yield {
            "conversation_id": name,
            "account": account or f"account {name}",
            "language": language,
            "cluster_id": cluster,
            "concerning": concerning,
            "flagged": number < flagged,
        }


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return audited(
        [
            *conversations(HARMLESS, 400, flagged=2),
            *conversations(HARMLESS, 100, flagged=100, account="one who is flagged all the time"),
            *conversations(SECURITY, 60, flagged=18),
            *conversations(HARM, 40, flagged=36, concerning=4),
            *conversations(HARM, 30, flagged=9, concerning=4, language="es"),
            *conversations(HARM, 30, flagged=10, concerning=4, language="fr"),
            *conversations(EVEN_HARM, 40, flagged=25, concerning=4),
            *conversations(EVEN_HARM, 40, flagged=24, concerning=4, language="es"),
            *conversations(FEW, 4, flagged=4),
        ],
        tmp_path_factory.mktemp("audited"),
    )


def audited(rows: list[dict[str, Any]], home: Path) -> pl.DataFrame:
    """The model's rows, by cluster, over conversations that both have judged."""
    warehouse = DuckDBWarehouse(home, threads=1)
    frame = pl.DataFrame(rows).with_columns(date=DAY, clustered_by=pl.lit("request"), day=DAY)
    for language, part in frame.group_by("language"):
        warehouse.write(
            FACETS,
            {"date": DAY, "language": language[0]},
            part.with_columns(pl.lit("read").alias("status"))
            .select(
                pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name)
                for name, dtype in FACETS.schema.items()
            )
            .with_columns(status=pl.lit("read"), turns=pl.lit(1, pl.Int32), extractor=pl.lit("")),
        )
    members = frame.select(*CLUSTER_MEMBERS.schema.keys() & frame.columns).with_columns(
        distance=pl.lit(0.1, pl.Float32), counted=pl.lit(True), cluster_id=pl.col("cluster_id").cast(pl.Int32)
    )
    warehouse.write(CLUSTER_MEMBERS, {"date": DAY}, members.select(*CLUSTER_MEMBERS.schema))
    found = [
        {
            "date": DAY,
            "clustered_by": "request",
            "cluster_id": cluster,
            "topic": f"t{cluster}",
            "conversations": 1,
            "accounts": 1,
            "top_account_share": 0.1,
            "passes": True,
            "reasons": [],
            "centroid": [1.0],
        }
        for cluster in range(5)
    ]
    warehouse.write(CLUSTERS, {"date": DAY}, pl.DataFrame(found, CLUSTERS.schema))
    build_view(warehouse, MODELS["judged_conversations"])
    return select_rows(warehouse, MODELS["classifier_clusters"], DAY, window_days=7).sort("cluster_id")


def test_counts_are_those_of_the_cluster_and_no_account_counts_beyond_the_cap(clusters: pl.DataFrame) -> None:
    row = clusters.row(HARMLESS, named=True)
    assert (row["conversations"], row["flagged"], row["unflagged"], row["accounts"]) == (405, 7, 398, 401)
    assert clusters.row(HARM, named=True)["flagged_share"] == pytest.approx(55 / 100)
    assert clusters["expected_flagged"].sum() == pytest.approx(clusters["flagged"].sum())


def test_what_is_harmless_and_often_flagged_is_a_false_positive(clusters: pl.DataFrame) -> None:
    found = clusters.filter(candidate="false positive")
    assert found["cluster_id"].to_list() == [SECURITY]
    assert found.select("rank", "seen", "seen_flagged").row(0) == (1, 60, 18)


def test_languages_in_which_harm_is_missed_are_a_false_negative(clusters: pl.DataFrame) -> None:
    found = clusters.filter(candidate="false negative")
    assert found["cluster_id"].to_list() == [HARM]
    assert {*found["languages"][0].split(", ")} == {"es", "fr"}
    assert found.select("seen", "seen_flagged").row(0) == (60, 19)


def test_few_conversations_and_one_account_are_no_candidate(tmp_path: Path) -> None:
    rows = [
        *conversations(HARMLESS, 400, flagged=0),
        *conversations(FEW, 4, flagged=4),
        *conversations(SECURITY, 50, flagged=0),
        *conversations(SECURITY, 9, flagged=9, account="one"),
    ]
    assert audited(rows, tmp_path)["candidate"].null_count() == 3


def test_nothing_is_found_where_flags_are_drawn_by_concern_alone(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    rows = [
        row | {"flagged": bool(draw.random() < rate)}
        for cluster, (level, rate) in enumerate([(1, 0.02), (1, 0.02), (1, 0.02), (4, 0.6), (4, 0.6)])
        for language in ("en", "es", "fr", "de")
        for row in conversations(cluster, 40, flagged=0, concerning=level, language=language)
    ]
    assert audited(rows, tmp_path)["candidate"].null_count() == 5


def test_r_is_numpys_and_its_interval_holds_it() -> None:
    draw = np.random.default_rng(0)
    concern = 1 + 3 * draw.random(60)
    share = np.clip(0.2 * concern + draw.normal(size=60) * 0.1, 0, 1)
    sizes = draw.integers(10, 300, 60)
    given = {
        "cluster_id": range(60),
        "conversations": sizes,
        "mean_concerning": concern,
        "flagged_share": share,
    }
    small = {"cluster_id": [60], "conversations": [9], "mean_concerning": [1.0], "flagged_share": [1.0]}
    frame = pl.concat([pl.DataFrame(given), pl.DataFrame(small)]).with_columns(clustered_by=pl.lit("request"))
    alike, weighted = correlations(frame, date=DAY, seed=0).iter_rows(named=True)
    assert alike["r"] == pytest.approx(np.corrcoef(concern, share)[0, 1])
    repeated = [np.repeat(values, sizes) for values in (concern, share)]
    assert weighted["r"] == pytest.approx(np.corrcoef(*repeated)[0, 1])
    for row in (alike, weighted):
        assert row["r_low"] < row["r"] < row["r_high"] and row["clusters"] == 60
    again = correlations(frame.sample(fraction=1.0, shuffle=True, seed=1), date=DAY, seed=0)
    assert again.row(0, named=True) == pytest.approx(alike)


def test_r_of_what_does_not_vary_is_nobodys() -> None:
    assert np.isnan(pearson(np.ones(5), np.arange(5.0), np.ones(5)))
    given = {"cluster_id": range(4), "conversations": [50] * 4, "mean_concerning": [1.0] * 4}
    frame = pl.DataFrame(given | {"flagged_share": [0.1, 0.2, 0.3, 0.4]}).with_columns(
        clustered_by=pl.lit("x")
    )
    assert correlations(frame, date=DAY, seed=0)["r"].null_count() == 2


def test_flagged_alone_those_that_are_not_concerning_come_first() -> None:
    draw = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], [30, 40, 200])
    vectors = np.eye(8, dtype=np.float32)[kinds] + draw.normal(scale=0.05, size=(270, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frame = pl.DataFrame(
        {
            "conversation_id": [f"c{number}" for number in range(270)],
            "account": [None if number % 2 else f"a{number}" for number in range(270)],
            "topic": [("resumes", "harm", "else")[kind] for kind in kinds],
            "concerning": [(1, 5, 1)[kind] for kind in kinds],
            "flagged": [None if number == 0 else bool(kind < 2) for number, kind in enumerate(kinds)],
        }
    )
    found = flagged_clusters(frame, vectors, date=DAY, clustered_by="request", seed=0, threads=1)
    assert found["conversations"].sum() == 69
    ranked = found.drop_nulls("rank")
    assert set(ranked["topic"]) == {"resumes"} and set(ranked["mean_concerning"]) == {1.0}
    assert set(found.filter(pl.col("rank").is_null())["topic"]) == {"harm"}
    none = frame.with_columns(flagged=pl.lit(None, pl.Boolean))
    assert flagged_clusters(none, vectors, date=DAY, clustered_by="request", seed=0, threads=1).is_empty()
