"""The part of a passage that shows why it was found. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

LENGTH = 280
"""Characters, without the dots at its ends."""
LEAST_STEM = 4
_word = re.compile(r"\w+")


def snippet(text: str, query: str) -> str:
    """A stretch of a text around most words of a query, or its beginning; on one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= LENGTH:
        return line
    start = _best(line, {_stem(word) for word in _word.findall(query.casefold())})
    end = start + LENGTH
    if end >= len(line):
        start, end = len(line) - LENGTH, len(line)
    start = start if start == 0 else _after_space(line, start, end)
    cut = end if end == len(line) else max(line.rfind(" ", start, end), 0)
    end = cut if cut > start else end
    return f"{'…' if start else ''}{line[start:end].strip()}{'…' if end < len(line) else ''}"


def _best(line: str, stems: Collection[str]) -> int:
    """Where the stretch begins that has most different words of the query; a little before the first of them."""
    hits = [(found.start(), stem) for found in _word.finditer(line.casefold()) if (stem := _stem(found[0])) in stems]
    best, most = 0, 0
    for place, _ in hits:
        begin = max(0, place - LENGTH // 5)
        different = len(_within(hits, begin))
        if different > most:
            best, most = begin, different
    return best


def _within(hits: Iterable[tuple[int, str]], begin: int) -> set[str]:
    return {stem for place, stem in hits if begin <= place < begin + LENGTH}


def _after_space(line: str, start: int, end: int) -> int:
    place = line.find(" ", start, end)
    return place + 1 if place >= 0 else start


def _stem(word: str) -> str:
    """The first letters: enough for "installed" to show where "install" stands."""
    return word[: max(LEAST_STEM, len(word) - 3)]
