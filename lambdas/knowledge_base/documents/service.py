"""What users may do with their documents. Owns the order of steps, so what is interrupted leaves nothing astray.

A row comes before what belongs to it and goes after it: nothing is ever stored that no row tells of.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.knowledge_base import contract, identifiers
from lambdas.knowledge_base.documents.document import Document, Status
from lambdas.knowledge_base.documents.filenames import shown
from lambdas.knowledge_base.documents.problem import Code, problem
from lambdas.knowledge_base.errors import ConflictError, NotFoundError, VectorsError
from lambdas.knowledge_base.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambdas.knowledge_base.documents.files import Files
    from lambdas.knowledge_base.documents.page import Page
    from lambdas.knowledge_base.documents.table import DocumentsTable
    from lambdas.knowledge_base.ingestion.ingestion_queue import IngestionQueue
    from lambdas.knowledge_base.retrieval.vectors import Vectors

SWEEP_SECONDS = 60
"""After a deletion was asked for, which the API has answered by then or given up, what it left is looked for."""
NOT_UPLOADED_SECONDS = contract.UPLOADS_KEPT_DAYS * 24 * 3_600
MOST_UNREADY = 1_000
WHAT = "document"


class Documents:
    """The documents of all users; each call is for one of them."""

    def __init__(
        self,
        table: DocumentsTable,
        files: Files,
        queue: IngestionQueue,
        vectors: Callable[[], Vectors],
        clock: Callable[[], float],
    ) -> None:
        """Args: vectors: gives the index, which is connected when it is needed; clock: gives the second (Unix time)."""
        self.table = table
        self._files = files
        self._queue = queue
        self._vectors = vectors
        self._clock = clock

    def create(self, user_id: str, filename: str, data: bytes) -> Document:
        """Take a file in, and have it read.

        Args:
            user_id: whose.
            filename: as it was sent.
            data: of a PDF.
        """
        document = self.table.add(self._row(user_id, filename, len(data)))
        try:
            self._files.keep(user_id, document.id, data)
            self._queue.send(user_id, document.id)
        except (ClientError, BotoCoreError):
            self._files.remove(user_id, document.id)
            self.table.remove(user_id, document.id, buried=False)
            raise
        return document

    def announce(self, user_id: str, filename: str, most_bytes: int) -> tuple[Document, str, dict[str, str]]:
        """Expect a file, which its owner sends to the bucket.

        Returns:
            The document, where the file is sent to, and the fields of the form.
        """
        row = self._row(user_id, filename, most_bytes)
        document = self.table.add({**row, contract.TABLE_TTL: int(self._clock()) + NOT_UPLOADED_SECONDS})
        url, fields = self._files.form(user_id, document.id, most_bytes)
        return document, url, fields

    def get(self, user_id: str, document_id: str) -> Document:
        """A document as its owner sees it.

        Raises:
            NotFoundError: there is none, or it is another user's.
        """
        found = self.table.find(user_id, document_id) if identifiers.valid(document_id) else None
        now = self._clock()
        if found is None or found.gone(now):
            raise NotFoundError(WHAT)
        return found.seen(now)

    def list(self, user_id: str, limit: int, cursor: str | None) -> tuple[list[Document], str | None]:
        """Documents, newest first, and the cursor of the next ones.

        Raises:
            BadRequestError: `bad_cursor`.
        """
        scope = f"documents/{user_id}"
        documents, more = self.table.page(user_id, limit, identifiers.position(scope, cursor))
        now = self._clock()
        return [found.seen(now) for found in documents], identifiers.cursor(scope, documents[-1].id) if more else None

    def find(self, user_id: str, document_ids: Iterable[str]) -> dict[str, Document]:
        """Those of some documents that are there, by id."""
        now = self._clock()
        found = [self.table.find(user_id, each) for each in dict.fromkeys(document_ids) if identifiers.valid(each)]
        return {each.id: each.seen(now) for each in found if each is not None and not each.gone(now)}

    def names(self, user_id: str, document_ids: Iterable[str]) -> dict[str, str]:
        """Filenames by id.

        Raises:
            NotFoundError: one of them is not there, or is another user's.
        """
        asked = list(document_ids)
        found = self.find(user_id, asked)
        if not set(asked) <= found.keys():
            raise NotFoundError(WHAT)
        return {document_id: document.filename for document_id, document in found.items()}

    def unready(self, user_id: str) -> list[str]:
        """Ids of documents of which nothing may be found: a thousand at most, the newest."""
        return self.table.unready(user_id, MOST_UNREADY)

    def page(self, user_id: str, document_id: str, number: int) -> Page:
        """A page, from 1.

        Raises:
            NotFoundError: there is no such document or page.
            ConflictError: `not_ready`.
        """
        document = self.with_page(user_id, document_id, number)
        return self._files.page(user_id, document_id, document.run, number)

    def with_page(self, user_id: str, document_id: str, number: int) -> Document:
        """The document of a page that can be shown; the page itself is not read.

        Raises:
            NotFoundError: there is no such document or page.
            ConflictError: `not_ready`.
        """
        document = self.get(user_id, document_id)
        if document.status is not Status.READY:
            raise ConflictError("not_ready", "The document is not ready: its pages can be shown then.")
        if not 1 <= number <= document.pages:
            raise NotFoundError("page of this document")
        return document

    def link(self, user_id: str, document_id: str) -> str:
        """An address of the file, for five minutes.

        Raises:
            NotFoundError: there is no such document.
            ConflictError: `not_uploaded`.
        """
        document = self.get(user_id, document_id)
        if document.expires_at is not None:
            raise ConflictError("not_uploaded", "The file has not arrived yet.")
        return self._files.link(user_id, document_id, document.filename)

    def retry(self, user_id: str, document_id: str) -> Document:
        """Have a document read again that failed.

        Raises:
            NotFoundError: there is no such document.
            ConflictError: `not_failed`.
        """
        before = self.get(user_id, document_id)
        if before.status is not Status.FAILED:
            raise ConflictError("not_failed", f"The document is {before.status}: only one that failed can be retried.")
        document = self.table.requeue(user_id, document_id)
        if document is None:
            raise ConflictError("not_failed", "The document is being read again already.")
        try:
            self._queue.send(user_id, document_id)
        except (ClientError, BotoCoreError):
            self.table.refuse(document, before.error or problem(Code.NOT_STARTED))
            raise
        return document

    def delete(self, user_id: str, document_id: str) -> None:
        """Remove a document and all that was made of it, also while it is being read.

        What cannot be removed now is removed by the queue's message; nobody sees the document from here on.

        Raises:
            NotFoundError: there is no such document.
        """
        document = self.get(user_id, document_id)
        now = self._clock()
        lease = document.lease - now if document.worked_on(now) else 0
        self._queue.send(user_id, document_id, delay_seconds=max(SWEEP_SECONDS, lease + 1))
        if self.table.bury(user_id, document_id) is None:
            raise NotFoundError(WHAT)
        try:
            self.sweep(user_id, document_id)
        except (ClientError, BotoCoreError, VectorsError) as error:
            logger.warning("a deleted document is left to the queue", extra={"reason": type(error).__name__})

    def sweep(self, user_id: str, document_id: str, *, run: str = "") -> bool:
        """Remove all of a document that was deleted, or has no row.

        Args:
            user_id: whose.
            document_id: which.
            run: that asks, and is at work no longer.

        Returns:
            Whether nothing is left and nothing can come: while an ingestion is at work, the row stays.

        Raises:
            VectorsError: the index did not answer.
            botocore.exceptions.ClientError: the bucket or the table refused.
        """
        self._vectors().remove(user_id, document_id)
        self._files.remove(user_id, document_id)
        document = self.table.find(user_id, document_id)
        if document is not None and document.run != run and document.worked_on(self._clock()):
            return False
        self.table.remove(user_id, document_id)
        return True

    def _row(self, user_id: str, filename: str, size: int) -> dict[str, Any]:
        now = self._clock()
        return {
            "user_id": user_id,
            "document_id": identifiers.new(self._clock),
            "filename": shown(filename),
            "bytes": size,
            "status": Status.QUEUED.value,
            "progress": 0,
            "pages": 0,
            "queued_at": int(now),
            "created_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
