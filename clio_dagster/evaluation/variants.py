"""Which settings an evaluation changes, and to what: one at a time, and step by step from loosest to tightest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace

from clio_dagster.analyst.protocol import Analyst
from clio_dagster.embedding import MissingExtraError
from clio_dagster.evaluation.ablation import CLUSTERING, NAMING, READING, Variant, without_contrast
from clio_dagster.evaluation.pipeline import NOISELESS, Site, embedder
from clio_dagster.hierarchy.levels import level_sizes

DEFAULT = "nothing"
"""What the site as it is changes."""

EMBEDDERS = ("use", "wordllama")
"""Those that come with the package or one of its extras, without a download."""

EPSILONS = (math.inf, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)

ACCOUNTS = (5, 10, 20, 40, 80, 160)
"""Least accounts of a topic; of conversations it needs as many times more as the site's own thresholds say."""

DRAWS = 3
"""Times that a point of the curves is measured, each with conversations and noise of its own."""

_SUPPORT = ("word_min_accounts", "sensitive_word_min_accounts", "pair_min_accounts")
_LEAST = {"word_min_accounts": 2, "sensitive_word_min_accounts": 2, "pair_min_accounts": 3}


def as_it_is(site: Site, analyst: Analyst) -> Variant:
    return Variant(DEFAULT, "", site, analyst)


def drawn_anew(site: Site, analyst: Analyst, draw: int) -> Variant:
    """The site under another key, on which noise hangs; draw 0 is the site as it is."""
    if draw == 0:
        return as_it_is(site, analyst)
    key = hashlib.sha256(site.key + f" {draw}".encode()).digest()
    return Variant(
        "nothing: other conversations and noise", str(draw), replace(site, key=key), analyst, READING
    )


def one_at_a_time(site: Site, analyst: Analyst, topics: int) -> Iterator[Variant]:
    """Each change against the site as it is, of which `topics` base clusters are named."""
    settings = site.settings

    def with_(what: str, value: str, stage: str = CLUSTERING, **values: object) -> Variant:
        return Variant(what, value, site.with_settings(**values), analyst, stage)

    plain = without_contrast(analyst)
    alone = replace(site, honest=plain) if analyst is site.honest else site
    yield Variant("contrastive examples", "none", alone, plain, NAMING)
    size = settings.base_cluster_size
    for factor in (0.5, 2.0):
        aimed = max(5, round(factor * size))
        yield with_("conversations that a base cluster aims at", f"{aimed}", cluster_size=aimed)
    yield replace(with_("told by the topic of level", "2", NAMING), above=1)
    tops = (top for top in range(settings.top_topics, 1, -1) if len(level_sizes(topics, top)) > 2)
    if (top := next(tops, None)) is not None:
        yield replace(with_("told by the topic of level", "3", NAMING, top_topics=top), above=2)
    yield with_("clusterer", "UMAP and HDBSCAN", clusterer="hdbscan", outliers="assign")
    yield with_("clusterer", "UMAP and HDBSCAN, outliers in no topic", clusterer="hdbscan", outliers="noise")
    for factor in (0.5, 2.0):
        least = {
            name: max(2, round(factor * getattr(settings, name)))
            for name in ("min_conversations", "min_accounts")
        }
        told = "{min_conversations} conversations, {min_accounts} accounts".format(**least)
        # The size aimed at follows the threshold unless it is held where it is.
        yield with_("thresholds", told, cluster_size=size, **least)
    for factor, told in ((math.inf, "ε = ∞"), (2.0, "ε × 2"), (0.5, "ε × ½")):
        yield replace(with_noise(site, analyst, factor), value=told)
    yield with_("support of words and pairs", "least that can be set", NAMING, **_LEAST)
    for factor, told in ((0.5, "half"), (2.0, "twice")):
        needed = {name: max(_LEAST[name], round(factor * getattr(settings, name))) for name in _SUPPORT}
        yield with_("support of words and pairs", told, NAMING, **needed)


def other_embedders(site: Site, analyst: Analyst) -> tuple[list[Variant], dict[str, str]]:
    """A variant for each other embedder that is at hand, and why the rest is left out, by name."""
    from clio_dagster.analyst.offline.analyst import OfflineAnalyst

    others = [name for name in EMBEDDERS if name != site.settings.embedder]
    if analyst is not site.honest:
        return [], dict.fromkeys(others, "the analyst has an embedder of its own")
    found, left_out = [], {}
    for name in others:
        try:
            made = embedder(name, site.settings.threads)
        except MissingExtraError:
            left_out[name] = "its extra is not installed"
            continue
        honest = OfflineAnalyst(made)
        changed = replace(site.with_settings(embedder=name), embedder=made, honest=honest)
        found.append(Variant("embedder", name, changed, honest, READING))
    return found, left_out


def with_noise(site: Site, analyst: Analyst, factor: float) -> Variant:
    """Every ε that is set times `factor`, which may be infinite."""
    values = {
        name: factor * value for name in NOISELESS if (value := getattr(site.settings, name)) is not None
    }
    return Variant("noise", f"ε × {factor:g}", site.with_settings(**values), analyst)


def with_epsilon(drawn: Variant, epsilon: float) -> Variant:
    """`drawn` with `epsilon` for its site's, and every other ε in proportion."""
    changed = with_noise(drawn.site, drawn.analyst, epsilon / drawn.site.settings.epsilon)
    return replace(changed, value="∞" if math.isinf(epsilon) else f"{epsilon:g}")


def with_accounts(drawn: Variant, accounts: float) -> Variant:
    """`drawn` whose topics need so many accounts, and conversations in proportion; the size aimed at follows as the
    settings have it."""
    settings = drawn.site.settings
    conversations = max(2, round(accounts * settings.min_conversations / settings.min_accounts))
    values = {"min_accounts": int(accounts), "min_conversations": conversations}
    return Variant("least accounts", f"{accounts:g}", drawn.site.with_settings(**values), drawn.analyst)
