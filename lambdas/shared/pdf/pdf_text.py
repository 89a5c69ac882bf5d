"""The text of a PDF's pages, by pdfium. Runs in a child process.

Owns what pdfium is asked: its characters in reading order, where lines are, and what else is on a page. pdfium, and not
pdfplumber's own text: that glues words of most documents together and takes 40 times as long (docs/extract_text.md).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from lambdas.shared.pdf import filled
from lambdas.shared.pdf.columns import LEAST_ROWS, SHARE_OF_ROWS, Placed, in_columns
from lambdas.shared.pdf.drawn import Drawn
from lambdas.shared.pdf.errors import DocumentError
from lambdas.shared.pdf.lines import Line, page_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_CHARACTERS = 2_000_000
"""Of one page."""
SCAN_COVER = 0.4
"""A page of which images cover so much, with hardly a word on it, is a scan."""
SCAN_CHARACTERS = 40
UNREADABLE_SHARE = 0.3
"""Of a page's characters: with so many that have no meaning, its fonts do not say what their glyphs are."""
MAX_RUNS = 5_000
LEAST_GAP_POINTS = 9.0
MAX_CUT_CHARACTERS = 1_000
SAMPLE = 100
WIDEST_SPACE = 2.0
HIGHEST_SPACE = 0.5
"""Between two characters of what is written into one field, in sizes of the first."""

_NO_CHARACTER, _SPACE = 0xFFFE, 0x20
"""pdfium writes the first one for a hyphen at a line's end, and for what a font takes for U+0000 as well."""
_ENCRYPTED = {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}


@dataclass(frozen=True, slots=True)
class Page:
    """What a page holds."""

    text: str
    needs_ocr: bool
    tables_likely: bool
    images: int = 0
    image_cover: float = 0.0
    """Of the page, by images; more than 1 when they lie over each other."""
    paths: int = 0


def open_document(path: Path) -> pypdfium2.PdfDocument:
    """Open a PDF; one that opens with an empty password is as good as one without.

    Raises:
        DocumentError: `encrypted`, or `damaged`.
    """
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in _ENCRYPTED:  # pyright: ignore[reportUnknownMemberType] (has no type)
            raise DocumentError("encrypted", "the PDF is encrypted and does not open without a password") from None
        raise DocumentError("damaged", "the PDF has no structure that can be read or repaired") from None
    if not len(document):
        raise DocumentError("damaged", "the PDF has no pages")
    filled.prepare(document)
    return document


def read_page(document: pypdfium2.PdfDocument, index: int) -> Page:
    """Read one page, and leave nothing of it in memory.

    Args:
        document: from `open_document`.
        index: from 0.

    Raises:
        pypdfium2.PdfiumError: the page cannot be loaded.
    """
    page, own = filled.load_page(document, index)
    try:
        lines, readable = _lines(page, own)
        text = page_text(lines)
        drawn = Drawn(page)
        letters = len("".join(text.split()))
        scan = letters < SCAN_CHARACTERS and drawn.image_cover > SCAN_COVER
        return Page(
            text,
            needs_ocr=scan or not readable,
            tables_likely=drawn.tables_likely,
            images=drawn.images,
            image_cover=round(drawn.image_cover, 3),
            paths=drawn.paths,
        )
    finally:
        page.close()


def _lines(page: pypdfium2.PdfPage, own: int | None) -> tuple[list[Line], bool]:
    """A page's lines in reading order, and whether its characters have a meaning; as `filled.load_page` gave it."""
    handle = page.get_textpage()
    try:
        characters = _Characters(handle.raw, page.get_rotation())
        if characters.count > MAX_CHARACTERS:
            raise ValueError(f"{characters.count} characters on one page")
        lines = list(characters.lines())
        added = [] if own is None else [line for line in lines if line.first >= own]
        lines = lines[: len(lines) - len(added)]
        if characters.gaps() >= max(LEAST_ROWS, SHARE_OF_ROWS * len(lines)):
            lines = in_columns([characters.parts(line) for line in lines]) or lines
        lines = filled.in_place(lines, [part for line in added for part in characters.fields(line)])
        return [placed.line for placed in lines], characters.have_meaning()
    finally:
        handle.close()


class _Characters:
    """The characters of a page, as pdfium has put them in order: UTF-16 units, with line breaks of its own."""

    def __init__(self, raw: Any, rotation: int) -> None:
        self._raw = raw
        self._turn = _TURNS[rotation]
        self._box = pdfium.FS_RECTF()
        self.count = max(0, pdfium.FPDFText_CountChars(raw))

    def lines(self) -> Iterator[Placed]:
        """Lines that are not empty."""
        buffer = (ctypes.c_ushort * (self.count + 1))()
        units = max(0, pdfium.FPDFText_GetText(self._raw, 0, self.count, buffer) - 1)
        if _NO_CHARACTER in buffer:
            for index in range(units):
                if buffer[index] == _NO_CHARACTER and not pdfium.FPDFText_GetUnicode(self._raw, index):
                    buffer[index] = _SPACE
        text = bytes(buffer)[: 2 * units].decode("utf-16-le", "replace")
        astral = len(text) != units
        start = 0
        for line in text.split("\r\n"):
            length = len(line.encode("utf-16-le", "replace")) // 2 if astral else len(line)
            if line and not line.isspace():
                yield self._placed(line, start, start + length - 1)
            start += length + 2

    def _placed(self, text: str, first: int, last: int) -> Placed:
        left, _, _, top = self._corners(first)
        _, bottom, right, _ = self._corners(last)
        return Placed(Line(left, bottom, right, top, text), first)

    def _corners(self, index: int) -> tuple[float, float, float, float]:
        box = self._box
        pdfium.FPDFText_GetLooseCharBox(self._raw, index, box)
        return self._turn(box.left, box.bottom, box.right, box.top)

    def gaps(self) -> int:
        """How many wide gaps there are in the lines, by the pieces that these are drawn in."""
        corners = [ctypes.c_double() for _ in range(4)]
        count, right, bottom = 0, 0.0, 0.0
        for index in range(min(MAX_RUNS, pdfium.FPDFText_CountRects(self._raw, 0, -1))):
            pdfium.FPDFText_GetRect(self._raw, index, *corners)
            left, top, end, low = (corner.value for corner in corners)
            left, low, end, top = self._turn(left, low, end, top)
            count += low < bottom < top and left - right > LEAST_GAP_POINTS
            right, bottom = end, (low + top) / 2
        return count

    def parts(self, placed: Placed) -> list[Placed]:
        """A line cut where there is a gap as wide as it is high."""
        text, first = placed.line.text, placed.first
        if len(text) > MAX_CUT_CHARACTERS:
            return [placed]
        gap = max(LEAST_GAP_POINTS, placed.line.top - placed.line.bottom)
        cuts, right = [0], placed.line.left
        for index, character in enumerate(text):
            if not character.isspace():
                left, _, end, _ = self._corners(first + index)
                if left - right > gap:
                    cuts.append(index)
                right = end
        return self._cut(placed, cuts)

    def _cut(self, placed: Placed, cuts: list[int]) -> list[Placed]:
        text, first = placed.line.text, placed.first
        bounds = zip(cuts, [*cuts[1:], len(text)], strict=True)
        return [
            self._placed(text[start:end], first + start, first + len(text[:end].rstrip()) - 1) for start, end in bounds
        ]

    def fields(self, placed: Placed) -> list[Placed]:
        """A line cut where it goes on at another place: pdfium sees one where a form has several fields."""
        text, first = placed.line.text, placed.first
        cuts, before = [0], self._corners(first)
        for index, character in enumerate(text):
            if not character.isspace():
                corners = self._corners(first + index)
                if _elsewhere(before, corners):
                    cuts.append(index)
                before = corners
        return self._cut(placed, cuts)

    def have_meaning(self) -> bool:
        """Whether the fonts say what their glyphs are, by some characters of the page."""
        sample = range(0, self.count, max(1, self.count // SAMPLE))
        unknown = sum(pdfium.FPDFText_HasUnicodeMapError(self._raw, index) == 1 for index in sample)
        return unknown <= UNREADABLE_SHARE * len(sample)


def _elsewhere(before: tuple[float, float, float, float], corners: tuple[float, float, float, float]) -> bool:
    """Whether a character cannot be the next one of a line, upright or not."""
    left, bottom, right, top = before
    size = max(right - left, top - bottom)
    across = max(left - corners[2], corners[0] - right)
    down = max(bottom - corners[3], corners[1] - top)
    return across > WIDEST_SPACE * size or down > HIGHEST_SPACE * size


_TURNS: dict[int, Callable[[float, float, float, float], tuple[float, float, float, float]]] = {
    0: lambda left, bottom, right, top: (left, bottom, right, top),
    90: lambda left, bottom, right, top: (bottom, -right, top, -left),
    180: lambda left, bottom, right, top: (-right, -top, -left, -bottom),
    270: lambda left, bottom, right, top: (-top, left, -bottom, right),
}
"""A box on the page as it is stored → on the page as it is shown, by the page's rotation."""
