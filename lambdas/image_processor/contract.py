"""What the function, its page and its callers agree on: operations, codes, answers, limits.

Standard library only, and nothing is read or opened: the program imports this to plan a deployment.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, NotRequired, TypedDict

from lambdas.shared.contract import Variable

MAX_FILE_BYTES: Final = Variable("MAX_FILE_BYTES", 104_857_600, at_least=1, at_most=1_073_741_824)
"""Variable: of the PDF, wherever it comes from."""
MAX_PIXELS: Final = Variable("MAX_PIXELS", 40_000_000, at_least=1, at_most=400_000_000)
"""Variable: of one image or rendered page. An A4 page at 600 dpi has 34.8 million."""
DEFAULT_MEMORY_MB: Final = 2_048
BYTES_PER_PIXEL: Final = 20
"""At most, while an image is decoded and written: JPEG 2000. So the function's memory and its pixels go together."""

DEFAULT_DPI: Final = 150
MAX_DPI: Final = 1_200
MAX_IMAGES: Final = 20_000
"""That one document is searched for: nested forms can draw more than there is time for."""
MAX_ANSWER_BYTES: Final = 6_291_456 - 65_536
"""Of the whole answer as JSON: Lambda's 6 MB, less what it adds around it."""
RESERVE_SECONDS: Final = 5.0
"""Of the function's timeout, for uploads, answer and logs after the document."""
PARENT_MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Of the function's memory, which the child that reads the document may not use: Python, libraries, one image on its
way to S3."""


def memory_bytes(file_bytes: int, pixels: int) -> int:
    """Return what the function needs for its largest file and its largest image."""
    return PARENT_MEMORY_BYTES + file_bytes + pixels * BYTES_PER_PIXEL


class Operation(StrEnum):
    """What can be asked for."""

    EXTRACT_IMAGES = "extract_images"
    RENDER_PAGES = "render_pages"


class Code(StrEnum):
    """Why there is no result. Only `TIMED_OUT` may go away by itself."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_OPERATION = "unknown_operation"
    NOT_A_PDF = "not_a_pdf"
    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    PAGE_OUT_OF_RANGE = "page_out_of_range"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    RESPONSE_TOO_LARGE = "response_too_large"
    TIMED_OUT = "timed_out"
    NOT_FOUND = "not_found"
    ACCESS_DENIED = "access_denied"


Format = Literal["png", "jpeg", "jpx", "jbig2", "ccitt", "raw"]
"""`png` or `jpeg`; the others for `original` only: the bytes are what the PDF holds, without a file format around."""
CONTENT_TYPES: Final[dict[str, str]] = {"png": "image/png", "jpeg": "image/jpeg", "jpx": "image/jp2"}
"""Of objects in S3; the others are `application/octet-stream`."""


class Image(TypedDict):
    """One image, or one rendered page."""

    page: int
    """The first page, from 0, of those asked for that shows it."""
    pages: list[int]
    """All that do, in order."""
    index: int
    """Its place among the images of the answer."""
    xref: int
    """The PDF's object number; 0 for an inline image and a rendered page."""
    width: int
    height: int
    """Pixels."""
    bbox: list[float]
    """Where it is on `page`: left, top, right, bottom in points from the page's top left corner."""
    dpi: float
    """Pixels per inch at that place, in the direction that has fewer."""
    format: Format
    bytes: int
    sha256: str
    data_base64: NotRequired[str]
    bucket: NotRequired[str]
    key: NotRequired[str]


class Skipped(TypedDict):
    """An image, or a whole page (`xref` 0), that is not in the answer."""

    page: int
    xref: int
    reason: str


class Answer(TypedDict):
    """What was asked for."""

    status: Literal["ok"]
    operation: str
    page_count: int
    """Of the document."""
    images: list[Image]
    skipped: list[Skipped]


class Problem(TypedDict):
    """Why there is no result."""

    code: str
    message: str


class ErrorAnswer(TypedDict):
    """Instead of a result."""

    status: Literal["error"]
    error: Problem
