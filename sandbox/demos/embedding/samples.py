"""What the demonstration sends: real sentences of our own, one text too long for one embedding, and what goes wrong.

The short texts are `sandbox/documents/*.md`. The long one is eight months of a lighthouse keeper's log, put together
day by day from the same sentences each time, with one thing in it that happened once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENTS = Path(__file__).parent / "documents"
LOG_ID = "keepers-log"
DUPLICATE = "night-trains"
POISON = '{"id": "poison", "text": 42}'
"""A message that can never be processed: its text is a number."""

_WINDS = (
    "Calm, the flag hung down all day.",
    "A light air from the south-west.",
    "Fresh from the north, the spray reached the lower gallery.",
    "Gale from the west, the panes hummed.",
    "Backing from east to north-east, and cold with it.",
)
_LIGHT = (
    "Lit the lamp at dusk and trimmed it twice before midnight.",
    "Cleaned the lens with spirits of wine and a linen cloth.",
    "The clockwork that turns the light ran slow; oiled it and set it right by the chronometer.",
    "Burned three litres of oil between dusk and dawn.",
)
_SHIPS = (
    "Two herring boats passed inside the reef.",
    "A three-master stood off until the tide turned.",
    "The mail steamer was an hour late and did not stop.",
    "No sail all day.",
    "A collier signalled for the depth on the bar and was answered.",
    "The pilot cutter came by for water.",
    "Fog from noon; rang the bell every two minutes.",
)
_HOUSE = (
    "Whitewashed the north side of the tower.",
    "The hens laid four eggs.",
    "Mended the stair rail.",
    "Baked bread, and there was enough flour for nine days more.",
    "Wrote to the harbour office about the leaking cistern and had no answer yet.",
    "Read in the evening.",
)
_WHALE = (
    "At first light a whale lay stranded on the shingle below the landing, twenty-two paces long and still breathing. "
    "With four men of the pilot cutter we kept it wet with buckets until the evening tide lifted it off."
)
_WHALE_DAY = dt.date(1893, 7, 9)
_DAYS = 203


@dataclass(frozen=True, slots=True)
class Question:
    """A search, and the document that answers it."""

    text: str
    expected: str
    """Id of the document, or of the split document's part without its number."""


QUESTIONS = (
    Question("How do insects survive the cold months?", "beekeeping-in-winter"),
    Question("sleeping on the railway instead of flying", "night-trains"),
    Question("my bike makes a noise when I stop", "bicycle-brakes"),
    Question("What should I do when a client does not pay?", "invoice-reminders"),
    Question("a diary of ships, fog and tending the light", LOG_ID),
)


def keepers_log() -> str:
    """The long text: a little over the 8,192 tokens that one embedding takes."""
    day, lines = dt.date(1893, 1, 1), ["# Log of the keeper, 1893", ""]
    for number in range(_DAYS):
        parts = [
            _WINDS[(number * 7 + number // 9) % len(_WINDS)],
            _SHIPS[(number * 5 + number // 4) % len(_SHIPS)],
            _LIGHT[(number * 3 + number // 11) % len(_LIGHT)],
            _HOUSE[(number * 5 + number // 6) % len(_HOUSE)] if number % 2 else "",
        ]
        if day == _WHALE_DAY:
            parts.insert(0, _WHALE)
        lines.append(f"{day:%d %B}. " + " ".join(part for part in parts if part))
        day += dt.timedelta(days=1)
    return "\n".join(lines)


def documents(*, short: bool = False) -> list[dict[str, Any]]:
    """The messages of the sample documents, in the function's own form; `short` leaves the long one out."""
    messages: list[dict[str, Any]] = []
    for path in sorted(DOCUMENTS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        messages.append({"id": path.stem, "text": text, "metadata": {"title": title}})
    if not short:
        messages.append({"id": LOG_ID, "text": keepers_log(), "metadata": {"title": "Log of the keeper, 1893"}})
    return messages


def questions(*, short: bool = False) -> list[Question]:
    """What to search for among them."""
    known = {message["id"] for message in documents(short=short)}
    return [question for question in QUESTIONS if question.expected in known]
