"""Pixels as a viewer shows them, of images whose every sample is known."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from sandbox.demos.image_processor.pdf import Pdf, with_image, with_mask
from tests.lambdas.image_processor.conftest import ask, only, pixels, shown

if TYPE_CHECKING:
    from collections.abc import Callable

RED, GREEN, BLUE, WHITE, BLACK = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]
FOUR = bytes(RED + GREEN + BLUE + WHITE)
"""2 by 2 pixels."""
FOUR_SHOWN = [[RED, GREEN], [BLUE, WHITE]]
PALETTE = "[/Indexed /DeviceRGB 3 <ff000000ff000000ffffffff>]"
SRGB_MATRIX = "0.4124 0.2126 0.0193 0.3576 0.7152 0.1192 0.1805 0.0722 0.9505"


def near(found: Any, expected: Any, by: int = 2) -> None:
    """Compare samples, with what rounding and compression may change."""
    difference = np.abs(np.array(found, int) - np.array(expected, int))
    assert difference.max() <= by, f"{np.array(found).tolist()} is not {np.array(expected).tolist()}"


def flat(rows: list[Any]) -> list[Any]:
    """Pixel after pixel."""
    return [pixel for row in rows for pixel in row]


def quarters(colours: list[list[int]], size: int = 16) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A square whose quarters have these colours: large enough for lossy codings."""
    small = np.array(colours, np.uint8).reshape(2, 2, -1)
    return small.repeat(size // 2, axis=0).repeat(size // 2, axis=1)


def corners(found: np.ndarray[Any, Any]) -> list[Any]:
    """The middle of each quarter."""
    height, width = found.shape[:2]
    return [[found[y, x].tolist() for x in (width // 4, 3 * width // 4)] for y in (height // 4, 3 * height // 4)]


def coded(samples: np.ndarray[Any, Any], kind: str, mode: str | None = None, **options: Any) -> bytes:
    """Samples as a JPEG or a JPEG 2000 file."""
    out = io.BytesIO()
    image = Image.fromarray(samples.squeeze(axis=2) if samples.shape[2:] == (1,) else samples)
    if mode is not None:
        image = Image.merge(mode, image.split())
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(samples: np.ndarray[Any, Any], mode: str | None = None, **options: Any) -> bytes:
    return coded(samples, "JPEG", mode, quality=100, subsampling=0, **options)


def without_segment(data: bytes, marker: bytes) -> bytes:
    """A JPEG file without its first segment of a kind."""
    at = data.index(marker)
    return data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]


@pytest.mark.parametrize(
    ("bits", "data", "extra", "expected"),
    [
        (8, bytes([0, 85, 170, 255]), "", [0, 85, 170, 255]),
        (8, bytes([0, 85, 170, 255]), "/Decode [1 0]", [255, 170, 85, 0]),
        (1, bytes([0x40, 0x80]), "", [0, 255, 255, 0]),
        (2, bytes([0x10, 0xB0]), "", [0, 85, 170, 255]),
        (2, bytes([0x10, 0xB0]), "/Decode [1 0]", [255, 170, 85, 0]),
        (4, bytes([0x05, 0xAF]), "", [0, 85, 170, 255]),
        (16, struct.pack(">4H", 0, 0x5555, 0xAAAA, 0xFFFF), "", [0, 85, 170, 255]),
    ],
)
def test_grey_of_every_depth(bits: int, data: bytes, extra: str, expected: list[int]) -> None:
    found = shown(with_image(2, 2, data, bits=bits, extra=extra))
    assert flat(found) == [[value] for value in expected]


@pytest.mark.parametrize(
    ("space", "bits", "data", "extra"),
    [
        ("/DeviceRGB", 8, FOUR, ""),
        ("/DeviceRGB", 8, bytes(255 - value for value in FOUR), "/Decode [1 0 1 0 1 0]"),
        ("/DeviceRGB", 16, bytes(part for value in FOUR for part in (value, value)), ""),
        ("/DeviceRGB", 8, zlib.compress(FOUR), "/Filter /FlateDecode"),
        ("/DeviceRGB", 8, FOUR.hex().encode() + b">", "/Filter /ASCIIHexDecode"),
        ("/DeviceRGB", 8, b"\x0b" + FOUR + b"\x80", "/Filter /RunLengthDecode"),
        (PALETTE, 8, bytes([0, 1, 2, 3]), ""),
        (PALETTE, 4, bytes([0x01, 0x23]), ""),
        (PALETTE, 2, bytes([0x10, 0xB0]), ""),
        (PALETTE, 2, bytes([0xE0, 0x40]), "/Decode [3 0]"),
        (f"[/CalRGB << /WhitePoint [0.9505 1 1.089] /Gamma [2.2 2.2 2.2] /Matrix [{SRGB_MATRIX}] >>]", 8, FOUR, ""),
    ],
)
def test_rgb_however_it_is_written(space: str, bits: int, data: bytes, extra: str) -> None:
    near(shown(with_image(2, 2, data, space, bits, extra)), FOUR_SHOWN)


def run_lengths(data: bytes) -> bytes:
    """Data as runs that repeat nothing."""
    parts = (data[start : start + 128] for start in range(0, len(data), 128))
    return b"".join(bytes([len(part) - 1]) + part for part in parts) + b"\x80"


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize(
    ("chain", "pack"),
    [
        ("/FlateDecode", zlib.compress),
        ("/ASCII85Decode /FlateDecode", lambda data: base64.a85encode(zlib.compress(data)) + b"~>"),
        ("/AHx /RL", lambda data: run_lengths(data).hex().encode() + b">"),
        ("/Fl /Fl", lambda data: zlib.compress(zlib.compress(data))),
    ],
)
def test_a_coded_image_under_other_filters(chain: str, pack: Callable[[bytes], bytes], kind: str) -> None:
    samples = quarters([RED, GREEN, BLUE, WHITE], 32)
    data = jpeg(samples) if kind == "JPEG" else coded(samples, kind)
    last = "/DCTDecode" if kind == "JPEG" else "/JPXDecode"
    found = pixels(only(ask(with_image(32, 32, pack(data), "/DeviceRGB", extra=f"/Filter [{chain} {last}]"))))
    near(corners(found), FOUR_SHOWN, by=6)


@pytest.mark.parametrize(("chain", "pack"), [("", bytes), ("/FlateDecode", zlib.compress)])
def test_profiles_and_previews_before_a_jpegs_frame(chain: str, pack: Callable[[bytes], bytes]) -> None:
    file = jpeg(quarters([RED, GREEN, BLUE, WHITE]))
    file = file[:2] + (b"\xff\xe2\xff\xff" + bytes(0xFFFD)) * 60 + file[2:]
    data = with_image(16, 16, pack(file), "/DeviceRGB", extra=f"/Filter [{chain} /DCTDecode]")
    near(corners(pixels(only(ask(data)))), FOUR_SHOWN, by=6)


def test_an_icc_profile_is_used() -> None:
    pdf = Pdf()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    space = f"[/ICCBased {pdf.stream('/N 3 /Alternate /DeviceRGB', profile)} 0 R]"
    near(shown(pdf.show(pdf.image(2, 2, FOUR, space)).bytes()), FOUR_SHOWN)
    linear = f"[/CalRGB << /WhitePoint [0.9505 1 1.089] /Gamma [1 1 1] /Matrix [{SRGB_MATRIX}] >>]"
    near(shown(with_image(1, 1, bytes([128, 64, 32]), linear)), [[[188, 137, 99]]])


CMYK = [[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 0, 255], [0, 0, 0, 0]]
CMYK_SHOWN = [[[0, 174, 239], [236, 0, 140]], [[35, 31, 32], WHITE]]
"""Of a common press profile, which poppler and MuPDF share to a few units; never the plain 255 minus ink."""


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("kind", ["flate", "dct with Adobe's marker", "dct without"])
def test_cmyk_becomes_what_is_printed(kind: str, inverted: bool) -> None:
    samples = quarters(CMYK)
    samples = 255 - samples if inverted else samples
    extra = "/Decode [1 0 1 0 1 0 1 0] " if inverted else ""
    if kind == "flate":
        data = with_image(16, 16, zlib.compress(samples.tobytes()), "/DeviceCMYK", extra=extra + "/Filter /FlateDecode")
    else:
        # Pillow writes inks inverted behind Adobe's marker, as Photoshop does: so these are its "straight" samples.
        file = jpeg(255 - samples, "CMYK")
        assert b"Adobe" in file
        file = file if "with Adobe" in kind else without_segment(file, b"\xff\xee")
        data = with_image(16, 16, file, "/DeviceCMYK", extra=extra + "/Filter /DCTDecode")
    image = only(ask(data))
    assert image["format"] == "png"  # few programs read a CMYK JPEG, and fewer right
    near(corners(pixels(image)), CMYK_SHOWN, by=6)


def test_cmyk_in_a_palette() -> None:
    palette = "".join(f"{value:02x}" for ink in CMYK for value in ink)
    data = with_image(2, 2, bytes(range(4)), f"[/Indexed /DeviceCMYK 3 <{palette}>]")
    near(shown(data), CMYK_SHOWN, by=6)


D50, D65 = (0.9642, 1.0, 0.8249), (0.9505, 1.0, 1.089)


@pytest.mark.parametrize(
    ("white", "colours", "expected"),
    [
        (
            D65,
            [(53.24, 80.09, 67.2), (32.3, 79.19, -107.86), (53.59, 0, 0), (100, 0, 0)],
            [RED, BLUE, [128] * 3, WHITE],
        ),
        (
            D50,
            [(54.29, 80.81, 69.89), (29.57, 68.3, -112.03), (53.59, 0, 0), (100, 0, 0)],
            [RED, BLUE, [128] * 3, WHITE],
        ),
    ],
)
@pytest.mark.parametrize("wrapped", ["plain", "indexed", "decoded"])
def test_lab_by_its_white_and_its_range(wrapped: str, white: Any, colours: Any, expected: Any) -> None:
    """MuPDF alone shows the first of these as 247, 15, 13, and any other range as this one."""
    limits = (-128, 127)
    space = f"[/Lab << /WhitePoint [{white[0]} {white[1]} {white[2]}] /Range [-128 127 -128 127] >>]"
    samples = bytes(round(value) for light, a, b in colours for value in (light * 2.55, a - limits[0], b - limits[0]))
    extra = ""
    if wrapped == "indexed":
        samples, space = bytes(range(4)), f"[/Indexed {space} 3 <{samples.hex()}>]"
    elif wrapped == "decoded":
        samples, extra = bytes(255 - value for value in samples), "/Decode [100 0 127 -128 127 -128]"
    near(flat(shown(with_image(2, 2, samples, space, extra=extra))), expected, by=3)


def test_lab_without_a_range_reaches_from_minus_100_to_100() -> None:
    colour = 54.22, 38.20, 46.25  # of sRGB's 200, 100, 50 under D50
    samples = bytes([round(colour[0] * 2.55), *(round((value + 100) * 1.275) for value in colour[1:])])
    near(shown(with_image(1, 1, samples, "[/Lab << /WhitePoint [0.9642 1 0.8249] >>]")), [[[200, 100, 50]]], by=3)


def test_spot_colours_by_their_function() -> None:
    tint = "<< /FunctionType 2 /Domain [0 1] /C0 [1 1 1] /C1 [1 0 0] /N 1 >>"
    near(shown(with_image(2, 1, bytes([255, 0]), f"[/Separation /Spot /DeviceRGB {tint}]")), [[RED, WHITE]])


@pytest.mark.parametrize("bits", [8, 1, 16])
def test_a_soft_mask_of_the_same_size_is_the_alpha_exactly(bits: int) -> None:
    alphas = {8: [255, 100, 3, 0], 1: [255, 0, 0, 255], 16: [255, 100, 3, 0]}[bits]
    mask = {8: bytes(alphas), 1: bytes([0x80, 0x40]), 16: bytes(part for alpha in alphas for part in (alpha, alpha))}
    pdf = Pdf()
    number = pdf.image(2, 2, mask[bits], bits=bits)
    data = pdf.show(pdf.image(2, 2, FOUR, "/DeviceRGB", extra=f"/SMask {number} 0 R")).bytes()
    colours = flat(FOUR_SHOWN)
    assert flat(shown(data)) == [[*colour, alpha] for colour, alpha in zip(colours, alphas, strict=True)]


def test_faint_pixels_keep_their_colour() -> None:
    """MuPDF's own pixmaps hold colours multiplied by their alpha: 201, 101, 51 at 2 of 255 would be 255, 127, 0."""
    found = shown(with_mask((1, 1, bytes([201, 101, 51]), "/DeviceRGB"), (1, 1, bytes([2]))))
    assert found == [[[201, 101, 51, 2]]]


def test_a_smaller_mask_is_stretched_over_the_image() -> None:
    found = shown(with_mask((4, 2, bytes(RED * 8), "/DeviceRGB"), (2, 1, bytes([255, 51]))))
    assert found == [[[*RED, 255], [*RED, 255], [*RED, 51], [*RED, 51]]] * 2


def test_an_image_is_stretched_under_a_larger_mask() -> None:
    """A scan's text is a large mask over a small image of its colours: at the image's size it would be gone."""
    image = only(ask(with_mask((2, 1, bytes(RED + BLUE), "/DeviceRGB"), (6, 3, bytes([255, 0] * 9)))))
    assert (image["width"], image["height"], image["dpi"]) == (6, 3, round(3 / 100 * 72, 1))
    row = [*([RED] * 3), *([BLUE] * 3)]
    expected = [[255, 0, 255, 0, 255, 0], [255, 0, 255, 0, 255, 0], [255, 0, 255, 0, 255, 0]]
    found = pixels(image).tolist()
    assert [[pixel[:3] for pixel in line] for line in found] == [row] * 3
    assert [[pixel[3] for pixel in line] for line in found] == expected


def test_a_mask_that_shares_no_measure_with_its_image() -> None:
    found = np.array(shown(with_mask((3, 5, bytes(range(15)), "/DeviceGray"), (5, 2, bytes(range(0, 100, 10))))))
    assert found.shape == (5, 5, 2)
    assert found[0, :, 0].tolist() == [0, 0, 1, 2, 2]
    assert found[:, 0, 1].tolist() == [0, 0, 50, 50, 50]


@pytest.mark.parametrize(("extra", "alphas"), [("", [255, 100, 0, 0]), ("/Decode [1 0]", [0, 155, 255, 255])])
def test_a_masks_decode_array_turns_it_round(extra: str, alphas: list[int]) -> None:
    found = shown(with_mask((2, 2, FOUR, "/DeviceRGB"), (2, 2, bytes([255, 100, 0, 0])), extra=extra))
    assert [pixel[3] for pixel in flat(found)] == alphas


def test_matte_is_taken_out_of_the_colours() -> None:
    found = shown(
        with_mask(
            (2, 1, bytes([128, 0, 0, 64, 64, 64]), "/DeviceRGB"), (2, 1, bytes([128, 64])), extra="/Matte [0 0 0]"
        )
    )
    near(found, [[[*RED, 128], [*WHITE, 64]]])


@pytest.mark.parametrize(("extra", "visible"), [("", [0, 1, 1, 0]), ("/Decode [1 0]", [1, 0, 0, 1])])
def test_a_stencil_as_mask_hides_its_ones(extra: str, visible: list[int]) -> None:
    data = with_mask((2, 2, FOUR, "/DeviceRGB"), (2, 2, bytes([0x80, 0x40])), "/Mask", extra)
    assert [pixel[3] for pixel in flat(shown(data))] == [255 * value for value in visible]


def test_a_larger_stencil_as_mask_keeps_its_pixels() -> None:
    data = with_mask((1, 1, bytes(RED), "/DeviceRGB"), (4, 1, bytes([0xA0])), "/Mask")
    assert shown(data) == [[[*RED, 0], [*RED, 255], [*RED, 0], [*RED, 255]]]


@pytest.mark.parametrize(
    ("space", "data", "key"),
    [("/DeviceRGB", FOUR, "/Mask [250 255 0 5 0 5]"), (PALETTE, bytes(range(4)), "/Mask [0 0]")],
)
def test_a_colour_key_is_transparent(space: str, data: bytes, key: str) -> None:
    found = shown(with_image(2, 2, data, space, extra=key))
    assert [pixel[3] for pixel in flat(found)] == [0, 255, 255, 255]
    assert flat(found)[1:] == [[*colour, 255] for colour in (GREEN, BLUE, WHITE)]


def test_a_soft_mask_goes_before_a_colour_key() -> None:
    pdf = Pdf()
    mask = pdf.image(2, 2, bytes([255, 255, 0, 0]))
    data = pdf.show(pdf.image(2, 2, FOUR, "/DeviceRGB", extra=f"/Mask [250 255 0 5 0 5] /SMask {mask} 0 R")).bytes()
    assert [pixel[3] for pixel in flat(shown(data))] == [255, 255, 0, 0]


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("1 0 0 rg", RED), ("0.2 g", [51]), ("", [0]), ("1 0 0 0 k", [0, 174, 239])],
)
def test_a_stencil_is_its_paint_where_it_is_painted(colour: str, expected: list[int]) -> None:
    data = with_image(2, 2, bytes([0x80, 0x40]), "", 1, "/ImageMask true", colour)
    found = flat(shown(data))
    assert [pixel[-1] for pixel in found] == [0, 255, 255, 0]
    near([pixel[:-1] for pixel in found], [expected] * 4)


def test_a_stencil_that_a_pattern_is_painted_through_is_black() -> None:
    pdf = Pdf()
    stencil = pdf.image(2, 2, bytes([0x80, 0x40]), "", 1, "/ImageMask true")
    function = "<< /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1 >>"
    shading = f"<< /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 200 0] /Function {function} >>"
    resources = f"/XObject << /I {stencil} 0 R >> /Pattern << /P << /PatternType 2 /Shading {shading} >> >>"
    pdf.page("q /Pattern cs /P scn 100 0 0 100 50 50 cm /I Do Q", resources)
    assert shown(pdf.bytes()) == [[[0, 0], [0, 255]], [[0, 255], [0, 0]]]


RGBA = [[*RED, 255], [*GREEN, 128], [*BLUE, 255], [*WHITE, 0]]
JPX = "/Filter /JPXDecode"


@pytest.mark.parametrize("raw", [False, True])
def test_jpeg_2000_brings_its_own_colours(raw: bool) -> None:
    file = coded(quarters(flat(FOUR_SHOWN)), "JPEG2000", no_jp2=raw)
    assert corners(np.array(shown(with_image(16, 16, file, "", 0, JPX)))) == FOUR_SHOWN
    indexed = coded(quarters([[0], [1], [2], [3]]), "JPEG2000")
    assert corners(np.array(shown(with_image(16, 16, indexed, PALETTE, 8, JPX)))) == FOUR_SHOWN


def test_jpeg_2000_of_16_bits() -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(out, "JPEG2000")
    near(shown(with_image(4, 4, out.getvalue(), "", 0, JPX)), [[[128]] * 4] * 4, by=1)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("", FOUR_SHOWN),
        ("/SMaskInData 0", FOUR_SHOWN),
        ("/SMaskInData 1", [RGBA[:2], RGBA[2:]]),
    ],
)
def test_the_alpha_in_jpeg_2000_counts_when_the_pdf_says_so(entry: str, expected: Any) -> None:
    """MuPDF alone always applies it, and loses the colours below it."""
    file = coded(quarters(RGBA), "JPEG2000")
    assert corners(np.array(shown(with_image(16, 16, file, "", 0, f"{JPX} {entry}")))) == expected
    assert corners(np.array(shown(with_image(16, 16, file, "/DeviceRGB", 8, f"{JPX} {entry}")))) == expected


def test_colours_in_jpeg_2000_that_are_multiplied_already() -> None:
    """MuPDF alone multiplies them again: half green would be 0, 128, 0 at half its strength."""
    multiplied = [[*(value * pixel[3] // 255 for value in pixel[:3]), pixel[3]] for pixel in RGBA]
    found = corners(
        np.array(shown(with_image(16, 16, coded(quarters(multiplied), "JPEG2000"), "", 0, f"{JPX} /SMaskInData 2")))
    )
    near(found[0], RGBA[:2])
    assert found[1] == [RGBA[2], [0, 0, 0, 0]]


def test_grey_jpeg_2000_with_an_alpha() -> None:
    file = coded(quarters([[200, 255], [100, 128], [50, 1], [0, 0]]), "JPEG2000")
    found = corners(np.array(shown(with_image(16, 16, file, "", 0, f"{JPX} /SMaskInData 1"))))
    assert found == [[[200, 255], [100, 128]], [[50, 1], [0, 0]]]


def test_jpeg_2000_with_a_mask_beside_it() -> None:
    pdf = Pdf()
    mask = pdf.image(2, 2, bytes([255, 128, 64, 0]))
    file = coded(quarters(RGBA), "JPEG2000")
    data = pdf.show(pdf.image(16, 16, file, "", 0, f"{JPX} /SMask {mask} 0 R")).bytes()
    found = corners(np.array(shown(data)))
    assert found == [[[*RED, 255], [*GREEN, 128]], [[*BLUE, 64], [*WHITE, 0]]]


@pytest.mark.parametrize("coding", ["DCT", "JPX"])
def test_a_mask_may_be_a_photograph(coding: str) -> None:
    pdf = Pdf()
    alphas = quarters([[255], [128], [64], [0]])
    file, entry = (jpeg(alphas), "DCTDecode") if coding == "DCT" else (coded(alphas, "JPEG2000"), "JPXDecode")
    mask = pdf.image(16, 16, file, extra=f"/Filter /{entry}")
    data = pdf.show(pdf.image(2, 2, FOUR, "/DeviceRGB", extra=f"/SMask {mask} 0 R")).bytes()
    found = corners(np.array(shown(data)))
    near(found, [[[*RED, 255], [*GREEN, 128]], [[*BLUE, 64], [*WHITE, 0]]])


def test_fax_and_bilevel_codings() -> None:
    """A hand-made group 4 strip: two white rows are two vertical modes, `1` each, and an end of block."""
    bits = "11" + "000000000001" * 2
    data = int(bits.ljust(32, "0"), 2).to_bytes(4)
    parameters = "/DecodeParms << /K -1 /Columns 8 /Rows 2 >>"
    assert shown(with_image(8, 2, data, bits=1, extra=f"/Filter /CCITTFaxDecode {parameters}")) == [[[255]] * 8] * 2
    flipped = "/DecodeParms << /K -1 /Columns 8 /Rows 2 /BlackIs1 true >>"
    assert shown(with_image(8, 2, data, bits=1, extra=f"/Filter /CCITTFaxDecode {flipped}")) == [[[0]] * 8] * 2


class TestJpegFiles:
    """A JPEG whose pixels are what is shown is handed on as it is: decoding it would make it many times larger."""

    colours = quarters(flat(FOUR_SHOWN))

    def image(self, file: bytes, space: str = "/DeviceRGB", extra: str = "") -> dict[str, Any]:
        return only(ask(with_image(16, 16, file, space, extra=f"/Filter /DCTDecode {extra}")))

    def test_colours_and_grey(self) -> None:
        image = self.image(jpeg(self.colours))
        assert image["format"] == "jpeg"
        near(corners(pixels(image)), FOUR_SHOWN)
        assert self.image(jpeg(quarters([[0], [90], [180], [255]])), "/DeviceGray")["format"] == "jpeg"

    def test_what_would_change_it_elsewhere_is_left_out(self) -> None:
        turned = Image.Exif()
        turned[0x0112] = 6  # orientation: a quarter turn, which no PDF viewer makes
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
        file = jpeg(self.colours, exif=turned, icc_profile=profile)
        assert b"Exif" in file
        image = self.image(file)
        near(corners(pixels(image)), FOUR_SHOWN)
        assert image["format"] == "jpeg"
        assert image["bytes"] == len(jpeg(self.colours))

    @pytest.mark.parametrize(
        "extra",
        [
            "/Decode [1 0 1 0 1 0]",
            "/Mask [0 1 0 1 0 1]",
            "/DecodeParms << /ColorTransform 0 >>",
            "/DecodeParms [<< /ColorTransform 0 >>]",
        ],
    )
    def test_not_when_the_pdf_changes_its_pixels(self, extra: str) -> None:
        assert self.image(jpeg(self.colours), extra=extra)["format"] == "png"

    def test_not_when_its_colours_are_not_srgb(self) -> None:
        linear = f"[/CalRGB << /WhitePoint [0.9505 1 1.089] /Gamma [1 1 1] /Matrix [{SRGB_MATRIX}] >>]"
        assert self.image(jpeg(self.colours), linear)["format"] == "png"
        assert self.image(jpeg(quarters([[0], [1], [2], [3]])), PALETTE)["format"] == "png"

    def test_not_when_it_is_cut_short(self) -> None:
        noise = np.random.default_rng(1).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        assert self.image(jpeg(noise)[:-60])["format"] == "png"

    def test_not_when_it_is_larger_than_the_pdf_says(self) -> None:
        data = with_image(8, 8, jpeg(self.colours), "/DeviceRGB", extra="/Filter /DCTDecode")
        image = only(ask(data))
        assert (image["format"], image["width"], image["height"]) == ("png", 8, 8)
