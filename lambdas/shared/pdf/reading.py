"""A document file → its pages. Everything that looks into the file does so in a child with limits.

Owns in which steps a document is read, what becomes of a page that crashes its child, and which error a document has
when a child ends otherwise than it should. Text and tables are two kinds of children: what goes wrong with tables costs
no text. Pages are cut into chunks by `cutting`.
"""

from __future__ import annotations

import codecs
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lambdas.shared import child, child_process
from lambdas.shared.child import How
from lambdas.shared.child_process import Limits
from lambdas.shared.pdf import pdf_text
from lambdas.shared.pdf.endings import REASONS, error_of
from lambdas.shared.pdf.errors import DocumentError
from lambdas.shared.plain_text import BinaryError, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambdas.shared.child import Ending
    from lambdas.shared.child_process import Send
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.pdf.tables import Table

PAGE_CPU_SECONDS = 10
"""Of one page's text, and of one page's tables: a page that takes longer loops, or is a map."""
MAX_CRASHES = 5
"""Children that a document may cost in each step: with more bad pages it is a bad document."""
TABLES_SHARE = 0.7
"""Of the time that is left after the text, for tables; chunks need the rest."""
TEXTS_PART = 0.3
"""Of the time that reading takes, when there are tables on some pages: about."""
HEADER = b"%PDF-"
HEADER_BYTES = 1_024
"""In which a file that is named a PDF has to have its header, as readers commonly take it."""


@dataclass(slots=True, kw_only=True)
class Page:
    """One page, as far as it could be read."""

    number: int
    text: str = ""
    tables: list[Table] = field(default_factory=list[Any])
    tokens: int = 0
    needs_ocr: bool = False
    images: int = 0
    image_cover: float = 0.0
    paths: int = 0
    """What is drawn on it beside its text: see `pdf_text.Page`."""
    error: str = ""
    """What could not be read of it, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What reading a document may use."""

    memory_bytes: int
    deadline: Deadline
    max_pages: int
    watch: Callable[[str, Ending], object] = lambda _step, _ending: None
    """Told of every child that ended, with what it did: for logs and metrics."""
    progress: Callable[[float], object] = lambda _share: None
    """Told of the share of the pages that is read, 0 to 1; what it raises ends the reading."""

    def limits(self, share: float = 1.0) -> Limits:
        """Of one child, with a share of the time that is left.

        Raises:
            DocumentError: `timed_out`, when none is left.
        """
        seconds = self.deadline.left() * share
        if seconds <= 0:
            raise DocumentError("timed_out", "reading the document takes longer than the function's time allows")
        return Limits(cpu_seconds=math.ceil(seconds) + 1, wall_seconds=seconds, memory_bytes=self.memory_bytes)


def read_pages(path: Path, budget: Budget, *, plain: bool) -> list[Page]:
    """Read a document's pages.

    Args:
        path: of the file.
        budget: for all of it.
        plain: whether its name says that it is text; what is a PDF from its first byte is read as one all the same.

    Returns:
        All its pages, in order; those that could not be read say why.

    Raises:
        DocumentError: it has none that could be read.
    """
    with path.open("rb") as file:
        start = file.read(HEADER_BYTES)
    if plain:
        return _named_as_text(path, budget, start)
    if HEADER not in start:
        raise DocumentError("not_a_pdf", f"there is no {HEADER.decode()} in its first {HEADER_BYTES} bytes")
    return _pdf(path, budget)


def _named_as_text(path: Path, budget: Budget, start: bytes) -> list[Page]:
    """Read a text, or a PDF under a text's name. Texts about PDFs may begin with the header, and do not open as one."""
    if not start.removeprefix(codecs.BOM_UTF8).startswith(HEADER):
        return [_plain(path, budget)]
    try:
        return _pdf(path, budget)
    except DocumentError as damaged:
        if damaged.code != "damaged":
            raise
        try:
            return [_plain(path, budget)]
        except DocumentError as error:
            raise damaged if error.code == "unsupported_type" else error from None


def _pdf(path: Path, budget: Budget) -> list[Page]:
    texts = _Texts(path, budget)
    pages = texts.read()
    _add_tables(path, budget, pages, texts.with_tables)
    return pages


def _plain(path: Path, budget: Budget) -> Page:
    received: list[str] = []

    def work(send: Send) -> str:
        try:
            send(decode(path.read_bytes()))
        except BinaryError as error:
            return str(error)
        return ""

    ending = child.run(work, budget.limits(), lambda value, _: received.append(value))
    budget.watch("text", ending)
    if ending.how is not How.FINISHED:
        raise error_of("reading it", ending)
    if ending.value:
        raise DocumentError("unsupported_type", f"it is named as text, and is not: {ending.value}")
    return Page(number=1, text=received[0])


class _Texts:
    """The texts of a PDF's pages, by as many children as it takes."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget
        self._pages: list[Page] = []
        self._count: int | None = None
        self.with_tables: list[int] = []
        """Indexes of pages that seem to have tables."""

    def read(self) -> list[Page]:
        """Read them all.

        Raises:
            DocumentError: as `read_pages`.
        """
        lost: list[Ending] = []
        while (ending := self._go_on()).how is not How.FINISHED:
            lost.append(ending)
            beyond_one_page = ending.how in (How.WALL_TIME, How.OUTPUT, How.RAISED)
            if self._count is None or beyond_one_page or len(lost) == MAX_CRASHES:
                raise error_of("reading it", ending)
            self._add(error=REASONS[ending.how])  # the page that it was in
        if ending.value is not None:
            raise DocumentError(ending.value["code"], ending.value["message"])
        if all(page.error for page in self._pages):
            if lost:
                raise error_of("reading any of its pages", lost[0])
            raise DocumentError("damaged", f"none of its pages can be read; of the first: {self._pages[0].error}")
        return self._pages

    def _go_on(self) -> Ending:
        """Read on behind the pages that are done, in a child."""
        ending = child.run(self._work, self._budget.limits(), self._receive)
        self._budget.watch("text", ending)
        return ending

    def _work(self, send: Send) -> dict[str, str] | None:
        child_process.allow(PAGE_CPU_SECONDS)
        try:
            document = pdf_text.open_document(self._path)
        except DocumentError as error:
            return {"code": error.code, "message": error.message}
        if len(document) > self._budget.max_pages:
            message = f"it has {len(document)} pages, and MAX_PAGES is {self._budget.max_pages}"
            return {"code": "too_many_pages", "message": message}
        send(len(document))
        for index in range(len(self._pages), len(document)):
            child_process.allow(PAGE_CPU_SECONDS)
            try:
                page = pdf_text.read_page(document, index)
            except Exception as error:  # noqa: BLE001  one page's; the others may be good
                send({"error": f"{type(error).__name__}: {error}"})
            else:
                send(asdict(page))
        return None

    def _receive(self, value: Any, _: bytes) -> None:
        if isinstance(value, int):
            self._count = value
            return
        if value.pop("tables_likely", False):
            self.with_tables.append(len(self._pages))
        self._add(**value)
        self._budget.progress(TEXTS_PART * len(self._pages) / (self._count or 1))

    def _add(self, **found: Any) -> None:
        if len(self._pages) < (self._count or 0):
            self._pages.append(Page(number=len(self._pages) + 1, **found))


def _add_tables(path: Path, budget: Budget, pages: list[Page], indexes: list[int]) -> None:
    """Put tables into those pages that seem to have some; a page that fails says so, and keeps its text."""
    if not indexes:
        return
    # Here and not in the child, so the next document has it; not above, since most have no table and every start would.
    from lambdas.shared.pdf import tables

    left = list(indexes)

    def work(send: Send) -> None:
        child_process.allow(2 * PAGE_CPU_SECONDS)  # the file is opened first
        for index, found in tables.read_tables(path, left):
            send([index, found] if isinstance(found, list) else [index, None, f"{type(found).__name__}: {found}"])
            child_process.allow(PAGE_CPU_SECONDS)

    def receive(value: Any, _: bytes) -> None:
        left.remove(value[0])
        if value[1] is None:
            pages[value[0]].error = f"tables: {value[2]}"
        else:
            pages[value[0]].tables = value[1]
        budget.progress(1 - (1 - TEXTS_PART) * len(left) / len(indexes))

    reason = REASONS[How.WALL_TIME]
    for _ in range(MAX_CRASHES):
        if not left or budget.deadline.left() <= 0:
            break
        ending = child.run(work, budget.limits(TABLES_SHARE), receive)
        budget.watch("tables", ending)
        reason = f"{ending.error}: {ending.detail}" if ending.how is How.RAISED else REASONS.get(ending.how, "")
        if ending.how not in (How.CPU_TIME, How.MEMORY, How.CRASHED) or not left:
            break
        pages[left.pop(0)].error = f"tables: {reason}"
    for index in left:
        pages[index].error = f"tables: {reason or 'the page is not in the page tree that pdfminer sees'}"
