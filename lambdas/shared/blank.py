"""Whether a text has anything to read: white space is not all that shows nothing.

Zero-width characters, byte order marks, direction marks and control characters survive `str.strip`; a vector of them is
a vector of nothing, which is found by searches for anything.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""General categories of control, format and space characters."""
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Of other categories, and shown as nothing: joiners and fillers of Hangul and Khmer, Braille without a dot."""


def is_blank(text: str) -> bool:
    """Whether a text shows nothing; the empty one does not."""
    return all(
        character.isspace() or character in _FILLERS or unicodedata.category(character) in _INVISIBLE
        for character in text
    )
