"""A batch of messages into vectors: parse, cut, embed, store, with each message's outcome.

Owns the order of the work, and how the failure of one message is kept from the others. It knows neither Lambda nor the
wire; what shares a request is `embedder`'s, and which version of a document counts is `documents`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdas.embedding.documents import DOCUMENT_FIELD, Document, DocumentStore, chunk_id
from lambdas.embedding.errors import RejectedMessageError
from lambdas.embedding.messages import (
    MAX_ID_LENGTH,
    MAX_METADATA_BYTES,
    OWN_PREFIX,
    TEXT_FIELD,
    Message,
    Metadata,
    metadata_bytes,
    parse,
)
from lambdas.embedding.vectors import StoredVector
from lambdas.embedding.versions import Version
from lambdas.shared.secret import SecretError
from lambdas.shared.work_errors import OutOfTimeError, RefusedInputError, WorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lambdas.embedding.chunks import Chunk, Tokenizer
    from lambdas.embedding.settings import Settings
    from lambdas.embedding.vectors import VectorIndex
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.openai_calls.answers import Vector
    from lambdas.shared.openai_calls.embedder import Embedder

UPSERT_RESERVE_SECONDS = 3.0
"""Embedding stops this much before the deadline: vectors that cannot be stored any more are paid for in vain."""

TEXT_LEFT_OUT: Metadata = {f"{OWN_PREFIX}text_left_out": True}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One queue message as it was received."""

    message_id: str
    body: str
    sent_ms: int = 0
    """When it was sent, in milliseconds since the epoch."""

    @property
    def version(self) -> Version:
        """Of the document that it is about."""
        return Version(self.sent_ms, self.message_id)


@dataclass(slots=True)
class BatchResult:
    """What became of a batch."""

    failures: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Message id to the reason; a message that is not here is done."""
    vectors: int = 0
    """Stored, of documents that were stored whole."""
    tokens: int = 0
    """Embedded."""
    deleted: int = 0
    """Documents."""
    outdated: int = 0
    """Messages that were done by leaving them out: a newer one about the same document came first."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A message on its way."""

    delivery: Delivery
    message: Message
    namespace: str
    chunks: list[Chunk]
    """None for a deletion."""


class Pipeline:
    """What a function's environment keeps between invocations."""

    def __init__(self, settings: Settings, tokenizer: Tokenizer, embedder: Embedder, index: VectorIndex) -> None:
        self._settings = settings
        self._tokenizer = tokenizer
        self._embedder = embedder
        self._index = index
        self._documents = DocumentStore(index, settings.dimensions)

    def run(self, deliveries: Sequence[Delivery], deadline: Deadline) -> BatchResult:
        """Embed and store a batch; never raises for what a message, a service or the configuration does."""
        result = BatchResult()
        work = list(self._prepare(deliveries, deadline, result))
        if not work:
            return result
        try:
            self._index.check_dimension(self._settings.dimensions, deadline)
        except (WorkError, SecretError) as error:
            result.failures |= {one.delivery.message_id: error for one in work}
            return result
        chunks = [chunk for one in work for chunk in one.chunks]
        embedded = self._embedder.embed(chunks, deadline.earlier(UPSERT_RESERVE_SECONDS))
        ready: list[_Work] = []
        for one in work:
            reason = embedded.reason(chunk.text for chunk in one.chunks)
            if reason is None:
                ready.append(one)
            else:
                refused = isinstance(reason, RefusedInputError)
                result.failures[one.delivery.message_id] = RejectedMessageError(str(reason)) if refused else reason
        result.tokens = sum(chunk.tokens for chunk in set(chunks) if chunk.text in embedded.vectors)
        self._store(ready, embedded.vectors, deadline, result)
        return result

    def _prepare(self, deliveries: Sequence[Delivery], deadline: Deadline, result: BatchResult) -> Iterator[_Work]:
        """Parse and cut; what is wrong with a message is noted in the result."""
        for delivery in deliveries:
            try:
                if deadline.left() <= 0:
                    raise OutOfTimeError("not begun")
                message = parse(delivery.body)
                chunks = [] if message.delete else self._split(message, delivery.version)
                namespace = self._settings.pinecone_namespace if message.namespace is None else message.namespace
            except WorkError as error:
                result.failures[delivery.message_id] = error
            else:
                yield _Work(delivery, message, namespace, chunks)

    def _split(self, message: Message, version: Version) -> list[Chunk]:
        """Cut a text, and refuse what leaves no room for the function's own part of an id and of the metadata."""
        chunks = self._tokenizer.split(message.text, self._settings.model.max_tokens)
        count = len(chunks)
        longest = len(chunk_id(message.id, count - 1, count))
        if longest > MAX_ID_LENGTH:
            raise RejectedMessageError(
                f"the text has {count} chunks, and the id of the last has {longest} characters: "
                f"Pinecone takes at most {MAX_ID_LENGTH}"
            )
        own = self._own_fields(message.id, version, count - 1, count) | TEXT_LEFT_OUT
        size = metadata_bytes(message.metadata | own)
        if size > MAX_METADATA_BYTES:
            raise RejectedMessageError(
                f"metadata is {size} bytes as JSON with the function's own fields: Pinecone takes {MAX_METADATA_BYTES}"
            )
        return chunks

    def _store(
        self, ready: Iterable[_Work], vectors: Mapping[str, Vector], deadline: Deadline, result: BatchResult
    ) -> None:
        by_namespace: dict[str, list[_Work]] = {}
        for one in ready:
            by_namespace.setdefault(one.namespace, []).append(one)
        for namespace, works in by_namespace.items():
            # Of several messages about one document only the newest counts, and all are done with it.
            newest = {one.message.id: one for one in sorted(works, key=lambda one: one.delivery.version)}
            documents = {key: self._document(one, vectors) for key, one in newest.items()}
            settled = self._documents.settle(namespace, list(documents.values()), deadline)
            for one in works:
                key = one.message.id
                if key in settled.failed:
                    result.failures[one.delivery.message_id] = settled.failed[key]
                elif key in settled.outdated or one is not newest[key]:
                    result.outdated += 1
                elif one.message.delete:
                    result.deleted += 1
                else:
                    result.vectors += len(documents[key].vectors)

    def _document(self, one: _Work, vectors: Mapping[str, Vector]) -> Document:
        message, version, count = one.message, one.delivery.version, len(one.chunks)
        stored: list[StoredVector] = []
        for number, chunk in enumerate(one.chunks):
            metadata = message.metadata | self._own_fields(message.id, version, number, count)
            with_text: Metadata = metadata | {TEXT_FIELD: chunk.text}
            # A text that does not fit beside the rest is left out whole, and the vector says so.
            kept = with_text if metadata_bytes(with_text) <= MAX_METADATA_BYTES else metadata | TEXT_LEFT_OUT
            stored.append(StoredVector(chunk_id(message.id, number, count), message.id, vectors[chunk.text], kept))
        return Document(message.id, version, stored)

    def _own_fields(self, document: str, version: Version, number: int, count: int) -> Metadata:
        return {
            DOCUMENT_FIELD: document,
            f"{OWN_PREFIX}model": self._settings.model_name,
            f"{OWN_PREFIX}chunk": number,
            f"{OWN_PREFIX}chunks": count,
            **version.fields(),
        }
