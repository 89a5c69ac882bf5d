"""A PDF's page with what people have put on it: the values of its form, notes, stamps, signatures. In a child process.

pdfium keeps them apart from a page's content, and reads and draws the content alone: a form would be read as an empty
one. So they are made part of the content, in memory, where a page has such things.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pypdfium2
import pypdfium2.raw as pdfium

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.shared.pdf.columns import Placed
    from lambdas.shared.pdf.lines import Line

MAX_ANNOTATIONS = 5_000
"""Of a page: with four times as many, making them part of its content takes longer than a page may."""
_WITH_TEXT = {pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP}


class Loaded(NamedTuple):
    """A page, to be closed, and how much of it is not filled in."""

    page: pypdfium2.PdfPage
    own: int | None
    """Characters of its content, which come first; None when nothing was added."""


def prepare(document: pypdfium2.PdfDocument) -> None:
    """Have pdfium make the fields of a form visible that come without an appearance. Before any page is loaded."""
    with contextlib.suppress(pypdfium2.PdfiumError):  # then with those that have one
        cast("Any", document).init_forms()


def load_page(document: pypdfium2.PdfDocument, index: int) -> Loaded:
    """Load a page as it is shown.

    Args:
        document: prepared.
        index: from 0.

    Raises:
        pypdfium2.PdfiumError: the page cannot be loaded.
    """
    page = document[index]
    if not _has_text(page):
        return Loaded(page, None)
    try:
        own = _characters(page)
        _keep_boxes(page)
        done = pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
    finally:
        page.close()
    return Loaded(document[index], own if done == pdfium.FLATTEN_SUCCESS else None)


def in_place(own: Sequence[Placed], filled: Sequence[Placed]) -> list[Placed]:
    """Put what was filled in behind its label: what is left of it in its row, else what is above.

    Args:
        own: lines of the page, in reading order.
        filled: pieces that were filled in, in any order.
    """
    ordered = list(own)
    placed = [(_place(own, piece.line), -piece.line.top, piece.line.left, piece) for piece in filled]
    for place, _, _, piece in sorted(placed, key=lambda each: each[:3], reverse=True):
        ordered.insert(place, piece)
    return ordered


def _place(own: Sequence[Placed], piece: Line) -> int:
    """Behind how many lines a piece belongs."""
    middle = (piece.bottom + piece.top) / 2
    best, place = (2, 0.0), 0
    for number, (line, _) in enumerate(own, 1):
        in_row = line.bottom <= middle <= line.top and line.left <= piece.left
        if not in_row and line.bottom <= middle:
            continue
        found = (0, piece.left - line.left) if in_row else (1, line.bottom - middle + max(0.0, line.left - piece.right))
        if found < best:
            best, place = found, number
    return place


def _keep_boxes(page: pypdfium2.PdfPage) -> None:
    """Give a page the box that it has from its parents: pdfium would take that of a letter instead."""
    boxed = cast("Any", page)  # its types leave out what a box is
    box = boxed.get_bbox()
    if boxed.get_mediabox(fallback_ok=False) is None:
        boxed.set_mediabox(*box)
    if boxed.get_cropbox(fallback_ok=False) is None:
        boxed.set_cropbox(*box)


def _has_text(page: pypdfium2.PdfPage) -> bool:
    count = pdfium.FPDFPage_GetAnnotCount(page.raw)
    return count <= MAX_ANNOTATIONS and any(_kind(page, index) in _WITH_TEXT for index in range(count))


def _kind(page: pypdfium2.PdfPage, index: int) -> int:
    annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
    if not annotation:
        return pdfium.FPDF_ANNOT_UNKNOWN
    try:
        return pdfium.FPDFAnnot_GetSubtype(annotation)
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def _characters(page: pypdfium2.PdfPage) -> int:
    text = page.get_textpage()
    try:
        return max(0, pdfium.FPDFText_CountChars(text.raw))
    finally:
        text.close()
