"""What a page draws: each image with its place, in the order of drawing, without decoding any.

MuPDF runs the page, so forms, annotations, optional content and broken syntax are its business; here it calls back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Any

from lambdas.image_processor.contract import MAX_IMAGES
from lambdas.image_processor.document import readable
from lambdas.image_processor.engine import mupdf

Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class Shown:
    """An image where a page draws it first."""

    image: Any
    """MuPDF's; while it is kept, so is its address."""
    matrix: tuple[float, float, float, float, float, float]
    """From the unit square to the page, y down."""
    colour: Colour = BLACK
    """That a stencil is painted in."""
    in_pattern: bool = False

    @property
    def address(self) -> int:
        """What makes it the same image as another."""
        return self.image.m_internal_value()

    @property
    def bbox(self) -> list[float]:
        """Left, top, right, bottom in points."""
        a, b, c, d, e, f = self.matrix
        xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
        return [round(value, 2) for value in (min(xs), min(ys), max(xs), max(ys))]

    def dpi(self, width: int, height: int) -> float:
        """Pixels per inch along the side that has fewer; 0 where the image has no size on the page."""
        a, b, c, d, _, _ = self.matrix
        sides = hypot(a, b), hypot(c, d)
        if min(sides) <= 0:
            return 0.0
        return round(min(width / sides[0], height / sides[1]) * POINTS_PER_INCH, 1)


_Base: Any = mupdf.FzDevice2
"""Its methods' parameters have no names that could be kept."""


class _Device(_Base):
    """Called for each thing that is drawn. What it is given lives only as long as the call."""

    def __init__(self) -> None:
        super().__init__()
        for call in ("fill_image", "fill_image_mask", "clip_image_mask", "begin_tile", "end_tile"):
            getattr(self, f"use_virtual_{call}")()
        self.found: dict[int, Shown] = {}
        self._mask: Shown | None = None
        self._patterns = 0

    def fill_image(self, _context: Any, image: Any, matrix: Any, *_: Any) -> None:
        """An image; the clip before it was its own mask."""
        if self._mask is not None and image.mask and self._mask.address == int(image.mask.this):
            self._mask = None
        self._see(self._shown(image, matrix))

    def fill_image_mask(self, _context: Any, image: Any, matrix: Any, space: Any, colour: Any, *_: Any) -> None:
        """A stencil that is painted in one colour."""
        self._see(self._shown(image, matrix, _rgb(space, colour)))

    def clip_image_mask(self, _context: Any, image: Any, matrix: Any, *_: Any) -> None:
        """A mask of an image; or, if no such image follows, a stencil that a pattern is painted through."""
        self.finish()
        self._mask = self._shown(image, matrix)

    def begin_tile(self, *_: Any) -> int:
        """A pattern's cell, drawn once here."""
        self._patterns += 1
        return 0

    def end_tile(self, *_: Any) -> None:
        """Its end."""
        self._patterns -= 1

    def finish(self) -> None:
        """Take the last clip for what it was."""
        mask, self._mask = self._mask, None
        if mask is not None and mask.image.imagemask():
            self.found.setdefault(mask.address, mask)

    def _see(self, shown: Shown) -> None:
        self.finish()
        if len(self.found) < MAX_IMAGES:
            self.found.setdefault(shown.address, shown)

    def _shown(self, image: Any, matrix: Any, colour: Colour = BLACK) -> Shown:
        kept = mupdf.FzImage(mupdf.ll_fz_keep_image(image))
        place = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
        return Shown(kept, place, colour, in_pattern=self._patterns > 0)


def images_of(page: Any) -> list[Shown]:
    """Run a page and return the images that it draws, each once.

    Raises:
        UnreadableError: the page could not be run at all.
    """
    device = _Device()
    with readable():
        try:
            mupdf.pdf_run_page(page, device, mupdf.FzMatrix(), mupdf.FzCookie())
        finally:
            mupdf.fz_close_device(device)
    device.finish()
    return list(device.found.values())


def _rgb(space: Any, colour: Any) -> Colour:
    """A colour of any space in sRGB."""
    if not space:
        return BLACK
    source = mupdf.FzColorspace(mupdf.ll_fz_keep_colorspace(space))
    target, parameters = mupdf.fz_device_rgb(), mupdf.FzColorParams()
    red, green, blue, *_ = mupdf.fz_convert_color(source, colour, target, mupdf.FzColorspace(), parameters)
    return _byte(red), _byte(green), _byte(blue)


def _byte(value: float) -> int:
    return max(0, min(255, round(value * 255)))
