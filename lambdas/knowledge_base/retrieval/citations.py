"""The model's answer, checked: each quote is looked up in the page that it names, and what cannot be found is left out.

Owns what counts as the same text. A page's text has ligatures, hyphens at line ends and spaces where a model writes
none, so both are compared without them; what is shown is always the page's own text.

A statement without a quote that is found is left out, so the words of an answer never stand without a place where the
user can read for themselves. Figures of a statement that its quotes do not show are named behind it (`figures.py`).
That the quote carries the statement is otherwise the model's to see: no code checks it.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lambdas.knowledge_base.retrieval.figures import unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lambdas.knowledge_base.retrieval.prompts import Quoted, Reply, Source

NOT_FOUND = "This is not in your documents."
LEAST_QUOTE = 6
"""Letters and digits, of Latin text; half as many where each is a syllable or a word. Fewer are found anywhere."""
MOST_QUOTE = 1_000
"""Characters of a page that are shown for one citation; a longer quote is cut at a word."""
MOST_CITATIONS = 24
MOST_LOOKED_UP = 100
"""Quotes of one answer; a model that gives more was misled to."""
MOST_ANSWER = 8_000
"""Characters."""
_IDEOGRAPHS = 0x2E80
"""From here on scripts write without spaces between words."""
_marker = re.compile(r"\s*\[\s*\d+(?:\s*[,;\u2013-]\s*\d+)*\s*\]")
_note = re.compile(r"\s*\(not in the quotes?: [^()]*\)")
_around = "\"'\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a\u2026. \t\r\n"
"""What a model puts around a quote that is not in the page."""
_quotes = dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032`\u00b4"), "'") | dict.fromkeys(
    map(ord, "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033"), '"'
)
_dashes = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d")
_unseen = frozenset({"Cc", "Cf", "Mn"})
_list = re.compile(r"(?:[-*\u2022]|\d{1,2}[.)])\s")


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer's statement is written; `quote` is the page's text from `start` to `end`."""

    document_id: str
    filename: str
    page: int
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer that may be shown; `[n]` in its content is the n-th citation, and a note names what no quote shows."""

    content: str
    citations: tuple[Citation, ...]
    dropped: int = 0
    """Quotes that were not found where the model said."""
    unquoted: int = 0
    """Figures of its statements that neither their quotes show nor the question."""


class _Folded(NamedTuple):
    """A text as it is compared, and for each of its characters its place in the original."""

    text: str
    places: list[int]


def checked(
    reply: Reply, sources: Sequence[Source], page_text: Callable[[Source], str | None], question: str = ""
) -> Checked:
    """Check an answer.

    Args:
        reply: the model's.
        sources: as they were shown to it, number 1 first.
        question: the user's: what it says itself, an answer may repeat.
        page_text: the stored text of the page that a source is of; None when it is gone.

    Returns:
        What of it is verified; `NOT_FOUND` when that is nothing.
    """
    pages = _Pages(page_text)
    kept: dict[str, list[Citation]] = {}
    dropped = length = 0
    for statement in reply.statements:
        text = plain(statement.text)
        places = [pages.find(quoted, sources) for quoted in statement.citations]
        dropped += places.count(None)
        there = [place for place in dict.fromkeys(places) if place]
        length += len(text)
        if text and there and text not in kept and length <= MOST_ANSWER:
            kept[text] = there
    return _numbered(kept, dropped, question)


def _numbered(kept: Mapping[str, Sequence[Citation]], dropped: int, question: str) -> Checked:
    """Statements as one text, with the numbers of their citations; the same place has one number."""
    found: list[Citation] = []
    content = ""
    figures = 0
    for text, citations in kept.items():
        new = [citation for citation in citations if citation not in found]
        if len(found) + len(new) > MOST_CITATIONS:
            break
        found += new
        marks = "".join(f" [{number}]" for number in sorted(found.index(citation) + 1 for citation in citations))
        missing = _unquoted(text, citations, question)
        figures += len(missing)
        note = f" (not in the quote{'s' * (len(citations) > 1)}: {', '.join(missing)})" if missing else ""
        content += f"{chr(10) if _list.match(text) else ' '}{text}{marks}{note}"
    return Checked(content.strip(), tuple(found), dropped, figures) if found else Checked(NOT_FOUND, (), dropped)


def _unquoted(text: str, citations: Sequence[Citation], question: str) -> list[str]:
    statement = _list.sub("", text, count=1) if _list.match(text) else text
    beside = [question, *(f"{citation.filename}\n{citation.page}" for citation in citations)]
    return unquoted(statement, [citation.quote for citation in citations], beside)


def plain(text: str) -> str:
    """The model's words as plain text on one line.

    Without control characters, those that turn the writing direction included, and without numbers in brackets and
    notes of what is not quoted: those are ours.
    """
    kept = "".join(" " if letter.isspace() else letter for letter in text if letter.isspace() or _visible(letter))
    count = 1
    while count:  # what is left of nested ones is one again
        kept, markers = _marker.subn("", kept)
        kept, notes = _note.subn("", kept)
        count = markers + notes
    return " ".join(kept.split())


def find(quote: str, text: str, near: int = 0) -> tuple[int, int] | None:
    """Where a quote is in a page's text.

    Args:
        quote: as the model copied it.
        text: the page's.
        near: of several places, the first from here on is taken; else the first.

    Returns:
        The characters of the text, from and to; None when it is not there, or too short to tell.
    """
    return _place(quote, text, _folded(text), near)


def _place(quote: str, text: str, page: _Folded, near: int) -> tuple[int, int] | None:
    wanted = _folded(quote.strip(_around)).text
    if not _telling(wanted):
        return None
    start = bisect.bisect_left(page.places, near)
    return next(_spans(wanted, page, text, start), None) or next(_spans(wanted, page, text, 0), None)


class _Pages:
    """Texts of pages, each read once."""

    def __init__(self, page_text: Callable[[Source], str | None]) -> None:
        self._read = page_text
        self._texts: dict[tuple[str, int], tuple[str, _Folded] | None] = {}
        self._looked_up = 0

    def find(self, quoted: Quoted, sources: Sequence[Source]) -> Citation | None:
        """What a model cited, as it is in the page of the source that it names."""
        self._looked_up += 1
        if self._looked_up > MOST_LOOKED_UP or not 1 <= quoted.source <= len(sources):
            return None
        source = sources[quoted.source - 1]
        page = self._page(source)
        span = _place(quoted.quote, *page, source.start) if page else None
        if page is None or span is None:
            return None
        text = page[0]
        start, end = _shortened(text, *span)
        return Citation(source.document_id, source.filename, source.page, start, end, text[start:end])

    def _page(self, source: Source) -> tuple[str, _Folded] | None:
        key = (source.document_id, source.page)
        if key not in self._texts:
            text = self._read(source)
            self._texts[key] = None if text is None else (text, _folded(text))
        return self._texts[key]


def _visible(letter: str) -> bool:
    return unicodedata.category(letter) not in {"Cc", "Cf", "Co", "Cs", "Cn"} or letter in "\u200c\u200d"


def _telling(folded: str) -> bool:
    """Whether a text is long enough to be one place and not any."""
    weight = sum(2 if ord(letter) >= _IDEOGRAPHS else 1 for letter in folded if letter.isalnum())
    return weight >= LEAST_QUOTE


def _folded(text: str) -> _Folded:
    """A text without what differs between a page and who copies from it."""
    letters: list[str] = []
    places: list[int] = []
    for place, original in enumerate(text):
        for letter in unicodedata.normalize("NFKD", original.translate(_quotes)).casefold():
            dash = letter in _dashes
            # Within a word, or at a line's end: whether it is a hyphen or a word's break, nobody knows.
            joint = dash and text[place - 1 : place].isalnum()
            if joint or letter.isspace() or unicodedata.category(letter) in _unseen:
                continue
            letters.append("-" if dash else letter)
            places.append(place)
    return _Folded("".join(letters), places)


def _spans(wanted: str, page: _Folded, text: str, at: int) -> Iterator[tuple[int, int]]:
    """The places from one on, as characters of the page's text; not those that begin or end within a word."""
    at = page.text.find(wanted, at)
    while at >= 0:
        stop = at + len(wanted)
        start, end = page.places[at], page.places[stop - 1] + 1
        ligature = page.places[at - 1 : at] == [start] or page.places[stop : stop + 1] == [end - 1]
        if not ligature and not _within_a_word(text, start) and not _within_a_word(text, end):
            yield start, end
        at = page.text.find(wanted, at + 1)


def _within_a_word(text: str, place: int) -> bool:
    """Whether there is a letter on both sides; scripts without spaces have no words that could be cut."""
    sides = text[max(0, place - 1) : place + 1]
    return 0 < place < len(text) and all(letter.isalnum() and ord(letter) < _IDEOGRAPHS for letter in sides)


def _shortened(text: str, start: int, end: int) -> tuple[int, int]:
    if end - start <= MOST_QUOTE:
        return start, end
    cut = text.rfind(" ", start + MOST_QUOTE // 2, start + MOST_QUOTE)
    return start, cut if cut > 0 else start + MOST_QUOTE
