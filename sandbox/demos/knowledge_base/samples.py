"""The two documents of the demonstration and what is asked of them, made when they are needed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reportlab.graphics.shapes import Circle, Drawing, Line
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

if TYPE_CHECKING:
    from reportlab.platypus.flowables import Flowable

BEES: Final = {
    "Bees in winter": "A colony does not sleep in winter. The bees form a cluster around the queen and shiver with "
    "their flight muscles. A hive that weighs less than eleven kilograms in November is fed with sugar syrup before "
    "the frost.",
    "Varroa mites": "The mite lives on the brood. More than ten mites a day in August are too many. After the harvest "
    "the colony is treated with formic acid, and in December with oxalic acid that is dribbled between the combs.",
}
TRAINS: Final = "The night train to Venice departs from Vienna at 21:27 and has one sleeping car. Bicycles are carried "
TRAINS_END: Final = "in the last coach, and a reservation for them costs twelve euros."
TABLE: Final = [
    ["Night train", "Departs", "Arrives", "Price"],
    ["Vienna to Venice", "21:27", "08:24", "59 €"],
    ["Zürich to Prague", "19:59", "08:27", "79 €"],
    ["Stockholm to Berlin", "17:34", "06:57", "109 €"],
]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and where its answer is."""

    text: str
    filename: str
    """Empty where no document has it."""
    page: int = 0
    word: str = ""
    """That the quoted sentence holds."""


BEEKEEPING: Final = "beekeeping.pdf"
NIGHT_TRAINS: Final = "night-trains.pdf"
QUESTIONS: Final = (
    Question("With which acid is a colony treated after the harvest?", BEEKEEPING, 2, "formic"),
    Question("What does a reservation for bicycles cost?", NIGHT_TRAINS, 1, "twelve"),
    Question("Who painted the ceiling of the opera in Paris?", ""),
)
SEARCHED: Final = Question("How heavy must a hive be before the frost?", BEEKEEPING, 1)


def _written(story: list[Flowable]) -> bytes:
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, invariant=True).build(story)
    return out.getvalue()


def beekeeping() -> bytes:
    """A topic on each page."""
    styles = getSampleStyleSheet()
    story: list[Flowable] = []
    for title, text in BEES.items():
        story += [Paragraph(title, styles["Heading2"]), Paragraph(text, styles["BodyText"]), PageBreak()]
    return _written(story)


def night_trains() -> bytes:
    """Words and a table on the first page, a plan without words on the second."""
    styles = getSampleStyleSheet()
    table = Table(TABLE)
    table.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    plan = Drawing(400, 500)
    for step in range(80):
        plan.add(Circle(200, 250, 2.5 * step, fillColor=None))
        plan.add(Line(5 * step, 0, 400 - 5 * step, 500))
    words = Paragraph(TRAINS + TRAINS_END, styles["BodyText"])
    heading = Paragraph("Night trains of the season", styles["Heading1"])
    return _written([heading, words, Spacer(1, 24), table, PageBreak(), plan])
