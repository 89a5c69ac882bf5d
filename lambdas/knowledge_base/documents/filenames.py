"""Names of files, as users' programs send them: made fit to be shown, and to be sent in a header. Pure."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

LONGEST = 200
"""Characters."""
NAMELESS = "document.pdf"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control characters, line ends, and what turns the direction of text around, so `fdp.exe` reads `exe.pdf`."""
_SUFFIX_LONGEST = 10


def shown(name: str) -> str:
    """A file's name for people: without folders and invisible characters, and not too long.

    Args:
        name: as it was sent.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", last)
        if character.isspace() or unicodedata.category(character) not in _INVISIBLE
    )
    text = " ".join(visible.split()).strip(". ")
    if len(text) <= LONGEST:
        return text or NAMELESS
    stem, dot, suffix = text.rpartition(".")
    end = f"{dot}{suffix}" if stem and len(suffix) <= _SUFFIX_LONGEST else ""
    return f"{text[: LONGEST - len(end) - 1].rstrip()}…{end}"


def disposition(name: str) -> str:
    """`Content-Disposition` of a file that is to be shown: https://www.rfc-editor.org/rfc/rfc6266

    Args:
        name: from `shown`.
    """
    plain = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\%;' else "_"
        for character in name
    )
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
