"""Cells of tables with type that is not as it seems: bold by drawing twice, glyphs without a meaning, odd boxes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lambdas.shared.pdf.tables import Table, _drawn_twice, read_tables
from tests.pdfs import one_page, table_pdf

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS, ROWS = (72, 200, 330), (600, 650, 700)
GRID = b"".join(
    [*(b"%d 600 m %d 700 l S " % (x, x) for x in COLUMNS), *(b"72 %d m 330 %d l S " % (y, y) for y in ROWS)]
)
FONTS = b"<</Font<</F 5 0 R>>>>"
WITHOUT_MEANING = {
    5: b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[10 0 R]>>",
    10: b"<</Type/Font/Subtype/CIDFontType2/BaseFont/X/DW 500/FontDescriptor 11 0 R"
    b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
    11: b"<</Type/FontDescriptor/FontName/X/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 800/Descent -200"
    b"/CapHeight 700/StemV 80>>",
}
"""A font that does not say what its glyphs are."""


def cells(*texts: bytes, size: int = 12, again: float | None = None) -> bytes:
    """A grid of two by two with these strings in it; drawn twice, that far apart."""
    drawn = [GRID]
    for number, text in enumerate(texts):
        x, y = 80 + 128 * (number % 2), 670 - 50 * (number // 2)
        shifts = (0.0,) if again is None else (0.0, again)
        drawn += [b"BT /F %d Tf %.2f %d Td %s Tj ET " % (size, x + shift, y, text) for shift in shifts]
    return b"".join(drawn)


def tables(path: Path, data: bytes) -> list[Table]:
    path.write_bytes(data)
    ((_, found),) = read_tables(path, [0])
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("size", [4, 12, 30])
@pytest.mark.parametrize("apart", [0.0, 0.02, 0.05, -0.05])
def test_bold_that_is_drawn_twice_is_read_once(tmp_path: Path, size: int, apart: float) -> None:
    data = one_page(cells(b"(ball)", b"(11)", b"(ill)", b"(Anna)", size=size, again=apart * size), FONTS)
    assert tables(tmp_path / "a.pdf", data) == [[["ball", "11"], ["ill", "Anna"]]]


def test_letters_that_are_twice_in_a_word_are_two(tmp_path: Path) -> None:
    for size in (1, 4, 12):
        data = one_page(cells(b"(ball)", b"(iiii)", b"(1111)", b"(..)", size=size), FONTS)
        assert tables(tmp_path / "a.pdf", data) == [[["ball", "iiii"], ["1111", ".."]]]


def test_a_glyph_without_a_meaning_is_a_space_and_its_name_is_no_text(tmp_path: Path) -> None:
    data = one_page(cells(b"(a\\000b)", b"(\\(cid:7\\))", b"(c)", b"(d)"), FONTS)
    assert tables(tmp_path / "a.pdf", data) == [[["a b", "(cid:7)"], ["c", "d"]]]


def test_a_table_of_nothing_but_glyphs_without_a_meaning_is_none(tmp_path: Path) -> None:
    data = one_page(cells(b"<00010002>", b"<00030004>", b"<00050006>", b"<0007>"), FONTS, WITHOUT_MEANING)
    assert tables(tmp_path / "a.pdf", data) == []


@pytest.mark.parametrize(
    "entry",
    [
        b"/CropBox[0 600 595 842]",
        b"/CropBox[-100 -100 900 900]",
        b"/CropBox[2000 2000 2100 2100]",
        b"/CropBox[595 842 0 0]",
        b"/UserUnit 2",
        b"/Rotate 45",
    ],
    ids=str,
)
def test_a_page_of_odd_boxes_has_its_table(tmp_path: Path, entry: bytes) -> None:
    rows = [["Name", "Age"], ["Ada", "36"]]
    data = table_pdf(rows)
    place = data.index(b"/MediaBox")
    assert tables(tmp_path / "a.pdf", data[:place] + entry + b" " + data[place:]) == [rows]


def test_many_letters_take_no_time() -> None:
    letters = [
        {"text": "e", "size": 10.0, "x0": 5.0 * (number % 100), "top": 12.0 * (number // 100)}
        for number in range(100_000)
    ]
    started = time.process_time()
    assert _drawn_twice(letters) == set()
    assert _drawn_twice([*letters, *letters[:50]]) == {id(letter) for letter in letters[:50]}
    assert time.process_time() - started < 20


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_letters_that_are_nowhere_are_left_alone(value: float) -> None:
    letter = {"text": "e", "size": 10.0, "x0": value, "top": 1.0}
    assert _drawn_twice([letter, dict(letter), {**letter, "size": 0.0}]) == set()
