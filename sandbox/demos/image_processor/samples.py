"""What the demonstration sends: a report with images of several kinds, and files that break careless readers."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from sandbox.demos.image_processor.pdf import Pdf

LOGO, CHART = 48, 96
"""Pixels of a side."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An image as the function has to return it."""

    what: str
    width: int
    height: int
    pages: tuple[int, ...]


REPORT_IMAGES = (
    Expected("RGB under a soft mask of twice its size", LOGO, LOGO, (0, 1)),
    Expected("CMYK", CHART, CHART, (0,)),
    Expected("L*a*b*", CHART, 1, (1,)),
    Expected("stencil of one bit, painted blue", 16, 16, (1,)),
    Expected("inline, grey", 2, 2, (1,)),
)


def report() -> bytes:
    """Two pages; the logo is on both."""
    pdf = Pdf()
    mask = pdf.image(LOGO, LOGO, bytes((x + y) * 255 // (2 * LOGO) for y in range(LOGO) for x in range(LOGO)))
    half = LOGO // 2
    logo = pdf.image(half, half, bytes([20, 90, 160]) * half * half, "/DeviceRGB", extra=f"/SMask {mask} 0 R")
    inks = bytes(part for y in range(CHART) for x in range(CHART) for part in (x * 2, y * 2, 0, 0))
    chart = pdf.image(CHART, CHART, zlib.compress(inks), "/DeviceCMYK", extra="/Filter /FlateDecode")
    lab = "[/Lab << /WhitePoint [0.9642 1 0.8249] /Range [-128 127 -128 127] >>]"
    band = pdf.image(CHART, 1, bytes(part for x in range(CHART) for part in (150, x * 2, 128)), lab)
    stencil = pdf.image(16, 16, bytes([0xF0, 0x0F] * 16), "", 1, "/ImageMask true")
    text = "BT /F 18 Tf 20 170 Td (Strata) Tj ET"
    font = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    place = "q 40 0 0 40 150 150 cm /L Do Q"
    first = f"{text} {place} q 100 0 0 100 20 40 cm /C Do Q"
    pdf.page(first, f"{font} /XObject << /L {logo} 0 R /C {chart} 0 R >>")
    inline = "q 20 0 0 20 20 20 cm BI /W 2 /H 2 /CS /G /BPC 8 /F /AHx ID 00 55 AA FF > EI Q"
    second = f"{place} q 100 0 0 20 20 100 cm /B Do Q q 0 0 1 rg 40 0 0 40 20 50 cm /S Do Q {inline}"
    pdf.page(second, f"{font} /XObject << /L {logo} 0 R /B {band} 0 R /S {stencil} 0 R >>")
    return pdf.bytes()


def bomb() -> bytes:
    """An image of 10 gigapixels, and a small one beside it."""
    pdf = Pdf()
    huge = pdf.image(100_000, 100_000, zlib.compress(b""), bits=1, extra="/Filter /FlateDecode")
    small = pdf.image(1, 1, b"x")
    pdf.page("/H Do /S Do", f"/XObject << /H {huge} 0 R /S {small} 0 R >>")
    return pdf.bytes()


def endless() -> bytes:
    """Forms that draw each other twice, 64 deep: more than there will ever be time for."""
    pdf = Pdf()
    last = pdf.image(1, 1, b"x")
    for _ in range(64):
        entries = f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F {last} 0 R >> >>"
        last = pdf.stream(entries, "/F Do /F Do")
    pdf.page("/F Do", f"/XObject << /F {last} 0 R >>")
    return pdf.bytes()
