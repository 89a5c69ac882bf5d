"""PDFs written object by object, so it is known what is in them: for the demonstration and for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

PLACED = "q {colour} 100 0 0 100 50 50 cm /I Do Q"
"""An image of 100 by 100 points, 50 from the left and, on a page of 200 points, 50 from the top."""


@dataclass
class Pdf:
    """A document in the making."""

    objects: list[bytes] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    trailer: str = ""

    def add(self, body: str | bytes) -> int:
        """Add an object; its number."""
        self.objects.append(body if isinstance(body, bytes) else body.encode("latin-1"))
        return len(self.objects)

    def stream(self, entries: str, data: bytes | str) -> int:
        """Add a stream; its number."""
        data = data if isinstance(data, bytes) else data.encode("latin-1")
        head = f"<< {entries} /Length {len(data)} >>\nstream\n".encode("latin-1")
        return self.add(head + data + b"\nendstream")

    def image(  # noqa: PLR0917  as they stand in the PDF
        self, width: int, height: int, data: bytes, space: str = "/DeviceGray", bits: int = 8, extra: str = ""
    ) -> int:
        """Add an image object; its number."""
        colours = f"/ColorSpace {space}" if space else ""
        depth = f"/BitsPerComponent {bits}" if bits else ""
        entries = f"/Type /XObject /Subtype /Image /Width {width} /Height {height} {colours} {depth} {extra}"
        return self.stream(entries, data)

    def page(self, content: str | bytes, resources: str = "", box: str = "0 0 200 200", extra: str = "") -> int:
        """Add a page; its number among the objects."""
        contents = self.stream("", content)
        page = self.add(
            f"<< /Type /Page /Parent TREE /MediaBox [{box}] /Contents {contents} 0 R "
            f"/Resources << {resources} >> {extra} >>"
        )
        self.pages.append(page)
        return page

    def show(self, image: int, colour: str = "") -> Pdf:
        """Add a page with one image."""
        self.page(PLACED.format(colour=colour), f"/XObject << /I {image} 0 R >>")
        return self

    def bytes(self, catalog: str = "") -> bytes:
        """The file."""
        tree = len(self.objects) + 2
        kids = " ".join(f"{page} 0 R" for page in self.pages)
        bodies = [body.replace(b"/Parent TREE", b"/Parent %d 0 R" % tree) for body in self.objects]
        bodies.append(f"<< /Type /Catalog /Pages {tree} 0 R {catalog} >>".encode("latin-1"))
        bodies.append(f"<< /Type /Pages /Count {len(self.pages)} /Kids [{kids}] >>".encode("latin-1"))
        out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        places: list[int] = []
        for number, body in enumerate(bodies, 1):
            places.append(len(out))
            out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        trailer = f"<< /Size {len(bodies) + 1} /Root {tree - 1} 0 R {self.trailer} >>".encode("latin-1")
        return bytes(out + b"trailer\n" + trailer + b"\nstartxref\n%d\n%%%%EOF\n" % start)


def with_image(  # noqa: PLR0917  as above
    width: int, height: int, data: bytes, space: str = "/DeviceGray", bits: int = 8, extra: str = "", colour: str = ""
) -> bytes:
    """A file of one page with one image."""
    pdf = Pdf()
    return pdf.show(pdf.image(width, height, data, space, bits, extra), colour).bytes()


def with_mask(
    image: tuple[int, int, bytes, str], mask: tuple[int, int, bytes], entry: str = "/SMask", extra: str = ""
) -> bytes:
    """A file of one page with one image and its mask; a `/Mask` is a stencil of one bit."""
    pdf = Pdf()
    soft = entry == "/SMask"
    number = pdf.image(*mask, extra=extra) if soft else pdf.image(*mask, "", 1, f"/ImageMask true {extra}")
    return pdf.show(pdf.image(*image, extra=f"{entry} {number} 0 R")).bytes()
