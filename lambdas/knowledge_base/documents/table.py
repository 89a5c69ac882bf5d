"""Documents' rows: every change of one, with the condition under which it may be made.

    queued → processing → ready | failed → queued …        deleted: from any of them

Two that work on one document are told apart by `run`: whoever claims a document gives it a new one, and changes of any
other fail from then on. A claim holds until its lease, which is when its function is stopped at the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base import identifiers
from lambdas.knowledge_base.documents.document import WAITS_SECONDS, Document, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.knowledge_base.documents.problem import Problem
    from lambdas.knowledge_base.tables import Table

DELETED_KEPT_SECONDS = 14 * 24 * 3_600
"""A deleted document's row, when what it had could not be removed: as long as a message is in the dead-letter queue."""
_HERE = (
    "attribute_exists(#document_id) AND attribute_not_exists(#deleted)"
    " AND (attribute_not_exists(#expires_at) OR #expires_at > :now)"
)
_MINE = "#run = :run AND #status = :processing AND attribute_not_exists(#deleted)"


class DocumentsTable:
    """The table."""

    def __init__(self, table: Table, clock: Callable[[], float]) -> None:
        """Args: table: DOCUMENTS_TABLE; clock: gives the second (Unix time)."""
        self._table = table
        self._clock = clock

    def add(self, item: dict[str, Any]) -> Document:
        """Write a new row."""
        if not self._table.put(item, "attribute_not_exists(#document_id)"):
            raise RuntimeError("an id was given twice")
        return Document.of(item)

    def find(self, user_id: str, document_id: str) -> Document | None:
        """The row as it is, also of what is deleted."""
        item = self._table.get(_key(user_id, document_id))
        return Document.of(item) if item else None

    def page(self, user_id: str, limit: int, after: str | None) -> tuple[list[Document], bool]:
        """A user's documents, newest first, without those that are gone; and whether there are more.

        Args:
            user_id: whose.
            limit: at most.
            after: id of the one before the first.
        """
        items, more = self._table.query(
            ("user_id", user_id),
            limit=limit,
            after=_key(user_id, after) if after else None,
            newest_first=True,
            where="attribute_not_exists(#deleted) AND (attribute_not_exists(#expires_at) OR #expires_at > :now)",
            now=int(self._clock()),
        )
        return [Document.of(item) for item in items], more

    def unready(self, user_id: str, most: int) -> list[str]:
        """Ids of a user's documents that are not to be found, deleted ones included."""
        items, _ = self._table.query(
            ("user_id", user_id),
            limit=most,
            newest_first=True,
            where="#status <> :ready OR attribute_exists(#deleted)",
            ready=Status.READY.value,
        )
        return [item["document_id"] for item in items]

    def claim(self, user_id: str, document_id: str, lease: float, *, uploaded: bool) -> Document | None:
        """Take a document for a new run.

        Args:
            user_id: whose.
            document_id: which.
            lease: second until which the run may take.
            uploaded: whether a file has come, so one that failed is taken, too.

        Returns:
            None when there is nothing to take: it is gone, ready, failed, or another run's.
        """
        now = int(self._clock())
        failed = " OR #status = :failed" if uploaded else ""
        here = _HERE if uploaded else f"{_HERE} AND attribute_not_exists(#expires_at)"  # whose file has not come yet
        item = self._table.update(
            _key(user_id, document_id),
            "SET #status = :processing, #run = :run, #lease = :lease, #progress = :none, #pages = :none"
            " REMOVE #expires_at, #error",
            f"{here} AND (#status = :queued OR (#status = :processing AND #lease <= :now){failed})",
            processing=Status.PROCESSING.value,
            queued=Status.QUEUED.value,
            run=identifiers.new(self._clock),
            lease=int(lease) + 1,
            none=0,
            now=now,
            **({"failed": Status.FAILED.value} if uploaded else {}),
        )
        return Document.of(item) if item else None

    def advance(self, document: Document, progress: int, **facts: int) -> bool:
        """Say how far a run is; whether it still owns the document.

        Args:
            document: as it was claimed.
            progress: percent.
            facts: `pages` or `bytes`, once they are known.
        """
        sets = ["#progress = :progress", *(f"#{name} = :{name}" for name in facts)]
        return self._mine(document, f"SET {', '.join(sets)}", progress=progress, **facts)

    def finish(self, document: Document, pages: int) -> bool:
        """Make it ready; whether the run still owned it."""
        return self._mine(
            document,
            "SET #status = :ready, #progress = :whole, #pages = :pages REMOVE #lease",
            ready=Status.READY.value,
            whole=100,
            pages=pages,
        )

    def fail(self, document: Document, problem: Problem) -> bool:
        """Say why it could not be made ready; whether the run still owned it."""
        return self._mine(
            document,
            "SET #status = :failed, #error = :error REMOVE #lease",
            failed=Status.FAILED.value,
            error=problem._asdict(),
        )

    def release(self, document: Document) -> bool:
        """Put it back, for the message that comes again; whether the run still owned it."""
        return self._mine(
            document,
            "SET #status = :queued, #progress = :none, #queued_at = :now REMOVE #lease",
            queued=Status.QUEUED.value,
            none=0,
            now=int(self._clock()),
        )

    def requeue(self, user_id: str, document_id: str) -> Document | None:
        """Let a document that has failed, or looks so, be tried again; None when it is none of these."""
        now = int(self._clock())
        item = self._table.update(
            _key(user_id, document_id),
            "SET #status = :queued, #progress = :none, #queued_at = :now REMOVE #error, #lease",
            f"{_HERE} AND (#status = :failed OR (#status = :processing AND #lease <= :now)"
            " OR (#status = :queued AND #queued_at <= :long_ago AND attribute_not_exists(#expires_at)))",
            queued=Status.QUEUED.value,
            failed=Status.FAILED.value,
            processing=Status.PROCESSING.value,
            none=0,
            now=now,
            long_ago=now - WAITS_SECONDS,
        )
        return Document.of(item) if item else None

    def refuse(self, document: Document, problem: Problem) -> None:
        """Undo `requeue`, when no message could be sent for it."""
        self._table.update(
            _key(document.user_id, document.id),
            "SET #status = :failed, #error = :error",
            "#status = :queued AND attribute_not_exists(#deleted)",
            queued=Status.QUEUED.value,
            failed=Status.FAILED.value,
            error=problem._asdict(),
        )

    def bury(self, user_id: str, document_id: str) -> Document | None:
        """Delete it for everybody, before what it has is removed; None when it was gone already."""
        now = int(self._clock())
        item = self._table.update(
            _key(user_id, document_id),
            "SET #deleted = :yes, #expires_at = :end REMOVE #filename, #error",
            _HERE,
            yes=True,
            end=now + DELETED_KEPT_SECONDS,
            now=now,
        )
        return Document.of(item) if item else None

    def remove(self, user_id: str, document_id: str, *, buried: bool = True) -> None:
        """Remove the row.

        Args:
            user_id: whose.
            document_id: which.
            buried: whether it has to be deleted before.
        """
        self._table.delete(_key(user_id, document_id), "attribute_exists(#deleted)" if buried else "")

    def _mine(self, document: Document, expression: str, **values: Any) -> bool:
        found = self._table.update(
            _key(document.user_id, document.id),
            expression,
            _MINE,
            run=document.run,
            processing=Status.PROCESSING.value,
            **values,
        )
        return found is not None


def _key(user_id: str, document_id: str) -> dict[str, str]:
    return {"user_id": user_id, "document_id": document_id}
