"""Characters that a reader does not see, and a text as it reads without what masks it.

Owns Unicode and escapes. What may not be in a text is for `rules.py` and `secret_scan.py` to say.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTROL: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069"
CONTROL: Final = re.compile(f"[{_CONTROL}]")
"""Characters that are no text, or turn around what is shown; tabs and line ends are none."""
BLANK_LETTERS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"
"""Letters and marks that show nothing, though Unicode does not call them format characters."""
_SELECTORS: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_FORMAT: Final = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""Unicode's category Cf but for the signs of Arabic and the like, which are seen."""
_unseen: Final = re.compile(f"[{_FORMAT}{BLANK_LETTERS}{_SELECTORS}]+")
_FLAGS: Final = re.compile(
    "\U0001f3f4\U000e0067\U000e0062"
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
"""England's, Scotland's and Wales's: the only ones that are made of tag characters."""
AROUND: Final = 8
"""Characters on both sides by which a find is known again in the text as it was."""
_escaped: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_zeros: Final = re.compile(r"&#([xX]?)0+(?=[0-9a-fA-F])")
_long_number: Final = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{7,});?")


def hidden_parts(text: str) -> Iterator[str]:
    """Each place where something is that nobody sees, with what is around it."""
    text = _FLAGS.sub("", text)
    for found in _unseen.finditer(text):
        before, after = text[max(0, found.start() - 3) : found.start()], text[found.end() : found.end() + 3]
        if not _has_a_use(found.group(), before, after):
            yield text[max(0, found.start() - AROUND) : found.end() + AROUND]


def _has_a_use(found: str, before: str, after: str) -> bool:
    """Whether emoji, or the script around it, is written with it."""
    left, right = before[-1:], after[:1]
    if found in ("\ufe0e", "\ufe0f"):
        return bool(left)
    if found in ("\u200d", "\ufe0f\u200d"):
        return all(side and (_is_symbol(side) or _joins(side)) for side in (left, right))
    if found == "\u200c":
        return all(side and _joins(side) for side in (left, right))
    if found in ("\u200e", "\u200f", "\u061c"):
        return any(unicodedata.bidirectional(side) in ("R", "AL") for side in before + after)
    return False


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk")


def _joins(character: str) -> bool:
    """Whether it is of a script with joined letters: from Arabic to Khmer, Mongolian."""
    return "\u0600" <= character <= "\u18af" and unicodedata.category(character)[0] in "LM"


def decoded(text: str) -> str:
    """With its HTML entities as the characters that they stand for."""
    # Python refuses numbers of more than 4,300 digits; HTML takes any number of zeros before one.
    return html.unescape(_long_number.sub("\ufffd", _zeros.sub(r"&#\1", text)))


def seen(text: str) -> str:
    """A text as it reads: entities and Markdown's escapes undone, wide forms made plain, unseen characters gone."""
    plain = _escaped.sub(r"\1", decoded(text))
    return _unseen.sub("", unicodedata.normalize("NFKC", plain))
