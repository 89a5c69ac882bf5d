"""What people put on a page, beside its content: read in its place, marked and drawn where it is shown."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from lambdas.shared.pdf import filled
from lambdas.shared.pdf.drawing import draw_page
from lambdas.shared.pdf.marks import find_marks
from lambdas.shared.pdf.pdf_text import open_document, read_page
from tests.pdfs import pdf, stream

if TYPE_CHECKING:
    from pathlib import Path

    from pypdfium2 import PdfDocument

LABELS = b"BT /F 12 Tf 72 503 Td (Name:) Tj 0 -30 Td (Address:) Tj ET"
SHOWN, HIDDEN = 4, 2
"""Flags of an annotation: printed, hidden."""
ROTATED = {90: b"0 1 -1 0 595 0 cm", 180: b"-1 0 0 -1 595 842 cm", 270: b"0 -1 1 0 0 842 cm", 0: b""}


def form(*annotations: bytes, page: bytes = b"/MediaBox[0 0 595 842]", parent: bytes = b"", turn: int = 0) -> bytes:
    """A page with two labels, and these annotations on it; object 7 is an appearance that says Grace Hopper."""
    contents = b"q " + ROTATED[turn] + b" " + LABELS + b" Q"
    numbers = range(20, 20 + len(annotations))
    named = b" ".join(b"%d 0 R" % number for number in numbers)
    fonts = b"/Font<</F 5 0 R>>"
    appearance = stream(
        b"/Type/XObject/Subtype/Form/BBox[0 0 128 20]/Resources<<" + fonts + b">>",
        b"BT /F 12 Tf 2 4 Td (Grace Hopper) Tj ET",
    )
    return pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R/AcroForm<</DA(/F 12 Tf 0 g)/DR<<"
            + fonts
            + b">>/Fields["
            + named
            + b"]>>>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1" + parent + b">>",
            3: b"<</Type/Page/Parent 2 0 R"
            + page
            + b"/Resources<<"
            + fonts
            + b">>/Contents 4 0 R/Annots["
            + named
            + b"]>>",
            4: stream(b"", contents),
            5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            7: appearance,
            **dict(zip(numbers, annotations, strict=True)),
        }
    )


def annotation(entries: bytes, place: bytes = b"172 500 300 520", flags: int = SHOWN) -> bytes:
    return b"<</Type/Annot/Rect[" + place + b"]/F %d" % flags + entries + b">>"


FIELD = b"/Subtype/Widget/FT/Tx/T(name)/V(Grace Hopper)/DA(/F 12 Tf 0 g)"
APPEARANCE = b"/AP<</N 7 0 R>>"


def opened(path: Path, data: bytes) -> PdfDocument:
    path.write_bytes(data)
    return open_document(path)


def text(path: Path, data: bytes) -> str:
    return read_page(opened(path, data), 0).text


@pytest.mark.parametrize(
    "entries",
    [
        FIELD + APPEARANCE,
        FIELD,
        b"/Subtype/FreeText/Contents(Grace Hopper)/DA(/F 12 Tf 0 g)" + APPEARANCE,
        b"/Subtype/Stamp/Name/Approved" + APPEARANCE,
    ],
    ids=["a field", "a field without an appearance", "a note on the page", "a stamp"],
)
def test_what_is_put_on_a_page_is_read_behind_its_label(entries: bytes, tmp_path: Path) -> None:
    assert text(tmp_path / "a.pdf", form(annotation(entries))) == "Name:\nGrace Hopper\nAddress:"


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_on_a_turned_page_too(turn: int, tmp_path: Path) -> None:
    places = {0: b"172 500 300 520", 90: b"75 172 95 300", 180: b"295 322 423 342", 270: b"500 542 520 670"}
    matrices = {0: b"1 0 0 1", 90: b"0 1 -1 0", 180: b"-1 0 0 -1", 270: b"0 -1 1 0"}
    data = form(
        annotation(FIELD + APPEARANCE, places[turn]),
        page=b"/MediaBox[0 0 595 842]/Rotate %d" % turn,
        turn=turn,
    ).replace(b"/BBox[0 0 128 20]", b"/BBox[0 0 128 20]/Matrix[" + matrices[turn] + b" 0 0]")
    assert text(tmp_path / "a.pdf", data) == "Name:\nGrace Hopper\nAddress:"


def test_what_is_not_shown_is_not_read(tmp_path: Path) -> None:
    data = form(annotation(FIELD + APPEARANCE, flags=HIDDEN))
    assert text(tmp_path / "a.pdf", data) == "Name:\nAddress:"


def test_fields_are_read_in_the_order_of_the_page_and_not_of_the_form(tmp_path: Path) -> None:
    out = io.BytesIO()
    canvas = Canvas(out, invariant=True)
    answers = ["Ada Lovelace", "12 St James's Square", "London"]
    for number, label in enumerate(["Name:", "Street:", "City:"]):
        canvas.drawString(72, 700 - 40 * number, label)
    canvas.drawString(72, 480, "Remarks, below:")
    for number in (2, 0, 1):
        canvas.acroForm.textfield(
            name=f"n{number}", value=answers[number], x=150, y=695 - 40 * number, width=200, height=20
        )
    canvas.acroForm.textfield(
        name="m", value="First line\nSecond", x=72, y=400, width=200, height=60, fieldFlags="multiline"
    )
    canvas.save()
    assert text(tmp_path / "a.pdf", out.getvalue()).split("\n") == [
        "Name:",
        "Ada Lovelace",
        "Street:",
        "12 St James's Square",
        "City:",
        "London",
        "",
        "Remarks, below:",
        "First line",
        "Second",
    ]


@pytest.mark.parametrize(
    ("page", "parent"),
    [
        (b"", b"/MediaBox[0 0 1000 1200]"),
        (b"", b"/MediaBox[0 0 595 842]/CropBox[50 400 500 700]"),
        (b"/MediaBox[0 0 595 842]", b"/CropBox[50 400 500 700]"),
        (b"/MediaBox[-100 -100 595 842]/CropBox[50 400 500 700]", b""),
    ],
    ids=str,
)
def test_a_page_keeps_its_box(page: bytes, parent: bytes, tmp_path: Path) -> None:
    document = opened(tmp_path / "a.pdf", form(annotation(FIELD + APPEARANCE), page=page, parent=parent))
    before = document[0].get_bbox()
    loaded = filled.load_page(document, 0)
    assert loaded.own is not None
    assert loaded.page.get_bbox() == before


def test_it_is_drawn_and_marked_where_it_is_read(tmp_path: Path) -> None:
    document = opened(tmp_path / "a.pdf", form(annotation(FIELD + APPEARANCE)))
    read = read_page(document, 0).text
    page = filled.load_page(document, 0).page
    start = read.index("Grace Hopper")
    (box,) = find_marks(page, read, start, start + len("Grace Hopper"))
    assert 172 / 595 <= box.left <= 180 / 595
    assert 1 - 520 / 842 <= box.top <= 1 - 500 / 842
    picture = Image.open(io.BytesIO(draw_page(page, 4 * 1024 * 1024))).convert("L")
    width, height = picture.size
    ink = picture.crop(
        (int(172 * width / 595), int(322 * height / 842), int(300 * width / 595), int(342 * height / 842))
    )
    assert ink.getextrema() == (0, 255)


@pytest.mark.parametrize(
    "entries",
    [
        FIELD + b"/AP<</N 99 0 R>>",
        FIELD + b"/AP<</N<</Yes 7 0 R/Off 7 0 R>>>>/AS/None",
        b"/Subtype/Widget/FT/Tx/Parent 20 0 R",
        b"/Subtype/Stamp/AP<</N 3 0 R>>",
        b"/Subtype/Widget/FT/Sig/T(s)/V<<>>" + APPEARANCE,
    ],
    ids=str,
)
def test_one_that_is_broken_costs_nothing_of_the_page(entries: bytes, tmp_path: Path) -> None:
    found = text(tmp_path / "a.pdf", form(annotation(entries)))
    assert [line for line in found.split("\n") if line not in {"Grace Hopper", ""}] == ["Name:", "Address:"]


def test_links_alone_change_nothing(tmp_path: Path) -> None:
    document = opened(tmp_path / "a.pdf", form(*[annotation(b"/Subtype/Link/A<</S/URI/URI(x)>>")] * 30))
    assert filled.load_page(document, 0).own is None


def test_more_than_a_page_has_time_for_leaves_its_own_text(tmp_path: Path) -> None:
    fields = [annotation(FIELD + APPEARANCE)] * (filled.MAX_ANNOTATIONS + 1)
    assert text(tmp_path / "a.pdf", form(*fields)) == "Name:\nAddress:"
