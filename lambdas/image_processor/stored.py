"""Image objects as the PDF stores them: which a page can draw, how large they are, their bytes.

What would be dangerous or wrong to hand to MuPDF is changed here, in memory, before a page is drawn: an image with more
pixels than allowed, or with more data than pixels need, becomes a single pixel and is remembered as refused; Lab colour
spaces are replaced (`lab`).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lambdas.image_processor import filters, headers, lab
from lambdas.image_processor.document import UnreadableError, readable
from lambdas.image_processor.engine import mupdf

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from lambdas.image_processor.contract import Format
    from lambdas.image_processor.document import Document

CODED: dict[str, Callable[[bytes], headers.CodedSize | None]] = {
    "JPXDecode": headers.jpx,
    "DCTDecode": headers.jpeg,
    "DCT": headers.jpeg,
    "JBIG2Decode": headers.jbig2,
}
IMAGE_FILTERS = frozenset({*CODED, "CCITTFaxDecode", "CCF"})
"""Those that are an image's format: the last, or the image is none."""
USUAL_COMPONENTS = 4
"""An image with more takes as much memory as one with so many more pixels."""
DATA_PER_PIXEL = 10
"""Bytes of an image's coded data, at most: four components of 16 bits that did not get smaller, and a quarter more."""
SPARE_BYTES = 16 * 1024**2
"""Of its data that are not pixels; and of a profile, a palette, or another stream that it uses."""
NO_MEMORY = "it needs more memory than the function has"
CODED_FORMATS: dict[int, Format] = {
    mupdf.FZ_IMAGE_JPEG: "jpeg",
    mupdf.FZ_IMAGE_JPX: "jpx",
    mupdf.FZ_IMAGE_JBIG2: "jbig2",
    mupdf.FZ_IMAGE_FAX: "ccitt",
}


class StoredImages:
    """The image objects of one document."""

    def __init__(self, document: Document, max_pixels: int) -> None:
        self._pdf = document.pdf
        self._max_pixels = max_pixels
        self._sizes: dict[int, set[tuple[int, int]]] = {}
        self._long: dict[int, bool] = {}
        """Streams that images use, by number, and whether they are too long."""
        self.refused: dict[int, str] = {}
        """Object number to why it is not decoded, and is a white pixel now."""
        self.unreadable: dict[int, str] = {}
        """Object number to why it cannot be decoded, though MuPDF would find pixels in it."""

    def of_page(self, page: Any) -> dict[int, Any]:
        """Find every image object that a page's resources can reach, by number, and make them safe to draw."""
        found: dict[int, Any] = {}
        seen: set[int] = set()
        waiting = list(_roots(page.obj()))
        while waiting:
            holder = waiting.pop()
            number = mupdf.pdf_to_num(holder)
            if number in seen:
                continue
            if number:
                seen.add(number)
            if mupdf.pdf_to_name(mupdf.pdf_dict_gets(holder, "Subtype")) == "Image":
                if number:
                    found[number] = holder
                continue
            waiting.extend(_used(mupdf.pdf_dict_gets(holder, "Resources")))
        for number, image in found.items():
            self._prepare(number, image)
        return found

    def hide_unreadable(self, images: dict[int, Any]) -> None:
        """Have those of a page draw nothing, as in a viewer."""
        for number in images.keys() & self.unreadable.keys():
            _hide(self._pdf, images[number])

    def has_size(self, number: int, sizes: Collection[tuple[int, int]]) -> bool:
        """Whether an image can be of one of these widths and heights."""
        return not self._sizes[number].isdisjoint(sizes)

    def address(self, image: Any) -> int:
        """Return where MuPDF has the image of an object, which is the same place while it is in use.

        Raises:
            UnreadableError: it is not a valid image.
        """
        with readable():
            return mupdf.pdf_load_image(self._pdf, image).m_internal_value()

    def original(self, number: int) -> tuple[Format, bytes]:
        """Return an image's bytes as they are stored, decrypted: a JPEG is a JPEG file.

        Raises:
            UnreadableError: it has no stream.
        """
        with readable():
            coded = mupdf.pdf_load_compressed_stream(self._pdf, number, 0)
            kind, data = coded_file(coded.m_internal)
            if kind == "raw":
                data = mupdf.fz_buffer_extract_copy(mupdf.pdf_load_raw_stream_number(self._pdf, number))
            return kind, data

    def _prepare(self, number: int, image: Any) -> None:
        if number in self._sizes:
            return
        masks = (mupdf.pdf_dict_gets(image, key) for key in ("SMask", "Mask"))
        try:
            self._sizes[number] = {(size.width, size.height) for size in self._checked(number, image)}
            for mask in masks:
                if mupdf.pdf_is_stream(mask):
                    self._checked(number, mask)
        except _RefusedError as error:
            self.refused[number] = str(error)
            self._sizes[number] = {(1, 1)}
            _empty(self._pdf, image)
            return
        _replace_lab(self._pdf, image)

    def _checked(self, number: int, image: Any) -> list[headers.CodedSize]:
        """What the PDF, and what the coded image says of its size: of the image with this number, or of its mask.

        Raises:
            _RefusedError: decoding it would take more memory than its pixels are worth.
        """
        if not IMAGE_FILTERS.isdisjoint(filters.names(image)[:-1]):
            raise _RefusedError("an image's format is its last filter, and here others follow it")
        width, height = (max(0, mupdf.pdf_dict_get_int(image, mupdf.pdf_new_name(key))) for key in ("Width", "Height"))
        named = headers.CodedSize(width, height, 1)
        self._weigh(named)
        try:
            self._check_helpers(image)
            coded = self._coded(image, named)
        except UnreadableError as error:
            self.unreadable[number] = str(error)
            coded = None
        except MemoryError:
            raise _RefusedError(NO_MEMORY) from None
        return [named] if coded is None else [named, coded]

    def _coded(self, image: Any, named: headers.CodedSize) -> headers.CodedSize | None:
        """What the coded image says, after a look at how much data it has."""
        reader, data = CODED.get(coding(image)), filters.Coded(self._pdf, image)
        head = data.head() if reader else b""
        size = reader(head) if reader else None
        weight = max(self._weigh(each) for each in (named, size) if each)
        if not data.inflates:
            return size
        if size is None and len(head) == filters.HEAD_BYTES:
            raise _RefusedError(f"too_large: its size is not in the first {filters.HEAD_BYTES:,} bytes of its data")
        most = weight * DATA_PER_PIXEL + SPARE_BYTES
        if data.is_longer(most):
            raise _RefusedError(f"too_large: its data inflates to more than {most:,} bytes")
        return size

    def _weigh(self, size: headers.CodedSize) -> int:
        """Return its pixels, more where it has many components."""
        weight = int(size.width * size.height * max(1, size.components / USUAL_COMPONENTS))
        if weight > self._max_pixels:
            raise _RefusedError(too_many_pixels(size.width, size.height, self._max_pixels))
        return weight

    def _check_helpers(self, image: Any) -> None:
        for stream in filters.helpers(image):
            number = mupdf.pdf_to_num(stream)
            if number not in self._long:
                with contextlib.suppress(UnreadableError):  # MuPDF can do without most
                    self._long[number] = filters.is_longer(stream, SPARE_BYTES)
            if self._long.get(number):
                raise _RefusedError(f"too_large: object {number}, which it uses, is over {SPARE_BYTES:,} bytes")


class _RefusedError(Exception):
    """An image is not to be decoded; says why."""


def coded_file(coded: Any) -> tuple[Format, bytes]:
    """Return the format and the bytes of MuPDF's compressed image."""
    buffer = mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(coded.buffer))
    return CODED_FORMATS.get(coded.params.type, "raw"), mupdf.fz_buffer_extract_copy(buffer)


def too_many_pixels(width: int, height: int, most: int) -> str:
    """Say that an image is refused."""
    return f"too_many_pixels: {width:,} by {height:,}, and at most {most:,} are decoded"


def coding(image: Any) -> str:
    """Return the last filter of an image: its format."""
    return mupdf.pdf_to_name(_last(mupdf.pdf_dict_gets(image, "Filter")))


def parameters(image: Any) -> set[str]:
    """Return the names of the parameters of that filter."""
    given = _last(mupdf.pdf_dict_gets(image, "DecodeParms"))
    return {mupdf.pdf_to_name(mupdf.pdf_dict_get_key(given, index)) for index in range(mupdf.pdf_dict_len(given))}


def _last(value: Any) -> Any:
    if mupdf.pdf_is_array(value):
        return mupdf.pdf_array_get(value, mupdf.pdf_array_len(value) - 1)
    return value


def _roots(page: Any) -> Iterator[Any]:
    """The page, or the parent that has its resources, as their holder; and what its annotations look like."""
    yield from _used(mupdf.pdf_dict_get_inheritable(page, mupdf.pdf_new_name("Resources")))
    annotations = mupdf.pdf_dict_gets(page, "Annots")
    for index in range(mupdf.pdf_array_len(annotations)):
        normal = mupdf.pdf_dict_getp(mupdf.pdf_array_get(annotations, index), "AP/N")
        yield normal
        if not mupdf.pdf_is_stream(normal):  # one appearance for each state
            yield from _values(normal)


def _used(resources: Any) -> Iterator[Any]:
    """What resources name that can draw: images, forms, patterns, Type 3 fonts, soft masks."""
    for kind in ("XObject", "Pattern", "Font"):
        yield from _values(mupdf.pdf_dict_gets(resources, kind))
    for state in _values(mupdf.pdf_dict_gets(resources, "ExtGState")):
        yield mupdf.pdf_dict_getp(state, "SMask/G")


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.pdf_dict_len(dictionary)):
        yield mupdf.pdf_dict_get_val(dictionary, index)


def _replace_lab(pdf: Any, image: Any) -> None:
    """Give an image in Lab colours one that MuPDF converts as it should."""
    space = mupdf.pdf_dict_gets(image, "ColorSpace")
    replacement = lab.replaced(pdf, space)
    if replacement is None:
        return
    given = mupdf.pdf_dict_gets(image, "Decode")
    if mupdf.pdf_is_array(given) and mupdf.pdf_to_name(mupdf.pdf_array_get(space, 0)) == "Lab":
        values = [mupdf.pdf_to_real(mupdf.pdf_array_get(given, index)) for index in range(6)]
        decoded = mupdf.pdf_new_array(pdf, len(values))
        for value in lab.decode(space, values):
            mupdf.pdf_array_push(decoded, mupdf.pdf_new_real(value))
        mupdf.pdf_dict_puts(image, "Decode", decoded)
    mupdf.pdf_dict_puts(image, "ColorSpace", replacement)


def _empty(pdf: Any, image: Any) -> None:
    """Make an image a single white pixel."""
    for key in ("SMask", "Mask", "Decode", "DecodeParms", "Filter", "ImageMask", "SMaskInData"):
        mupdf.pdf_dict_dels(image, key)
    for key, value in {"Width": 1, "Height": 1, "BitsPerComponent": 8}.items():
        mupdf.pdf_dict_puts(image, key, mupdf.pdf_new_int(value))
    mupdf.pdf_dict_puts(image, "ColorSpace", mupdf.pdf_new_name("DeviceGray"))
    mupdf.pdf_update_stream(pdf, image, mupdf.fz_new_buffer_from_copied_data(b"\xff"), 0)


def _hide(pdf: Any, image: Any) -> None:
    """Make an image a stencil that leaves its one pixel unpainted."""
    _empty(pdf, image)
    mupdf.pdf_dict_dels(image, "ColorSpace")
    mupdf.pdf_dict_puts(image, "BitsPerComponent", mupdf.pdf_new_int(1))
    mupdf.pdf_dict_put_bool(image, mupdf.pdf_new_name("ImageMask"), 1)
