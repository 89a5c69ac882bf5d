"""The alpha in JPEG 2000 files, which MuPDF always applies, and in one way only.

By ISO 32000-1, table 89, `SMaskInData` says what it is: 0, not to be used; 1, an ordinary alpha; 2, the colours are
already multiplied by it. MuPDF multiplies when it decodes, so colours of transparent pixels are lost; here the file is
decoded again as plain components without a meaning.
"""

from __future__ import annotations

from typing import Any

from lambdas.image_processor import device_n
from lambdas.image_processor.engine import mupdf
from lambdas.image_processor.planes import Plane

IGNORED, PREMULTIPLIED = 0, 2
CODESTREAM = b"\xff\x4f\xff\x51"
MEANING = (b"pclr", b"colr\x01\x00\x00\x00\x00\x00\x12")
"""A palette, and YCC colours: what the components are is not told by the codestream alone."""


def separated(pdf: Any, stored: Any, decoded: Any) -> tuple[Plane, Plane | None] | None:
    """Take colours and alpha of a JPEG 2000 image apart.

    Args:
        pdf: the document.
        stored: the image's object.
        decoded: MuPDF's pixmap of it, with an alpha.

    Returns:
        The colours in the pixmap's colour space, and the alpha if it is to be used; None for rare kinds of file, which
        are left as MuPDF decodes them.

    Raises:
        mupdf.FzErrorBase: the file could not be decoded again.
    """
    use = mupdf.pdf_dict_get_int(stored, mupdf.pdf_new_name("SMaskInData"))
    coded = mupdf.pdf_load_compressed_stream(pdf, mupdf.pdf_to_num(stored), 0)
    data = mupdf.fz_buffer_extract_copy(mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(coded.m_internal.buffer)))
    start = data.find(CODESTREAM)
    if start < 0 or any(box in data[:start] for box in MEANING):
        return None
    data = data[start:]
    plain = Plane.of(mupdf.fz_load_jpx(mupdf.python_buffer_data(data), len(data), _components(pdf, decoded.n())))
    if (plain.width, plain.height, plain.channels) != (decoded.w(), decoded.h(), decoded.n()):
        return None
    colour, alpha = plain.without_last(), plain.channel(plain.channels - 1)
    if use == PREMULTIPLIED:
        colour = colour.divided(alpha)
    return colour, None if use == IGNORED else alpha


def _components(pdf: Any, number: int) -> Any:
    """A colour space of so many components; it is never converted from."""
    program = f"{{ {'pop ' * number}0 }}"
    return mupdf.pdf_load_colorspace(device_n.space(pdf, number, "DeviceGray", 1, program))
