"""Results: what is stored of a document, and what the function itself needs to know of it later; and answers. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

from lambdas.extract_text.source import chunk_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.extract_text.source import Source
    from lambdas.shared.chunks import Chunk
    from lambdas.shared.pdf.errors import DocumentError
    from lambdas.shared.pdf.reading import Page

SCHEMA = 1


class Answer(TypedDict):
    """What a document came to."""

    status: str
    source: dict[str, Any]
    result: dict[str, str] | None
    pages: int
    tokens: int
    chunks: int
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The function's own part of a result object, under `record`."""

    generation: str
    """Names its chunks, with `chunks`."""
    chunks: int
    queued: int
    """Messages sent for them: 0 without a queue."""
    sequencer: str | None
    """Of the event that it answers; None for a direct call."""
    written: float
    """Seconds since 1970."""
    superseded: tuple[tuple[str, int], ...] = ()
    """Generations that were queued and lost the race for the result: their chunks are still to be deleted."""

    def ids(self, bucket: str, key: str) -> list[str]:
        """All ids that are, or may be, in the index."""
        generations = [*self.superseded, (self.generation, self.chunks if self.queued else 0)]
        return [identity for name, count in generations for identity in chunk_ids(bucket, key, name, count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A result object as it is in the bucket."""

    document: dict[str, Any]
    etag: str
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        values = dict(self.document["record"])
        values["superseded"] = tuple((str(name), int(count)) for name, count in values.get("superseded", ()))
        object.__setattr__(self, "record", Record(**values))

    @property
    def failed(self) -> bool:
        """Whether it says why there is no result."""
        return "error" in self.document

    def with_superseded(self, generation: str, count: int) -> dict[str, Any]:
        """The same, noting chunks that are to be deleted."""
        record = replace(self.record, superseded=(*self.record.superseded, (generation, count)))
        return {**self.document, "record": asdict(record)}


def result(source: Source, pages: Sequence[Page], chunks: Sequence[Chunk], record: Record) -> dict[str, Any]:
    """The result of a document that could be read."""
    return {
        "schema": SCHEMA,
        "source": source.document(),
        "pages": [_page(page) for page in pages],
        "chunks": [
            {"index": index, "text": chunk.text, "tokens": chunk.tokens, "pages": list(chunk.pages)}
            for index, chunk in enumerate(chunks)
        ],
        "totals": totals(pages, chunks),
        "record": asdict(record),
    }


def totals(pages: Sequence[Page], chunks: Sequence[Chunk]) -> dict[str, int]:
    """How much a document has."""
    return {"pages": len(pages), "tokens": sum(page.tokens for page in pages), "chunks": len(chunks)}


def failure(source: Source, error: DocumentError, record: Record) -> dict[str, Any]:
    """The result of a document that can not be read."""
    return {
        "schema": SCHEMA,
        "source": source.document(),
        "error": {"code": error.code, "message": error.message},
        "pages": [],
        "chunks": [],
        "totals": totals((), ()),
        "record": asdict(record),
    }


def answer(source: dict[str, Any], place: dict[str, str] | None, totals: dict[str, int], queued: int) -> Answer:
    """What a direct call is answered, and a log line says."""
    return {
        "status": "ok",
        "source": source,
        "result": place,
        "pages": totals["pages"],
        "tokens": totals["tokens"],
        "chunks": totals["chunks"],
        "queued": queued,
    }


def body(document: dict[str, Any]) -> bytes:
    """A result object's bytes."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _page(page: Page) -> dict[str, Any]:
    values = {
        "number": page.number,
        "text": page.text,
        "tables": page.tables,
        "tokens": page.tokens,
        "images": page.images,
        "needs_ocr": page.needs_ocr,
    }
    return {**values, "error": page.error} if page.error else values
