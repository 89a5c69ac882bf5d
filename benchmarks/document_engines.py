"""One program that reads PDFs, on one file, in a process of its own: texts of pages, tables, time, memory. Prints JSON.

    python -m benchmarks.document_engines ENGINE FILE [--tables]

Started by `benchmarks.documents` in an environment that holds all of them.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Table = list[list[str | None]]
# ruff: noqa: ARG001 - three of them find no tables, and are asked for none


def _module(name: str) -> Any:
    """Each process loads one program only."""
    return importlib.import_module(name)


def strata(path: Path, *, tables: bool) -> tuple[list[str], list[Table]]:
    """The function's own way."""
    pdf_text, reader = _module("lambdas.shared.pdf.pdf_text"), _module("lambdas.shared.pdf.tables")

    document = pdf_text.open_document(path)
    pages = [pdf_text.read_page(document, index) for index in range(len(document))]
    likely = [index for index, page in enumerate(pages) if page.tables_likely]
    found: list[Table] = []
    for _, each in reader.read_tables(path, likely) if tables and likely else ():
        found += each
    return [page.text for page in pages], found


def pdfium(path: Path, *, tables: bool) -> tuple[list[str], list[Table]]:
    """pypdfium2's text as it comes."""
    pypdfium2 = _module("pypdfium2")

    texts: list[str] = []
    document = pypdfium2.PdfDocument(path)
    for page in document:
        texts.append(page.get_textpage().get_text_bounded())
        page.close()
    return texts, []


def plumber(path: Path, *, tables: bool) -> tuple[list[str], list[Table]]:
    """pdfplumber with its defaults."""
    pdfplumber = _module("pdfplumber")

    texts: list[str] = []
    found: list[Table] = []
    with pdfplumber.open(path) as document:
        for page in document.pages:
            if tables:
                found += page.extract_tables()
            else:
                texts.append(page.extract_text())
            page.close()
    return texts, found


def miner(path: Path, *, tables: bool) -> tuple[list[str], list[Table]]:
    """pdfminer.six with its defaults."""
    extract_pages, container = _module("pdfminer.high_level").extract_pages, _module("pdfminer.layout").LTTextContainer

    return [
        "".join(item.get_text() for item in page if isinstance(item, container)) for page in extract_pages(path)
    ], []


def pypdf(path: Path, *, tables: bool) -> tuple[list[str], list[Table]]:
    """Pypdf with its defaults."""
    return [page.extract_text() for page in _module("pypdf").PdfReader(path).pages], []


def mupdf(path: Path, *, tables: bool) -> tuple[list[str], list[Table]]:
    """PyMuPDF with its defaults."""
    pymupdf = _module("pymupdf")

    document = pymupdf.open(path)
    if tables:
        return [], [table.extract() for page in document for table in page.find_tables().tables]
    return [page.get_text() for page in document], []


ENGINES: dict[str, Callable[..., tuple[list[str], list[Table]]]] = {
    "extract_text": strata,
    "pypdfium2": pdfium,
    "pdfplumber": plumber,
    "pdfminer.six": miner,
    "pypdf": pypdf,
    "PyMuPDF": mupdf,
}
WITH_TABLES = ("extract_text", "pdfplumber", "PyMuPDF")


def main() -> None:
    """Read the file twice: the first time loads what is loaded once."""
    name, file = sys.argv[1], Path(sys.argv[2])
    tables = "--tables" in sys.argv
    engine = ENGINES[name]
    engine(file, tables=tables)
    started = time.process_time()
    texts, found = engine(file, tables=tables)
    outcome: dict[str, Any] = {"texts": texts, "tables": found, "cpu_seconds": time.process_time() - started}
    outcome["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(outcome, default=str))


if __name__ == "__main__":
    main()
