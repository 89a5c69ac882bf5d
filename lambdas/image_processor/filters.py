"""The filters of a stream, read only as far as is safe: what they inflate to can be a thousand times what is stored.

MuPDF builds the chain, so decryption, parameters and abbreviations are its business; here is only how much of it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.image_processor.document import UnreadableError, readable
from lambdas.image_processor.engine import mupdf, pymupdf

if TYPE_CHECKING:
    from collections.abc import Iterator

INFLATING = frozenset({"FlateDecode", "Fl", "LZWDecode", "LZW", "RunLengthDecode", "RL", "BrotliDecode"})
"""The others give at most what they are given."""
HEAD_BYTES = 4 * 1024**2
"""Of a coded image under such a filter, in which its header has to be: profiles and previews can stand before it."""
_ALL = 2**31 - 1
"""Bytes: no file has more, and python3.11's MuPDF takes no larger number."""


class Coded:
    """An image's bytes as its last filter is given them, which is its format; nothing is read before it is asked for.

    Raises:
        UnreadableError: it has no stream, or a filter of which MuPDF would pass on the bytes as they are.
    """

    def __init__(self, pdf: Any, image: Any) -> None:
        pymupdf.TOOLS.reset_mupdf_warnings()
        with readable():
            self._raw = mupdf.pdf_open_raw_stream(image)
            # Only to leave the last filter out: MuPDF writes there which it is.
            self._format = mupdf.FzCompressedBuffer(mupdf.ll_fz_new_compressed_buffer())
            last = self._format.m_internal.params
            chain = (pdf.m_internal, image.m_internal, _ALL, self._raw.m_internal, last)
            self._stream = mupdf.FzStream(mupdf.ll_pdf_open_inline_stream(*chain))
        for said in pymupdf.TOOLS.mupdf_warnings().splitlines():
            if said.startswith("unknown filter"):
                raise UnreadableError(said)
        self._done = 0
        self.inflates = not INFLATING.isdisjoint(names(image)[:-1])

    def head(self) -> bytes:
        """Return its first `HEAD_BYTES`, or all where the file itself holds as many; to be called first."""
        with readable():
            limited = mupdf.fz_open_null_filter(self._stream, HEAD_BYTES if self.inflates else _ALL, 0)
            data = mupdf.fz_buffer_extract_copy(mupdf.fz_read_all(limited, 0))
        self._done = len(data)
        return data

    def is_longer(self, most: int) -> bool:
        """Whether it has more bytes than that; they are not kept."""
        with readable():
            return self._done + mupdf.fz_skip(self._stream, max(0, most - self._done) + 1) > most


def is_longer(stream: Any, most: int) -> bool:
    """Whether a stream inflates to more bytes than that.

    Raises:
        UnreadableError: it cannot be opened.
    """
    with readable():
        return mupdf.fz_skip(mupdf.pdf_open_stream(stream), most + 1) > most


def names(stream: Any) -> list[str]:
    """Return the filters, the one that is undone first at the beginning."""
    return [mupdf.pdf_to_name(each) for each in _each(mupdf.pdf_dict_gets(stream, "Filter"))]


def helpers(image: Any) -> Iterator[Any]:
    """The streams that decoding an image loads whole: profiles, palettes, functions, JBIG2's globals."""
    for given in _each(mupdf.pdf_dict_gets(image, "DecodeParms")):
        shared = mupdf.pdf_dict_gets(given, "JBIG2Globals")
        if mupdf.pdf_is_stream(shared):
            yield shared
    yield from _streams(mupdf.pdf_dict_gets(image, "ColorSpace"), levels=4)


def _streams(space: Any, levels: int) -> Iterator[Any]:
    """Those of a colour space, and of the spaces that it is made of."""
    for part in _each(space):
        if mupdf.pdf_is_stream(part):
            yield part
        elif mupdf.pdf_is_array(part) and levels:
            yield from _streams(part, levels - 1)


def _each(value: Any) -> Iterator[Any]:
    """What an array holds, or the one thing that stands in its place."""
    if not mupdf.pdf_is_array(value):
        yield from () if mupdf.pdf_is_null(value) or not value.m_internal else (value,)
        return
    for index in range(mupdf.pdf_array_len(value)):
        yield mupdf.pdf_array_get(value, index)
