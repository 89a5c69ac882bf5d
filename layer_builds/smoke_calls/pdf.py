"""A PDF through the libraries that read it, and tokens through tiktoken, for the layers that hold both."""

# ruff: noqa: PLR2004, S101 - every call imports what it tries, and an assertion is its verdict

from __future__ import annotations

import base64
import io

TEXT = "Layers are read-only; so is the vocabulary. Ünïcödé 漢字 🎈"
PDF = base64.b64decode(
    "JVBERi0xLjcKJb/3ov4KMSAwIG9iago8PCAvRXh0ZW5zaW9ucyA8PCAvQURCRSA8PCAvQmFzZVZlcnNpb24gLzEuNyAvRXh0ZW5zaW9uTGV2"
    "ZWwgOCA+PiA+PiAvUGFnZXMgMyAwIFIgL1R5cGUgL0NhdGFsb2cgPj4KZW5kb2JqCjIgMCBvYmoKPDwgL1R5cGUgL09ialN0bSAvTGVuZ3Ro"
    "IDE5MiAvRmlsdGVyIC9GbGF0ZURlY29kZSAvTiAzIC9GaXJzdCAxNSA+PgpzdHJlYW0K65NYpeE8g0wlt69nzTVgMmP/o1pDX+Mecwk9UDmx"
    "rk45HZ4j+qEu8NWp+5YyBsRuBT0AriGnXuMByADIaFerrrcDYN69iEzbSoaK4JY74pYJL6/uzA2zJPzcA+NB//ne0Kbl03Uc/akCO4cn8r2d"
    "x8i/8wdQamOkNhtkbsmJJ9g0J4qVqL1Dva8Hk1moR/xTIV+LiimHtWY+BLavqe/u9gNGctJLfHFZPgNNBSeBXRPrG/WoUJ6JEbx//7N+zu0L"
    "CmVuZHN0cmVhbQplbmRvYmoKNiAwIG9iago8PCAvTGVuZ3RoIDE2MCAvRmlsdGVyIC9GbGF0ZURlY29kZSA+PgpzdHJlYW0K5LV5vK9mdTFD"
    "dTThUmDO2Uz34l6u+hrFiNaO7etmH9aOa1YTuWRsw0/OaaIOl2LQLciWOiE6XMkEslqA/cxApT0ut4dSJOCmm7Du89fTVtFzVLIxQ99su1LH"
    "3rKH4+7nO56lK7BXL4/Yj5Wm7ICNexSC3ZQqzlmd56xVTlOWUfszJSa7ublpMiYdbLocyPUaXxAFo4fEFMO7aYinG/DOswplbmRzdHJlYW0K"
    "ZW5kb2JqCjcgMCBvYmoKPDwgL0NGIDw8IC9TdGRDRiA8PCAvQXV0aEV2ZW50IC9Eb2NPcGVuIC9DRk0gL0FFU1YzIC9MZW5ndGggMzIgPj4g"
    "Pj4gL0ZpbHRlciAvU3RhbmRhcmQgL0xlbmd0aCAyNTYgL08gPGUxNjBhMjMyY2ZkNzExZTc3MGNjNDBjMzUxZmViMzIwYmNhMjU3NzNjN2Rj"
    "MDMxNDkyYTlhOTAzZDQxNDNkNTYyMzFmNThmMDA1NWZkMjMxOTFkN2ZiYTcwMWJlMGU4Zj4gL09FIDw1NGIyYWFkOWEyMmY5Njk2ZmY1OGE1"
    "YmI0MzhmYWM5ODc0ZGM1NDlhM2Q4Mjk5MWE1ZTU3YTI3ZjVkMGZmZDgwPiAvUCAtMTAyOCAvUGVybXMgPDZlMjE3OTBlNDdlZjU3ZGUyMjM2"
    "YmJjODg2ZGU4YTZjPiAvUiA2IC9TdG1GIC9TdGRDRiAvU3RyRiAvU3RkQ0YgL1UgPGIzMzhlYWU4ZmE0N2FlOWUxOTMxNDU2OWE2NjJmNDRh"
    "ODU0ODUxZTIzYjQxZGVhZWEwNmIyYmJkNzdhZTQwYzdkNzIxN2YyNTQ4MDg3ZDM3MDA1NDM3YWUwZDJhMDQ2Yj4gL1VFIDxhMGQ4Y2Y2ZmJm"
    "ZDQ3ODEzODgwZmE1ODk2N2RiYmI2OTU0YTA5ZmY0ZWIxYWViNDZkZWJiNmUxZjM1ODI1ZjAyPiAvViA1ID4+CmVuZG9iago4IDAgb2JqCjw8"
    "IC9UeXBlIC9YUmVmIC9MZW5ndGggNDIgL0ZpbHRlciAvRmxhdGVEZWNvZGUgL0RlY29kZVBhcm1zIDw8IC9Db2x1bW5zIDQgL1ByZWRpY3Rv"
    "ciAxMiA+PiAvVyBbIDEgMiAxIF0gL1Jvb3QgMSAwIFIgL1NpemUgOSAvSUQgWzxhODUzM2I5NjAyMmFiNWE5YTVkOWMyN2JmZWJlMDQ4OT48"
    "YTg1MzNiOTYwMjJhYjVhOWE1ZDljMjdiZmViZTA0ODk+XSAvRW5jcnlwdCA3IDAgUiA+PgpzdHJlYW0KeJxjYgACJkYGfgYmBoZiEKsBxGJg"
    "hBD/GZf+Y2JgfAEUY1JjAABHugTNCmVuZHN0cmVhbQplbmRvYmoKc3RhcnR4cmVmCjEyMDUKJSVFT0YK"
)
"""One page with a table of two rows; AES-256, opened by an empty password."""
CELLS = [["Hive name", "Honey"], ["Lime Tree", "12 kg"]]


def text() -> None:
    """pdfium decrypts the page and finds its words."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    document = pypdfium2.PdfDocument(PDF)
    page = document[0]
    characters = page.get_textpage()
    words = characters.get_text_range().split()
    assert words == ["Hive", "name", "Honey", "Lime", "Tree", "12", "kg"], words
    assert pdfium.FPDFPage_CountObjects(page.raw) > 6  # pyright: ignore[reportUnknownMemberType] (a C handle)
    for part in (characters, page, document):
        part.close()


def tables() -> None:
    """pdfplumber decrypts it too, and finds the table; the CMaps of Japanese fonts are there."""
    import pdfplumber
    from pdfminer.cmapdb import CMapDB

    with pdfplumber.open(io.BytesIO(PDF), pages=[1]) as document:
        (page,) = document.pages
        (table,) = page.find_tables({"text_x_tolerance_ratio": 0.15})
        cells = table.extract(x_tolerance_ratio=0.15)
        page.close()
    assert cells == CELLS, cells
    assert CMapDB.get_cmap("UniJIS-UTF16-H").is_vertical() is False


def tokens() -> None:
    """The vocabularies are in the layer: encoding needs no network, and decoding gives the text back."""
    import tiktoken

    for name, hello in (("cl100k_base", [15339, 1917]), ("o200k_base", [24912, 2375])):
        encoding = tiktoken.get_encoding(name)
        assert encoding.decode(encoding.encode_ordinary(TEXT)) == TEXT
        assert encoding.encode("hello world") == hello, encoding.encode("hello world")
