"""What is to be done about a document: read or forget it, so that result and index are those of its current version.

An event only says where to look. What is done follows from the object as it is now and from the result that is stored,
so duplicates, late events and events out of order all lead to the same end.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lambdas.extract_text import contract, results
from lambdas.extract_text.errors import MAY_PASS, SupersededError
from lambdas.extract_text.messages import chunk_messages, delete_messages
from lambdas.extract_text.results import Record, answer
from lambdas.extract_text.source import chunk_ids, is_older
from lambdas.shared.contract import child_memory_bytes
from lambdas.shared.deadline import Deadline
from lambdas.shared.pdf import cutting, reading
from lambdas.shared.pdf.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdas.extract_text.messages import Queue
    from lambdas.extract_text.results import Answer, Stored
    from lambdas.extract_text.settings import Settings
    from lambdas.extract_text.source import Source
    from lambdas.extract_text.store import Store
    from lambdas.shared.child import Ending
    from lambdas.shared.chunks import Chunk
    from lambdas.shared.pdf.reading import Page
    from lambdas.shared.tokens import Tokenizer

ROUNDS = 3
"""How often a document is read again because it changed while it was read; then the event is tried again later."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One document, and when to stop."""

    bucket: str
    key: str
    deadline: Deadline
    sequencer: str | None = None
    """Of the event; None for a direct call."""


class Documents:
    """The documents of a stack."""

    def __init__(
        self,
        settings: Settings,
        tokenizer: Tokenizer,
        store: Store,
        queue: Queue | None,
        *,
        memory_mb: int,
        watch: Callable[[str, Ending], object],
    ) -> None:
        self._settings = settings
        self._tokenizer = tokenizer
        self._store = store
        self._queue = queue
        self._memory_bytes = child_memory_bytes(memory_mb)
        self._watch = watch

    def settle(self, asked: Asked) -> Answer | None:
        """Make result and index those of the object as it is now.

        Returns:
            What it came to; None when there is nothing to tell: it was removed, is a folder, or a later event told it.

        Raises:
            DocumentError: it cannot be read; its result says so now, unless a retry may help.
            SupersededError: to be tried again.
        """
        self._refuse_own(asked)
        for _ in range(ROUNDS):
            stored = self._store.stored(asked.bucket, asked.key)
            if stored is not None and self._is_late(asked, stored):
                return None if stored.failed else self._known(asked, stored)
            source = self._store.head(asked.bucket, asked.key)
            if source is None or (source.is_folder and asked.sequencer is not None):
                self._forget(asked, stored)
                return None
            if stored is not None and self._is_done(source, stored):
                return self._known(asked, stored)
            try:
                pages, chunks = self.read(source, asked.deadline)
            except DocumentError as error:
                if error.code == "not_found" or not self._is_current(source):
                    continue
                self._record_failure(asked, source, stored, error)
                raise
            if self._is_current(source):
                return self._record(asked, source, stored, pages, chunks)
        raise SupersededError(f"s3://{asked.bucket}/{asked.key} is replaced faster than it can be read")

    def look(self, asked: Asked, version_id: str | None) -> Answer:
        """Answer a direct call. Of a version that is not the current one, nothing is stored and nothing queued.

        Raises:
            DocumentError: it cannot be read.
            SupersededError: to be tried again.
        """
        self._refuse_own(asked)
        current = self._store.head(asked.bucket, asked.key)
        wanted = self._store.head(asked.bucket, asked.key, version_id) if version_id else current
        if wanted is None:
            what = f"version {version_id} of " if version_id else ""
            raise DocumentError("not_found", f"there is no {what}s3://{asked.bucket}/{asked.key}")
        if current is not None and wanted.identity == current.identity:
            settled = self.settle(asked)
            if settled is None:
                raise DocumentError("not_found", f"s3://{asked.bucket}/{asked.key} was removed meanwhile")
            return settled
        pages, chunks = self.read(wanted, asked.deadline)
        return answer(wanted.document(), None, results.totals(pages, chunks), queued=0)

    def read(self, source: Source, deadline: Deadline) -> tuple[list[Page], list[Chunk]]:
        """Read one version of a document.

        Raises:
            DocumentError: it cannot be read.
        """
        suffix = PurePosixPath(source.key).suffix.lower()
        if suffix not in contract.SUFFIXES:
            raise DocumentError(
                "unsupported_type", f"its name ends in {suffix or 'nothing'!r}: {', '.join(contract.SUFFIXES)} are read"
            )
        if source.bytes > self._settings.max_file_bytes:
            raise DocumentError(
                "too_large", f"it has {source.bytes} bytes, and MAX_FILE_BYTES is {self._settings.max_file_bytes}"
            )
        budget = reading.Budget(
            memory_bytes=self._memory_bytes,
            deadline=Deadline.after(deadline.left() * contract.READ_SHARE),
            max_pages=self._settings.max_pages,
            watch=self._watch,
        )
        with tempfile.TemporaryDirectory(prefix="document-") as folder:
            path = Path(folder) / f"document{suffix}"
            self._store.fetch(source, path)
            pages = reading.read_pages(path, budget, plain=suffix != ".pdf")
        settings = self._settings
        return pages, cutting.cut(pages, self._tokenizer, settings.chunk_tokens, settings.chunk_overlap_tokens, budget)

    def _refuse_own(self, asked: Asked) -> None:
        if self._store.is_result(asked.bucket, asked.key):
            raise DocumentError("bad_request", f"{asked.key} is a result of this function's, and no document")
        self._store.result_key(asked.key)

    @staticmethod
    def _is_late(asked: Asked, stored: Stored) -> bool:
        return is_older(asked.sequencer, stored.record.sequencer) and not stored.record.superseded

    def _is_done(self, source: Source, stored: Stored) -> bool:
        record = stored.record
        same = record.generation == source.generation(self._settings.cutting)
        wanted = record.chunks if self._queue else record.queued
        return same and not stored.failed and not record.superseded and record.queued == wanted

    def _is_current(self, source: Source) -> bool:
        current = self._store.head(source.bucket, source.key)
        return current is not None and current.identity == source.identity

    def _known(self, asked: Asked, stored: Stored) -> Answer:
        """What the stored result says."""
        document, queued = stored.document, stored.record.queued
        return answer(document["source"], self._place(asked.key), document["totals"], queued)

    def _place(self, key: str) -> dict[str, str]:
        return {"bucket": self._store.result_bucket, "key": self._store.result_key(key)}

    def _record(
        self, asked: Asked, source: Source, stored: Stored | None, pages: Sequence[Page], chunks: Sequence[Chunk]
    ) -> Answer:
        """Queue the chunks, delete those that are no longer, and write the result, in this order."""
        generation = source.generation(self._settings.cutting)
        ids = chunk_ids(source.bucket, source.key, generation, len(chunks))
        queued = self._queue.send(chunk_messages(source, chunks, ids)) if self._queue else 0
        self._delete(asked, stored, keep=ids)
        record = self._new_record(asked, stored, generation, len(chunks), queued)
        self._write(asked, results.result(source, pages, chunks, record), stored, record)
        return answer(source.document(), self._place(source.key), results.totals(pages, chunks), queued)

    def _record_failure(self, asked: Asked, source: Source, stored: Stored | None, error: DocumentError) -> None:
        """Write why there is no result; the chunks of the version before are no longer the document's."""
        if error.code in MAY_PASS or asked.sequencer is None:
            return
        self._delete(asked, stored, keep=())
        record = self._new_record(asked, stored, source.generation(self._settings.cutting), 0, 0)
        self._write(asked, results.failure(source, error, record), stored, record)

    def _new_record(self, asked: Asked, stored: Stored | None, generation: str, chunks: int, queued: int) -> Record:
        sequencer = asked.sequencer or (stored.record.sequencer if stored else None)
        return Record(generation=generation, chunks=chunks, queued=queued, sequencer=sequencer, written=time.time())

    def _write(self, asked: Asked, document: dict[str, Any], stored: Stored | None, record: Record) -> None:
        try:
            self._store.write(asked.key, document, stored)
        except SupersededError:
            if not self._leave_to_the_other(asked, document, record):
                raise

    def _leave_to_the_other(self, asked: Asked, document: dict[str, Any], record: Record) -> bool:
        """Another invocation was faster: what this one queued is noted in its result, for a later delivery to delete.

        One delivery never deletes what it sent, since SQS could deliver the two the other way round.

        Returns:
            Whether it did the same work, so that nothing is left to do.
        """
        other = self._store.stored(asked.bucket, asked.key)
        if other is not None and other.record.generation == record.generation and not other.failed:
            return True
        if record.queued:
            noted = document if other is None else other.with_superseded(record.generation, record.chunks)
            self._store.write(asked.key, noted, other)
        return False

    def _forget(self, asked: Asked, stored: Stored | None) -> None:
        if stored is not None:
            self._delete(asked, stored, keep=())
            self._store.remove(asked.key, stored)

    def _delete(self, asked: Asked, stored: Stored | None, keep: Sequence[str]) -> None:
        """Have chunks deleted that a stored result has and the document has no longer."""
        if stored is None or self._queue is None:
            return
        kept = set(keep)
        gone = [identity for identity in stored.record.ids(asked.bucket, asked.key) if identity not in kept]
        age = max(0.0, time.time() - stored.record.written)
        self._queue.send(delete_messages(gone), delay_seconds=max(0, round(self._settings.settle_seconds - age)))
