"""A page as it looks, and where a quote stands on it: for whoever checks an answer against its source.

Nothing of it is kept: the file is fetched, a child with limits draws one page of it and looks for one quote, and both
are gone. A page that cannot be drawn, or a quote that cannot be found, is no fault of the document's text.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base.documents.files import NoFileError
from lambdas.knowledge_base.errors import ApiError, NotFoundError
from lambdas.knowledge_base.telemetry import logger
from lambdas.shared import child
from lambdas.shared.child import How
from lambdas.shared.child_process import Limits

if TYPE_CHECKING:
    from collections.abc import Generator

    from lambdas.knowledge_base.documents.files import Files
    from lambdas.knowledge_base.documents.service import Documents
    from lambdas.shared.child import Ending
    from lambdas.shared.child_process import Send
    from lambdas.shared.pdf.marks import Box

MOST_BYTES = 4 * 1024 * 1024
"""Of a picture: an answer has 6 MB, a third of which is base64."""
LIMITS = Limits(cpu_seconds=8, wall_seconds=12, memory_bytes=768 * 1024 * 1024, output_bytes=2 * MOST_BYTES)
"""Of one page; the API answers within 29 s, and the file is fetched first."""


@dataclass(frozen=True, slots=True)
class View:
    """A page as it looks."""

    picture: bytes
    """A PNG."""
    marks: list[Box]
    """Around a quote; none when it cannot be found on the page."""


class PageViews:
    """Pages of all users' documents; each call is for one user."""

    def __init__(self, documents: Documents, files: Files) -> None:
        """Args: documents: says what a user may see; files: has the PDF."""
        self._documents = documents
        self._files = files

    def view(self, user_id: str, document_id: str, number: int, quote: tuple[int, int] | None = None) -> View:
        """A page as a PNG, and where characters of its text stand on it: the file is fetched once for both.

        Args:
            user_id: who asks.
            document_id: of which document.
            number: from 1.
            quote: index of the first character in the page's text, and index behind the last one.

        Raises:
            NotFoundError: there is no such document or page.
            ConflictError: `not_ready`.
            ApiError: `not_drawable`: this page is too much for the time or memory that one may take.
        """
        text = ""
        if quote is None:
            self._documents.with_page(user_id, document_id, number)
        else:
            text = self._documents.page(user_id, document_id, number).text
        from lambdas.shared.pdf import drawing, marks, pdf_text  # only who looks at pages loads pdfium

        pictures: list[bytes] = []
        found: list[Box] = []
        with self._file(user_id, document_id) as path:

            def work(send: Send) -> None:
                with _page(pdf_text.open_document(path), number) as page:
                    send(None, drawing.draw_page(page, MOST_BYTES))
                    if quote and text[slice(*quote)].strip():
                        send(marks.find_marks(page, text, *quote))

            def receive(boxes: Any, picture: bytes) -> None:
                if picture:
                    pictures.append(picture)
                else:
                    found.extend(marks.Box(*box) for box in boxes)

            ending = child.run(work, LIMITS, receive)
        if ending.how is not How.FINISHED:
            _log("quote not looked for" if pictures else "page not drawn", ending)
        if not pictures:
            raise ApiError(422, "not_drawable", "This page cannot be shown as a picture. Its text can be read.")
        return View(pictures[0], found)

    @contextmanager
    def _file(self, user_id: str, document_id: str) -> Generator[Path]:
        with tempfile.TemporaryDirectory(prefix="page-") as folder:
            path = Path(folder) / "original.pdf"
            try:
                self._files.fetch(user_id, document_id, path)
            except NoFileError:  # deleted between two steps
                raise NotFoundError("document") from None
            yield path


@contextmanager
def _page(document: Any, number: int) -> Generator[Any]:
    from lambdas.shared.pdf import filled

    page = filled.load_page(document, number - 1).page
    try:
        yield page
    finally:
        page.close()


def _log(what: str, ending: Ending) -> None:
    """A line without the exception's words: they may quote the document."""
    logger.warning(what, extra={"how": ending.how, "reason": ending.error, "seconds": round(ending.wall_seconds, 1)})
