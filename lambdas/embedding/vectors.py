"""The Pinecone index: its dimension, and vectors stored, fetched, listed and deleted within its limits.

Owns what is asked of the index, and how a refused upsert is divided. How a call is made is `pinecone_client`'s; what
belongs to a document, and which version of it counts, is `documents`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from lambdas.embedding.messages import MAX_ID_LENGTH, Metadata, metadata_bytes
from lambdas.shared.batches import Failed, isolated, packed
from lambdas.shared.work_errors import ConfigurationError, OutOfTimeError, RefusedInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lambdas.embedding.pinecone_client import PineconeClient
    from lambdas.shared.deadline import Deadline

    Fetch: TypeAlias = Callable[[Iterable[str]], dict[str, Mapping[str, Any]]]
    """Vector ids to the metadata of those that are stored."""

# https://docs.pinecone.io/reference/api/database-limits
MAX_UPSERT_VECTORS = 1_000
MAX_UPSERT_BYTES = 2_000_000
MAX_DELETE_IDS = 1_000
VALUE_BYTES = 16
"""A float32 of nine significant digits and its comma, at most, in JSON."""
FETCHED_IDS, ADDRESS_CHARACTERS = 100, 4_000
"""Ids travel in the query string when vectors are fetched."""


@dataclass(frozen=True, slots=True)
class StoredVector:
    """What is kept of one chunk."""

    id: str
    document: str
    """The id of the document that it is a chunk of."""
    values: Sequence[float]
    """(dimensions,) float32"""
    metadata: Metadata

    def bytes(self) -> int:
        """Its size in a request, at most."""
        return len(self.values) * VALUE_BYTES + metadata_bytes(self.metadata) + len(self.id) + 64


@dataclass(slots=True)
class Settled:
    """What became of some documents; those in neither are as their message wants them."""

    failed: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Document id to the reason."""
    outdated: set[str] = field(default_factory=set[str])
    """Documents of which the index has, or had, a newer version."""

    def open(self, document: str) -> bool:
        """Whether there is still something to be done for a document."""
        return document not in self.failed and document not in self.outdated


class VectorIndex:
    """The operations on one index."""

    def __init__(self, client: PineconeClient) -> None:
        self._client = client
        self._dimension: int | None = None

    def check_dimension(self, expected: int, deadline: Deadline) -> None:
        """Compare the model's dimensions with the index's, until they agreed once.

        Raises:
            ConfigurationError: they differ.
            WorkError: the index did not say.
        """
        if self._dimension != expected:
            stats = self._stats(deadline)
            if stats.dimension != expected:
                raise ConfigurationError(
                    f"the model's vectors have {expected} dimensions and the index at {self._client.host} has "
                    f"{stats.dimension}: change OPENAI_EMBEDDING_MODEL or OPENAI_EMBEDDING_DIMENSIONS, or the index"
                )
            self._dimension = expected

    def holds(self, namespace: str, deadline: Deadline) -> bool:
        """Whether there is anything in a namespace."""
        return namespace in self._stats(deadline).namespaces

    def upsert(
        self,
        namespace: str,
        vectors: Sequence[StoredVector],
        settled: Settled,
        deadline: Deadline,
        look: Callable[[Fetch], None] = lambda _: None,
    ) -> None:
        """Store vectors that fit into one request; when it is refused, all but what is bad in it.

        Of a document whose chunk cannot be stored, nothing behind that chunk is.

        Args:
            namespace: "" is the default one.
            vectors: with different ids, a document's in their order.
            settled: documents that failed are added; vectors of documents in it are left out.
            deadline: nothing is begun, and nothing waited for, beyond it.
            look: called right before each try: may add documents to `settled`.

        Raises:
            WorkError, SecretError: nothing can be stored now.
        """
        bodies = {vector.id: _body(vector) for vector in vectors}

        def work(part: Sequence[StoredVector], index: Any, timeout: float) -> None:
            look(lambda ids: _fetched(index, namespace, ids, timeout))
            body = [bodies[vector.id] for vector in part if settled.open(vector.document)]
            if body:
                index.upsert(vectors=body, namespace=namespace, timeout=timeout)

        def request(part: Sequence[StoredVector]) -> None:
            if any(settled.open(vector.document) for vector in part):
                self._client.call(
                    lambda index, timeout: work(part, index, timeout),
                    deadline,
                    lambda: [json.dumps(vector.metadata, ensure_ascii=False) for vector in part],
                )

        try:
            for outcome in isolated(
                vectors,
                request,
                divides=lambda error: isinstance(error, RefusedInputError),
                suspect=lambda _: self._check_again(deadline),
            ):
                if isinstance(outcome, Failed):
                    settled.failed[outcome.item.document] = outcome.error
        except (UnavailableError, OutOfTimeError) as error:
            settled.failed |= {vector.document: error for vector in vectors if settled.open(vector.document)}

    def fetch(self, namespace: str, ids: Iterable[str], deadline: Deadline) -> dict[str, Mapping[str, Any]]:
        """The metadata of those of the ids that are stored."""
        found: dict[str, Mapping[str, Any]] = {}
        for page in fetches(ids):
            found |= self._client.call(
                lambda index, timeout, page=page: _fetched(index, namespace, page, timeout), deadline
            )
        return found

    def list(self, namespace: str, prefix: str, deadline: Deadline) -> list[str]:
        """The ids that begin so."""

        def page(index: Any, timeout: float, after: str | None) -> tuple[list[str], str | None]:
            answer = index.list_paginated(prefix=prefix, namespace=namespace, pagination_token=after, timeout=timeout)
            return [vector.id for vector in answer.vectors], answer.pagination.next if answer.pagination else None

        found: list[str] = []
        after: str | None = None
        while True:
            ids, after = self._client.call(lambda index, timeout: page(index, timeout, after), deadline)  # noqa: B023  called at once
            found += ids
            if not after:
                return found

    def delete(self, namespace: str, ids: Sequence[str], deadline: Deadline) -> None:
        """Delete vectors; one that is not there is no error."""
        for page in packed(ids, most=MAX_DELETE_IDS, size=len, limit=MAX_UPSERT_BYTES):
            self._client.call(
                lambda index, timeout, page=page: index.delete(ids=page, namespace=namespace, timeout=timeout), deadline
            )

    def delete_where(self, namespace: str, condition: Mapping[str, Any], deadline: Deadline) -> None:
        """Delete the vectors whose metadata passes a filter."""
        self._client.call(
            lambda index, timeout: index.delete(filter=condition, namespace=namespace, timeout=timeout), deadline
        )

    def _stats(self, deadline: Deadline) -> Any:
        return self._client.call(lambda index, timeout: index.describe_index_stats(timeout=timeout), deadline)

    def _check_again(self, deadline: Deadline) -> bool:
        """Look whether a refused upsert is refused because the index is another one by now; False when it is not."""
        expected, self._dimension = self._dimension, None
        if expected is not None:
            self.check_dimension(expected, deadline)
        return False


def upserts(vectors: Iterable[StoredVector]) -> Iterator[list[StoredVector]]:
    """Vectors in requests of at most 1,000 and 2 MB."""
    return packed(vectors, most=MAX_UPSERT_VECTORS, size=StoredVector.bytes, limit=MAX_UPSERT_BYTES)


def fetches(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in requests whose address is not too long, without those that Pinecone cannot have."""
    possible = (key for key in ids if len(key) <= MAX_ID_LENGTH)
    return packed(
        possible, most=FETCHED_IDS, size=lambda key: len(quote(key, safe="")) + len("&ids="), limit=ADDRESS_CHARACTERS
    )


def _body(vector: StoredVector) -> dict[str, Any]:
    # Nine digits name a float32 exactly; all those of the double that carries it would double the request.
    return {
        "id": vector.id,
        "values": [float(f"{value:.9g}") for value in vector.values],
        "metadata": vector.metadata,
    }


def _fetched(index: Any, namespace: str, ids: Iterable[str], timeout: float) -> dict[str, Mapping[str, Any]]:
    vectors = index.fetch(ids=list(ids), namespace=namespace, timeout=timeout).vectors
    return {key: vector.metadata or {} for key, vector in vectors.items()}
