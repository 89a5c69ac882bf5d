"""A page's lines, with their places, made into its text: words whole, paragraphs apart.

Pure: owns hyphens, spaces, line breaks and paragraph breaks. Where lines come from is `pdf_text`.
"""

from __future__ import annotations

import itertools
import re
import statistics
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

NEW_PARAGRAPH = 1.3
"""A line that is further below the one before than this multiple of the page's usual distance begins a paragraph."""
OTHER_SIZE = 1.2
"""Lines whose heights differ by this factor are a heading and its text."""
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xa0": " "})
HYPHEN = r"[\x02\ufffe]"
"""What pdfium makes of a hyphen at the end of a line, whose two halves it joins."""

_split_word = re.compile(rf"{HYPHEN}(?=[^\W\d_])")
_soft_hyphen = re.compile("\xad(?=\\w)")
_control = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_spaces = re.compile(r"[ \t]{2,}")
_unspaced = re.compile(
    r"[\u2e80-\u2fdf\u3000-\u30ff\u31c0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003134f]"
)
"""Scripts that are written without spaces: Chinese and Japanese, and their punctuation."""


class Line(NamedTuple):
    """A line of text and the corners of its box, in points from the page's lower left as it is shown."""

    left: float
    bottom: float
    right: float
    top: float
    text: str


def page_text(lines: Sequence[Line]) -> str:
    """Return the text of a page: lines end in a line break, paragraphs in an empty line.

    Args:
        lines: in reading order.
    """
    usual = _usual_distance(lines)
    parts: list[str] = []
    before: Line | None = None
    for line in lines:
        text = clean(line.text)
        if not text:
            continue
        if before is not None:
            parts.append(_break(before, line, parts[-1][-1], text[0], usual))
        parts.append(text)
        before = line
    return "".join(parts)


def clean(text: str) -> str:
    """Return a line without what is not text: hyphens of line ends, ligatures, control characters, doubled spaces."""
    if not text.isascii() or not text.isprintable():
        text = _split_word.sub(_joint, text)
        text = _soft_hyphen.sub("", re.sub(HYPHEN, "-", text))
        text = unicodedata.normalize("NFC", _control.sub(" ", text).translate(LIGATURES))
    return _spaces.sub(" ", text.strip())


def _joint(hyphen: re.Match[str]) -> str:
    """A word's halves belong together; before a capital the hyphen is the word's own, as in GNU-Linux."""
    return "-" if hyphen.string[hyphen.end()].isupper() else ""


def _usual_distance(lines: Sequence[Line]) -> float:
    """From line to line, in points; 0 when no line is below another."""
    distances = [
        above.bottom - below.bottom
        for above, below in itertools.pairwise(lines)
        if 0 < above.bottom - below.bottom < 4 * (above.top - above.bottom)
    ]
    return statistics.median_low(distances) if distances else 0.0


def _break(before: Line, line: Line, last: str, first: str, usual: float) -> str:
    """What stands between two lines."""
    down = before.bottom - line.bottom
    heights = sorted((before.top - before.bottom, line.top - line.bottom))
    apart = down > NEW_PARAGRAPH * usual if usual else False
    if apart or heights[1] > OTHER_SIZE * heights[0]:
        return "\n\n"
    if down < -heights[1] and last in ".!?:":  # the next column, after a sentence
        return "\n\n"
    return "" if _unspaced.match(last) and _unspaced.match(first) else "\n"
