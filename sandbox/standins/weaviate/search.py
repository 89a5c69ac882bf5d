"""Search in a tenant: by words, by a vector, by both; and the order of what is found.

As the server does it (1.35): each part of a hybrid search is asked for 100 hits at least, a score counts relative to
the best and the worst of its part, and equal scores are ordered by the last part's own score, then by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.standins.weaviate.errors import RefusedError
from sandbox.standins.weaviate.words import STOPWORDS, TOKENIZATIONS, bm25

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.standins.weaviate.store import Collection, Stored, Tenant

HYBRID_RESULTS = 100
RANK_CONSTANT = 60
SAME = 1e-7
"""Scores that differ by less are equal."""


@dataclass(slots=True)
class Found:
    """An object that was found."""

    stored: Stored
    score: float = 0.0
    distance: float | None = None


def by_words(
    collection: Collection, tenant: Tenant, query: str, names: Sequence[str], among: frozenset[str] | None
) -> list[Found]:
    """Search by words, in the properties of these names; none: in all that can be.

    Raises:
        RefusedError: no words can be looked for in one of them.
    """
    known = collection.properties
    wanted = [name.split("^")[0] for name in names] or [name for name in known if known[name]["indexSearchable"]]
    config = collection.config["invertedIndexConfig"]
    scores: dict[str, float] = {}
    for name in wanted:
        if name not in known or not known[name]["indexSearchable"]:
            raise RefusedError(
                f"Searching by property '{name}' requires inverted index. Is `indexSearchable` option of property "
                f"'{name}' enabled? Set it to `true` or leave empty"
            )
        tokens = TOKENIZATIONS[known[name]["tokenization"]](query)
        if known[name]["tokenization"] == "word":
            tokens = [token for token in tokens if token not in STOPWORDS[config["stopwords"]["preset"]]]
        texts = {key: each.words[name] for key, each in tenant.objects.items() if name in each.words}
        for key, score in bm25(tokens, texts, k1=config["bm25"]["k1"], b=config["bm25"]["b"], among=among).items():
            scores[key] = scores.get(key, 0.0) + score
    found = [Found(tenant.objects[key], score) for key, score in scores.items()]
    return sorted(found, key=lambda each: -each.score)


def by_vector(tenant: Tenant, name: str, vector: Sequence[float], among: frozenset[str] | None) -> list[Found]:
    """Search by cosine distance; exact.

    Raises:
        RefusedError: the vectors that are stored have another length.
    """
    known = tenant.dimensions.get(name)
    if known is None:
        return []
    if known != len(vector):
        raise RefusedError(
            f"vector search: knn search: distance between entrypoint and query node: {known} vs {len(vector)}: vector "
            "lengths don't match"
        )
    stored = [each for each in tenant.objects.values() if name in each.vectors and (among is None or each.id in among)]
    if not stored:
        return []
    rows = _unit(np.stack([each.vectors[name] for each in stored]))
    distances = 1 - rows @ _unit(np.asarray([vector], np.float32))[0]
    found = [Found(each, 0.0, float(distance)) for each, distance in zip(stored, distances, strict=True)]
    return sorted(found, key=lambda each: each.distance or 0.0)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths == 0, 1, lengths)


def fused(words: Sequence[Found], vector: Sequence[Found], alpha: float, *, ranked: bool) -> list[Found]:
    """Both parts in one order.

    Args:
        words: found by words.
        vector: found by the vector.
        alpha: the vector's share; the words have the rest.
        ranked: by the place in each part, not by the scores.
    """
    scores: dict[str, float] = {}
    seconds: dict[str, float] = {}
    stored: dict[str, Found] = {}
    # Vectors first: of an object that both have found, the words' score decides between equals.
    for part, weight, own in ((vector, alpha, _nearness), (words, 1 - alpha, _score)):
        if weight == 0:
            continue
        values = {each.stored.id: own(each) for each in part}
        shares = _ranks(values) if ranked else _relative(values)
        for each in part:
            key = each.stored.id
            scores[key] = scores.get(key, 0.0) + weight * shares[key]
            seconds[key] = values[key]
            stored.setdefault(key, each)
    order = sorted(scores, key=lambda key: (-round(scores[key] / SAME), -round(seconds[key] / SAME), key))
    return [Found(stored[key].stored, scores[key]) for key in order]


def _nearness(found: Found) -> float:
    return 1 - (found.distance or 0.0)


def _score(found: Found) -> float:
    return found.score


def _relative(values: Mapping[str, float]) -> dict[str, float]:
    """The worst is 0, the best is 1; and all are 1 where they are the same."""
    low, high = min(values.values(), default=0.0), max(values.values(), default=0.0)
    return {key: (value - low) / (high - low) if high > low else 1.0 for key, value in values.items()}


def _ranks(values: Mapping[str, float]) -> dict[str, float]:
    return {key: 1 / (RANK_CONSTANT + place) for place, key in enumerate(values)}
