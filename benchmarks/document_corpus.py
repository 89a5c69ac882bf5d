"""Documents whose contents are known: Debian's manuals beside their published text, and pages made here.

Owns what they are and what is true of them. The manuals are fetched by `python -m tests.corpora fetch`.
"""

from __future__ import annotations

import html
import io
import random
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Ruled

from tests import corpora

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reportlab.platypus.flowables import Flowable

Rows = list[list[str]]
Kind = Literal["words", "3-grams"]
SEED = 13
OFFICE = "soffice"
WORDS = [
    *(
        "hive",
        "queen",
        "brood",
        "honey",
        "comb",
        "wax",
        "smoke",
        "frame",
        "swarm",
        "nectar",
        "pollen",
        "drone",
        "keeper",
    ),
    *("meadow", "clover", "lime", "winter", "spring", "frost", "rain", "scale", "box", "lid", "floor", "entrance"),
    *(
        "board",
        "mite",
        "acid",
        "sugar",
        "syrup",
        "harvest",
        "jar",
        "label",
        "price",
        "kilogram",
        "gram",
        "litre",
        "day",
    ),
]


@dataclass(frozen=True, slots=True)
class Manual:
    """A manual and its text, as its authors published it."""

    name: str
    pdf: Path
    text: str
    kind: Kind

    @classmethod
    def of(cls, package: str, name: str, kind: Kind = "words") -> Manual:
        """Find it among the corpora."""
        corpus = corpora.manual(package)
        (pdf,) = corpus.files(f"**/{name}.pdf")
        (text,) = corpus.files(f"**/{name}.txt")
        return cls(name, pdf, text.read_text("utf-8"), kind)


def manuals() -> list[Manual]:
    """Four languages by words, Japanese by characters."""
    latin = [Manual.of("debian-faq", "debian-faq.en")]
    latin += [Manual.of(f"debian-faq-{code}", f"debian-faq.{code}") for code in ("de", "fr", "ru")]
    return [*latin, Manual.of("developers-reference-ja", "developers-reference", "3-grams")]


def words(text: str) -> Counter[str]:
    """Words in small letters; numbers are not counted, since pages have numbers of their own."""
    return Counter(word for word in re.findall(r"\w+", text.lower()) if not word.isdigit())


def trigrams(text: str) -> Counter[str]:
    """Three characters in a row of those that Japanese is written with, over line ends."""
    kana = "\u3005\u3040-\u30ff\u4e00-\u9fff"
    joined = re.sub(rf"(?<=[{kana}])\s+(?=[{kana}])", "", text)
    runs = re.findall(f"[{kana}]+", joined)
    return Counter(run[start : start + 3] for run in runs for start in range(len(run) - 2))


# --- pages made here ---


def two_columns(*, row_by_row: bool) -> tuple[bytes, list[str]]:
    """A page in two columns, and its numbered words in reading order.

    Args:
        row_by_row: drawn across both columns, line by line; else one column after the other.
    """
    lines = [[f"n{line:03}"] + [WORDS[(7 * line + step) % len(WORDS)] for step in range(5)] for line in range(80)]
    left, right = lines[:40], lines[40:]
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    canvas.setFont("Helvetica", 9)
    placed = [(60, row, line) for row, line in enumerate(left)] + [(320, row, line) for row, line in enumerate(right)]
    for x, row, line in sorted(placed, key=lambda item: item[1]) if row_by_row else placed:
        canvas.drawString(x, 780 - 14 * row, " ".join(line))
    canvas.save()
    return out.getvalue(), [line[0] for line in lines]


def tables(style: Literal["grid", "rules", "none"], count: int = 20) -> tuple[bytes, list[Rows]]:
    """Tables, one a page, and their cells.

    Args:
        style: rules around every cell; only above and below rows; none.
        count: of tables.
    """
    drawn = {"grid": [("GRID", (0, 0), (-1, -1), 0.5, colors.black)], "none": []}
    drawn["rules"] = [
        ("LINEABOVE", (0, 0), (-1, 1), 0.8, colors.black),
        ("LINEBELOW", (0, -1), (-1, -1), 0.8, colors.black),
    ]
    contents = made_tables(count)
    out = io.BytesIO()
    story: list[Flowable] = []
    for rows in contents:
        table = Ruled(rows)
        table.setStyle(drawn[style])
        story += [Spacer(1, 20), table, PageBreak()]
    SimpleDocTemplate(out, pagesize=A4, invariant=True).build(story)
    return out.getvalue(), contents


def made_tables(count: int) -> list[Rows]:
    """Cells of one to three words, and some that are empty."""
    choose = random.Random(SEED)  # noqa: S311  no secret
    made: list[Rows] = []
    for _ in range(count):
        columns, rows = choose.randint(2, 5), choose.randint(3, 9)
        made.append(
            [
                [" ".join(choose.choices(WORDS, k=choose.randint(0 if row else 1, 3))) for _ in range(columns)]
                for row in range(rows)
            ]
        )
    return made


def office_tables(folder: Path, count: int = 20) -> tuple[bytes, list[Rows]] | None:
    """The same from a word processor; None where LibreOffice is not installed."""
    if shutil.which(OFFICE) is None:
        return None
    contents = made_tables(count)
    parts = [
        "<table border='1' style='page-break-after: always'>"
        + "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        + "</table><p>text between tables</p>"
        for rows in contents
    ]
    return _printed(folder, f"<html><body>{''.join(parts)}</body></html>"), contents


def _printed(folder: Path, page: str) -> bytes:
    source = folder / "page.html"
    source.write_text(page)
    profile = f"-env:UserInstallation=file://{folder}/profile"
    convert = ["--headless", "--infilter=HTML (StarWriter)", "--convert-to", "pdf:writer_pdf_Export"]
    subprocess.run(
        [OFFICE, profile, *convert, "--outdir", str(folder), str(source)], check=True, capture_output=True, timeout=300
    )
    return (folder / "page.pdf").read_bytes()


def long_document(pages: int = 500) -> bytes:
    """Prose, with a table on every tenth page."""
    out = io.BytesIO()
    story: list[Flowable] = []
    choose = random.Random(SEED)  # noqa: S311  no secret
    for page in range(pages):
        lines = [[" ".join(choose.choices(WORDS, k=14))] for _ in range(42)]
        story += [Ruled(lines), PageBreak()]
        if page % 10 == 0:
            table = Ruled([choose.choices(WORDS, k=4) for _ in range(8)])
            table.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
            story.insert(-1, table)
    SimpleDocTemplate(out, pagesize=A4, topMargin=20, bottomMargin=20, invariant=True).build(story)
    return out.getvalue()


def cells_found(truth: Sequence[Rows], found: Sequence[Sequence[Sequence[str | None]]]) -> tuple[float, int]:
    """Of all source cells, the share that some table has at its place; and how many tables there are too many.

    Each found table is taken for one source table, the one that it agrees with most.
    """
    left = list(found)
    right = total = 0
    for rows in truth:
        total += sum(map(len, rows))
        best = max(left, key=lambda table: _agreement(rows, table), default=None)
        if best is not None and (agree := _agreement(rows, best)):
            right += agree
            left.remove(best)
    return right / total, max(0, len(found) - len(truth))


def _agreement(rows: Rows, table: Sequence[Sequence[str | None]]) -> int:
    if len(rows) != len(table):
        return 0
    return sum(
        (one or "").split() == (other or "").split()
        for row, got in zip(rows, table, strict=True)
        if len(row) == len(got)
        for one, other in zip(row, got, strict=True)
    )
