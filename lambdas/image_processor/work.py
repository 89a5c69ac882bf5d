"""What the child process does with a document: its images, or renderings of its pages, sent as they are finished."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lambdas.image_processor.contract import Code, Operation, Skipped
from lambdas.image_processor.document import Document, UnreadableError, readable
from lambdas.image_processor.engine import mupdf
from lambdas.image_processor.errors import ProcessingError
from lambdas.image_processor.pixels import Decoder, png
from lambdas.image_processor.planes import Picture
from lambdas.image_processor.shown import POINTS_PER_INCH, Shown, images_of
from lambdas.image_processor.stored import NO_MEMORY, StoredImages, too_many_pixels

if TYPE_CHECKING:
    from lambdas.image_processor.request import Request
    from lambdas.shared.child_process import Send


def run(data: bytes, request: Request, max_pixels: int, send: Send) -> dict[str, Any]:
    """Do what a request asks for.

    Args:
        data: the PDF.
        request: its operation, pages, dpi and whether originals are wanted.
        max_pixels: of one image, and of one rendered page.
        send: gets each image's entry, without its bytes' place, and its bytes.

    Returns:
        `page_count`, `skipped` and `pages`, by index, of images that more than one page shows; or an error answer.
    """
    try:
        document = Document.open(data)
        pages = document.chosen(request.page_numbers)
        if request.operation is Operation.RENDER_PAGES:
            task: _Rendering | _Extraction = _Rendering(document, request.dpi, max_pixels, send)
        else:
            task = _Extraction(document, original=request.original, max_pixels=max_pixels, send=send)
        for number in pages:
            task.page(number)
    except ProcessingError as error:
        return dict(error.answer())
    return {"page_count": document.page_count, "skipped": task.skipped, "pages": task.pages()}


class _Task:
    """What both operations keep."""

    def __init__(self, document: Document, max_pixels: int, send: Send) -> None:
        self._document = document
        self._stored = StoredImages(document, max_pixels)
        self._max_pixels = max_pixels
        self._send = send
        self._sent = 0
        self.skipped: list[Skipped] = []

    def _skip(self, page: int, xref: int, reason: str) -> None:
        self.skipped.append({"page": page, "xref": xref, "reason": reason})

    def _finish(self, page: int, xref: int, picture: Picture, bbox: list[float], dpi: float) -> int:
        entry = {
            "page": page,
            "pages": [page],
            "index": self._sent,
            "xref": xref,
            "width": picture.width,
            "height": picture.height,
            "bbox": bbox,
            "dpi": dpi,
            "format": picture.format,
            "bytes": len(picture.data),
            "sha256": hashlib.sha256(picture.data).hexdigest(),
        }
        self._send(entry, picture.data)
        self._sent += 1
        return self._sent - 1


class _Extraction(_Task):
    """Each stored image once, and the pages that show it."""

    def __init__(self, document: Document, *, original: bool, max_pixels: int, send: Send) -> None:
        super().__init__(document, max_pixels, send)
        self._original = original
        self._pages: list[list[int]] = []
        self._known: dict[object, int | None] = {}
        """Object number, or digest of an inline image, to the index in the answer; None when it was skipped."""
        self._last_seen: dict[int, int] = {}
        """Object number to the page that showed it last."""

    def pages(self) -> dict[str, list[int]]:
        """Return the pages of each image that several show."""
        return {str(index): pages for index, pages in enumerate(self._pages) if len(pages) > 1}

    def page(self, number: int) -> None:
        """Find and send what a page is the first to show."""
        try:
            page = self._document.page(number)
            stored = self._stored.of_page(page)
            shown = images_of(page)
        except UnreadableError as error:
            self._skip(number, 0, f"the page could not be read: {error}")
            return
        decoder = Decoder(self._document.pdf, page, self._max_pixels)
        numbers = self._numbers(number, shown, stored)
        for image in shown:
            xref = numbers.get(image.address, 0)
            if xref in self._known:
                self._see(self._known[xref], number)
            elif xref or not image.in_pattern:  # a pattern's cell is a way of painting, not an image
                self._new(number, xref, image, stored.get(xref), decoder)

    def _numbers(self, page: int, shown: list[Shown], stored: dict[int, Any]) -> dict[int, int]:
        """Which object each image is, by its address: MuPDF has one image of an object while that is in use.

        A page's resources may name every image of the document. So the likely ones are tried first: those not seen yet
        in the order of the file, then those seen last; and of those not seen yet each once, for what is broken in it.
        """
        waiting = {image.address: (image.image.w(), image.image.h()) for image in shown}
        sizes = set(waiting.values())
        found: dict[int, int] = {}
        for xref in sorted(stored, key=lambda xref: (-self._last_seen.get(xref, page + 1), xref)):
            new = xref not in self._last_seen and xref not in self._known
            if not new and (not waiting or not self._stored.has_size(xref, sizes)):
                continue
            try:
                address = self._stored.address(stored[xref])
            except (UnreadableError, MemoryError) as error:
                self._known[xref] = None
                self._skip(page, xref, _reason(error))
                continue
            self._last_seen.setdefault(xref, -1)
            if waiting.pop(address, None) is not None:
                found[address] = xref
                self._last_seen[xref] = page
        return found

    def _see(self, index: int | None, page: int) -> None:
        if index is not None and self._pages[index][-1] != page:
            self._pages[index].append(page)

    def _new(self, page: int, xref: int, image: Shown, stored: Any | None, decoder: Decoder) -> None:
        unreadable = {} if self._original else self._stored.unreadable
        reason = self._stored.refused.get(xref) or unreadable.get(xref)
        if reason:
            self._known[xref] = None
            self._skip(page, xref, reason)
            return
        try:
            picture = decoder.original(image, xref, self._stored) if self._original else decoder.picture(image, stored)
        except (UnreadableError, MemoryError) as error:
            if xref:
                self._known[xref] = None
            self._skip(page, xref, _reason(error))
            return
        key = xref or (picture.width, picture.height, hashlib.sha256(picture.data).digest())
        if key in self._known:
            self._see(self._known[key], page)
            return
        self._known[key] = self._finish(page, xref, picture, image.bbox, image.dpi(picture.width, picture.height))
        self._pages.append([page])


def _reason(error: UnreadableError | MemoryError) -> str:
    return str(error) if isinstance(error, UnreadableError) else NO_MEMORY


class _Rendering(_Task):
    """Pages as pictures."""

    def __init__(self, document: Document, dpi: int, max_pixels: int, send: Send) -> None:
        super().__init__(document, max_pixels, send)
        self._dpi = dpi

    def pages(self) -> dict[str, list[int]]:
        """Return nothing: a picture is of one page."""
        return {}

    def page(self, number: int) -> None:
        """Draw and send a page.

        Raises:
            ProcessingError: `too_many_pixels` at this resolution.
        """
        try:
            page = self._document.page(number)
            with readable():
                box = mupdf.pdf_bound_page(page, mupdf.FZ_CROP_BOX)
            self._check(number, box.x1 - box.x0, box.y1 - box.y0)
            self._check_images(page)
            picture = self._draw(page, box)
        except UnreadableError as error:
            self._skip(number, 0, f"the page could not be drawn: {error}")
            return
        corners = [0.0, 0.0, round(box.x1 - box.x0, 2), round(box.y1 - box.y0, 2)]
        self._finish(number, 0, picture, corners, float(self._dpi))

    def _check(self, number: int, width: float, height: float) -> None:
        pixels = width * height * (self._dpi / POINTS_PER_INCH) ** 2
        if pixels > self._max_pixels:
            most = int((self._max_pixels / (width * height)) ** 0.5 * POINTS_PER_INCH)
            remedy = f"ask for at most {most} dpi, or for other pages" if most else "leave it out of `page_numbers`"
            raise ProcessingError(
                Code.TOO_MANY_PIXELS,
                f"page {number} is {width:,.0f} by {height:,.0f} points, {pixels:,.0f} pixels at {self._dpi} dpi; "
                f"at most {self._max_pixels:,} are drawn: {remedy}",
            )

    def _check_images(self, page: Any) -> None:
        """Refuse a page with an image that would be decoded whole; leave out one that is none."""
        stored = self._stored.of_page(page)
        for xref in stored.keys() & self._stored.refused.keys():
            raise UnreadableError(f"image {xref}: {self._stored.refused[xref]}")
        self._stored.hide_unreadable(stored)
        for shown in images_of(page):
            width, height = shown.image.w(), shown.image.h()
            if width * height > self._max_pixels:
                reason = too_many_pixels(width, height, self._max_pixels)
                raise UnreadableError(f"an inline image: {reason}")

    def _draw(self, page: Any, box: Any) -> Picture:
        scale = self._dpi / POINTS_PER_INCH
        matrix = mupdf.FzMatrix(scale, 0, 0, scale, 0, 0)
        with readable():
            frame = mupdf.fz_round_rect(mupdf.fz_transform_rect(box, matrix))
            if mupdf.fz_is_empty_irect(frame):
                raise UnreadableError(f"it is too small for one pixel at {self._dpi} dpi")
            pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_rgb(), frame, mupdf.FzSeparations(), 0)
            mupdf.fz_clear_pixmap_with_value(pixmap, 255)
            device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
            try:
                mupdf.pdf_run_page(page, device, matrix, mupdf.FzCookie())
            finally:
                mupdf.fz_close_device(device)
            return Picture(pixmap.w(), pixmap.h(), "png", png(pixmap))
