"""Search: a question's words and its vector against the user's own passages, of documents that are ready now.

Owns which passages may be shown, and their order. How they are compared is Weaviate's (`vectors.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.knowledge_base.errors import NotFoundError
from lambdas.knowledge_base.retrieval.snippets import snippet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lambdas.knowledge_base.documents import Document, Documents
    from lambdas.knowledge_base.retrieval.models import Models
    from lambdas.knowledge_base.retrieval.vectors import Hit, Passage, Vectors
    from lambdas.shared.deadline import Deadline

MORE = 2
"""Passages are asked for so many times over, since some are of a page that is there already."""
A_FEW = 10
RANK_CONSTANT = 60
"""Of reciprocal rank fusion: https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf"""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of a document that may be shown."""

    passage: Passage
    document: Document
    score: float
    """0 to 1, higher is better."""


@dataclass(frozen=True, slots=True)
class Result:
    """A page that was found."""

    document_id: str
    filename: str
    page: int
    score: float
    snippet: str


class Search:
    """Finds passages."""

    def __init__(self, documents: Documents, vectors: Vectors, models: Models) -> None:
        """Nothing is asked yet."""
        self._documents = documents
        self._vectors = vectors
        self._models = models

    def pages(
        self, user_id: str, query: str, *, limit: int, document_ids: Sequence[str], deadline: Deadline
    ) -> list[Result]:
        """The pages that fit a query best, each once, the best first.

        Args:
            user_id: whose documents.
            query: words or a question.
            limit: pages at most.
            document_ids: what is searched; empty: all.
            deadline: nothing is begun beyond it.

        Raises:
            NotFoundError: the user has no such document.
            ApiError: OpenAI or Weaviate does not answer.
        """
        self.check(user_id, document_ids)
        [found] = self._found(user_id, [query], limit * MORE + A_FEW, document_ids, deadline)
        best: dict[tuple[str, int], Found] = {}
        for each in found:
            best.setdefault((each.passage.document_id, each.passage.page), each)
        return [
            Result(
                each.document.id,
                each.document.filename,
                each.passage.page,
                each.score,
                snippet(each.passage.text, query),
            )
            for each in list(best.values())[:limit]
        ]

    def passages(
        self, user_id: str, queries: Sequence[str], *, limit: int, document_ids: Sequence[str], deadline: Deadline
    ) -> list[Found]:
        """The passages that fit several queries best, the best first: those that more of them find, and higher up.

        Args:
            user_id: whose documents.
            queries: one or more.
            limit: passages at most.
            document_ids: what is searched; empty: all. Those that are not there any more are left out.
            deadline: nothing is begun beyond it.

        Raises:
            ApiError: OpenAI or Weaviate does not answer.
        """
        there = document_ids and list(self._documents.find(user_id, document_ids))
        if document_ids and not there:
            return []
        ranks: dict[tuple[str, int], float] = {}
        known: dict[tuple[str, int], Found] = {}
        for found in self._found(user_id, queries, limit, there, deadline):
            for rank, each in enumerate(found):
                key = (each.passage.document_id, each.passage.index)
                ranks[key] = ranks.get(key, 0.0) + 1 / (RANK_CONSTANT + rank)
                known.setdefault(key, each)
        return [known[key] for key in sorted(ranks, key=lambda key: (-ranks[key], key))[:limit]]

    def check(self, user_id: str, document_ids: Sequence[str]) -> None:
        """Refuse documents that are not there, or another user's.

        Raises:
            NotFoundError: at least one.
        """
        if document_ids and self._documents.find(user_id, document_ids).keys() != set(document_ids):
            raise NotFoundError("document")

    def _found(
        self, user_id: str, queries: Sequence[str], limit: int, document_ids: Sequence[str], deadline: Deadline
    ) -> list[list[Found]]:
        """What each query finds."""
        unready = self._documents.unready(user_id)
        vectors = self._models.embed(queries, deadline)
        hits = [
            self._vectors.search(
                user_id,
                query,
                vector,
                limit=limit,
                document_ids=list(document_ids) or None,
                excluding=unready,
                deadline=deadline,
            )
            for query, vector in zip(queries, vectors, strict=True)
        ]
        documents = self._documents.find(user_id, sorted({hit.passage.document_id for each in hits for hit in each}))
        return [_shown(each, documents) for each in hits]


def _shown(hits: Iterable[Hit], documents: Mapping[str, Document]) -> list[Found]:
    """Without what belongs to no ready document: a run that was overtaken leaves passages for some seconds."""
    found = [
        Found(hit.passage, document, _score(hit.score))
        for hit in hits
        if (document := documents.get(hit.passage.document_id)) is not None
        and document.status == "ready"
        and document.run == hit.passage.run
    ]
    return sorted(
        found, key=lambda each: (-each.score, each.passage.document_id, each.passage.page, each.passage.index)
    )


def _score(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4) if math.isfinite(value) else 0.0
