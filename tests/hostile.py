"""Hostile and broken PDFs, made here: what readers loop on, blow up from, or take for something else."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tests.pdfs import one_page, pdf, stream, text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<>>>>"
MIB = 1024 * 1024


def truncated(tenths: int) -> bytes:
    """An ordinary file that ends early."""
    whole = text_pdf([f"Page {number}" for number in range(20)])
    return whole[: len(whole) * tenths // 10]


def no_pages() -> bytes:
    return pdf({1: CATALOG, 2: b"<</Type/Pages/Kids[]/Count 0>>"})


def page_tree_in_a_circle() -> bytes:
    return pdf({1: CATALOG, 2: b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 2>>", 3: b"<</Type/Pages/Kids[2 0 R]/Count 1>>"})


def page_count_that_lies() -> bytes:
    return pdf({1: CATALOG, 2: b"<</Type/Pages/Kids[3 0 R]/Count 2000000000>>", 3: PAGE, 4: stream(b"", b"")})


def form_in_itself() -> bytes:
    form = stream(b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 10 0 R>>>>", b"/X Do /X Do")
    return one_page(b"/X Do", b"<</XObject<</X 10 0 R>>>>", {10: form})


def forms_in_forms(levels: int = 25) -> bytes:
    """Each draws the next twice: 2 to the power of the levels."""
    forms = {
        10 + level: stream(
            b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>" % (11 + level),
            b"/X Do /X Do",
        )
        for level in range(levels)
    }
    last = stream(b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]", b"0 0 m 9 9 l S")
    return one_page(b"/X Do", b"<</XObject<</X 10 0 R>>>>", {**forms, 10 + levels: last})


def huge_page() -> bytes:
    return one_page(b"BT /F 12 Tf 72 700 Td (far) Tj ET", b"<</Font<</F 5 0 R>>>>").replace(
        b"/MediaBox[0 0 595 842]", b"/MediaBox[0 0 9e9 9e9]"
    )


def tiny_images(count: int = 10_000) -> bytes:
    image = stream(b"/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8", b"\x80")
    drawn = b"".join(b"q 5 0 0 5 %d %d cm /I Do Q " % (index % 100 * 5, index // 100 * 5) for index in range(count))
    return one_page(drawn, b"<</XObject<</I 10 0 R>>>>", {10: image})


def deflated(size: int, fill: bytes = b" ") -> bytes:
    """So many bytes of one kind, deflated: about a thousandth of it."""
    packer = zlib.compressobj(9)
    block = fill * MIB
    return b"".join(packer.compress(block) for _ in range(size // MIB)) + packer.flush()


def content_bomb(size: int = 1024 * MIB) -> bytes:
    """A page whose contents have a gigabyte."""
    return pdf(
        {
            1: CATALOG,
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: PAGE,
            4: stream(b"/Filter/FlateDecode", deflated(size, b"0 0 m ")),
        }
    )


def object_stream_bomb(size: int = 1024 * MIB) -> bytes:
    """A compressed object stream of a gigabyte, which holds the pages; its table is a stream, too."""
    head = b"2 0 3 60 "
    inner = head + b"<</Type/Pages/Kids[3 0 R]/Count 1>>".ljust(60) + PAGE.replace(b"/Contents 4 0 R", b"")
    packer = zlib.compressobj(9)
    packed = packer.compress(inner) + b"".join(packer.compress(b" " * MIB) for _ in range(size // MIB)) + packer.flush()
    out = bytearray(b"%PDF-1.7\n")
    places = {1: len(out)}
    out += b"1 0 obj\n" + CATALOG + b"\nendobj\n"
    places[5] = len(out)
    entries = b"/Type/ObjStm/N 2/First %d/Filter/FlateDecode" % len(head)
    out += b"5 0 obj\n" + stream(entries, packed) + b"\nendobj\n"
    start = len(out)
    rows = [(0, 0, 255), (1, places[1], 0), (2, 5, 0), (2, 5, 1), (0, 0, 0), (1, places[5], 0), (1, start, 0)]
    table = b"".join(bytes([kind]) + place.to_bytes(4, "big") + bytes([more]) for kind, place, more in rows)
    out += b"6 0 obj\n" + stream(b"/Type/XRef/Size 7/W[1 4 1]/Root 1 0 R", table) + b"\nendobj\n"
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def many_pages(count: int = 20_000) -> bytes:
    kids = b" ".join(b"%d 0 R" % (10 + number) for number in range(count))
    pages = {10 + number: PAGE for number in range(count)}
    return pdf({1: CATALOG, 2: b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count), 4: stream(b"", b""), **pages})


def names_that_are_no_utf8() -> bytes:
    return one_page(b"BT /F#ff\xfe 12 Tf 72 700 Td (named) Tj ET", b"<</Font<</F#ff\xfe 5 0 R>>>>").replace(
        b"/Root 1 0 R>>", b"/Root 1 0 R/Info<</Title(\xff\xfe\x00\xd8)/\xc3\xff(x)>>>>"
    )


def deep_nesting(depth: int = 100_000) -> bytes:
    return one_page(b"[" * depth + b"]" * depth + b" TJ")


def cmap_bomb() -> bytes:
    """One entry of a font's table that stands for four billion characters."""
    cmap = b"begincmap 1 begincodespacerange <00000000> <ffffffff> endcodespacerange "
    cmap += b"1 beginbfrange <00000000> <ffffffff> <0000> endbfrange endcmap"
    font = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 11 0 R/DescendantFonts[12 0 R]>>"
    more = {10: font, 11: stream(b"", cmap), 12: b"<</Type/Font/Subtype/CIDFontType2/BaseFont/X/CIDSystemInfo<<>>>>"}
    return one_page(b"BT /G 12 Tf 72 700 Td <00410042> Tj ET", b"<</Font<</G 10 0 R>>>>", more)


def rules_without_end(count: int = 60_000) -> bytes:
    """A page of rules: whoever compares each with each has a lot to do."""
    lines = b"".join(b"%d 0 m %d 842 l S 0 %d m 595 %d l S " % ((index % 590,) * 4) for index in range(count // 2))
    return one_page(lines)


MADE: dict[str, Callable[[], bytes]] = {
    **{f"truncated at {tenths} tenths": (lambda tenths=tenths: truncated(tenths)) for tenths in range(1, 10)},
    "empty": lambda: b"",
    "only a header": lambda: b"%PDF-1.7\n",
    "no pages": no_pages,
    "a page tree in a circle": page_tree_in_a_circle,
    "a page count that lies": page_count_that_lies,
    "a form in itself": form_in_itself,
    "forms in forms": forms_in_forms,
    "a huge page": huge_page,
    "ten thousand tiny images": tiny_images,
    "contents of a gigabyte": content_bomb,
    "an object stream of a gigabyte": object_stream_bomb,
    "twenty thousand pages": many_pages,
    "names that are no UTF-8": names_that_are_no_utf8,
    "deep nesting": deep_nesting,
    "a character map of four billion": cmap_bomb,
    "rules without end": rules_without_end,
}
