"""What journeys upload, and what they ask of it."""

from __future__ import annotations

import random

from tests.pdfs import text_pdf

HARBOUR = (
    "harbour report.pdf",
    text_pdf(
        [
            "Annual report of the harbour\n\nThe harbour handled 4,200 ships in 2025.\nIts cranes are new.",
            "Staff\n\nThe harbour has 310 employees.\nEach crane needs a crew of four people.",
        ]
    ),
)
GARDEN = (
    "garden.pdf",
    text_pdf(["The garden\n\nThe garden grows ninety kinds of roses.\nIt opens at seven."]),
)
DAMAGED = ("damaged.pdf", b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nthis is no PDF any more")
NOT_A_PDF = ("notes.pdf", b"just some notes")
SHIPS = "How many ships did the harbour handle in 2025?"
SHIPS_QUOTE = "4,200 ships"
UNKNOWN = "What is the boiling point of tungsten?"


def large(name: str, megabytes: float) -> tuple[str, bytes]:
    """A PDF of a page, and bytes behind it that make it large."""
    padding = random.Random(3).randbytes(int(megabytes * 1024 * 1024))  # noqa: S311  nothing secret
    data = text_pdf(["A large file\n\nThe lighthouse is painted white and green."])
    return name, data.replace(b"%%EOF", b"%" + padding.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n%%EOF")
