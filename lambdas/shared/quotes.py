"""What may be repeated of a service's words: all of them, unless they quote what the service was sent.

Owns the comparison. A service's error often holds a part of the request, cut, quoted or escaped, and what a user sent
is not to be in a log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 200
"""Characters of a service's words that are repeated."""
LEAST_QUOTE = 8
"""Letters and digits in a row that two texts hardly share by chance. More often is no harm: the words are left out."""
LEFT_OUT = "(its words quote what was sent, and are left out)"
_escapes = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[nrt])")
_tag = re.compile(r"<[^<>]*>")
_between = re.compile(r"[\W_]+")


def quotable(words: str, sent: Iterable[str]) -> str:
    """What a service said, for a log line.

    Args:
        words: the service's; an error page's tags are left out.
        sent: every text of the request.

    Returns:
        The first 200 characters; or that they are left out, because they quote a text.
    """
    shown = " ".join(_tag.sub(" ", words).split())[:MAX_LENGTH]
    plain = _plain(shown)
    parts = {plain[start : start + LEAST_QUOTE] for start in range(max(1, len(plain) - LEAST_QUOTE + 1))}
    for text in map(_plain, sent):
        short = 0 < len(text) < LEAST_QUOTE and text in plain
        if short or any(part in text for part in parts if len(part) == LEAST_QUOTE):
            return LEFT_OUT
    return shown


def _plain(text: str) -> str:
    """Letters and digits only, in lower case, with JSON's escapes undone."""
    undone = _escapes.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text)
    return _between.sub("", undone.lower())
