"""Why a document could not be made searchable: one code per reason, and what its owner is told. Pure.

The sentences say what happened and what to do; what only helps an operator is in the log.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """Part of the API's answers."""

    NOT_A_PDF = "not_a_pdf"
    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    TOO_MANY_PAGES = "too_many_pages"
    TIMED_OUT = "timed_out"
    NOT_FOUND = "not_found"
    STORAGE_FAILED = "storage_failed"
    MODEL_FAILED = "model_failed"
    TEXT_REFUSED = "text_refused"
    INDEX_FAILED = "index_failed"
    IMAGES_FAILED = "images_failed"
    NOT_CONFIGURED = "not_configured"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not_started"
    INTERNAL = "internal"


_TEXTS = {
    Code.NOT_A_PDF: "This file is not a PDF. Upload the PDF itself.",
    Code.ENCRYPTED: "The PDF opens with a password only. Upload a copy without one.",
    Code.DAMAGED: "The PDF is damaged and cannot be read. Save or export it again, then upload the new file.",
    Code.TOO_LARGE: "The PDF needs more memory than there is. Split it, or reduce its images, and upload the parts.",
    Code.TOO_MANY_PAGES: "The PDF has more pages than are read. Split it and upload the parts.",
    Code.TIMED_OUT: "The PDF took longer than it may. Try again; if that does not help, split it.",
    Code.NOT_FOUND: "The file did not arrive. Upload it again.",
    Code.STORAGE_FAILED: "The file could not be read or stored. Try again in a few minutes.",
    Code.MODEL_FAILED: "The service that prepares texts for search did not answer. Try again in a few minutes.",
    Code.TEXT_REFUSED: "The service that prepares texts for search does not take a part of this document's text.",
    Code.INDEX_FAILED: "The search index did not answer. Try again in a few minutes.",
    Code.IMAGES_FAILED: "The images of its pages could not be extracted. Try again in a few minutes.",
    Code.NOT_CONFIGURED: "The service is not set up completely. Try again later, or tell whoever runs it.",
    Code.INTERRUPTED: "Reading the document was interrupted. Try again.",
    Code.NOT_STARTED: "Reading the document has not begun for an hour. Try again.",
    Code.INTERNAL: "Something went wrong here. Try again; if it fails again, tell whoever runs the service.",
}


class Problem(NamedTuple):
    """What a document's row says."""

    code: str
    message: str


def problem(code: Code) -> Problem:
    """The problem with its sentence."""
    return Problem(code.value, _TEXTS[code])
