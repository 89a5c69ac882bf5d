"""A PDF opened with MuPDF: the file's own faults as the contract's errors, pages by number.

Everything from here down runs in the child process only; MuPDF's exceptions do not leave this folder.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.image_processor.contract import Code
from lambdas.image_processor.engine import mupdf, pymupdf
from lambdas.image_processor.errors import ProcessingError

if TYPE_CHECKING:
    from collections.abc import Generator

HEADER = b"%PDF-"
HEADER_WITHIN = 1_024
"""Bytes from the file's start in which viewers look for the header."""


class UnreadableError(Exception):
    """A part of the document could not be read; says why. The other parts may be fine."""


@contextlib.contextmanager
def readable() -> Generator[None]:
    """Turn what MuPDF raises into `UnreadableError`.

    Raises:
        MemoryError: an allocation failed.
    """
    try:
        yield
    except mupdf.FzErrorSystem as error:
        raise MemoryError(str(error)) from None
    except mupdf.FzErrorBase as error:
        raise UnreadableError(str(error).partition(": ")[2] or str(error)) from None


@dataclass(frozen=True, slots=True)
class Document:
    """An open PDF."""

    pdf: Any
    page_count: int

    @classmethod
    def open(cls, data: bytes) -> Document:
        """Open a file, repairing what can be repaired; without a password, and so with an empty one.

        Args:
            data: the file; it has to outlive the document.

        Raises:
            ProcessingError: `not_a_pdf`, `encrypted` or `damaged`.
        """
        if HEADER not in data[:HEADER_WITHIN]:
            raise ProcessingError(Code.NOT_A_PDF, _not_a_pdf(data))
        try:
            with readable():
                pdf = mupdf.pdf_open_document_with_stream(
                    mupdf.fz_open_memory(mupdf.python_buffer_data(data), len(data))
                )
                if mupdf.pdf_needs_password(pdf) and not mupdf.pdf_authenticate_password(pdf, ""):
                    raise ProcessingError(Code.ENCRYPTED, "the file needs a password to be opened: send it decrypted")
                return cls(pdf, max(0, mupdf.pdf_count_pages(pdf)))
        except UnreadableError as error:
            if "encryption" in str(error):
                raise ProcessingError(Code.ENCRYPTED, f"the file is encrypted in an unknown way: {error}") from None
            raise ProcessingError(Code.DAMAGED, f"the file could not be opened, nor repaired: {error}") from None

    def page(self, number: int) -> Any:
        """Load a page.

        Raises:
            UnreadableError: it is not there, or is not a page.
        """
        pymupdf.TOOLS.reset_mupdf_warnings()
        with readable():
            return mupdf.pdf_load_page(self.pdf, number)

    def chosen(self, numbers: tuple[int, ...] | None) -> range | tuple[int, ...]:
        """Return the numbers of the pages that were asked for.

        Raises:
            ProcessingError: `page_out_of_range`.
        """
        if numbers is None:
            return range(self.page_count)
        wrong = [number for number in numbers if not 0 <= number < self.page_count]
        if wrong:
            there = f"0 to {self.page_count - 1}" if self.page_count else "none"
            shown = ", ".join(map(str, wrong[:5])) + (" …" if wrong[5:] else "")
            raise ProcessingError(Code.PAGE_OUT_OF_RANGE, f"there is no page {shown}; the document's pages are {there}")
        return numbers


def _not_a_pdf(data: bytes) -> str:
    if not data:
        return "the file is empty"
    return f"the file starts with {data[:8]!r} and has no {HEADER.decode()!r} in its first {HEADER_WITHIN:,} bytes"
