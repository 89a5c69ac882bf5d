"""A document as its row has it, and as its owner sees it: what was left in work shows as failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base.documents.problem import Code, Problem, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

WAITS_SECONDS = 3_600
"""In the queue: a document that waits for longer lost its message, or the queue is stuck; its owner may try again."""


class Status(StrEnum):
    """Part of the API's answers."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document."""

    user_id: str
    id: str
    filename: str
    bytes: int
    status: Status
    progress: int
    """Percent."""
    pages: int
    """0 until they are counted."""
    error: Problem | None
    created_at: str
    """ISO 8601, UTC."""
    run: str
    """Id of the ingestion that it is, or was last, worked on by: it names the pages and passages. Empty before."""
    lease: int
    """Second until which that ingestion may work on it; 0 when none does."""
    queued_at: int
    """Second in which it was last put into the queue."""
    expires_at: int | None
    """Second after which the row goes: of an upload that has not come, or of what was deleted."""
    deleted: bool

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Document:
        """From a row."""
        error = item.get("error")
        return cls(
            user_id=item["user_id"],
            id=item["document_id"],
            filename=item.get("filename", ""),
            bytes=item.get("bytes", 0),
            status=Status(item["status"]),
            progress=item.get("progress", 0),
            pages=item.get("pages", 0),
            error=Problem(error["code"], error["message"]) if error else None,
            created_at=item.get("created_at", ""),
            run=item.get("run", ""),
            lease=item.get("lease", 0),
            queued_at=item.get("queued_at", 0),
            expires_at=item.get("expires_at"),
            deleted=bool(item.get("deleted")),
        )

    def gone(self, now: float) -> bool:
        """Whether it is not there for anybody: deleted, or never uploaded."""
        return self.deleted or (self.expires_at is not None and self.expires_at <= now)

    def worked_on(self, now: float) -> bool:
        """Whether an ingestion may be at work on it."""
        return self.status is Status.PROCESSING and self.lease > now

    def seen(self, now: float) -> Document:
        """As its owner sees it: work that ended without a word has failed."""
        if self.status is Status.PROCESSING and not self.worked_on(now):
            return replace(self, status=Status.FAILED, error=problem(Code.INTERRUPTED))
        waited = self.expires_at is None and self.queued_at + WAITS_SECONDS <= now
        if self.status is Status.QUEUED and waited:
            return replace(self, status=Status.FAILED, error=problem(Code.NOT_STARTED))
        return self
