"""PDFs encrypted in every way that the standard has, by MuPDF: reportlab writes only one of them."""

from __future__ import annotations

import pymupdf

METHODS = {"RC4 40": 2, "RC4 128": 3, "AES 128": 4, "AES 256": 5}
"""MuPDF's numbers of them; of the standard's revisions 2, 3, 4 and 6."""


def encrypted(data: bytes, method: str, password: str) -> bytes:
    """Encrypt a PDF.

    Args:
        data: the PDF.
        method: one of `METHODS`.
        password: what opens it; "" for one that opens without.
    """
    with pymupdf.open("pdf", data) as document:
        return document.tobytes(encryption=METHODS[method], user_pw=password, owner_pw="owner")
