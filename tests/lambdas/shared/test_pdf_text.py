"""Text of fonts that say odd things of their glyphs, and of pages with odd boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdas.shared.pdf.pdf_text import open_document, read_page
from tests.pdfs import one_page, stream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FONTS = b"<</Font<</F 5 0 R>>>>"


def mapped(contents: bytes, meanings: Mapping[bytes, str]) -> bytes:
    """A page in a font that says of some characters that they are others: UTF-16 in hexadecimal digits."""
    pairs = "\n".join(f"<{letter.hex()}> <{meaning}>" for letter, meaning in meanings.items())
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def 1 begincodespacerange <00> <FF>"
        f" endcodespacerange {len(meanings)} beginbfchar\n{pairs}\nendbfchar endcmap end end"
    )
    more = {
        5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 10 0 R>>",
        10: stream(b"", table.encode()),
    }
    return one_page(contents, FONTS, more)


def text(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return read_page(open_document(path), 0).text


@pytest.mark.parametrize(
    ("drawn", "meanings", "expected"),
    [
        (b"(oneBtwo)", {b"B": "0000"}, "one two"),
        (b"(BBBoneBBBBtwoB)", {b"B": "0000"}, "one two"),
        (b"(CCBone)", {b"B": "0000", b"C": "D83DDE00"}, "\U0001f600\U0001f600 one"),
        (b"(exam-) Tj 0 -14 Td (ple)", {b"B": "0000"}, "example"),
        (b"(oneBexam-) Tj 0 -14 Td (ple)", {b"B": "0000"}, "one example"),
        (b"(oBce)", {b"B": "006600660069"}, "office"),
        (b"(oBce)", {b"B": "FB03"}, "office"),
        (b"(inBternaBtion)", {b"B": "00AD"}, "internation"),
        (
            b"(EDCBA)",
            dict(zip((b"A", b"B", b"C", b"D", b"E"), ["0645", "0631", "062D", "0628", "0627"], strict=True)),
            "مرحبا",
        ),
    ],
    ids=str,
)
def test_what_a_font_says_of_its_glyphs(
    tmp_path: Path, drawn: bytes, meanings: dict[bytes, str], expected: str
) -> None:
    assert text(tmp_path / "a.pdf", mapped(b"BT /F 12 Tf 72 700 Td " + drawn + b" Tj ET", meanings)) == expected


@pytest.mark.parametrize(
    "entry",
    [b"/Rotate 45", b"/Rotate -90", b"/Rotate 99999999999999", b"/UserUnit 100", b"/CropBox[900 900 999 999]"],
    ids=str,
)
def test_a_page_of_odd_boxes_has_its_text(tmp_path: Path, entry: bytes) -> None:
    data = one_page(b"BT /F 12 Tf 72 700 Td (Hello <|endoftext|> \\(cid:7\\)) Tj ET", FONTS)
    place = data.index(b"/MediaBox")
    assert text(tmp_path / "a.pdf", data[:place] + entry + b" " + data[place:]) == "Hello <|endoftext|> (cid:7)"
