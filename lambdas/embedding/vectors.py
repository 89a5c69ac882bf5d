"""The Pinecone index: its dimension, upserts within its limits, and what an earlier version of a document left behind.

Owns what is asked of the index, and how a refused upsert is divided. How a call is made is `pinecone_client`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.embedding.errors import (
    ConfigurationError,
    EmbeddingError,
    OutOfTimeError,
    RefusedInputError,
    UnavailableError,
)
from lambdas.embedding.messages import MAX_ID_LENGTH, OWN_PREFIX, Metadata, metadata_bytes

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lambdas.embedding.pinecone_client import PineconeClient
    from lambdas.shared.deadline import Deadline

DOCUMENT_FIELD = f"{OWN_PREFIX}document"
# https://docs.pinecone.io/reference/api/database-limits
MAX_UPSERT_VECTORS = 1_000
MAX_UPSERT_BYTES = 2_000_000
MAX_DELETE_IDS = 1_000
VALUE_BYTES = 16
"""A float32 of nine significant digits and its comma, at most, in JSON."""
PROBE_IDS, PROBE_CHARACTERS = 100, 4_000
"""Ids travel in the query string when vectors are fetched."""


@dataclass(frozen=True, slots=True)
class StoredVector:
    """What is kept of one chunk."""

    id: str
    document: str
    """The id of the document that it is a chunk of."""
    values: array[float]
    metadata: Metadata

    def bytes(self) -> int:
        """Its size in a request, at most."""
        return len(self.values) * VALUE_BYTES + metadata_bytes(self.metadata) + len(self.id) + 64


class VectorIndex:
    """The operations on one index."""

    def __init__(self, client: PineconeClient) -> None:
        self._client = client
        self._dimension: int | None = None

    def check_dimension(self, expected: int, deadline: Deadline) -> None:
        """Compare the model's dimensions with the index's, until they agreed once.

        Raises:
            ConfigurationError: they differ.
            EmbeddingError: the index did not say (see `upsert`).
        """
        if self._dimension != expected:
            stats = self._client.call(lambda index, timeout: index.describe_index_stats(timeout=timeout), deadline)
            if stats.dimension != expected:
                raise ConfigurationError(
                    f"the model's vectors have {expected} dimensions and the index at {self._client.host} has "
                    f"{stats.dimension}: change OPENAI_EMBEDDING_MODEL or OPENAI_EMBEDDING_DIMENSIONS, or the index"
                )
            self._dimension = expected

    def upsert(self, namespace: str, vectors: Sequence[StoredVector], deadline: Deadline) -> dict[str, EmbeddingError]:
        """Store documents, in as few requests as the limits allow.

        A request that is refused is divided until what is bad in it stands alone. Of a document whose chunk cannot be
        stored, nothing behind that chunk is: what is in the index has no gaps (see `delete_leftovers`).

        Args:
            namespace: "" is the default one.
            vectors: with different ids, a document's in their order.
            deadline: nothing is begun, and nothing waited for, beyond it.

        Returns:
            The documents that were not stored whole, each with the reason.

        Raises:
            KeyRefusedError, SecretError: nothing can be stored now.
        """
        failed: dict[str, EmbeddingError] = {}
        for group in _groups(vectors):
            self._upsert(namespace, group, deadline, failed)
        return failed

    def _upsert(
        self, namespace: str, group: Sequence[StoredVector], deadline: Deadline, failed: dict[str, EmbeddingError]
    ) -> None:
        group = [one for one in group if one.document not in failed]
        if not group:
            return
        body = [
            # Nine digits name a float32 exactly; all those of the double that carries it would double the request.
            {"id": one.id, "values": [float(f"{value:.9g}") for value in one.values], "metadata": one.metadata}
            for one in group
        ]
        try:
            self._client.call(
                lambda index, timeout: index.upsert(vectors=body, namespace=namespace, timeout=timeout), deadline
            )
        except RefusedInputError as error:
            if len(group) == 1:
                failed[group[0].document] = error
                return
            half = len(group) // 2
            self._upsert(namespace, group[:half], deadline, failed)
            self._upsert(namespace, group[half:], deadline, failed)
        except (UnavailableError, OutOfTimeError) as error:
            failed.update((one.document, error) for one in group)

    def delete_leftovers(self, namespace: str, chunks: Mapping[str, int], deadline: Deadline) -> None:
        """Delete what an earlier, longer or shorter, version of a document left in the index.

        A document `x` of one chunk is the vector `x`; of n chunks it is `x#0` to `x#n-1`. The chunks of a document are
        without gaps, so one look behind its end tells, for all documents in one request, whether anything is left over.
        The last are deleted first: what is left when that is cut short has no gaps either, and is found by the next
        delivery. Only vectors that this function stored for that document are deleted, whatever they are called.

        Args:
            namespace: of the documents.
            chunks: the documents just stored, each with its number of chunks.
            deadline: as for `upsert`.

        Raises:
            EmbeddingError: a request failed; the documents themselves are stored.
        """
        probes: dict[str, str] = {}
        for document, count in chunks.items():
            probes[chunk_id(document, 0 if count == 1 else count, 2)] = document
            if count > 1:
                probes[document] = document
        leftovers = self._leftovers(namespace, probes, deadline)
        doomed: list[str] = []
        for probe in leftovers:
            document = probes[probe]
            if probe != document:
                doomed += reversed(self._behind(namespace, document, int(probe.rpartition("#")[2]) + 1, deadline))
            doomed.append(probe)
        for start in range(0, len(doomed), MAX_DELETE_IDS):
            ids = doomed[start : start + MAX_DELETE_IDS]
            self._client.call(
                lambda index, timeout, ids=ids: index.delete(ids=ids, namespace=namespace, timeout=timeout), deadline
            )

    def _behind(self, namespace: str, document: str, first: int, deadline: Deadline) -> list[str]:
        """The leftover chunks from a number on, in order."""
        found: list[str] = []
        while True:
            probes = {chunk_id(document, number, 2): document for number in range(first, first + PROBE_IDS)}
            page = self._leftovers(namespace, probes, deadline)
            found += page
            if len(page) < PROBE_IDS:
                return found
            first += PROBE_IDS

    def _leftovers(self, namespace: str, probes: Mapping[str, str], deadline: Deadline) -> list[str]:
        """Those of the probed ids, in order, whose vectors belong to the document that they are probed for."""
        found: list[str] = []
        for ids in _pages(key for key in probes if len(key) <= MAX_ID_LENGTH):
            answer = self._client.call(
                lambda index, timeout, ids=ids: index.fetch(ids=ids, namespace=namespace, timeout=timeout), deadline
            )
            found += [
                key
                for key in ids
                if key in answer.vectors and (answer.vectors[key].metadata or {}).get(DOCUMENT_FIELD) == probes[key]
            ]
        return found


def chunk_id(document: str, number: int, chunks: int) -> str:
    """The id of a chunk: the document's own when there is one, else with the chunk's number, from 0."""
    return document if chunks == 1 else f"{document}#{number}"


def _groups(vectors: Sequence[StoredVector]) -> Iterator[list[StoredVector]]:
    """Vectors in requests of at most 1,000 and 2 MB."""
    group: list[StoredVector] = []
    size = 0
    for vector in vectors:
        more = vector.bytes()
        if group and (len(group) == MAX_UPSERT_VECTORS or size + more > MAX_UPSERT_BYTES):
            yield group
            group, size = [], 0
        group.append(vector)
        size += more
    if group:
        yield group


def _pages(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in requests whose address is not too long."""
    page: list[str] = []
    size = 0
    for key in ids:
        # Any character may need three in an address.
        if page and (len(page) == PROBE_IDS or size + 3 * len(key) > PROBE_CHARACTERS):
            yield page
            page, size = [], 0
        page.append(key)
        size += 3 * len(key) + len("&ids=")
    if page:
        yield page
