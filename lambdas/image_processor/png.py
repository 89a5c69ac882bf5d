"""A PNG of colour samples and a plane of alpha beside them, exactly as they are.

MuPDF writes the others. Its pixmaps hold colours multiplied by their alpha: a faint pixel's colour would be lost.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOUR_TYPES = {2: 4, 4: 6}
"""Grey with alpha, RGB with alpha."""
BAND_BYTES = 1 << 20
_UP = b"\x02"
"""The filter that stores each byte as its difference to the one above."""


def encode(width: int, height: int, colour: bytes | memoryview, alpha: bytes | memoryview) -> bytes:
    """Write a PNG.

    Args:
        width: pixels.
        height: pixels.
        colour: 1 or 3 bytes a pixel, rows without padding.
        alpha: 1 byte a pixel.
    """
    channels = len(colour) // max(1, len(alpha)) + 1
    packer = zlib.compressobj(6)
    packed = [packer.compress(part) for part in _filtered(width, height, channels, colour, alpha)]
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    data = b"".join([*packed, packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _filtered(
    width: int, height: int, channels: int, colour: bytes | memoryview, alpha: bytes | memoryview
) -> Iterator[bytes]:
    """Rows, some at a time, each after its filter's number."""
    stride = width * channels
    rows = max(1, BAND_BYTES // stride)
    above = bytes(stride)
    for top in range(0, height, rows):
        first, last = top * width, min(height, top + rows) * width
        band = bytearray((last - first) * channels)
        for channel in range(channels - 1):
            band[channel::channels] = colour[first * (channels - 1) + channel : last * (channels - 1) : channels - 1]
        band[channels - 1 :: channels] = alpha[first:last]
        less = _difference(band, above + band[:-stride])
        above = bytes(band[-stride:])
        yield b"".join(_UP + less[start : start + stride] for start in range(0, len(less), stride))


def _difference(left: bytes | bytearray, right: bytes | bytearray) -> bytes:
    """Subtract byte from byte, modulo 256: all at once, as two long integers whose bytes do not borrow."""
    high = int.from_bytes(b"\x80" * len(left))
    low = int.from_bytes(b"\x7f" * len(left))
    a, b = int.from_bytes(left), int.from_bytes(right)
    return (((a | high) - (b & low)) ^ ((a ^ b ^ high) & high)).to_bytes(len(left))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
