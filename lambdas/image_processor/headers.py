"""How large a coded image says that it is, read from its header: known before anything is decoded.

What the PDF says about an image and what the image says may differ, and decoders allocate by the latter.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_JPX_START = b"\xff\x4f\xff\x51"
_JPX_SIZE = struct.Struct(">HHIIIIIIIIH")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_FRAME_BYTES = 10
_JPEG_NEXT = re.compile(rb"(?:\xff+[\x01\xd0-\xd9])*\xff+(?=[^\xff])")
"""What may stand before the next marker with a length: padding, and markers without one."""
_JPEG_APPLICATIONS = frozenset(range(0xE0, 0xF0))
_JPEG_SCAN = 0xDA
_JPEG_PADDING = 16
"""Bytes that may follow a JPEG's end."""
_JBIG2_PAGE = 48
_JBIG2_UNKNOWN = 0xFFFFFFFF


class CodedSize(NamedTuple):
    """Pixels, and samples in each."""

    width: int
    height: int
    components: int


def jpx(data: bytes) -> CodedSize | None:
    """Of a JPEG 2000 file or codestream; None when it has no header."""
    start = data.find(_JPX_START)
    if start < 0 or len(data) < start + 4 + _JPX_SIZE.size:
        return None
    _, _, right, bottom, left, top, *_, components = _JPX_SIZE.unpack_from(data, start + 4)
    return CodedSize(max(0, right - left), max(0, bottom - top), components)


def jpeg(data: bytes) -> CodedSize | None:
    """Of a JPEG file; None when it has no frame."""
    for marker, start, end in _segments(data):
        if marker in _JPEG_FRAMES and end - start >= _JPEG_FRAME_BYTES:
            _, height, width, components = struct.unpack_from(">BHHB", data, start + 4)
            return CodedSize(width, height, components)
    return None


def stripped_jpeg(data: bytes, kept: frozenset[int]) -> bytes | None:
    """Return a JPEG file without its application segments but those of `kept`; None when it does not end as one."""
    first, last = data.find(b"\xff\xd8"), data.rfind(b"\xff\xd9")
    if first < 0 or last < len(data) - _JPEG_PADDING:
        return None
    out, done = [], first
    for marker, start, end in _segments(data):
        if marker in _JPEG_APPLICATIONS and marker not in kept:
            out.append(data[done:start])
            done = end
    return b"".join([*out, data[done : last + 2]])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment, the first scan's header the last."""
    start = data.find(b"\xff\xd8")
    at = start + 2
    while start >= 0 and at <= len(data) - 4 and (found := _JPEG_NEXT.match(data, at)):
        marker, at = data[found.end()], found.end() - 1
        end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        yield marker, at, end
        if marker == _JPEG_SCAN:
            return
        at = end


def jbig2(data: bytes) -> CodedSize | None:
    """Of an embedded JBIG2 stream: ITU-T T.88, 7.2 and 7.4.8; None when it has no page."""
    at = 0
    while at + 11 <= len(data):
        number, flags, referred = struct.unpack_from(">IBB", data, at)
        count = referred >> 5
        at += 6
        if count == 7:  # noqa: PLR2004  the long form
            (count,) = struct.unpack_from(">I", data, at - 1)
            count &= 0x1FFFFFFF
            at += 3 + (count + 8) // 8
        at += count * (1 if number <= 256 else 2 if number <= 65_536 else 4)  # noqa: PLR2004
        at += 4 if flags & 0x40 else 1
        if at + 12 > len(data):
            return None
        length, width, height = struct.unpack_from(">III", data, at)
        if flags & 0x3F == _JBIG2_PAGE:
            return CodedSize(width, 0 if height == _JBIG2_UNKNOWN else height, 1)
        if length == _JBIG2_UNKNOWN:
            return None
        at += 4 + length
    return None
