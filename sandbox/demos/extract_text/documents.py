"""The documents of the demonstration, made when they are needed: two columns, a table, Japanese, a drawing, a scan."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any, Final, cast

from PIL import Image, ImageDraw
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from reportlab.platypus.flowables import Flowable

HANDBOOK: Final = {
    "Bees in winter": "A colony does not sleep in winter. The bees form a cluster around the queen and shiver with "
    "their flight muscles, so the middle of the cluster stays above twenty degrees. They live on the honey that they "
    "have stored; a hive that weighs too little in November starves in March, and is fed with sugar before the frost.",
    "Varroa mites": "The mite lives on the brood. It is counted on a board below the hive: more than ten a day in "
    "August are too many. After the harvest the colony is treated with formic acid, and in December, when there is no "
    "brood, with oxalic acid that is dribbled between the combs.",
    "Swarms": "In May a strong colony raises a second queen, and the old one leaves with half of the bees. They hang "
    "in a tree for some hours while scouts look for a hollow. A beekeeper who is quick shakes them into a box, and has "
    "one colony more.",
}
GERMAN: Final = (
    "Die Fähre nach Hiddensee legt im Sommer sechsmal täglich ab. Fahrräder werden nur mitgenommen, wenn Platz ist; "
    "für größere Gruppen genügt ein Anruf am Vortag. Auf der Insel fahren keine Autos."
)
JAPANESE: Final = (
    "夜行列車は午後十時に東京を出発し、翌朝六時に出雲に着きます。寝台の予約は一か月前から受け付けています。"
)
TRAINS: Final = [
    ["Night train", "Departs", "Arrives", "Price"],
    ["Vienna to Venice", "21:27", "08:24", "59 €"],
    ["Zürich to Prague", "19:59", "08:27", "79 €"],
    ["Stockholm to Berlin", "17:34", "06:57", "109 €"],
]
SCANNED: Final = "This page is a picture: its words are only seen, and not stored."


def _handbook() -> bytes:
    """Two columns over several pages, a topic on each."""
    out = io.BytesIO()
    width, height = A4
    frames = [Frame(left, 60, width / 2 - 60, height - 120) for left in (45, width / 2 + 15)]
    styles = getSampleStyleSheet()
    story: list[Flowable] = []
    for title, text in HANDBOOK.items():
        story += [Paragraph(title, styles["Heading2"]), *(Paragraph(text, styles["BodyText"]) for _ in range(3))]
        story += [Spacer(1, 12), PageBreak()]
    document = BaseDocTemplate(out, pagesize=A4, invariant=True)
    document.addPageTemplates(PageTemplate(frames=frames))
    document.build(story)
    return out.getvalue()


def _timetable() -> bytes:
    out = io.BytesIO()
    table = Table(TRAINS)
    table.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("BACKGROUND", (0, 0), (-1, 0), colors.lightgrey)])
    styles = getSampleStyleSheet()
    document = BaseDocTemplate(out, pagesize=A4, invariant=True)
    document.addPageTemplates(PageTemplate(frames=[Frame(60, 60, A4[0] - 120, A4[1] - 120)]))
    document.build([Paragraph("Night trains of the season", styles["Heading1"]), table])
    return out.getvalue()


def _drawn(draw: Callable[[Canvas], object]) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _japanese(canvas: Canvas) -> None:
    cast("Any", pdfmetrics).registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    canvas.setFont("HeiseiMin-W3", 12)
    for number, start in enumerate(range(0, len(JAPANESE), 28)):
        canvas.drawString(72, 760 - 18 * number, JAPANESE[start : start + 28])


def _german(canvas: Canvas) -> None:
    for number, line in enumerate(textwrap.wrap(GERMAN, 70)):
        canvas.drawString(72, 760 - 18 * number, line)


def _drawing(canvas: Canvas) -> None:
    for step in range(40):
        canvas.circle(300, 420, 5 * step)
        canvas.line(100 + 10 * step, 220, 500 - 10 * step, 620)
    canvas.drawString(72, 760, "Plan of the apiary: forty rings around the oak.")


def _scan(canvas: Canvas) -> None:
    picture = Image.new("L", (1_240, 1_754), 250)
    ImageDraw.Draw(picture).text((120, 160), SCANNED, fill=10, font_size=32)
    cast("Any", canvas).drawImage(ImageReader(picture), 0, 0, *A4)


def documents() -> dict[str, bytes]:
    """Key to content of each."""
    return {
        "handbook/beekeeping.pdf": _handbook(),
        "timetables/night-trains.pdf": _timetable(),
        "fähre/hiddensee.pdf": _drawn(_german),
        "japan/夜行列車.pdf": _drawn(_japanese),
        "plans/apiary.pdf": _drawn(_drawing),
        "scans/letter.pdf": _drawn(_scan),
        "notes/kettle.md": b"# The kettle\n\nThe kettle sings when its water is about to boil.\n",
        "broken/cut-off.pdf": _handbook()[:200],
    }
