"""An image's pixels as a viewer shows them: masks applied, every colour space turned into grey or RGB.

Rows run as they are stored; how the page turns or flips the image is not part of it. MuPDF decodes. What it cannot do
alone is done here: a mask of another size than its image, and the alpha in JPEG 2000 files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.image_processor import headers, jpx
from lambdas.image_processor.document import UnreadableError, readable
from lambdas.image_processor.engine import mupdf, pymupdf
from lambdas.image_processor.planes import Picture, Plane, joined
from lambdas.image_processor.stored import StoredImages, coded_file, coding, parameters, too_many_pixels

if TYPE_CHECKING:
    from lambdas.image_processor.shown import Shown

KEPT_SEGMENTS = frozenset({0xE0, 0xEE})
"""JFIF and Adobe say how a JPEG's colours are coded. Others could have readers turn it or colour it as no PDF viewer
does: Exif's orientation, an embedded profile."""

SAMPLES = frozenset({mupdf.FZ_IMAGE_RAW, mupdf.FZ_IMAGE_FLATE, mupdf.FZ_IMAGE_LZW, mupdf.FZ_IMAGE_RLD})
"""Formats that have the samples of the PDF's own image; in the others they may be of another kind."""


class Decoder:
    """Decodes the images that one page shows."""

    def __init__(self, pdf: Any, page: Any, max_pixels: int) -> None:
        self._pdf = pdf
        self._page = page
        self._max_pixels = max_pixels

    def picture(self, shown: Shown, stored: Any | None) -> Picture:
        """Decode an image.

        Args:
            shown: it, as the page draws it.
            stored: its object; None for an inline image.

        Raises:
            UnreadableError: it could not be decoded, or has too many pixels.
            MemoryError: an allocation failed.
        """
        image = shown.image
        self._check(image.w(), image.h())
        with readable():
            samples = _decoded(image)
            if image.imagemask():
                return joined(Plane.filled(samples.w(), samples.h(), shown.colour), Plane.of(samples))
            mask = image.mask()
            alpha = self._mask(image, mask) if mask.m_internal else None
            if samples.alpha() and stored is not None and coding(stored) == "JPXDecode" and not image.use_colorkey():
                parts = jpx.separated(self._pdf, stored, samples)
                if parts is not None:
                    samples, alpha = parts[0].pixmap(samples.colorspace()), alpha or parts[1]
            colour = self._converted(samples)
            if alpha is not None:
                plane = Plane.of(colour)
                return joined(plane.without_last() if colour.alpha() else plane, alpha)
            file = None if samples.alpha() or stored is None else _jpeg(image, stored)
            if file is not None and Plane.of(colour) == Plane.of(samples):
                return Picture(samples.w(), samples.h(), "jpeg", file)
            return Picture(colour.w(), colour.h(), "png", png(colour))

    def original(self, shown: Shown, xref: int, images: StoredImages) -> Picture:
        """Return an image's bytes as they are stored.

        Raises:
            UnreadableError: it has none.
        """
        width, height = shown.image.w(), shown.image.h()
        if xref:
            return Picture(width, height, *images.original(xref))
        with readable():
            coded = mupdf.ll_fz_compressed_image_buffer(shown.image.m_internal)
            if not coded:
                raise UnreadableError("an inline image without bytes of its own")
            return Picture(width, height, *coded_file(coded))

    def _mask(self, image: Any, mask: Any) -> Plane:
        self._check(max(image.w(), mask.w()), max(image.h(), mask.h()))
        samples = _decoded(mask)
        if samples.n() > 1:
            samples = _convert(samples, mupdf.fz_device_gray(), mupdf.FzDefaultColorspaces())
        return Plane.of(samples)

    def _converted(self, samples: Any) -> Any:
        grey = mupdf.fz_colorspace_is_gray(samples.colorspace())
        target = mupdf.fz_device_gray() if grey else mupdf.fz_device_rgb()
        return _convert(samples, target, mupdf.pdf_load_default_colorspaces(self._pdf, self._page))

    def _check(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise UnreadableError(too_many_pixels(width, height, self._max_pixels))


def _decoded(image: Any) -> Any:
    """Decode an image whole, or as far as its data goes.

    Raises:
        UnreadableError: nothing of it could be decoded, where MuPDF goes on with pixels of one colour.
    """
    pymupdf.TOOLS.reset_mupdf_warnings()
    _check_first_pixel(image)
    samples = mupdf.fz_get_unscaled_pixmap_from_image(image)
    said = pymupdf.TOOLS.mupdf_warnings()
    if "read error" in said:
        data = bytes(mupdf.fz_pixmap_samples_memoryview(samples))
        if data == data[: samples.n()] * (samples.w() * samples.h()):
            raise UnreadableError(f"it could not be decoded: {said.splitlines()[0]}")
    return samples


def _check_first_pixel(image: Any) -> None:
    """Refuse an image whose data, behind its filters, is not enough for one pixel; viewers show any that has more."""
    coded = mupdf.ll_fz_compressed_image_buffer(image.m_internal)
    if not coded or coded.params.type == mupdf.FZ_IMAGE_JBIG2:  # of which opening it would decode all
        return
    least = (image.n() * image.bpc() + 7) // 8 if coded.params.type in SAMPLES else 1
    with readable():
        found = mupdf.fz_skip(mupdf.FzStream(mupdf.ll_fz_open_compressed_buffer(coded)), least)
    if found < least:
        said = pymupdf.TOOLS.mupdf_warnings().splitlines()
        raise UnreadableError(f"it could not be decoded: {said[0] if said else 'it has no data'}")


def _convert(pixmap: Any, target: Any, defaults: Any) -> Any:
    none = mupdf.FzColorspace()
    return mupdf.fz_convert_pixmap(pixmap, target, none, defaults, mupdf.FzColorParams(), int(bool(pixmap.alpha())))


def png(pixmap: Any) -> bytes:
    """Write a pixmap of grey or RGB as a PNG."""
    return mupdf.fz_buffer_extract_copy(mupdf.fz_new_buffer_from_pixmap_as_png(pixmap, mupdf.FzColorParams()))


def _jpeg(image: Any, stored: Any) -> bytes | None:
    """The stored JPEG, when its samples are the PDF's and it is whole."""
    coded = mupdf.ll_fz_compressed_image_buffer(image.m_internal)
    if not coded or coded.params.type != mupdf.FZ_IMAGE_JPEG or image.use_decode() or image.use_colorkey():
        return None
    if "ColorTransform" in parameters(stored):
        return None
    _, data = coded_file(coded)
    if headers.jpeg(data) != (image.w(), image.h(), mupdf.fz_colorspace_n(image.colorspace())):
        return None
    return headers.stripped_jpeg(data, KEPT_SEGMENTS)
