"""One document from its file to being found: fetched, read, cut, embedded, indexed.

Owns the order of the steps. Nothing of a run can be found before its last one: the row says `ready` then, and searches
leave out what is not. So a run may end anywhere; the next one writes everything anew, under its own id.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.documents.files import NoFileError
from lambdas.knowledge_base.documents.page import Page as KeptPage
from lambdas.knowledge_base.documents.problem import Code
from lambdas.knowledge_base.errors import VectorsError
from lambdas.knowledge_base.ingestion.outcomes import OvertakenError, StepError
from lambdas.knowledge_base.retrieval.models import ModelsError
from lambdas.knowledge_base.retrieval.passages import Passage
from lambdas.knowledge_base.telemetry import watch
from lambdas.shared.contract import child_memory_bytes
from lambdas.shared.deadline import Deadline
from lambdas.shared.pdf import cutting, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.knowledge_base.documents import Document, DocumentsTable, Files, Image
    from lambdas.knowledge_base.ingestion.drawings import Drawings
    from lambdas.knowledge_base.retrieval.models import Models
    from lambdas.knowledge_base.retrieval.vectors import Vectors
    from lambdas.knowledge_base.settings import Settings
    from lambdas.shared.chunks import Chunk
    from lambdas.shared.pdf.reading import Page
    from lambdas.shared.tokens import Tokenizer

READ_SHARE = 0.6
"""Of a run's time, for reading; the rest is for the services."""
PASSAGES_AT_ONCE = 128
"""In a request to the model and one to the index; after each the row says how far it is."""
SAID_EVERY_SECONDS = 2.0
FETCHED, READ, SHOWN, KEPT, INDEXED = 5, 25, 30, 40, 95
"""Percent when a step is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the steps work with."""

    settings: Settings
    table: DocumentsTable
    files: Files
    tokenizer: Tokenizer
    models: Models
    vectors: Vectors
    drawings: Drawings


@dataclass(frozen=True, slots=True)
class Done:
    """What a run came to."""

    pages: int
    passages: int
    images: int


def run(document: Document, tools: Tools, deadline: Deadline) -> Done:
    """Make a document ready.

    Args:
        document: as it was claimed.
        tools: the services.
        deadline: when its time is up.

    Raises:
        OvertakenError: it was deleted, or another run has taken it.
        StepError: a step failed; other exceptions are told apart by `outcomes.meaning`.
    """
    return _Run(document, tools, deadline).done()


class _Run:
    def __init__(self, document: Document, tools: Tools, deadline: Deadline) -> None:
        self._document = document
        self._tools = tools
        self._deadline = deadline
        self._said = time.monotonic()

    def done(self) -> Done:
        """Take the steps."""
        document, tools = self._document, self._tools
        pages, chunks = self._read()
        images = tools.drawings.of(document, pages, self._deadline)
        self._advance(SHOWN)
        self._keep(pages, images)
        self._index(chunks)
        self._clean()
        if not tools.table.finish(document, len(pages)):
            raise OvertakenError
        return Done(len(pages), len(chunks), sum(map(len, images.values())))

    def _read(self) -> tuple[list[Page], list[Chunk]]:
        """Fetch the file; its pages and what they are cut into."""
        document, settings = self._document, self._tools.settings
        budget = reading.Budget(
            memory_bytes=child_memory_bytes(settings.memory_mb),
            deadline=Deadline.after(self._deadline.left() * READ_SHARE),
            max_pages=settings.max_pages,
            watch=watch,
            progress=self._reading,
        )
        with tempfile.TemporaryDirectory(prefix="document-") as folder:
            path = Path(folder) / "document.pdf"
            try:
                size = self._tools.files.take(document.user_id, document.id)
                if size > contract.MAX_UPLOAD_BYTES:
                    raise StepError(Code.TOO_LARGE, f"{size} bytes", may_pass=False)
                self._tools.files.fetch(document.user_id, document.id, path)
            except NoFileError:
                raise StepError(Code.NOT_FOUND, "there is no file", may_pass=False) from None
            self._advance(FETCHED, bytes=size)
            pages = reading.read_pages(path, budget, plain=False)
        chunks = cutting.cut(
            pages,
            self._tools.tokenizer,
            settings.chunk_tokens,
            settings.chunk_overlap_tokens,
            budget,
            within_pages=True,
        )
        self._advance(READ, pages=len(pages))
        return pages, chunks

    def _reading(self, share: float) -> None:
        """Say now and then how much is read; whoever has deleted the document meanwhile ends it."""
        if time.monotonic() - self._said >= SAID_EVERY_SECONDS:
            self._advance(FETCHED + int((READ - FETCHED) * share))

    def _keep(self, pages: Sequence[Page], images: Mapping[int, list[Image]]) -> None:
        document = self._document
        kept = [KeptPage(text=page.text, tables=page.tables, images=images.get(page.number, [])) for page in pages]
        self._tools.files.write_pages(
            document.user_id,
            document.id,
            document.run,
            kept,
            lambda written: self._advance(SHOWN + (KEPT - SHOWN) * written // len(kept)),
        )
        self._advance(KEPT)

    def _index(self, chunks: Sequence[Chunk]) -> None:
        """Embed the passages and put them into the index, some at a time."""
        document = self._document
        passages = [_passage(document, index, chunk) for index, chunk in enumerate(chunks)]
        started = time.monotonic()
        for start in range(0, len(passages), PASSAGES_AT_ONCE):
            self._fits(started, start, len(passages))
            group = passages[start : start + PASSAGES_AT_ONCE]
            try:
                vectors = self._tools.models.embed([passage.text for passage in group], self._deadline)
                self._tools.vectors.put(document.user_id, group, vectors, deadline=self._deadline)
            except ModelsError as error:
                raise _of_the_model(error) from None
            except VectorsError as error:
                raise _of_the_index(error) from None
            self._advance(KEPT + (INDEXED - KEPT) * (start + len(group)) // len(passages))

    def _fits(self, started: float, done: int, whole: int) -> None:
        """Say so as soon as it shows that a run's time will not do; another run would have no more of it.

        Raises:
            StepError: `timed_out`.
        """
        taken, left = time.monotonic() - started, self._deadline.left()
        needed = taken / done * (whole - done) if done else 0.0
        if left <= needed:
            detail = f"{done} of {whole} passages took {taken:.0f} s, and {left:.0f} s are left"
            raise StepError(Code.TIMED_OUT, detail, may_pass=False)

    def _clean(self) -> None:
        """Remove what earlier runs have left."""
        document = self._document
        try:
            self._tools.vectors.remove(document.user_id, document.id, except_run=document.run, deadline=self._deadline)
        except VectorsError as error:
            raise _of_the_index(error) from None
        self._tools.files.prune(document.user_id, document.id, document.run)

    def _advance(self, progress: int, **facts: int) -> None:
        if self._deadline.left() <= 0:
            raise StepError(Code.TIMED_OUT, f"its time was up at {progress} %", may_pass=False)
        if not self._tools.table.advance(self._document, progress, **facts):
            raise OvertakenError
        self._said = time.monotonic()


def _passage(document: Document, index: int, chunk: Chunk) -> Passage:
    """A chunk within one page: its text is those characters of the page's."""
    (page,) = chunk.pages
    end = chunk.start + len(chunk.text)
    return Passage(document.id, document.run, index, page, chunk.start, end, chunk.text)


def _of_the_index(error: VectorsError) -> StepError:
    code = Code.INDEX_FAILED if error.may_pass else Code.NOT_CONFIGURED
    return StepError(code, error.detail, may_pass=True)


def _of_the_model(error: ModelsError) -> StepError:
    """A text that is refused is refused again; all else may be put right, by time or by whoever runs the service."""
    if error.code == "text_refused":
        return StepError(Code.TEXT_REFUSED, str(error), may_pass=False)
    code = Code.NOT_CONFIGURED if error.code == "model_misconfigured" else Code.MODEL_FAILED
    return StepError(code, str(error), may_pass=True)
