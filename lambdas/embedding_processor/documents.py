"""What is to be done about an object: its rows become those of its current content, in one step, whatever came before.

Owns the order: what the database knows of the key, the object, its text, chunks, vectors, rows. A long document is
embedded batch by batch and its rows are staged, so memory does not grow with it, and an invocation that runs out of
time is gone on with by the next attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lambdas.embedding_processor.errors import OutOfTimeError, RefusedFileError
from lambdas.embedding_processor.heads import normalised, require_directions
from lambdas.embedding_processor.rows import Request, digest, row
from lambdas.shared.blank import is_blank
from lambdas.shared.chunks import chunks
from lambdas.shared.plain_text import BinaryError, decode
from lambdas.shared.surrogates import has_half_pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lambdas.embedding_processor.database import Database
    from lambdas.embedding_processor.embedder import Embedder
    from lambdas.embedding_processor.events import ObjectEvent
    from lambdas.embedding_processor.objects import Found, Objects
    from lambdas.embedding_processor.settings import Settings
    from lambdas.shared.chunks import Chunk
    from lambdas.shared.deadline import Deadline

BATCH_CHUNKS = 16
"""Embedded before the clock is looked at, and their rows made."""
KEEPING_SECONDS = 8.0
"""Of the time that is reserved behind the deadline, for rows that are made: embedding them again costs more."""
State = Literal["embedded", "unchanged", "outdated", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an event came to."""

    state: State
    chunks: int = 0
    tokens: int = 0
    written: int = 0
    removed: int = 0
    resumed: int = 0
    """Chunks that an attempt before had embedded."""


class Documents:
    """The documents of a stack."""

    def __init__(self, settings: Settings, embedder: Embedder, objects: Objects, database: Database) -> None:
        self._settings = settings
        self._embedder = embedder
        self._objects = objects
        self._database = database
        self._limit = min(settings.chunk_tokens, embedder.layout.max_tokens) - (
            embedder.layout.max_tokens - embedder.room
        )

    def settle(self, event: ObjectEvent, deadline: Deadline) -> Outcome:
        """Make a key's rows those of the object as it is now.

        Raises:
            RefusedFileError: no retry can help; the key has no rows now.
            ProcessorError, SecretError, botocore's: the event is to be tried again.
        """
        _require_usable_key(event)
        layout = self._embedder.layout
        self._database.check_dimension(layout.dimension, layout.name, deadline)
        with self._objects.open(event.bucket, event.key) as found:
            if found is None:
                return self._without_rows(event, deadline)
            if _is_folder(event, found):
                outcome = self._without_rows(event, deadline)
                return outcome if outcome.removed else Outcome(state="unchanged")
            generation = self._generation(found)
            known = self._database.begin(event.source, event.sequencer, generation, deadline)
            if known["state"] != "open":
                return Outcome(state="outdated" if known["state"] == "outdated" else "unchanged")
            try:
                text = self._text(found)
            except RefusedFileError:
                self._without_rows(event, deadline)
                raise
            source = {"bucket": event.bucket, "key": event.key, "version_id": found.version_id, "etag": found.etag}
        job = _Job(event, source | layout.identity, self._chunks(text), deadline)
        del text
        writing = _Writing(event, generation, self._database, deadline)
        if self._settings.pooling == "document":
            writing.add(self._whole(job))
        else:
            self._write_chunks(job, writing, known["staged"])
        return writing.finish(job.parts)

    def _generation(self, found: Found) -> str:
        """A name for the rows that this version of an object has with this model, cut in this way."""
        settings = self._settings
        versioned = found.version_id not in (None, "null")
        version = [found.version_id] if versioned else [found.etag, found.modified]
        cutting = [self._limit, settings.chunk_overlap_tokens, settings.pooling]
        return digest(version, self._embedder.layout.identity, cutting)

    def _without_rows(self, event: ObjectEvent, deadline: Deadline) -> Outcome:
        answer = self._database.replace(event.source, event.sequencer, "", [], deadline)
        state = "outdated" if answer["state"] == "outdated" else "removed"
        return Outcome(state=state, removed=answer.get("removed", 0))

    def _text(self, found: Found) -> str:
        if found.unreadable:
            raise RefusedFileError("unreadable", found.unreadable)
        most = self._settings.max_file_bytes
        if found.bytes > most:
            raise RefusedFileError("too_large", f"it has {found.bytes} bytes, and MAX_FILE_BYTES is {most}")
        if found.encoding:
            raise RefusedFileError("binary", f"its Content-Encoding is {found.encoding}: put it as plain text")
        try:
            text = decode(found.read())
        except BinaryError as error:
            raise RefusedFileError("binary", f"it is not text: {error}") from None
        if is_blank(text):
            raise RefusedFileError("empty", "it has no text")
        return text

    def _chunks(self, text: str) -> Sequence[Chunk]:
        overlap = min(self._settings.chunk_overlap_tokens, self._limit // 2)
        found = chunks([(1, text)], self._embedder, self._limit, overlap)
        if not found:
            raise RefusedFileError("empty", "it has no text")
        return found

    def _write_chunks(self, job: _Job, writing: _Writing, staged: int) -> None:
        """One row a chunk, from the first that is not staged; when the time is up, those that are made are kept."""
        writing.resumed = staged
        try:
            for number, (chunk, vector) in enumerate(self._embedded(job, staged), start=staged):
                writing.add(job.row(chunk.text, vector, number, len(job.parts)))
        except OutOfTimeError:
            writing.keep()
            raise

    def _whole(self, job: _Job) -> dict[str, Any]:
        """One row a document: the mean of its chunks' vectors, by their tokens."""
        total = np.zeros((1, self._embedder.layout.dimension), np.float32)
        for chunk, vector in self._embedded(job, 0):
            total += vector * np.float32(chunk.tokens)
        mean = normalised(total) if self._embedder.layout.normalised else total / job.tokens
        return job.row("\n".join(chunk.text for chunk in job.parts), mean[0], 0, 1)

    def _embedded(self, job: _Job, first: int) -> Iterator[tuple[Chunk, NDArray[np.float32]]]:
        for start in range(first, len(job.parts), BATCH_CHUNKS):
            if job.deadline.left() <= 0:
                raise OutOfTimeError(f"{start} of {len(job.parts)} chunks were embedded in the time that there was")
            batch = job.parts[start : start + BATCH_CHUNKS]
            vectors = self._embedder.embed([chunk.text for chunk in batch])
            require_directions(vectors, self._embedder.layout.name)
            yield from zip(batch, vectors, strict=True)


def _require_usable_key(event: ObjectEvent) -> None:
    """S3 takes every key; a database no zero character, and UTF-8 no half of a surrogate pair. There are no rows then.

    Raises:
        RefusedFileError: it has one.
    """
    if "\0" in event.key or has_half_pair(event.key):
        raise RefusedFileError("unusable_key", "its key has a character that a database does not take: rename it")


def _is_folder(event: ObjectEvent, found: Found) -> bool:
    """What the S3 console makes when somebody makes a folder; it is no document, and no mistake either."""
    return event.key.endswith("/") and found.bytes == 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A document to be embedded."""

    event: ObjectEvent
    source: dict[str, Any]
    """Metadata of all its rows."""
    parts: Sequence[Chunk]
    deadline: Deadline

    @property
    def tokens(self) -> int:
        """Of all chunks."""
        return sum(chunk.tokens for chunk in self.parts)

    def row(self, content: str, vector: NDArray[np.float32], number: int, count: int) -> dict[str, Any]:
        """The row of one chunk."""
        metadata = {**self.source, "chunk": number, "chunks": count}
        return row(self.event.bucket, self.event.key, content, vector, metadata)


class _Writing:
    """The rows of one document on their way: all but the last request are staged, the last one replaces."""

    def __init__(self, event: ObjectEvent, generation: str, database: Database, deadline: Deadline) -> None:
        self._event = event
        self._generation = generation
        self._database = database
        self._deadline = deadline
        self._request = Request()
        self.resumed = 0
        """Rows that an attempt before has staged."""

    def add(self, made: dict[str, Any]) -> None:
        """Take a row; send those before it when they are a request."""
        if not self._request.takes(made):
            self.keep()
        self._request.add(made)

    def keep(self) -> None:
        """Stage what there is."""
        if self._request.rows:
            late = self._deadline.earlier(-KEEPING_SECONDS)
            self._database.stage(self._event.source, self._generation, self._request.rows, late)
        self._request = Request()

    def finish(self, parts: Sequence[Chunk]) -> Outcome:
        """Make the rows the key's."""
        event, late = self._event, self._deadline.earlier(-KEEPING_SECONDS)
        answer = self._database.replace(event.source, event.sequencer, self._generation, self._request.rows, late)
        if answer["state"] == "outdated":
            return Outcome(state="outdated")
        return Outcome(
            state="embedded",
            chunks=len(parts),
            tokens=sum(chunk.tokens for chunk in parts),
            written=answer["written"],
            removed=answer["removed"],
            resumed=self.resumed,
        )
