"""Why a document could not be read: one class, one code per reason. The codes are part of functions' answers."""

from __future__ import annotations

from typing import Final, Literal, get_args

Code = Literal[
    "bad_request",
    "not_found",
    "access_denied",
    "unsupported_type",
    "not_a_pdf",
    "encrypted",
    "damaged",
    "too_large",
    "too_many_pages",
    "timed_out",
]
CODES: Final[tuple[Code, ...]] = get_args(Code)


class DocumentError(Exception):
    """A document that cannot be read, or may not be."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
