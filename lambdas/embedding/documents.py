"""Documents in the index: the newest version wins, whole, whatever order messages come in.

Owns what a document is in the index, and the order of what is done for it. A document `x` of one chunk is the vector
`x`; of n chunks it is `x#0` to `x#n-1`. Each vector tells its document and its version. That a document was deleted is
kept in a namespace of its own, where no search looks, for longer than any message lives.

Pinecone has no conditional writes and shows a write a little later: two versions that are stored in the same moment by
two environments can still end in the wrong order. What is looked at is looked at right before each write.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.embedding.contract import DELETED_NAMESPACE
from lambdas.embedding.messages import OWN_PREFIX
from lambdas.embedding.vectors import Settled, StoredVector, fetches, upserts
from lambdas.embedding.versions import Version
from lambdas.shared.secret import SecretError
from lambdas.shared.work_errors import WorkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.embedding.vectors import Fetch, VectorIndex
    from lambdas.shared.deadline import Deadline

DOCUMENT_FIELD = f"{OWN_PREFIX}document"
DELETED_FIELD = f"{OWN_PREFIX}deleted_ms"
KEPT_SECONDS = 15 * 24 * 3_600
"""How long a deletion is remembered: a message lives 14 days at most."""
PURGE_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Document:
    """What a message makes of a document."""

    id: str
    version: Version
    vectors: Sequence[StoredVector]
    """Of its chunks, in order; none deletes it."""

    def heads(self) -> list[str]:
        """Vector ids that tell, in one look, which version is there and whether it has more chunks."""
        count = len(self.vectors)
        behind = [chunk_id(self.id, count, 2)] if count > 1 else []
        return [self.id, chunk_id(self.id, 0, 2), *behind]


class DocumentStore:
    """The documents of one index."""

    def __init__(self, index: VectorIndex, dimensions: int) -> None:
        self._index = index
        self._mark = [1.0, *[0.0] * (dimensions - 1)]
        self._next_purge = 0.0

    def settle(self, namespace: str, documents: Sequence[Document], deadline: Deadline) -> Settled:
        """Store and delete documents, unless the index has newer versions of them.

        A document is done when its vectors are stored and nothing of an older version is left; whatever comes between
        fails it, and the next delivery finds where it ended.

        Args:
            namespace: "" is the default one.
            documents: with different ids.
            deadline: nothing is begun, and nothing waited for, beyond it.
        """
        settled = Settled()
        found: dict[str, Mapping[str, Any]] = {}
        try:
            self._skip_deleted(namespace, documents, settled, deadline)
            self._delete(namespace, [document for document in documents if not document.vectors], settled, deadline)
            self._store(namespace, [document for document in documents if document.vectors], found, settled, deadline)
            stored = [document for document in documents if document.vectors and settled.open(document.id)]
            self._remove(namespace, stored, found, deadline)
        except (WorkError, SecretError) as error:
            settled.failed |= {document.id: error for document in documents if settled.open(document.id)}
        return settled

    def _skip_deleted(
        self, namespace: str, documents: Sequence[Document], settled: Settled, deadline: Deadline
    ) -> None:
        """Leave out what was deleted by a newer message; what an older one had stored too late goes, too."""
        marks = {_mark_id(namespace, document.id): document for document in documents}
        if len(list(fetches(marks))) > 1 and not self._index.holds(DELETED_NAMESPACE, deadline):
            return
        for mark, metadata in self._index.fetch(DELETED_NAMESPACE, marks, deadline).items():
            deletion = Document(marks[mark].id, Version.of(metadata), [])
            if deletion.version > marks[mark].version:
                settled.outdated.add(deletion.id)
                self._remove(namespace, [deletion], self._index.fetch(namespace, deletion.heads(), deadline), deadline)

    def _delete(self, namespace: str, documents: Sequence[Document], settled: Settled, deadline: Deadline) -> None:
        """Delete documents with all that is older: first it is remembered, so what is being stored now finds out."""
        if not documents:
            return
        heads = {key: document for document in documents for key in document.heads()}
        found = self._index.fetch(namespace, heads, deadline)
        _skip_outdated(heads, found, settled)
        now = int(time.time() * 1000)
        marks = [
            StoredVector(
                _mark_id(namespace, document.id),
                document.id,
                self._mark,
                {DOCUMENT_FIELD: document.id, f"{OWN_PREFIX}namespace": namespace, DELETED_FIELD: now}
                | document.version.fields(),
            )
            for document in documents
        ]
        for group in upserts(marks):
            self._index.upsert(DELETED_NAMESPACE, group, settled, deadline)
        gone = [document for document in documents if settled.open(document.id)]
        self._remove(namespace, gone, found, deadline)
        # What was being stored when the deletion was written down.
        self._remove(namespace, gone, self._index.fetch(namespace, heads, deadline), deadline)
        self._purge(deadline)

    def _store(
        self,
        namespace: str,
        documents: Sequence[Document],
        found: dict[str, Mapping[str, Any]],
        settled: Settled,
        deadline: Deadline,
    ) -> None:
        """Store what is newer than what is there, looking right before each request, and once after it."""
        by_id = {document.id: document for document in documents}
        # Asked lazily: what fails or is skipped meanwhile is in no later group.
        pending = (vector for document in documents if settled.open(document.id) for vector in document.vectors)
        for group in upserts(pending):
            members = [by_id[name] for name in dict.fromkeys(vector.document for vector in group)]
            heads = {key: document for document in members for key in document.heads()}

            def look(fetch: Fetch, heads: Mapping[str, Document] = heads) -> None:
                for page in fetches(heads):
                    seen = fetch(page)
                    found.update(seen)
                    _skip_outdated(heads, seen, settled)

            self._index.upsert(namespace, group, settled, deadline, look)
            late = self._overwritten(namespace, members, found, settled, deadline)
            if late:
                again = [vector for vector in group if vector.document in late]
                self._index.upsert(namespace, again, settled, deadline, look)

    def _overwritten(
        self,
        namespace: str,
        documents: Sequence[Document],
        found: Mapping[str, Mapping[str, Any]],
        settled: Settled,
        deadline: Deadline,
    ) -> set[str]:
        """Of documents just stored, those over which an older version was stored in the same moment.

        What was there before is no sign of that: Pinecone shows a write a little later.
        """
        heads = {document.vectors[0].id: document for document in documents if settled.open(document.id)}
        late: set[str] = set()
        for key, metadata in self._index.fetch(namespace, heads, deadline).items():
            seen, before = Version.of(metadata), Version.of(found.get(key, {}))
            if _belongs(heads[key].id, metadata) and before < seen < heads[key].version:
                late.add(heads[key].id)
        return late

    def _remove(
        self, namespace: str, documents: Sequence[Document], found: Mapping[str, Mapping[str, Any]], deadline: Deadline
    ) -> None:
        """Delete what there is of documents that is older than they are, and only what this function stored for them.

        The last chunks go first: what is left when that is cut short begins with the first, and is found by it.

        Args:
            namespace: of the documents.
            documents: what they are to be.
            found: what a look at their heads has seen.
            deadline: as for `settle`.
        """
        seen = dict(found)
        owners: dict[str, Document] = {}
        for document in documents:
            heads = [key for key in document.heads() if _belongs(document.id, seen.get(key))]
            parts = self._index.list(namespace, f"{document.id}#", deadline) if set(heads) - {document.id} else []
            owners |= dict.fromkeys([*heads, *(key for key in parts if _is_chunk(document.id, key))], document)
        for document in documents:
            for vector in document.vectors:
                owners.pop(vector.id, None)
        seen |= self._index.fetch(namespace, [key for key in owners if key not in seen], deadline)
        doomed = [
            key
            for key, document in owners.items()
            if _belongs(document.id, seen.get(key)) and Version.of(seen[key]) < document.version
        ]
        doomed.sort(key=lambda key: int(key.rpartition("#")[2]) if _is_chunk(owners[key].id, key) else -1, reverse=True)
        self._index.delete(namespace, doomed, deadline)

    def _purge(self, deadline: Deadline) -> None:
        """Forget deletions that no message can be older than, now and then."""
        now = time.monotonic()
        if now < self._next_purge:
            return
        self._next_purge = now + PURGE_SECONDS
        oldest = int((time.time() - KEPT_SECONDS) * 1000)
        with contextlib.suppress(WorkError):  # no message's business
            self._index.delete_where(DELETED_NAMESPACE, {DELETED_FIELD: {"$lt": oldest}}, deadline)


def chunk_id(document: str, number: int, chunks: int) -> str:
    """The id of a chunk: the document's own when there is one, else with the chunk's number, from 0."""
    return document if chunks == 1 else f"{document}#{number}"


def _skip_outdated(heads: Mapping[str, Document], seen: Mapping[str, Mapping[str, Any]], settled: Settled) -> None:
    for key, metadata in seen.items():
        document = heads[key]
        if _belongs(document.id, metadata) and Version.of(metadata) > document.version:
            settled.outdated.add(document.id)


def _belongs(document: str, metadata: Mapping[str, Any] | None) -> bool:
    """Whether a vector is one that this function stored for a document, whatever it is called."""
    return metadata is not None and metadata.get(DOCUMENT_FIELD) == document


def _is_chunk(document: str, key: str) -> bool:
    return key.startswith(f"{document}#") and re.fullmatch("[0-9]+", key[len(document) + 1 :]) is not None


def _mark_id(namespace: str, document: str) -> str:
    return hashlib.sha256(f"{namespace}\0{document}".encode()).hexdigest()
