"""A PDF's page as a picture, by pdfium. Runs in a child process.

A PNG made with zlib alone: Pillow is 21 MB of a layer, for this one call. Text on white is small as it is. A photograph
or a scan is less than half as large when each of its rows is stored as differences, which numpy makes.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pypdfium2

SIZES = ((1_400, 2_000), (1_000, 1_400), (700, 1_000), (480, 680))
"""Pixels across and down at most; a smaller one where the picture is too large a file."""
LARGEST_SCALE = 4.0
"""Pixels a point: more show nothing new of a small page."""
PLAIN_BYTES = 512 * 1024
"""A file that is larger is tried as differences, too."""
_NO_FILTER = b"\x00"
_QUICK = 3
"""zlib's level for differences: a higher one takes three times as long for 5 % less."""


def draw_page(page: pypdfium2.PdfPage, most_bytes: int) -> bytes:
    """Draw a page, as a PNG.

    Args:
        page: of any size.
        most_bytes: of the file.

    Raises:
        ValueError: it is larger at any size.
    """
    render = cast("Any", page).render  # its types say that a scale is a whole number
    width, height = cast("tuple[float, float]", page.get_size())
    for across, down in SIZES:
        scale = min(across / max(width, 1.0), down / max(height, 1.0), LARGEST_SCALE)
        picture = _png(render(scale=scale, rev_byteorder=True, prefer_bgrx=False))
        if len(picture) <= most_bytes:
            return picture
    raise ValueError(f"the page's picture has more than {most_bytes} bytes")


def _png(bitmap: Any) -> bytes:
    """A bitmap of RGB or grey pixels."""
    width, height, channels = bitmap.width, bitmap.height, bitmap.n_channels
    data = _plain(bitmap)
    if len(data) > PLAIN_BYTES:
        data = min(data, _differences(bitmap), key=len)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)  # noqa: PLR2004  RGB
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _plain(bitmap: Any) -> bytes:
    width, height, channels, stride = bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride
    pixels = memoryview(bitmap.buffer).cast("B")
    packer = zlib.compressobj(6)
    parts: list[bytes] = []
    for row in range(height):
        parts += packer.compress(_NO_FILTER), packer.compress(pixels[row * stride : row * stride + width * channels])
    return b"".join([*parts, packer.flush()])


def _differences(bitmap: Any) -> bytes:
    """Each row as it is, less what is left of each pixel, or less the row above: whichever has the least in it.

    The filters 0 to 2 of PNG, and the way to choose that its specification recommends (12.8).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing here is algebra, and threads take memory
    import numpy as np  # few pages need it

    height, channels = bitmap.height, bitmap.n_channels
    rows = np.frombuffer(bitmap.buffer, np.uint8).reshape(height, bitmap.stride)[:, : bitmap.width * channels]
    filtered = np.stack([rows, rows, rows])
    filtered[1, :, channels:] -= rows[:, :-channels]
    filtered[2, 1:] -= rows[:-1]
    amounts = np.minimum(filtered, 0 - filtered).sum(axis=2, dtype=np.int64)
    kinds = amounts.argmin(axis=0)
    chosen = filtered[kinds, np.arange(height)]
    return zlib.compress(np.column_stack([kinds.astype(np.uint8), chosen]).tobytes(), _QUICK)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
