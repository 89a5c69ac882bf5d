"""The figures of a statement that stand neither in its quotes nor in the question: what a reader is told to look up.

Figures are the same in every language; words are not, and a question in English may be answered from a German
document. So a statement's figures are compared with what its quotes show, and its words with nothing.

What tells nothing is not said, because people stop reading warnings that are wrong. A number up to `SPELLED` may be a
word in a quote that has no such number as a figure ("twelve euros"), a round one in a quote without any. 1,500,000 is
1.5 of something. Of a date, the month may be a word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SPELLED = "100"
"""Numbers up to here are often words."""
THOUSANDS = "000"
MOST_SHOWN = 5
_MONTHS = 12
_DECIMALS = re.compile(r"[.,]\d{1,2}$|[.,]\d{4,}$")
"""What is behind a decimal point or comma. Three digits may be thousands: they are read both ways."""
_number = re.compile(
    r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)(?:[.,]\d+)?"  # in groups of thousands
    r"|\d+(?:[.,'\u2019\u066b\u066c]\d+)*"
)
_date = re.compile(r"\b(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{2,4})\b")
_digits = re.compile(r"\d+")


def unquoted(statement: str, quotes: Iterable[str], beside: Iterable[str] = ()) -> list[str]:
    """The figures of a statement that stand nowhere else.

    Args:
        statement: a sentence of an answer.
        quotes: what stands behind it.
        beside: what else the reader has before them, such as their question.

    Returns:
        Those figures as the statement writes them, each once; none when there is nothing to say.
    """
    quoted = _Values(value for text in quotes for value in _known(text))
    known = _Values([*quoted.all, *(value for text in beside for value in _known(text))])
    missing = [
        figure
        for figure, readings in _figures(statement)
        if not known.has(figure, readings) and not quoted.may_spell(max(readings, key=len))
    ]
    return list(dict.fromkeys(missing))[:MOST_SHOWN]


class _Values:
    """Readings of figures; each question about them costs the same, however many they are."""

    def __init__(self, values: Iterable[str]) -> None:
        self.all = {*values}
        self._significant = {_significant(value) for value in self.all}
        self._of_thousands = {_significant(value) for value in self.all if value.endswith(THOUSANDS)}
        self._small = any(map(_is_small, self.all))

    def has(self, figure: str, readings: Iterable[str]) -> bool:
        """Whether a figure is there, if only in its parts, or in thousands, millions and so on."""
        return self.all.issuperset(map(_plain, _digits.findall(figure))) or any(map(self._has, readings))

    def _has(self, value: str) -> bool:
        own = _significant(value)
        return (
            value in self.all or own in self._of_thousands or (value.endswith(THOUSANDS) and own in self._significant)
        )

    def may_spell(self, value: str) -> bool:
        """Whether a text of these may have a value as a word: none of its kind is there as a figure."""
        if _is_small(value):
            return not self._small
        return not self.all and "." not in value and not value[1:].strip("0")


def _known(text: str) -> Iterator[str]:
    """Every reading of every figure of a text."""
    for found in _number.finditer(text):
        yield from _readings(found.group())
        yield from (_plain(part) for part in _digits.findall(found.group()))


def _figures(statement: str) -> Iterator[tuple[str, set[str]]]:
    """The figures that a statement has to have from somewhere, each with its readings."""
    at = 0
    for date in _date.finditer(statement):
        yield from _numbers(statement[at : date.start()])
        parts = _digits.findall(date.group())
        yield from ((part, {_plain(part)}) for part in parts if int(part) > _MONTHS)
        at = date.end()
    yield from _numbers(statement[at:])


def _numbers(text: str) -> Iterator[tuple[str, set[str]]]:
    for found in _number.finditer(text):
        readings = _readings(found.group())
        if readings != {"0"}:  # minutes of a full hour, and the like
            yield found.group(), readings


def _readings(figure: str) -> set[str]:
    """What a figure may mean: with its separators as thousands', or with the last one before decimals."""
    *before, last = _digits.findall(figure)
    whole = _plain("".join([*before, last]))
    if not before:
        return {whole}
    decimals = _western(last).rstrip("0")
    point = f"{_plain(''.join(before))}.{decimals}" if decimals else _plain("".join(before))
    return {point} if _DECIMALS.search(figure) else {whole, point}


def _plain(digits: str) -> str:
    """A number without zeros in front."""
    return _western(digits).lstrip("0") or "0"


def _western(digits: str) -> str:
    """Digits of any script as 0 to 9."""
    return "".join(str(int(digit)) for digit in digits)


def _significant(value: str) -> str:
    return value.replace(".", "").strip("0")


def _is_small(value: str) -> bool:
    return len(value) < len(SPELLED) or value == SPELLED
