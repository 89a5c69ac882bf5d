"""What is uploaded: short texts, one too long for a chunk, one twice, one that is no text; more while things fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONG: Final = "english/lighthouse.txt"
TWICE: Final = "english/night-train.txt"
BINARY: Final = "english/holiday.txt"
REMOVED: Final = "notes/old.txt"
RECORDS: Final = 40
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the text that answers."""

    text: str
    key: str


QUESTIONS: Final = (
    Question("Where can I sleep while travelling to Vienna?", TWICE),
    Question("fog signal and lamp of the coast", LONG),
    Question("What keeps bread dough alive?", "english/sourdough.txt"),
    Question("Wann fährt die Fähre zur Insel?", "deutsch/fähre.txt"),
    Question("¿Cuándo se recogen las aceitunas?", "español/olivar.txt"),
)


def texts() -> dict[str, bytes]:
    """Key → bytes, in the order in which they are uploaded."""
    return {
        TWICE: b"The night train to Vienna leaves at nine in the evening. Sleeping cars have beds, and breakfast comes "
        b"with the mountains.",
        "english/sourdough.txt": b"A sourdough starter is flour and water in which yeast lives. Feed it every day, and "
        b"bake with it when it has doubled.",
        LONG: lighthouse().encode(),
        "deutsch/fähre.txt": "Die Fähre zur Insel fährt im Winter um acht und um sechzehn Uhr; bei Eis fährt sie "
        "nicht.".encode("utf-16"),
        "español/olivar.txt": "La aceituna se recoge en noviembre, cuando empieza a cambiar de color, y se muele el "
        "mismo día.".encode("latin-1"),
        "日本語/夜行列車.txt": "夜行列車は九時に出ます。朝には海が見えます。".encode(),
        REMOVED: b"Nobody needs this note any more.",
        BINARY: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    }


def lighthouse() -> str:
    """A log that is too long for one chunk."""
    weather = (
        "fog, the horn sounded all night",
        "clear, the lamp seen from twenty miles",
        "gale, a schooner sheltered",
    )
    return "\n\n".join(
        f"Day {day}. Weather: {weather[day % 3]}. The keeper trimmed the lamp of the lighthouse and wound it up."
        for day in range(1, RECORDS + 1)
    )


def in_an_outage() -> dict[str, bytes]:
    """What is uploaded while the database is down."""
    return {
        f"outage/{number}.txt": f"Note {number}: the harbour master writes down ship number {number}.".encode()
        for number in range(1, 7)
    }
