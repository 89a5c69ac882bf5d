"""Bytes of a text file as text: UTF-8 (damaged, too) and UTF-16, marked or not, else Windows' Latin-1. Pure."""

from __future__ import annotations

import codecs
from typing import Final

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LOOKED_AT_BYTES: Final = 64 * 1024
HALF_EMPTY: Final = 0.3
"""Of every second byte: UTF-16 of a script with an alphabet has so many that are zero, or more."""
MAX_CONTROLS: Final = 0.005
"""Of a file's bytes: text has hardly any."""
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\x0b"))


class BinaryError(ValueError):
    """The bytes are not text, in any encoding that is known here."""


def decode(data: bytes) -> str:
    """Return the text, with line feeds for line ends and without a byte order mark.

    Raises:
        BinaryError: it is not text.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _lines(_strict(data[len(mark) :], encoding))
    if 0 in data[:LOOKED_AT_BYTES]:
        return _lines(_strict(data, _utf16(data[:LOOKED_AT_BYTES])))
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls > MAX_CONTROLS * len(data):
        raise BinaryError(f"{controls} of its {len(data)} bytes are control characters")
    try:
        return _lines(data.decode("utf-8"))
    except UnicodeDecodeError:
        if _is_damaged_utf8(data):
            return _lines(data.decode("utf-8", "replace"))
    # Five bytes mean nothing in Windows' encoding; Latin-1 has control characters there.
    return _lines(
        data.decode("cp1252", "surrogateescape").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    )


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether bytes that are not UTF-8 are a text in it nevertheless: cut within a character, or pasted together.

    Other encodings hardly ever have bytes that are a character of UTF-8, so what is the most decides.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    right = wrong = 0
    for start in range(0, len(data), LOOKED_AT_BYTES):  # in parts: a file may be as large as memory allows
        text = decoder.decode(data[start : start + LOOKED_AT_BYTES], final=start + LOOKED_AT_BYTES >= len(data))
        bad = text.count("\ufffd")
        wrong += bad
        right += len(text) - len(text.encode("ascii", "ignore")) - bad
    return right > wrong


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BinaryError(f"byte {error.start} is not {encoding.upper()}") from None


def _utf16(data: bytes) -> str:
    """UTF-16 without a mark shows in where its zeros are."""
    half = max(1, len(data) // 2)
    first, second = (data[start::2].count(0) / half for start in (0, 1))
    if second > HALF_EMPTY and first < second / 2:
        return "utf-16-le"
    if first > HALF_EMPTY and second < first / 2:
        return "utf-16-be"
    raise BinaryError("it has zero bytes")


def _lines(text: str) -> str:
    # Few services take zeros, which a log has where it was cut while somebody wrote to it.
    return text.removeprefix("\ufeff").replace("\0", " ").replace("\r\n", "\n").replace("\r", "\n")
