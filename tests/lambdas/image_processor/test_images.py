"""Which images a document has, once each, and where its pages show them."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import numpy as np
import pymupdf
import pytest

from sandbox.demos.image_processor.pdf import PLACED, Pdf, with_image
from tests.lambdas.image_processor.conftest import ask, only, pixels
from tests.lambdas.image_processor.test_pixels import BLUE, FOUR, RED, jpeg, quarters

DOT = bytes([120])
FILTERS = (
    "ASCIIHexDecode",
    "ASCII85Decode",
    "LZWDecode",
    "FlateDecode",
    "RunLengthDecode",
    "CCITTFaxDecode",
    "JBIG2Decode",
    "DCTDecode",
    "JPXDecode",
)


def places(answer: dict[str, Any]) -> list[tuple[int, list[int]]]:
    """Object number and pages of each image."""
    assert answer["status"] == "ok", answer
    return [(image["xref"], image["pages"]) for image in answer["images"]]


def test_an_entry_says_all_that_the_contract_names() -> None:
    answer = ask(with_image(4, 2, bytes(8)))
    image = only(answer)
    assert answer == {
        "status": "ok",
        "operation": "extract_images",
        "page_count": 1,
        "images": [image],
        "skipped": [],
    }
    data = image.pop("data_base64")
    assert image == {
        "page": 0,
        "pages": [0],
        "index": 0,
        "xref": 1,
        "width": 4,
        "height": 2,
        "bbox": [50.0, 50.0, 150.0, 150.0],
        "dpi": 1.4,
        "format": "png",
        "bytes": image["bytes"],
        "sha256": image["sha256"],
    }
    file = base64.b64decode(data)
    assert (len(file), hashlib.sha256(file).hexdigest()) == (image["bytes"], image["sha256"])


def test_an_image_on_several_pages_is_there_once() -> None:
    pdf = Pdf()
    logo, second = pdf.image(1, 1, DOT), pdf.image(1, 1, DOT)
    pdf.show(logo)
    pdf.page(f"{PLACED.format(colour='')} q 9 0 0 9 0 0 cm /L Do Q q 9 0 0 9 9 9 cm /L Do Q",
             f"/XObject << /I {second} 0 R /L {logo} 0 R >>")  # fmt: skip
    pdf.page("")
    pdf.show(logo)
    data = pdf.bytes()
    assert places(ask(data)) == [(logo, [0, 1, 3]), (second, [1])]
    assert places(ask(data, page_numbers=[3, 1, 1])) == [(second, [1]), (logo, [1, 3])]
    assert places(ask(data, page_numbers=[2])) == []


def test_what_no_page_draws_is_no_image_of_it() -> None:
    pdf = Pdf()
    drawn, unused = pdf.image(1, 1, DOT), pdf.image(1, 1, DOT)
    pdf.page(PLACED.format(colour=""), f"/XObject << /I {drawn} 0 R /J {unused} 0 R >>")
    assert places(ask(pdf.bytes())) == [(drawn, [0])]


def test_pages_that_share_resources_with_every_image() -> None:
    pdf = Pdf()
    images = [pdf.image(1, 1, bytes([number])) for number in range(30)]
    names = " ".join(f"/I{number} {image} 0 R" for number, image in enumerate(images))
    shared = pdf.add(f"<< /XObject << {names} >> >>")
    for number in range(30):
        page = pdf.page(f"/I{number} Do /I7 Do BI /W 1 /H 1 /CS /G /BPC 8 ID x EI")
        pdf.objects[page - 1] = pdf.objects[page - 1].replace(b"/Resources <<  >>", b"/Resources %d 0 R" % shared)
    found = dict(places(ask(pdf.bytes())))
    assert found.pop(0) == list(range(30))  # the inline one
    assert found.pop(images[7]) == list(range(30))
    assert found == {image: [number] for number, image in enumerate(images) if number != 7}


def test_inline_images_count_and_the_same_twice_is_one() -> None:
    inline = "q 100 0 0 100 50 50 cm BI /W 2 /H 1 /CS /RGB /BPC 8 /F /AHx ID ff00000000ff> EI Q"
    other = "q 9 0 0 9 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q"
    pdf = Pdf()
    pdf.page(f"{inline} {inline} {other}")
    pdf.page(inline)
    answer = ask(pdf.bytes())
    assert places(answer) == [(0, [0, 1]), (0, [0])]
    assert pixels(answer["images"][0]).tolist() == [[RED, BLUE]]
    assert answer["images"][0]["bbox"] == [50, 50, 150, 150]


def test_images_inside_of_other_things() -> None:
    pdf = Pdf()
    images = [pdf.image(1, 1, bytes([number])) for number in range(4)]
    inner = pdf.stream(
        f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /I {images[0]} 0 R >> >>", "/I Do"
    )
    outer = pdf.stream(
        f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F {inner} 0 R >> >>", "/F Do"
    )
    look = pdf.stream(
        f"/Type /XObject /Subtype /Form /BBox [0 0 20 20] /Resources << /XObject << /I {images[1]} 0 R >> >>",
        "20 0 0 20 0 0 cm /I Do",
    )
    cell = pdf.stream(
        "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 9 9] /XStep 9 /YStep 9 "
        f"/Resources << /XObject << /I {images[2]} 0 R >> >>", "9 0 0 9 0 0 cm /I Do BI /W 1 /H 1 /CS /G /BPC 8 ID x EI"
    )  # fmt: skip
    group = pdf.stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Group << /S /Transparency /CS /DeviceGray >> "
        f"/Resources << /XObject << /I {images[3]} 0 R >> >>", "/I Do"
    )  # fmt: skip
    resources = (
        f"/XObject << /F {outer} 0 R >> /Pattern << /P {cell} 0 R >> "
        f"/ExtGState << /G << /SMask << /S /Luminosity /G {group} 0 R >> >> >>"
    )
    note = f"<< /Type /Annot /Subtype /Stamp /Rect [10 10 30 30] /AP << /N {look} 0 R >> >>"
    pdf.page("/F Do /Pattern cs /P scn 0 0 99 99 re f 0 g /G gs 0 0 9 9 re f", resources, extra=f"/Annots [{note}]")
    answer = ask(pdf.bytes())
    # The pattern's inline image is a cell of it, a way of painting.
    assert sorted(places(answer)) == [(image, [0]) for image in images]


def test_what_optional_content_hides_is_not_shown() -> None:
    pdf = Pdf()
    hidden, group = pdf.image(1, 1, DOT), pdf.add("<< /Type /OCG /Name (off) >>")
    pdf.page(
        f"/OC /O BDC {PLACED.format(colour='')} EMC", f"/XObject << /I {hidden} 0 R >> /Properties << /O {group} 0 R >>"
    )
    off = f"/OCProperties << /OCGs [{group} 0 R] /D << /OFF [{group} 0 R] >> >>"
    assert places(ask(pdf.bytes())) == [(hidden, [0])]
    assert places(ask(pdf.bytes(off))) == []


def test_an_alternate_is_not_the_image() -> None:
    pdf = Pdf()
    other = pdf.image(9, 9, bytes(81))
    image = pdf.image(1, 1, DOT, extra=f"/Alternates [<< /Image {other} 0 R /DefaultForPrinting true >>]")
    assert places(ask(pdf.show(image).bytes())) == [(image, [0])]


@pytest.mark.parametrize(
    ("matrix", "extra", "bbox", "dpi"),
    [
        ("100 0 0 50 20 30", "", [20, 120, 120, 170], 1.4),
        ("0 100 -50 0 70 30", "", [20, 70, 70, 170], 1.4),  # a quarter turn
        ("-100 0 0 -50 120 80", "", [20, 120, 120, 170], 1.4),  # upside down
        ("100 0 0 50 20 30", "/Rotate 90", [30, 20, 80, 120], 1.4),
        ("100 0 0 50 20 30", "/CropBox [10 10 190 190]", [10, 110, 110, 160], 1.4),
        ("100 0 0 50 20 30", "/UserUnit 2", [40, 240, 240, 340], 0.7),
        ("0 0 0 0 20 30", "", [20, 170, 20, 170], 0),
    ],
)
def test_where_an_image_is_and_how_dense(matrix: str, extra: str, bbox: list[float], dpi: float) -> None:
    """The pixels stay as they are stored, however the page turns them: `bbox` and `dpi` are of the page."""
    pdf = Pdf()
    image = pdf.image(2, 2, FOUR, "/DeviceRGB")
    pdf.page(f"q {matrix} cm /I Do Q", f"/XObject << /I {image} 0 R >>", extra=extra)
    found = only(ask(pdf.bytes()))
    assert (found["bbox"], found["dpi"]) == (bbox, dpi)
    assert pixels(found).reshape(4, 3).tolist() == np.frombuffer(FOUR, np.uint8).reshape(4, 3).tolist()


class TestOriginals:
    """`original`: the bytes that the PDF holds."""

    def original(self, data: bytes) -> tuple[str, bytes]:
        image = only(ask(data, original=True))
        return image["format"], base64.b64decode(image["data_base64"])

    def test_a_jpeg_is_the_very_file(self) -> None:
        file = jpeg(quarters([[1], [2], [3], [4]])) + b"\n\n"
        data = with_image(16, 16, file, extra="/Filter /DCTDecode /Decode [1 0]")
        assert self.original(data) == ("jpeg", file)
        packed = with_image(16, 16, zlib.compress(file), extra="/Filter [/FlateDecode /DCTDecode]")
        assert self.original(packed) == ("jpeg", file)

    def test_samples_are_as_they_are_stored(self) -> None:
        packed = zlib.compress(FOUR)
        data = with_image(2, 2, packed, "/DeviceRGB", extra="/Filter /FlateDecode")
        assert self.original(data) == ("raw", packed)
        assert self.original(with_image(2, 2, FOUR, "/DeviceRGB")) == ("raw", FOUR)

    def test_an_inline_image(self) -> None:
        pdf = Pdf()
        pdf.page("BI /W 2 /H 1 /CS /G /BPC 8 ID xy EI")
        assert self.original(pdf.bytes()) == ("raw", b"xy")


class TestUndecodable:
    """An image that cannot be decoded is told of, and the others are returned."""

    @pytest.mark.parametrize(
        ("data", "extra"),
        [
            (b"no JPEG at all", "/Filter /DCTDecode"),
            (b"not zlib", "/Filter /FlateDecode"),
            (b"not a codestream", "/Filter /JPXDecode"),
            (b"not JBIG2", "/Filter /JBIG2Decode"),
            *((b"", extra) for extra in ("", *(f"/Filter /{name}" for name in FILTERS))),
            (b"\xff\xfe~>", "/Filter /ASCII85Decode"),
            (b"\xff\xff\xff", "/Filter /LZWDecode"),
            (b"\x80", "/Filter /RunLengthDecode"),
            (b"no digit>", "/Filter /ASCIIHexDecode"),
            (b"\0\0", "/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 8 /Rows 8 >>"),
            (bytes(64), "/Filter /Unheard.of"),
            (zlib.compress(bytes(64)), "/Filter [/FlateDecode /Unheard.of]"),
            (bytes(64), "/Filter [/Unheard.of /FlateDecode]"),
        ],
    )
    def test_its_neighbours_are_returned(self, data: bytes, extra: str) -> None:
        pdf = Pdf()
        broken, whole = pdf.image(8, 8, data, extra=extra), pdf.image(1, 1, DOT)
        for _ in range(2):
            pdf.page("/B Do /W Do", f"/XObject << /B {broken} 0 R /W {whole} 0 R >>")
        answer = ask(pdf.bytes())
        assert places(answer) == [(whole, [0, 1])]
        assert [(skipped["page"], skipped["xref"]) for skipped in answer["skipped"]] == [(0, broken)]
        assert answer["skipped"][0]["reason"]

    def test_a_mask_that_is_broken_takes_its_image_along(self) -> None:
        pdf = Pdf()
        mask = pdf.image(2, 2, b"no JPEG", extra="/Filter /DCTDecode")
        answer = ask(pdf.show(pdf.image(2, 2, FOUR, "/DeviceRGB", extra=f"/SMask {mask} 0 R")).bytes())
        assert [skipped["xref"] for skipped in answer["skipped"]] == [2]

    @pytest.mark.parametrize(
        ("data", "extra"), [(b"", ""), (b"not zlib", "/Filter /FlateDecode"), (bytes(4), "/Filter /Unheard.of")]
    )
    def test_a_mask_that_has_no_pixel_does_too(self, data: bytes, extra: str) -> None:
        pdf = Pdf()
        mask = pdf.image(2, 2, data, extra=extra)
        answer = ask(pdf.show(pdf.image(2, 2, FOUR, "/DeviceRGB", extra=f"/SMask {mask} 0 R")).bytes())
        assert (answer["images"], [skipped["xref"] for skipped in answer["skipped"]]) == ([], [2])

    def test_an_inline_image_without_data(self) -> None:
        pdf = Pdf()
        pdf.page("BI /W 8 /H 8 /CS /G /BPC 8 /F /A85 ID ~> EI")
        answer = ask(pdf.bytes())
        assert (answer["images"], [skipped["xref"] for skipped in answer["skipped"]]) == ([], [0])

    @pytest.mark.parametrize("whole", [1, 2, 3])
    def test_an_image_that_ends_early_is_shown_as_far_as_it_goes(self, whole: int) -> None:
        """As viewers do, from the first pixel on."""
        samples = bytes([10, 20, 30, 40])[:whole]
        packed = zlib.compress(samples)[: -4 if whole > 1 else None]
        for data, extra in ((samples, ""), (packed, "/Filter /FlateDecode")):
            found = pixels(only(ask(with_image(2, 2, data, extra=extra))))
            assert found.reshape(4).tolist()[:whole] == list(samples)

    @pytest.mark.parametrize(("bits", "data", "space"), [(16, b"x", "/DeviceGray"), (8, b"xx", "/DeviceRGB")])
    def test_less_than_a_pixel_is_no_image(self, bits: int, data: bytes, space: str) -> None:
        answer = ask(with_image(2, 2, data, space, bits))
        assert (answer["images"], len(answer["skipped"])) == ([], 1)

    def test_a_filter_that_nobody_knows_is_not_drawn_and_keeps_its_bytes(self) -> None:
        """Viewers show nothing in its place; MuPDF takes its bytes for samples."""
        data = with_image(2, 2, bytes(4), extra="/Filter /Unheard.of")
        drawn = pixels(only(ask(data, "render_pages")))
        assert drawn.min() == 255
        image = only(ask(data, original=True))
        assert (image["format"], base64.b64decode(image["data_base64"])) == ("raw", bytes(4))

    def test_a_page_that_is_none(self) -> None:
        pdf = Pdf()
        pdf.show(pdf.image(1, 1, DOT))
        pdf.pages.append(pdf.add("(not a page)"))
        answer = ask(pdf.bytes())
        assert len(answer["images"]) == 1
        assert answer["status"] == "ok"


def test_files_of_another_writer() -> None:
    """PyMuPDF's own, with object and cross-reference streams."""
    document = pymupdf.open()
    for _ in range(3):
        document.new_page().insert_image((50, 50, 100, 100), stream=jpeg(quarters([[9], [99], [150], [250]])))
    data = document.tobytes(garbage=4, deflate=True, use_objstms=1)
    image = only(ask(data))
    assert (image["pages"], image["format"]) == ([0, 1, 2], "jpeg")
