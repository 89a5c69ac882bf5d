"""Where a quote stands on a page: checked against the words that pdfplumber finds, which is another reader."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pdfplumber
import pytest
from reportlab.pdfgen.canvas import Canvas

from lambdas.shared.pdf.marks import MAX_BOXES, Box, find_marks
from lambdas.shared.pdf.pdf_text import open_document, read_page
from tests.pdfs import pdf, stream, text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Marks = tuple[list[Box], list[dict[str, Any]], str]


@pytest.fixture
def marked(tmp_path: Path) -> Callable[..., Marks]:
    """Marks of a quote (the n-th of its kind), the page's words by pdfplumber as shares of the page, and its text."""

    def mark(data: bytes, quote: str, nth: int = 0) -> Marks:
        path = tmp_path / "document.pdf"
        path.write_bytes(data)
        document = open_document(path)
        text = read_page(document, 0).text
        start = -1
        for _ in range(nth + 1):
            start = text.index(quote, start + 1)
        page = document[0]
        boxes = find_marks(page, text, start, start + len(quote))
        page.close()
        with pdfplumber.open(path) as reader:
            shown = reader.pages[0]
            left, top, right, bottom = shown.bbox
            words = [
                {
                    "text": word["text"],
                    "x": ((word["x0"] + word["x1"]) / 2 - left) / (right - left),
                    "y": ((word["top"] + word["bottom"]) / 2 - top) / (bottom - top),
                }
                for word in shown.extract_words(x_tolerance_ratio=0.15)
            ]
        return boxes, words, text

    return mark


def inside(boxes: list[Box], words: list[dict[str, Any]]) -> list[str]:
    """The words whose middle is in a box."""
    return [
        word["text"]
        for word in words
        if any(
            box.left <= word["x"] <= box.left + box.width and box.top <= word["y"] <= box.top + box.height
            for box in boxes
        )
    ]


def test_a_quote_over_two_lines_has_a_box_in_each(marked: Callable[..., Marks]) -> None:
    data = text_pdf(["The harbour was built\nin the year 1890 by hand.\nNobody knows why."])
    boxes, words, _ = marked(data, "built\nin the year")
    assert len(boxes) == 2
    assert inside(boxes, words) == ["built", "in", "the", "year"]


@pytest.mark.parametrize(("nth", "y"), [(0, 0), (1, 4)])
def test_of_two_equal_quotes_the_one_that_was_meant_is_marked(marked: Callable[..., Marks], nth: int, y: int) -> None:
    lines = ["In spring: all ships wait.", "One.", "Two.", "Three.", "In autumn: all ships wait."]
    boxes, _, _ = marked(text_pdf(["\n".join(lines)]), "all ships wait", nth)
    assert [box.top for box in boxes] == pytest.approx([(842 - 770 - 11 + 14 * y) / 842], abs=0.004)


def test_words_that_the_text_joined_over_two_lines_are_both_marked(marked: Callable[..., Marks]) -> None:
    boxes, words, text = marked(text_pdf(["The port's cap-\nacity is large."]), "capacity")
    assert "capacity" in text
    assert len(boxes) == 2
    assert inside(boxes, words) == ["cap-", "acity"]


def test_lines_that_the_text_put_into_columns_are_marked_one_by_one(marked: Callable[..., Marks]) -> None:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595, 842), invariant=True)
    for number in range(12):  # drawn row by row, across both columns
        canvas.drawString(60, 700 - 16 * number, f"left column line {number} tells a tale of its own")
        canvas.drawString(330, 700 - 16 * number, f"right column line {number} tells quite another one")
    canvas.save()
    boxes, words, text = marked(out.getvalue(), "line 3 tells a tale of its own\nleft column line 4")
    assert text.index("left column line 11") < text.index("right column line 0")
    assert inside(boxes, words) == [
        "line",
        "3",
        "tells",
        "a",
        "tale",
        "of",
        "its",
        "own",
        "left",
        "column",
        "line",
        "4",
    ]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", ["", "/CropBox[50 100 400 700]"])
def test_a_turned_and_cropped_page_is_marked_as_it_is_shown(
    marked: Callable[..., Marks], rotation: int, crop: str
) -> None:
    data = pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 500 800]{crop}/Rotate {rotation}/Contents 4 0 R"
            "/Resources<</Font<</F <</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>".encode(),
            4: stream(b"", b"BT /F 20 Tf 1 0 0 1 80 600 Tm (Alpha beta gamma) Tj ET"),
        }
    )
    boxes, _, _ = marked(data, "beta")
    left, bottom, right, top = (50, 100, 400, 700) if crop else (0, 0, 500, 800)
    # Helvetica's widths: "Alpha " is 13.34 + 4.44 + 11.12 + 11.12 + 11.12 + 5.56 points wide at 20.
    x, y = (80 + 56.7 + 20 - left) / (right - left), (600 + 6 - bottom) / (top - bottom)
    shown = {0: (x, 1 - y), 90: (y, x), 180: (1 - x, y), 270: (1 - y, 1 - x)}[rotation]
    assert len(boxes) == (1 if rotation in (0, 180) else len("beta"))
    around = Box(
        min(each.left for each in boxes),
        min(each.top for each in boxes),
        max(each.left + each.width for each in boxes) - min(each.left for each in boxes),
        max(each.top + each.height for each in boxes) - min(each.top for each in boxes),
    )
    assert around.left < shown[0] < around.left + around.width
    assert around.top < shown[1] < around.top + around.height
    assert around.width * around.height < 0.02


@pytest.mark.parametrize("text", ["nowhere to be found", "—…!?", "", "\ud800"])
def test_a_quote_that_is_not_on_the_page_has_no_marks(tmp_path: Path, text: str) -> None:
    path = tmp_path / "document.pdf"
    path.write_bytes(text_pdf(["Something else."]))
    page = open_document(path)[0]
    assert find_marks(page, text, 0, len(text)) == []


def test_a_quote_of_a_whole_long_page_has_a_bounded_number_of_boxes(marked: Callable[..., Marks]) -> None:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595, 842), invariant=True)
    canvas.setFontSize(1)
    for number in range(2 * MAX_BOXES):
        canvas.drawString(60, 800 - number, f"line {number}")
    canvas.save()
    boxes, _, text = marked(out.getvalue(), "line 0")
    assert len(boxes) == 1
    boxes, _, _ = marked(out.getvalue(), text)
    assert len(boxes) == MAX_BOXES
