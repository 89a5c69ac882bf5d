"""Documents that are ready, without the reading of a PDF: rows, pages and passages as an ingestion leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base import identifiers
from lambdas.knowledge_base.documents import Page
from lambdas.knowledge_base.retrieval.vectors import Passage
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from lambdas.knowledge_base.documents import Document
    from tests.lambdas.knowledge_base.world import SignedIn, World


def begun(world: World, user: SignedIn, filename: str = "kettle.pdf") -> Document:
    """A document that an ingestion works on."""
    services = world.services
    row: dict[str, Any] = {
        "user_id": user.id,
        "document_id": identifiers.new(services.clock),
        "filename": filename,
        "bytes": 1_000,
        "status": "queued",
        "queued_at": int(services.clock()),
        "created_at": "2026-11-28T12:00:00Z",
    }
    services.documents.table.add(row)
    claimed = services.documents.table.claim(user.id, row["document_id"], services.clock() + 600, uploaded=False)
    assert claimed is not None
    return claimed


def indexed(world: World, document: Document, *pages: str) -> None:
    """Its pages are kept and can be found: a passage for each paragraph."""
    services = world.services
    kept = [Page(text=text, tables=[], images=[]) for text in pages]
    services.files.write_pages(document.user_id, document.id, document.run, kept, lambda _: None)
    passages: list[Passage] = []
    for number, text in enumerate(pages, 1):
        start = 0
        for part in text.split("\n\n"):
            place = text.index(part, start)
            start = place + len(part)
            if part.strip():
                passages.append(Passage(document.id, document.run, len(passages), number, place, start, part))
    vectors = services.models.embed([passage.text for passage in passages], Deadline.after(60))
    services.vectors.put(document.user_id, passages, vectors)


def shelved(world: World, user: SignedIn, *pages: str, filename: str = "kettle.pdf") -> str:
    """A ready document of these pages; its id."""
    document = begun(world, user, filename)
    indexed(world, document, *pages)
    assert world.services.documents.table.finish(document, len(pages))
    return document.id
