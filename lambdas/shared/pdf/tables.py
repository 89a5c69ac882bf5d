"""The tables of a PDF's page, by pdfplumber, from their rules. Runs in a child process.

Owns what counts as a table and how its cells are read. Tables without rules are not looked for: telling their columns
from a page's other gaps finds more that are none than that are some.
"""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pdfplumber

from lambdas.shared.pdf.lines import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Table = list[list[str | None]]

WORDS_APART = 0.15
"""Of a character's size: pdfplumber's default, three points, glues the words of small type together."""
SETTINGS: dict[str, Any] = {
    "vertical_strategy": "lines",
    "horizontal_strategy": "lines",
    "text_x_tolerance_ratio": WORDS_APART,
}
TWICE = 0.1
"""How far apart two equal letters are at most that are one, of their size; the narrowest letter is twice as wide."""
MAX_DRAWN = 20_000
"""Things drawn on a page: comparing the edges of more takes minutes."""

_glyph = re.compile(r"\(cid:\d+\)")


def read_tables(path: Path, indexes: Sequence[int]) -> Iterator[tuple[int, list[Table] | Exception]]:
    """Read the tables of pages, one after the other.

    Args:
        path: a PDF.
        indexes: of pages, from 0, rising.

    Yields:
        A page's index with its tables, from top to bottom; or with why it has none.
    """
    # pdfminer reads a file in pieces of 4 KB, a system call each.
    with pdfplumber.open(io.BytesIO(path.read_bytes()), pages=[index + 1 for index in indexes]) as document:
        for page in document.pages:
            try:
                yield page.page_number - 1, _tables(page)
            except Exception as error:  # noqa: BLE001  one page's; the others may be good
                yield page.page_number - 1, error
            finally:
                page.close()


def _tables(page: Any) -> list[Table]:
    """Of one page.

    Bold type that is a letter drawn twice is one letter; a glyph of which the font does not say what it is, which
    pdfminer writes as `(cid:123)`, is a space, as in the page's text.
    """
    if sum(len(page.objects.get(kind, ())) for kind in ("line", "rect", "curve")) > MAX_DRAWN:
        raise ValueError("a drawing, and not a table: it has too many lines")
    for character in page.chars:
        if len(character["text"]) > 1 and _glyph.fullmatch(character["text"]):
            character["text"] = " "
    twice = _drawn_twice(page.chars)
    if twice:

        def is_first(thing: object) -> bool:
            return id(thing) not in twice

        page = page.filter(is_first)
    found = sorted(page.find_tables(SETTINGS), key=lambda table: (table.bbox[1], table.bbox[0]))
    tables = [_cells(table.extract(x_tolerance_ratio=WORDS_APART)) for table in found]
    return [table for table in tables if _is_table(table)]


def _drawn_twice(characters: Sequence[dict[str, Any]]) -> set[int]:
    """The ids of those that are at the place of an equal one before. (pdfplumber's `dedupe_chars` takes minutes.)"""
    twice: set[int] = set()
    places: defaultdict[tuple[str, float, int, int], list[tuple[float, float]]] = defaultdict(list)
    for character in characters:
        text, size = character["text"], character["size"]
        reach = TWICE * size
        if reach <= 0 or text.isspace() or not math.isfinite(character["x0"] + character["top"]):
            continue
        across, down = character["x0"] / reach, character["top"] / reach
        column, row = int(across // 1), int(down // 1)
        around = ((text, size, column + right, row + low) for right in (-1, 0, 1) for low in (-1, 0, 1))
        near = (place for cell in around if cell in places for place in places[cell])
        if any(abs(across - x) <= 1 and abs(down - y) <= 1 for x, y in near):
            twice.add(id(character))
        else:
            places[text, size, column, row].append((across, down))
    return twice


def _cells(rows: Sequence[Sequence[str | None]]) -> Table:
    return [[None if cell is None else _cell(cell) for cell in row] for row in rows]


def _cell(text: str) -> str:
    return "\n".join(filter(None, map(clean, text.split("\n"))))


def _is_table(table: Table) -> bool:
    """Two rows and two columns at least, and words in two cells at least: else it is a box around something."""
    columns = max((len(row) for row in table), default=0)
    filled = sum(bool(cell) for row in table for cell in row)
    return len(table) >= 2 and columns >= 2 and filled >= 2  # noqa: PLR2004
