"""A batch of messages into vectors: parse, cut, embed, store, with each message's outcome.

Owns the order of the work, what shares a request, and how the failure of one message is kept from the others. It knows
neither Lambda nor the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdas.embedding.errors import EmbeddingError, OutOfTimeError, RefusedInputError, RejectedMessageError
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
from lambdas.embedding.vectors import DOCUMENT_FIELD, StoredVector, chunk_id
from lambdas.shared.secrets import SecretError

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lambdas.embedding.chunks import Chunk, Tokenizer
    from lambdas.embedding.openai_service import OpenAIService
    from lambdas.embedding.settings import Settings
    from lambdas.embedding.vectors import VectorIndex
    from lambdas.shared.deadline import Deadline

MAX_INPUTS = 2_048
"""Of one request: https://platform.openai.com/docs/api-reference/embeddings/create"""
MAX_REQUEST_TOKENS = 300_000
UPSERT_RESERVE_SECONDS = 3.0
"""Embedding stops this much before the deadline: vectors that cannot be stored any more are paid for in vain."""

TEXT_LEFT_OUT: Metadata = {f"{OWN_PREFIX}text_left_out": True}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One queue message as it was received."""

    message_id: str
    body: str
    sent_ms: int = 0
    """When it was sent, in milliseconds since the epoch: the newer of two with one id wins."""


@dataclass(slots=True)
class BatchResult:
    """What became of a batch."""

    failures: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Message id to the reason; a message that is not here is done."""
    vectors: int = 0
    """Stored, of documents that were stored whole."""
    tokens: int = 0
    """Embedded."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A message on its way."""

    delivery: Delivery
    message: Message
    namespace: str
    chunks: list[Chunk]


class Pipeline:
    """What a function's environment keeps between invocations."""

    def __init__(self, settings: Settings, tokenizer: Tokenizer, openai: OpenAIService, index: VectorIndex) -> None:
        self._settings = settings
        self._tokenizer = tokenizer
        self._openai = openai
        self._index = index

    def run(self, deliveries: Sequence[Delivery], deadline: Deadline) -> BatchResult:
        """Embed and store a batch; never raises for what a message, a service or the configuration does."""
        result = BatchResult()
        work = list(self._prepare(deliveries, deadline, result))
        if not work:
            return result
        vectors: dict[str, array[float]] = {}
        refused: dict[str, EmbeddingError] = {}
        stop: Exception | None = None
        try:
            self._index.check_dimension(self._settings.dimensions, deadline)
            for group in _requests(chunk for one in work for chunk in one.chunks):
                result.tokens += self._embed(group, deadline.earlier(UPSERT_RESERVE_SECONDS), vectors, refused)
        except (EmbeddingError, SecretError) as error:
            stop = error
        ready: list[_Work] = []
        for one in work:
            missing = [chunk.text for chunk in one.chunks if chunk.text not in vectors]
            if missing:
                reason = next((refused[text] for text in missing if text in refused), stop)
                result.failures[one.delivery.message_id] = reason or OutOfTimeError("not embedded")
            else:
                ready.append(one)
        self._store(ready, vectors, deadline, result)
        return result

    def _prepare(self, deliveries: Sequence[Delivery], deadline: Deadline, result: BatchResult) -> Iterator[_Work]:
        """Parse and cut; what is wrong with a message is noted in the result."""
        for delivery in deliveries:
            try:
                if deadline.left() <= 0:
                    raise OutOfTimeError("not begun")
                message = parse(delivery.body)
                chunks = self._tokenizer.split(message.text, self._settings.model.max_tokens)
                longest = len(chunk_id(message.id, len(chunks) - 1, len(chunks)))
                if longest > MAX_ID_LENGTH:
                    raise RejectedMessageError(
                        f"the text has {len(chunks)} chunks, and the id of the last has {longest} characters: "
                        f"Pinecone takes at most {MAX_ID_LENGTH}"
                    )
                namespace = self._settings.PINECONE_NAMESPACE if message.namespace is None else message.namespace
                self._check_metadata(message, len(chunks))
            except EmbeddingError as error:
                result.failures[delivery.message_id] = error
            else:
                yield _Work(delivery, message, namespace, chunks)

    def _check_metadata(self, message: Message, chunks: int) -> None:
        """Refuse metadata that leaves no room for the function's own fields."""
        size = metadata_bytes(message.metadata | self._own_fields(message, chunks - 1, chunks) | TEXT_LEFT_OUT)
        if size > MAX_METADATA_BYTES:
            raise RejectedMessageError(
                f"metadata is {size} bytes as JSON with the function's own fields: Pinecone takes {MAX_METADATA_BYTES}"
            )

    def _embed(
        self,
        group: list[Chunk],
        deadline: Deadline,
        vectors: dict[str, array[float]],
        refused: dict[str, EmbeddingError],
    ) -> int:
        """Embed the chunks of one request; when it is refused, find the bad text by halves.

        Returns:
            The tokens embedded.
        """
        try:
            answers = self._openai.embed([chunk.text for chunk in group], deadline)
        except RefusedInputError as error:
            if len(group) == 1:
                refused[group[0].text] = RejectedMessageError(str(error))
                return 0
            half = len(group) // 2
            return self._embed(group[:half], deadline, vectors, refused) + self._embed(
                group[half:], deadline, vectors, refused
            )
        vectors.update(zip((chunk.text for chunk in group), answers, strict=True))
        return sum(chunk.tokens for chunk in group)

    def _store(
        self, ready: Iterable[_Work], vectors: Mapping[str, array[float]], deadline: Deadline, result: BatchResult
    ) -> None:
        by_namespace: dict[str, list[_Work]] = {}
        for one in ready:
            by_namespace.setdefault(one.namespace, []).append(one)
        for namespace, works in by_namespace.items():
            try:
                self._store_namespace(namespace, works, vectors, deadline, result)
            except (EmbeddingError, SecretError) as error:
                result.failures |= {
                    one.delivery.message_id: error for one in works if one.delivery.message_id not in result.failures
                }

    def _store_namespace(
        self,
        namespace: str,
        works: list[_Work],
        vectors: Mapping[str, array[float]],
        deadline: Deadline,
        result: BatchResult,
    ) -> None:
        # Of two messages with one id the newer is stored, and both are done: so it would be had they come one by one.
        newest: dict[str, _Work] = {}
        for one in sorted(works, key=lambda one: one.delivery.sent_ms):
            newest[one.message.id] = one
        stored = [vector for one in newest.values() for vector in self._vectors(one, vectors)]
        failed = self._index.upsert(namespace, stored, deadline)
        result.vectors += sum(vector.document not in failed for vector in stored)
        for one in works:
            if one.message.id in failed:
                result.failures[one.delivery.message_id] = failed[one.message.id]
        # A text's own hash names one text only: nothing else can have been stored under it.
        documents = {key: len(one.chunks) for key, one in newest.items() if one.message.named and key not in failed}
        if documents:
            try:
                self._index.delete_leftovers(namespace, documents, deadline)
            except (EmbeddingError, SecretError) as error:
                result.failures |= {one.delivery.message_id: error for one in works if one.message.id in documents}

    def _vectors(self, one: _Work, vectors: Mapping[str, array[float]]) -> Iterator[StoredVector]:
        message, count = one.message, len(one.chunks)
        for number, chunk in enumerate(one.chunks):
            metadata: Metadata = message.metadata | self._own_fields(message, number, count)
            with_text: Metadata = metadata | {TEXT_FIELD: chunk.text}
            # A text that does not fit beside the rest is left out whole, and the vector says so.
            fits = metadata_bytes(with_text) <= MAX_METADATA_BYTES
            kept = with_text if fits else metadata | TEXT_LEFT_OUT
            yield StoredVector(chunk_id(message.id, number, count), message.id, vectors[chunk.text], kept)

    def _own_fields(self, message: Message, number: int, count: int) -> Metadata:
        return {
            DOCUMENT_FIELD: message.id,
            f"{OWN_PREFIX}model": self._settings.OPENAI_EMBEDDING_MODEL,
            f"{OWN_PREFIX}chunk": number,
            f"{OWN_PREFIX}chunks": count,
        }


def _requests(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Different texts in requests of at most 2,048 inputs and 300,000 tokens."""
    group: list[Chunk] = []
    tokens = 0
    for chunk in {chunk.text: chunk for chunk in chunks}.values():
        if group and (len(group) == MAX_INPUTS or tokens + chunk.tokens > MAX_REQUEST_TOKENS):
            yield group
            group, tokens = [], 0
        group.append(chunk)
        tokens += chunk.tokens
    if group:
        yield group
