"""PDFs made for tests: ordinary ones by reportlab, broken and hostile ones object by object."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import SimpleDocTemplate, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINE = 14


def text_pdf(pages: Sequence[str], *, password: str | None = None, owner: str | None = None) -> bytes:
    """A page for each text, a line for each of its lines.

    Args:
        pages: the texts.
        password: what opens it; "" with an `owner` password for one that is encrypted and opens without.
        owner: the owner's password.
    """
    out = io.BytesIO()
    encryption = None
    if password is not None:
        encryption = StandardEncryption(password, ownerPassword=owner or password or "owner", strength=128)
    canvas = Canvas(out, pagesize=A4, encrypt=encryption, invariant=True)
    for page in pages:
        for number, line in enumerate(page.split("\n")):
            canvas.drawString(72, 770 - LINE * number, line)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def table_pdf(rows: Sequence[Sequence[str]]) -> bytes:
    """A page with a table with rules."""
    out = io.BytesIO()
    table = Table([list(row) for row in rows])
    table.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    SimpleDocTemplate(out, pagesize=A4, invariant=True).build([table])
    return out.getvalue()


def scan_pdf() -> bytes:
    """A page that is one picture."""
    pixels = zlib.compress(bytes(200 * 280))
    image = stream(
        b"/Type/XObject/Subtype/Image/Width 200/Height 280/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode",
        pixels,
    )
    return pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>",
            4: stream(b"", b"q 595 0 0 842 0 0 cm /I Do Q"),
            5: image,
        }
    )


def stream(entries: bytes, data: bytes) -> bytes:
    """A stream object."""
    return b"<<" + entries + b"/Length %d>>\nstream\n" % len(data) + data + b"\nendstream"


def pdf(objects: Mapping[int, bytes], root: int = 1) -> bytes:
    """A file of these objects, with a cross-reference table that is right."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets: dict[int, int] = {}
    for number, content in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    size = max(objects) + 1
    table = b"".join(
        b"%010d 00000 n \n" % offsets[number] if number in offsets else b"0000000000 65535 f \n"
        for number in range(size)
    )
    start = len(out)
    out += b"xref\n0 %d\n" % size + table
    out += b"trailer\n<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, start)
    return bytes(out)


def one_page(contents: bytes, resources: bytes = b"<<>>", more: Mapping[int, bytes] | None = None) -> bytes:
    """A file of one page with these contents; Helvetica is /F. Objects from 10 on are the caller's."""
    return pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources " + resources + b">>",
            4: stream(b"", contents),
            5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            **(more or {}),
        }
    )
