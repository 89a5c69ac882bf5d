"""A document's pages in overlapping chunks that fit the embedding model: cut between paragraphs, sentences, words.

Pure. A chunk is a stretch of the whole text, so nothing is lost between chunks, and a sentence that goes on over a page
stays one. A chunk never has more tokens than asked for, counted as the embedding service will count them.
"""

from __future__ import annotations

import bisect
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lambdas.shared.blank import is_blank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHUNK_CHARACTERS = 16_000
"""Spaces and ruled lines have few tokens; with every character escaped it still fits a queue's message."""
MAX_UNIT_CHARACTERS = 4_000
UNITS_IN_CHUNK = 4
"""At least: what is longer than this part of a chunk is cut again, at lines and words."""
LEAST_FILLED = 0.6
"""Of a chunk: behind this, the best border is taken instead of the last."""
MOST_TOKENS_OF_A_CHARACTER = 4
"""It has at most four bytes."""
WORD, LINE, SENTENCE, PARAGRAPH = range(4)
"""Borders, by how well they divide."""

_paragraph = re.compile(r"\n[ \t]*\n\s*")
_sentence = re.compile(
    "[.!?\u2026][\"'\u201d\u2019\xbb)\\]]*\\s+(?=[^\\sa-z])"
    "|[\u3002\uff01\uff1f][\u300d\u300f\uff09\u201d]*\\s*"  # Chinese and Japanese: no space follows
)
_line = re.compile(r"\n\s*")
_word = re.compile(r"\s+")
_ends = re.compile("[.!?:\u2026\u3002\uff01\uff1f]\\W*\\Z")


class Counts(Protocol):
    """The part of a tokenizer that is needed here."""

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a document."""

    text: str
    tokens: int
    pages: tuple[int, ...]
    """Numbers of those it has text of."""
    start: int
    """Of its first character, in the text that was cut: of a single page, the page's."""


class Unit(NamedTuple):
    """What is never divided: a sentence, or a part of a long one."""

    start: int
    end: int
    tokens: int
    border: int
    """Which kind is before it."""


def chunks(pages: Sequence[tuple[int, str]], tokenizer: Counts, limit: int, overlap: int) -> list[Chunk]:
    """Cut a document.

    Args:
        pages: numbers and texts, in order.
        tokenizer: counts tokens.
        limit: tokens of a chunk, at most.
        overlap: tokens at most that a chunk repeats of the one before; no more than half of `limit`.

    Returns:
        Chunks in order, none of them blank. Every character of every page that shows something is in one.
    """
    whole = _Whole(pages)
    largest = max(1, min(limit // UNITS_IN_CHUNK, overlap or limit))
    units = list(_divided(whole.text, Unit(0, len(whole.text), 0, PARAGRAPH), tokenizer, largest, PARAGRAPH))
    return list(_Packing(whole, units, tokenizer, limit, overlap).chunks())


class _Whole:
    """All pages as one text."""

    def __init__(self, pages: Sequence[tuple[int, str]]) -> None:
        self._numbers = [number for number, _ in pages]
        self._starts: list[int] = []
        self._ends: list[int] = []
        parts: list[str] = []
        length = 0
        for _, text in pages:
            self._starts.append(length)
            self._ends.append(length + len(text))
            joint = "\n\n" if _ends.search(text[-20:]) else "\n"
            parts += [text, joint]
            length += len(text) + len(joint)
        self.text = "".join(parts)

    def pages(self, start: int, end: int) -> tuple[int, ...]:
        """The pages of which there is text between two places."""
        first = max(0, bisect.bisect_right(self._starts, start) - 1)
        last = bisect.bisect_left(self._starts, end)
        spans = ((i, max(start, self._starts[i]), min(end, self._ends[i])) for i in range(first, last))
        return tuple(self._numbers[i] for i, begin, stop in spans if not is_blank(self.text[begin:stop]))


class _Packing:
    """Units put together into chunks."""

    def __init__(self, whole: _Whole, units: Sequence[Unit], tokenizer: Counts, limit: int, overlap: int) -> None:
        self._whole = whole
        self._units = units
        self._tokenizer = tokenizer
        self._limit = limit
        self._overlap = overlap
        self._before = [0, *itertools.accumulate(unit.tokens for unit in units)]
        """Tokens before each unit."""

    def chunks(self) -> Iterator[Chunk]:
        """Each as long as it may be, and ending where it is best divided."""
        first = done = 0
        while done < len(self._units):
            last = self._end(first, done)
            text, tokens = self._counted(first, last)
            while tokens > self._limit and (last > done + 1 or first < done):
                # Tokens do not quite add up across a cut within a word.
                last, first = (last - 1, first) if last > done + 1 else (last, first + 1)
                text, tokens = self._counted(first, last)
            if not is_blank(text):
                yield self._chunk(text, tokens, self._units[first].start, self._units[last - 1].end)
            done = last
            first = self._start(first, last)

    def _chunk(self, text: str, tokens: int, start: int, end: int) -> Chunk:
        spaces = len(self._whole.text[start:end]) - len(self._whole.text[start:end].lstrip())
        return Chunk(text, tokens, self._whole.pages(start, end), start + spaces)

    def _counted(self, first: int, last: int) -> tuple[str, int]:
        text = self._whole.text[self._units[first].start : self._units[last - 1].end].strip()
        return text, self._tokenizer.count(text)

    def _end(self, first: int, done: int) -> int:
        """Behind which unit a chunk ends that begins with the first, and has one more than those that are done."""
        units, before = self._units, self._before
        last = bisect.bisect_right(before, before[first] + self._limit) - 1
        while units[last - 1].end - units[first].start > MAX_CHUNK_CHARACTERS and last > done + 1:
            last -= 1
        if last >= len(units):
            return len(units)
        filled = before[first] + LEAST_FILLED * (before[last] - before[first])
        ends = [end for end in range(max(done + 1, first + 1), last + 1) if before[end] >= filled]
        return max(ends, key=lambda end: (units[end].border, end), default=max(last, done + 1))

    def _start(self, first: int, last: int) -> int:
        """Where the next chunk begins: at the best border, then the furthest back, within the overlap."""
        units, before = self._units, self._before
        starts = [start for start in range(first + 1, last) if before[last] - before[start] <= self._overlap]
        return max(starts, key=lambda start: (units[start].border, -start), default=last)


def _divided(text: str, whole: Unit, tokenizer: Counts, largest: int, kind: int) -> Iterator[Unit]:
    """A unit cut at its borders of one kind; parts that are too long, at the next weaker kind. Sentences always are."""
    for start, end, border in _cut(text, whole, kind):
        tokens = 0 if kind == PARAGRAPH else tokenizer.count(text[start:end])
        part = Unit(start, end, tokens, border)
        fits = tokens <= largest and end - start <= MAX_UNIT_CHARACTERS
        if fits and kind != PARAGRAPH:
            yield part
        elif kind > LINE:
            yield from _divided(text, part, tokenizer, largest, kind - 1)
        elif kind == LINE:
            yield from _words(text, part, tokenizer, largest)


def _words(text: str, line: Unit, tokenizer: Counts, largest: int) -> Iterator[Unit]:
    """A long line in units of several words; a long word in pieces that cannot have too many tokens."""
    begun = Unit(line.start, line.start, 0, line.border)
    most = max(1, largest // MOST_TOKENS_OF_A_CHARACTER)
    for start, end, _ in _cut(text, line, WORD):
        tokens = tokenizer.count(text[start:end])
        if begun.end > begun.start and (begun.tokens + tokens > largest or end - begun.start > MAX_UNIT_CHARACTERS):
            yield begun
            begun = Unit(start, start, 0, WORD)
        if tokens <= largest and end - start <= MAX_UNIT_CHARACTERS:
            begun = Unit(begun.start, end, begun.tokens + tokens, begun.border)
            continue
        for place in range(start, end, most):
            stop = min(place + most, end)
            yield Unit(place, stop, tokenizer.count(text[place:stop]), begun.border if place == start else WORD)
        begun = Unit(end, end, 0, WORD)
    if begun.end > begun.start:
        yield begun


def _cut(text: str, whole: Unit, kind: int) -> Iterator[tuple[int, int, int]]:
    """Stretches of a unit between borders of a kind, spaces at their ends; the first has the border of the unit."""
    start, border = whole.start, whole.border
    for found in _BORDERS[kind].finditer(text, whole.start, whole.end):
        if start < found.end() < whole.end:
            yield start, found.end(), border
            start, border = found.end(), kind
    if start < whole.end:
        yield start, whole.end, border


_BORDERS = {WORD: _word, LINE: _line, SENTENCE: _sentence, PARAGRAPH: _paragraph}
