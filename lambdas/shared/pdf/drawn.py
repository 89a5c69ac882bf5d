"""What a PDF's page shows beside its text, as far as it tells scans, tables and designs. Runs in a child process."""

from __future__ import annotations

import ctypes
import itertools
from typing import TYPE_CHECKING, Any, cast

import pypdfium2.raw as pdfium

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pypdfium2 import PdfPage

MAX_OBJECTS = 20_000
"""Of one page, that are looked at: a map has more, and tells nothing of tables then."""
MAX_FORMS_DEEP = 8
RULE_POINTS = 7.0
"""What is no thicker is a rule: pdfium adds the corners of a thick pen to a thin line's box."""
LEAST_RULES = 3
"""Places of rules in each direction: two columns have three, a frame has two."""
STROKES_OF_A_GRID = 5
"""Of one path: a whole grid can be one. A frame with round corners has two."""
SAME_PLACE_POINTS = 4.0
"""Rules that are no further apart are one: a frame's line, and the edge of what it frames."""
MAX_SEGMENTS = 5_000


class Drawn:
    """What else is drawn on a page: as much as tells a scan, and a table's rules."""

    def __init__(self, page: PdfPage) -> None:
        self._left = MAX_OBJECTS
        self._area = 0.0
        self.images = 0
        """Drawn, those in forms included: the same one twice is two."""
        self.paths = 0
        """Lines and areas drawn, rules included."""
        self._columns: list[float] = []
        self._rows: list[float] = []
        self._grids = 0
        self._bounds = [ctypes.c_float() for _ in range(4)]
        width, height = cast("tuple[float, float]", page.get_size())
        self._page_area = max(1.0, width * height)
        count = pdfium.FPDFPage_CountObjects(page.raw)
        self._look(count, lambda index: pdfium.FPDFPage_GetObject(page.raw, index), 0)

    @property
    def image_cover(self) -> float:
        """Of the page, by images."""
        return self._area / self._page_area

    @property
    def tables_likely(self) -> bool:
        """Whether there are rules for two columns and two rows; and not a drawing's many."""
        ruled = min(_places(self._columns), _places(self._rows)) >= LEAST_RULES
        return self._left > 0 and (ruled or self._grids > 0)

    def _look(self, count: int, get: Callable[[int], Any], depth: int) -> None:
        for index in range(min(count, self._left)):
            self._left -= 1
            item = get(index)
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                self._path(item)
            elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                left, bottom, right, top = self._edges(item)
                self._area += (right - left) * (top - bottom)
                self.images += 1
            elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < MAX_FORMS_DEEP:
                inner = pdfium.FPDFFormObj_CountObjects(item)
                self._look(inner, lambda at, form=item: pdfium.FPDFFormObj_GetObject(form, at), depth + 1)

    def _path(self, item: Any) -> None:
        self.paths += 1
        left, bottom, right, top = self._edges(item)
        thin, flat = right - left <= RULE_POINTS, top - bottom <= RULE_POINTS
        if thin and flat:
            return
        if not flat:
            self._columns += [(left + right) / 2] if thin else [left, right]
        if not thin:
            self._rows += [(bottom + top) / 2] if flat else [bottom, top]
        if not thin and not flat:
            self._grids += _strokes(item) >= STROKES_OF_A_GRID

    def _edges(self, item: Any) -> tuple[float, float, float, float]:
        left, bottom, right, top = self._bounds
        if not pdfium.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            return 0.0, 0.0, 0.0, 0.0
        return left.value, bottom.value, right.value, top.value


def _places(rules: Sequence[float]) -> int:
    """How many different places the rules are at."""
    ordered = sorted(rules)
    return sum(after - before > SAME_PLACE_POINTS for before, after in itertools.pairwise(ordered)) + bool(ordered)


def _strokes(path: Any) -> int:
    """How often the pen is set down."""
    count = min(pdfium.FPDFPath_CountSegments(path), MAX_SEGMENTS)
    kinds = (pdfium.FPDFPathSegment_GetType(pdfium.FPDFPath_GetPathSegment(path, index)) for index in range(count))
    return sum(kind == pdfium.FPDF_SEGMENT_MOVETO for kind in kinds)
