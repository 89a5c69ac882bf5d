"""Whether a text is whole: JSON can hold half of a surrogate pair, and UTF-8, so anything it is sent to, cannot."""

from __future__ import annotations

import re

_half = re.compile(r"[\ud800-\udfff]")


def has_half_pair(text: str) -> bool:
    """Whether it has half of a surrogate pair."""
    return _half.search(text) is not None
