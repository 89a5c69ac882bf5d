"""What it means for a document that a child which read it ended otherwise than it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.shared.child import How
from lambdas.shared.pdf.errors import Code, DocumentError

if TYPE_CHECKING:
    from lambdas.shared.child import Ending

_CODES: dict[How, Code] = {
    How.WALL_TIME: "timed_out",
    How.CPU_TIME: "timed_out",
    How.MEMORY: "too_large",
    How.OUTPUT: "too_large",
    How.CRASHED: "damaged",
    How.RAISED: "damaged",
}
REASONS = {
    How.WALL_TIME: "it took too long",
    How.CPU_TIME: "it took too long",
    How.MEMORY: "it needs more memory than there is",
    How.OUTPUT: "it holds more text than can be kept",
    How.CRASHED: "it crashes the library that reads it",
    How.RAISED: "it cannot be read",
}


def error_of(doing: str, ending: Ending) -> DocumentError:
    """What a document's error is when a child ended otherwise than it should."""
    detail = f"{ending.error}: {ending.detail}" if ending.how is How.RAISED else ending.detail
    return DocumentError(_CODES[ending.how], f"{doing} failed, because {REASONS[ending.how]} ({detail})")
