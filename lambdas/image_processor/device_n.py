"""Colour spaces of our own in a document: components with a function to a device's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.image_processor.engine import mupdf

if TYPE_CHECKING:
    from collections.abc import Sequence


def space(pdf: Any, components: int, target: str, outputs: int, program: str) -> Any:
    """Make a DeviceN colour space's object.

    Args:
        pdf: the document that gets it.
        components: its inputs, each from 0 to 1.
        target: the name of a device colour space.
        outputs: that one's components.
        program: PostScript from the one to the other.
    """
    function = mupdf.pdf_new_dict(pdf, 4)
    mupdf.pdf_dict_puts(function, "FunctionType", mupdf.pdf_new_int(4))
    for key, count in (("Domain", components), ("Range", outputs)):
        mupdf.pdf_dict_puts(function, key, _array(pdf, [mupdf.pdf_new_int(index % 2) for index in range(2 * count)]))
    stream = mupdf.pdf_add_stream(pdf, mupdf.fz_new_buffer_from_copied_data(program.encode()), function, 0)
    names = _array(pdf, [mupdf.pdf_new_name(f"C{index}") for index in range(components)])
    return _array(pdf, [mupdf.pdf_new_name("DeviceN"), names, mupdf.pdf_new_name(target), stream])


def _array(pdf: Any, items: Sequence[Any]) -> Any:
    array = mupdf.pdf_new_array(pdf, len(items))
    for item in items:
        mupdf.pdf_array_push(array, item)
    return array
