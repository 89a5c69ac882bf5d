"""The request: read strictly, and every wrong thing in it reported at once.

By hand: pydantic would be an eighth of the layer and much of the cold start (requirements.in of layer pymupdf).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.image_processor.contract import DEFAULT_DPI, MAX_DPI, Code, Operation
from lambdas.image_processor.errors import ProcessingError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = ("operation", "file_bytes_base64", "bucket", "key", "page_numbers", "output", "dpi", "original")
MAX_NAME_BYTES = 1_024
"""S3's limit of a key."""
SHOWN = 60


@dataclass(frozen=True, slots=True)
class S3Place:
    """An object, or a prefix for several."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one invocation is asked for."""

    operation: Operation
    source: str | S3Place
    """Base64 text, or where the file is."""
    page_numbers: tuple[int, ...] | None
    """From 0, sorted, each once; None for all."""
    output: S3Place | None
    dpi: int
    original: bool


def parse(event: object) -> Request:
    """Check an event.

    Raises:
        ProcessingError: `unknown_operation`, or `bad_request` with every wrong key, its value and its rule.
    """
    if not isinstance(event, dict):
        raise ProcessingError(Code.BAD_REQUEST, f"the request is {_shown(event)}; it has to be a JSON object")
    reader = _Reader(event)
    request = Request(
        operation=reader.operation(),
        source=reader.source(),
        page_numbers=reader.page_numbers(),
        output=reader.output(),
        dpi=reader.dpi(),
        original=reader.original(),
    )
    reader.unknown()
    if reader.problems:
        raise ProcessingError(Code.BAD_REQUEST, "; ".join(reader.problems))
    return request


class _Reader:
    """Takes values out of an event and collects what is wrong with them."""

    def __init__(self, event: Mapping[Any, Any]) -> None:
        self._event = event
        self.problems: list[str] = []

    def operation(self) -> Operation:
        value = self._event.get("operation")
        if value in tuple(Operation):
            return Operation(value)
        known = " or ".join(f'"{name}"' for name in Operation)
        said = "`operation` is missing" if "operation" not in self._event else f"`operation` is {_shown(value)}"
        raise ProcessingError(Code.UNKNOWN_OPERATION, f"{said}; it has to be {known}")

    def source(self) -> str | S3Place:
        data = self._event.get("file_bytes_base64")
        named = [key for key in ("bucket", "key") if self._event.get(key) is not None]
        if (data is None) == (not named):
            self.problems.append("give the file either as `file_bytes_base64`, or as `bucket` and `key`")
            return ""
        if data is None:
            return S3Place(self._name("bucket", self._event.get("bucket")), self._name("key", self._event.get("key")))
        if not isinstance(data, str):
            self._wrong("file_bytes_base64", data, "a base64 string")
            return ""
        return data

    def page_numbers(self) -> tuple[int, ...] | None:
        value = self._event.get("page_numbers")
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(map(_is_whole, value)):
            self._wrong(
                "page_numbers", value, "a list of whole numbers, the first page is 0; leave it out for all pages"
            )
            return None
        return tuple(sorted(set(value)))

    def output(self) -> S3Place | None:
        value = self._event.get("output")
        if value is None:
            return None
        if not isinstance(value, dict) or not set(value) <= {"bucket", "prefix"}:
            self._wrong("output", value, 'an object {"bucket", "prefix"}')
            return None
        prefix = "" if value.get("prefix") is None else value["prefix"]
        if not isinstance(prefix, str) or not _fits(prefix, MAX_NAME_BYTES - 100):
            self._wrong("output.prefix", prefix, f"a string of at most {MAX_NAME_BYTES - 100} bytes")
            return None
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        return S3Place(self._name("output.bucket", value.get("bucket")), prefix)

    def dpi(self) -> int:
        value = self._event.get("dpi")
        if value is None:
            return DEFAULT_DPI
        if not _is_whole(value) or not 1 <= value <= MAX_DPI:
            self._wrong("dpi", value, f"a whole number, 1 to {MAX_DPI}")
            return DEFAULT_DPI
        return value

    def original(self) -> bool:
        value = self._event.get("original")
        if value is not None and not isinstance(value, bool):
            self._wrong("original", value, "true or false")
        return value is True

    def unknown(self) -> None:
        for key in self._event:
            if key not in KEYS:
                self.problems.append(f"`{_shown(key)}` is not a key of a request; there are: {', '.join(KEYS)}")

    def _name(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value or not _fits(value, MAX_NAME_BYTES):
            self._wrong(key, value, f"a name of 1 to {MAX_NAME_BYTES} bytes")
            return ""
        return value

    def _wrong(self, key: str, value: object, rule: str) -> None:
        self.problems.append(f"`{key}` is {_shown(value)}; it has to be {rule}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fits(text: str, limit: int) -> bool:
    try:
        return len(text.encode()) <= limit
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold and S3 cannot
        return False


def _shown(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
