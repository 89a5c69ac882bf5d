"""Where a quote of a page's text stands on the page: boxes around its characters. Runs in a child process.

A page's text is made from pdfium's characters, which are put in another order (columns) and cleaned (hyphens,
ligatures, spaces). So a quote is looked for by its letters and digits alone, whole first, then line by line; where it
occurs more than once, what stands before it decides.
"""

from __future__ import annotations

import ctypes
import itertools
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

import pypdfium2.raw as pdfium

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pypdfium2

MAX_CHARACTERS = 200_000
"""Of a page that is searched: one with more has no quote that anybody could read on it."""
MAX_BOXES = 400
BEFORE = 60
"""Letters before a quote that tell its place from another of the same words."""
MAX_PLACES = 1_000
LEAST_PIECE = 4
"""Letters of a line that is looked for by itself: fewer are everywhere."""
FINE = 100_000
"""Device units across a page, in which pdfium says where a point is shown: it knows whole ones only."""


class Box(NamedTuple):
    """Part of a page as it is shown, as shares (0 to 1) of its width and height, from its top left."""

    left: float
    top: float
    width: float
    height: float


def find_marks(page: pypdfium2.PdfPage, text: str, start: int, end: int) -> list[Box]:
    """Find a quote on a page.

    Args:
        page: of the document that the text is of.
        text: the page's, as `pdf_text.read_page` made it.
        start: index of the quote's first character in it.
        end: index behind its last one.

    Returns:
        One box a line, in the order of the text; none when the quote cannot be found.
    """
    handle = page.get_textpage()
    try:
        shown = _Shown(page, handle.raw)
        wanted = _letters(text[start:end])
        indexes = shown.find(wanted, _letters(text[max(0, start - 4 * BEFORE) : start]))
        if not indexes:
            indexes = shown.find_lines(text[start:end].splitlines(), _letters(text[:start])[-BEFORE:])
        return list(shown.boxes(indexes))[:MAX_BOXES]
    finally:
        handle.close()


def _letters(text: str) -> str:
    """What of a text is the same however it is set: letters and digits, in one case, without accents and ligatures."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))


class _Shown:
    """A page's characters, in pdfium's order, and where they are shown."""

    def __init__(self, page: pypdfium2.PdfPage, raw: Any) -> None:
        self._page = page
        self._raw = raw
        count = min(MAX_CHARACTERS, max(0, pdfium.FPDFText_CountChars(raw)))
        letters = [(letter, index) for index in range(count) for letter in _letters(self._character(index))]
        self._letters = "".join(letter for letter, _ in letters)
        self._indexes = [index for _, index in letters]

    def _character(self, index: int) -> str:
        code = pdfium.FPDFText_GetUnicode(self._raw, index)
        return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else ""  # noqa: PLR2004  surrogates are no characters

    def find(self, wanted: str, before: str) -> list[int]:
        """The characters of the place that fits best; none when there is no place."""
        places = list(itertools.islice(_occurrences(self._letters, wanted), MAX_PLACES))
        if not places:
            return []
        best = max(places, key=lambda place: _shared_ending(self._letters[max(0, place - BEFORE) : place], before))
        return self._indexes[best : best + len(wanted)]

    def find_lines(self, lines: Sequence[str], before: str) -> list[int]:
        """The characters of those lines that can be found one by one."""
        found: list[int] = []
        for line in lines:
            wanted = _letters(line)
            if len(wanted) >= LEAST_PIECE:
                found += self.find(wanted, before)
                before = wanted
        return found

    def boxes(self, indexes: Sequence[int]) -> Iterator[Box]:
        """Boxes around characters, those of one line together."""
        line: list[tuple[float, float, float, float]] = []
        for index in indexes:
            corners = self._corners(index)
            if corners is None:
                continue
            if line and not _same_line(line[-1], corners):
                yield _around(line)
                line = []
            line.append(corners)
        if line:
            yield _around(line)

    def _corners(self, index: int) -> tuple[float, float, float, float] | None:
        """Left, top, right, bottom of a character as shown; None of one that is nowhere on the page."""
        box = pdfium.FS_RECTF()
        if not pdfium.FPDFText_GetLooseCharBox(self._raw, index, box):
            return None
        one, other = self._share(box.left, box.top), self._share(box.right, box.bottom)
        left, right = sorted((one[0], other[0]))
        top, bottom = sorted((one[1], other[1]))
        if left >= right or top >= bottom or right <= 0 or bottom <= 0 or left >= 1 or top >= 1:
            return None
        return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)

    def _share(self, x: float, y: float) -> tuple[float, float]:
        """A point of the page as it is stored → as it is shown: cropped and turned."""
        across, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(self._page.raw, 0, 0, FINE, FINE, 0, x, y, across, down)
        return across.value / FINE, down.value / FINE


def _occurrences(text: str, wanted: str) -> Iterator[int]:
    place = text.find(wanted) if wanted else -1
    while place >= 0:
        yield place
        place = text.find(wanted, place + 1)


def _shared_ending(text: str, other: str) -> int:
    """How many characters two texts share at their ends, at most BEFORE."""
    most = min(len(text), len(other), BEFORE)
    return next((count for count in range(most) if text[-1 - count] != other[-1 - count]), most)


def _same_line(before: Sequence[float], corners: Sequence[float]) -> bool:
    """Whether a character is at the height of the one before. In a line from top to bottom, each has its own box."""
    shared = min(before[3], corners[3]) - max(before[1], corners[1])
    return shared > 0.5 * min(before[3] - before[1], corners[3] - corners[1])


def _around(corners: Sequence[tuple[float, float, float, float]]) -> Box:
    left, top = min(each[0] for each in corners), min(each[1] for each in corners)
    right, bottom = max(each[2] for each in corners), max(each[3] for each in corners)
    return Box(left, top, right - left, bottom - top)
