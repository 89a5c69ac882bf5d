"""Files made to break readers: each is small, or made when it is used."""

from __future__ import annotations

import base64
import zlib

from sandbox.demos.image_processor.pdf import Pdf, with_image


def no_pages() -> bytes:
    return Pdf().bytes()


def huge_page() -> bytes:
    pdf = Pdf()
    pdf.page("0 0 9 9 re f", box="0 0 200000000 200000000")
    return pdf.bytes()


def page_tree_in_a_circle() -> bytes:
    data = with_image(1, 1, b"x")
    return data.replace(b"/Kids [3 0 R]", b"/Kids [5 0 R]")


def parents_in_a_circle() -> bytes:
    pdf = Pdf()
    pdf.show(pdf.image(1, 1, b"x"))
    page = pdf.pages[0]
    pdf.objects[page - 1] = (
        pdf.objects[page - 1].replace(b"/Resources", b"/NoResources").replace(b"/Parent TREE", b"/Parent %d 0 R" % page)
    )
    return pdf.bytes()


def many_pages_by_their_count() -> bytes:
    return with_image(1, 1, b"x").replace(b"/Count 1 ", b"/Count 2147483647 ")


def forms_in_a_circle() -> bytes:
    pdf = Pdf()
    form = len(pdf.objects) + 1
    pdf.stream(f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F {form} 0 R >> >>", "/F Do")
    pdf.page("/F Do", f"/XObject << /F {form} 0 R >>")
    return pdf.bytes()


def masks_in_a_circle() -> bytes:
    pdf = Pdf()
    pdf.image(1, 1, b"x", extra="/SMask 2 0 R")
    pdf.image(1, 1, b"x", extra="/SMask 1 0 R")
    return pdf.show(1).bytes()


def forms_that_double(levels: int) -> bytes:
    """Each form draws the next one twice: 2 to the power of the levels in all."""
    pdf = Pdf()
    last = pdf.image(1, 1, b"x")
    for _ in range(levels):
        entries = f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F {last} 0 R >> >>"
        last = pdf.stream(entries, "/F Do /F Do")
    pdf.page("/F Do", f"/XObject << /F {last} 0 R >>")
    return pdf.bytes()


def tiny_images(count: int, *, inline: bool) -> bytes:
    pdf = Pdf()
    if inline:
        drawn = "".join(f"BI /W 2 /H 1 /CS /G /BPC 8 /F /AHx ID {number:04x}> EI\n" for number in range(count))
        pdf.page(drawn)
        return pdf.bytes()
    names = [(f"/I{number}", pdf.image(2, 1, number.to_bytes(2))) for number in range(count)]
    pdf.page(
        " ".join(f"{name} Do" for name, _ in names), f"/XObject << {' '.join(f'{n} {x} 0 R' for n, x in names)} >>"
    )
    return pdf.bytes()


def many_pages(count: int) -> bytes:
    pdf = Pdf()
    image = pdf.image(1, 1, b"x")
    for _ in range(count):
        pdf.show(image)
    return pdf.bytes()


def inflating(head: bytes, megabytes: int, tail: bytes) -> bytes:
    """Zlib data of so many zeros between two texts, in a thousandth of their size."""
    block = bytes(1_000_000)
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    middle = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(tail) + packer.flush()
    check = zlib.adler32(head)
    for _ in range(megabytes):
        check = zlib.adler32(block, check)
    return b"\x78\xda" + first + middle * megabytes + last + zlib.adler32(tail, check).to_bytes(4)


def object_stream(megabytes: int) -> bytes:
    """The only page is at the end of an object stream that inflates to this."""
    first = b"4 0 "
    body = inflating(first, megabytes, b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>")
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        3: b"<< /Type /ObjStm /N 1 /First %d /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream"
        % (len(first), len(body), body),
    }
    out = bytearray(b"%PDF-1.7\n")
    places: dict[int, int] = {}
    for number, content in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    rows = [b"\x00" + bytes(6), *(b"\x01" + places[number].to_bytes(4) + bytes(2) for number in (1, 2, 3))]
    rows += [b"\x02" + (3).to_bytes(4) + bytes(2), b"\x01" + start.to_bytes(4) + bytes(2)]
    table = b"".join(rows)
    out += b"5 0 obj\n<< /Type /XRef /Size 6 /W [1 4 2] /Root 1 0 R /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (
        len(table), table
    )  # fmt: skip
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def bomb_of_samples() -> bytes:
    """10 gigapixels, all there, in 1.2 MB."""
    return with_image(100_000, 100_000, inflating(b"", 1_250, b""), bits=1, extra="/Filter /FlateDecode")


def bombs_by_header(kind: str) -> bytes:
    """The PDF says 8 by 8; the image in it says far more."""
    width, height = 60_000, 60_000
    if kind == "jpeg":
        frame = (
            b"\xff\xc2\x00\x11\x08"
            + height.to_bytes(2)
            + width.to_bytes(2)
            + b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"
        )
        return with_image(8, 8, b"\xff\xd8" + frame + b"\xff\xd9", "/DeviceRGB", extra="/Filter /DCTDecode")
    if kind == "jpx":
        size = width.to_bytes(4) + height.to_bytes(4) + bytes(8) + width.to_bytes(4) + height.to_bytes(4) + bytes(8)
        header = b"\xff\x4f\xff\x51\x00\x2f\x00\x00" + size + b"\x00\x03" + b"\x07\x01\x01" * 3
        coding = b"\xff\x52\x00\x0c\x00\x00\x00\x01\x01\x05\x04\x04\x00\x01\xff\x5c\x00\x13\x40" + b"\x40" * 16
        return with_image(
            8,
            8,
            header + coding + b"\xff\x90\x00\x0a" + bytes(6) + b"\x00\x01\xff\x93\xff\xd9",
            "",
            0,
            "/Filter /JPXDecode",
        )
    page = bytes(4) + b"\x30\x00\x01" + (19).to_bytes(4) + width.to_bytes(4) + height.to_bytes(4) + bytes(11)
    return with_image(8, 8, page, bits=1, extra="/Filter /JBIG2Decode")


def _beside_a_good_one(pdf: Pdf, bad: int) -> tuple[bytes, int, int]:
    """A file of a page that shows both, and a page without images; the number of the good image, and of the bad one."""
    good = pdf.image(1, 1, b"y")
    pdf.page("/G Do /B Do", f"/XObject << /G {good} 0 R /B {bad} 0 R >>")
    pdf.page("0 0 9 9 re f")
    return pdf.bytes(), good, bad


def bomb_before_a_coded_image(chain: str, head: bytes = b"") -> tuple[bytes, int, int]:
    """8 by 8 pixels whose filters before the last one make 3 GB of zeros."""
    data = inflating(head, 3_000, b"")
    if "A85" in chain:
        data = base64.a85encode(data) + b"~>"
    if chain.startswith("Fl/Fl"):
        data = zlib.compress(data, 9)
    pdf = Pdf()
    names = "".join(f"/{name}" for name in chain.split("/"))
    return _beside_a_good_one(pdf, pdf.image(8, 8, data, "", 1, f"/ColorSpace /DeviceGray /Filter [{names}]"))


def bomb_of_a_mask() -> tuple[bytes, int, int]:
    pdf = Pdf()
    mask = pdf.image(8, 8, inflating(b"", 3_000, b""), extra="/Filter [/FlateDecode /DCTDecode]")
    return _beside_a_good_one(pdf, pdf.image(1, 1, b"x", extra=f"/SMask {mask} 0 R"))


def bomb_of_a_helper(kind: str) -> tuple[bytes, int, int]:
    """What an image uses beside its data inflates to 3 GB: a profile, a palette, what JBIG2 images share."""
    pdf = Pdf()
    helper = pdf.stream("/N 1 /Filter /FlateDecode", inflating(b"", 3_000, b""))
    if kind == "globals":
        parameters = f"/Filter /JBIG2Decode /DecodeParms << /JBIG2Globals {helper} 0 R >>"
        return _beside_a_good_one(pdf, pdf.image(8, 8, b"x", bits=1, extra=parameters))
    profile = f"[/ICCBased {helper} 0 R]"
    spaces = {
        "profile": profile,
        "palette": f"[/Indexed /DeviceGray 255 {helper} 0 R]",
        "base": f"[/Indexed {profile} 0 <00>]",
    }
    return _beside_a_good_one(pdf, pdf.image(1, 1, b"x", spaces[kind]))


def inline_bomb() -> bytes:
    packed = inflating(b"", 20, b"")
    pdf = Pdf()
    pdf.page(b"BI /W 100000 /H 1600 /CS /G /BPC 1 /F /Fl ID " + packed + b" EI")
    return pdf.bytes()


def names_that_are_no_utf_8() -> bytes:
    pdf = Pdf()
    image = pdf.image(1, 1, b"x")
    pdf.page(b"/I\xff\xfe\xe4 Do", f"/XObject << /I\xff\xfe\xe4 {image} 0 R >>")
    return pdf.bytes("/Title (\xff\xfe\xd8\x00)")


def type_3_glyphs() -> bytes:
    """A coloured glyph whose procedure draws an image, and one that draws text in its own font."""
    pdf = Pdf()
    image = pdf.image(1, 1, b"x")
    own = len(pdf.objects) + 4
    first = pdf.stream("", "9 0 d0 9 0 0 9 0 0 cm /I Do")
    second = pdf.stream("", "9 0 d0 BT /T 9 Tf (b) Tj ET")
    pdf.add("[9 9]")
    pdf.add(
        f"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [0.1 0 0 0.1 0 0] /FirstChar 97 /LastChar 98 "
        f"/Widths [9 9] /Encoding << /Differences [97 /a /b] >> /CharProcs << /a {first} 0 R /b {second} 0 R >> "
        f"/Resources << /XObject << /I {image} 0 R >> /Font << /T {own} 0 R >> >> >>"
    )
    pdf.page("BT /T 9 Tf 20 20 Td (ab) Tj ET", f"/Font << /T {own} 0 R >>")
    return pdf.bytes()
