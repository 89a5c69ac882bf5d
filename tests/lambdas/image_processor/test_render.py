"""Pages as pictures."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from sandbox.demos.image_processor.pdf import Pdf, with_image
from tests.lambdas.image_processor.conftest import ask, only, pixels
from tests.lambdas.image_processor.test_pixels import RED, WHITE
from tests.pdfs import pdf

if TYPE_CHECKING:
    from pathlib import Path


def render(data: bytes, **request: Any) -> dict[str, Any]:
    return ask(data, "render_pages", **request)


def drawing() -> bytes:
    pdf = Pdf()
    for number in range(3):
        pdf.page(f"1 0 0 rg 0 0 {72 * (number + 1)} 144 re f", box="0 0 288 144")
    return pdf.bytes()


def test_pages_are_drawn_on_white_at_150_dpi() -> None:
    answer = render(drawing())
    assert [(image["page"], image["pages"], image["index"], image["xref"]) for image in answer["images"]] == [
        (number, [number], number, 0) for number in range(3)
    ]
    first = answer["images"][0]
    assert (first["width"], first["height"], first["dpi"], first["format"]) == (600, 300, 150, "png")
    assert first["bbox"] == [0, 0, 288, 144]
    found = pixels(first)
    assert (found[150, 75].tolist(), found[150, 300].tolist()) == (RED, WHITE)


@pytest.mark.parametrize(("dpi", "size"), [(36, (144, 72)), (72, (288, 144)), (300, (1_200, 600))])
def test_at_any_resolution(dpi: int, size: tuple[int, int]) -> None:
    image = only(render(drawing(), dpi=dpi, page_numbers=[2]))
    assert (image["page"], image["width"], image["height"]) == (2, *size)
    assert pixels(image)[size[1] // 2, size[0] * 5 // 8].tolist() == RED


def test_a_turned_and_cropped_page() -> None:
    pdf = Pdf()
    pdf.page("1 0 0 rg 20 10 30 80 re f", box="0 0 200 100", extra="/CropBox [20 10 120 90] /Rotate 90")
    image = only(render(pdf.bytes(), dpi=72))
    assert (image["width"], image["height"], image["bbox"]) == (80, 100, [0, 0, 80, 100])
    found = pixels(image)
    assert (found[10, 40].tolist(), found[60, 40].tolist()) == (RED, WHITE)


def test_lab_is_drawn_in_the_colours_of_the_extracted_image() -> None:
    """Both come from the document with its colour spaces replaced."""
    space = "[/Lab << /WhitePoint [0.9505 1 1.089] /Range [-128 127 -128 127] >>]"
    data = with_image(1, 1, bytes([136, 208, 195]), space)
    drawn, extracted = pixels(only(render(data, dpi=72))), pixels(only(ask(data)))
    assert np.abs(drawn[100, 100].astype(int) - extracted[0, 0]).max() <= 1


def test_it_is_what_poppler_draws(tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("NOT RUN: pdftoppm is not installed (Debian: poppler-utils)")
    pdf = Pdf()
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    image = pdf.image(2, 2, bytes([0, 90, 180, 255]))
    pdf.page(
        "BT /F 40 Tf 20 140 Td (Strata) Tj ET 0 0 1 rg 20 20 m 90 100 l 160 20 l f q 40 0 0 40 120 60 cm /I Do Q",
        f"/Font << /F {font} >> /XObject << /I {image} 0 R >>",
    )
    (tmp_path / "a.pdf").write_bytes(pdf.bytes())
    subprocess.run(["pdftoppm", "-png", "-r", "72", "a.pdf", "a"], cwd=tmp_path, check=True, timeout=60)
    theirs = np.array(Image.open(tmp_path / "a-1.png").convert("RGB"), int)
    ours = pixels(only(render(pdf.bytes(), dpi=72)))
    assert np.abs(ours - theirs).mean() < 8  # of 255: fonts and edges differ


@pytest.mark.parametrize("unit", ["0", "0.0000001", "-0.00000001"])
def test_a_page_of_no_size_costs_the_others_nothing(unit: str) -> None:
    data = pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2/MediaBox[0 0 72 72]>>",
            3: b"<</Type/Page/Parent 2 0 R/UserUnit " + unit.encode() + b">>",
            4: b"<</Type/Page/Parent 2 0 R>>",
        }
    )
    answer = render(data)
    assert [image["page"] for image in answer["images"]] == [1]
    [skipped] = answer["skipped"]
    assert (skipped["page"], skipped["xref"]) == (0, 0)
    assert "too small for one pixel at 150 dpi" in skipped["reason"]
