"""A page as a picture: readable by others, of its size, and never a larger file than it may be."""

from __future__ import annotations

import io
import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from lambdas.shared.pdf import drawing
from lambdas.shared.pdf.drawing import SIZES, draw_page
from lambdas.shared.pdf.pdf_text import open_document
from tests.pdfs import pdf, stream, text_pdf

if TYPE_CHECKING:
    from pathlib import Path

MOST = 4 * 1024 * 1024


def drawn(path: Path, data: bytes, most_bytes: int = MOST) -> Image.Image:
    path.write_bytes(data)
    page = open_document(path)[0]
    try:
        picture = draw_page(page, most_bytes)
    finally:
        page.close()
    assert len(picture) <= most_bytes
    return Image.open(io.BytesIO(picture))


def noise(width: int, height: int) -> bytes:
    """A page that cannot be made smaller."""
    pixels = random.Random(7).randbytes(600 * 800 * 3)  # noqa: S311  nothing secret
    image = stream(
        b"/Type/XObject/Subtype/Image/Width 600/Height 800/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode",
        zlib.compress(pixels, 1),
    )
    page = (
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>"
    )
    return pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: page.encode() + b">>",
            4: stream(b"", f"q {width} 0 0 {height} 0 0 cm /I Do Q".encode()),
            5: image,
        }
    )


def photograph() -> bytes:
    """A page of soft colours with a little noise, as a camera or a scanner sees it."""
    random_ = random.Random(7)  # noqa: S311  nothing secret
    coarse = Image.frombytes("RGB", (45, 60), random_.randbytes(45 * 60 * 3)).resize((1_400, 1_980))
    grain = Image.frombytes("RGB", (350, 495), random_.randbytes(350 * 495 * 3)).resize((1_400, 1_980))
    out = io.BytesIO()
    Image.blend(coarse, grain, 0.02).save(out, "PDF", quality=95, resolution=170)
    return out.getvalue()


def test_text_is_black_on_white_at_a_width_that_can_be_read(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.pdf", text_pdf(["Hello"]))
    assert picture.size == pytest.approx((1400, 1981), abs=1)
    assert picture.getextrema() == ((0, 255),) * 3
    ink: Any = picture.convert("L").point([255 if value < 128 else 0 for value in range(256)]).getbbox()
    left, top, right, bottom = ink
    assert (left, bottom) == pytest.approx((72 / 595 * 1400, (842 - 770) / 842 * 1981), abs=8)
    assert right > left
    assert bottom > top


def test_colours_are_those_of_the_page(tmp_path: Path) -> None:
    data = pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>",
            4: stream(b"", b"1 0 0 rg 0 0 99 99 re f"),
        }
    )
    picture = drawn(tmp_path / "red.pdf", data)
    assert picture.size == (396, 396)
    assert picture.getpixel((200, 200)) == (255, 0, 0)


@pytest.mark.parametrize(("width", "height"), [(14_400, 14_400), (1, 14_400), (14_400, 1), (3, 3)])
def test_a_page_of_any_size_is_drawn_within_bounds(tmp_path: Path, width: int, height: int) -> None:
    across, down = drawn(tmp_path / "odd.pdf", noise(width, height)).size
    assert 1 <= across <= SIZES[0][0] + 1
    assert 1 <= down <= SIZES[0][1] + 1


def test_a_picture_that_would_be_too_large_a_file_is_drawn_smaller(tmp_path: Path) -> None:
    assert drawn(tmp_path / "noise.pdf", noise(595, 842)).width < SIZES[0][0]


def test_a_photograph_has_all_its_pixels_because_differences_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photograph()
    picture = drawn(tmp_path / "photo.pdf", data)
    assert picture.width == pytest.approx(SIZES[0][0], abs=1), "whole, within what an answer may have"
    monkeypatch.setattr(drawing, "PLAIN_BYTES", MOST)
    plain = drawn(tmp_path / "plain.pdf", data, 2 * MOST)
    assert picture.tobytes() == plain.tobytes()
    monkeypatch.setattr(drawing, "_differences", lambda _: bytes(3 * MOST))
    assert drawn(tmp_path / "before.pdf", data).width < SIZES[0][0], "what came of it without"


def test_one_that_is_too_large_at_any_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        drawn(tmp_path / "noise.pdf", noise(595, 842), 1_000)
