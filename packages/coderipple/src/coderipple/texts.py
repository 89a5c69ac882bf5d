"""How a text is written down in a file, apart from what it says: agents see it plain, and files keep what they had.

Owns line ends, byte order marks, Git LFS's pointers, and the fence that models put around a whole document. Pure.
"""

from __future__ import annotations

import re
from typing import Final

MARK: Final = "\ufeff"
LFS_POINTER: Final = "version https://git-lfs.github.com/spec/"
_fenced: Final = re.compile(r"(`{3,}|~{3,})[ \t]*([A-Za-z]*)[ \t]*\n(.*)\n\1", re.DOTALL)
_half: Final = re.compile(r"[\ud800-\udfff]")
_DOCUMENT: Final = frozenset({"markdown", "md", "mdx", "rst", "restructuredtext"})
"""What a fence around a document calls it; one that says nothing counts where a heading follows."""


def is_whole(text: str) -> bool:
    """Whether it can be sent on: JSON can carry half of a surrogate pair, UTF-8 cannot."""
    return _half.search(text) is None


def plain(text: str) -> str:
    """A text with line feeds and without a byte order mark."""
    return text.removeprefix(MARK).replace("\r\n", "\n").replace("\r", "\n")


def as_it_was(text: str, before: str | None) -> str:
    """A plain text written down as a file is: with its byte order mark, and the line ends that most of it has."""
    if before is None:
        return text
    if _line_end(before) == "\r\n":
        text = text.replace("\n", "\r\n")
    return MARK + text if before.startswith(MARK) else text


def appended(before: str, entry: str) -> str:
    """A file's text with an entry after an empty line: what is there stays byte for byte, with the file's line ends."""
    end = _line_end(before)
    gaps = ("", end, end * 2) if plain(before) else ("",)
    gap = next((gap for gap in gaps if plain(before + gap).endswith("\n\n")), "")
    return before + gap + f"{plain(entry).strip()}\n".replace("\n", end)


def _line_end(text: str) -> str:
    """The line end that most of a text has."""
    if "\n" not in text:
        return "\r" if "\r" in text else "\n"
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def is_lfs_pointer(text: str) -> bool:
    """Whether a file's text stands for one that Git LFS keeps."""
    return text.startswith(LFS_POINTER)


def unfenced(text: str) -> str:
    """A document without the fence that is around all of it; any other text as it is."""
    found = _fenced.fullmatch(text.strip())
    if found is None:
        return text
    kind, inner = found[2].lower(), found[3]
    named = kind in _DOCUMENT or (kind in ("", "text", "txt") and inner.lstrip().startswith("# "))
    return f"{inner}\n" if named else text
