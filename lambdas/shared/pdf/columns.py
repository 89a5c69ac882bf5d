"""Lines that run across two columns, taken apart. Pure.

pdfium keeps the order in which a page was drawn. Nearly all programs draw one column after the other; some draw row by
row, and a line of text is then the halves of two sentences. Rows of a table look alike, and are left as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambdas.shared.pdf.lines import Line

LEAST_ROWS = 6
SHARE_OF_ROWS = 0.6
"""Of a page's rows, that have their gap at the same place."""
COLUMN_WIDTH = 0.25
"""Of the text's width: a column of prose has more, on average; a table's mostly less."""
COLUMN_WORDS = 3.0
"""In a line of a column, on average."""


class Placed(NamedTuple):
    """A line, and the index of its first character among its page's."""

    line: Line
    first: int


def in_columns(rows: Sequence[Sequence[Placed]]) -> list[Placed] | None:
    """Put the parts of rows in the order of columns.

    Args:
        rows: in the order drawn; the parts of each from left to right, as gaps divide them.

    Returns:
        All parts, the left column before the right one between two lines across both; None when there are no columns.
    """
    gutter = _gutter(rows)
    if gutter is None:
        return None
    ordered: list[Placed] = []
    left: list[Placed] = []
    right: list[Placed] = []
    for row in rows:
        across = any(part.line.left < gutter < part.line.right for part in row)
        if across:
            ordered += [*left, *right, *row]
            left, right = [], []
            continue
        left += [part for part in row if part.line.right <= gutter]
        right += [part for part in row if part.line.left >= gutter]
    return [*ordered, *left, *right]


def _gutter(rows: Sequence[Sequence[Placed]]) -> float | None:
    """The place between two columns of prose, which most rows leave empty."""
    divided = [row for row in rows if len(row) == 2]  # noqa: PLR2004  two columns; more are a table
    if len(divided) < max(LEAST_ROWS, SHARE_OF_ROWS * len(rows)):
        return None
    gaps = [(row[0].line.right, row[1].line.left) for row in divided]
    place, rest = max(((middle, _holding(gaps, middle)) for middle in _middles(gaps)), key=lambda found: found[1])
    if rest < SHARE_OF_ROWS * len(rows):
        return None
    lines = [part.line for row in rows for part in row]
    width = max(line.right for line in lines) - min(line.left for line in lines)
    for side in (0, 1):
        parts = [row[side].line for row in divided]
        if sum(part.right - part.left for part in parts) < COLUMN_WIDTH * width * len(parts):
            return None
        if sum(len(part.text.split()) for part in parts) < COLUMN_WORDS * len(parts):
            return None
    return place


def _middles(gaps: Sequence[tuple[float, float]]) -> Iterator[float]:
    return ((left + right) / 2 for left, right in gaps)


def _holding(gaps: Sequence[tuple[float, float]], place: float) -> int:
    return sum(left < place < right for left, right in gaps)
