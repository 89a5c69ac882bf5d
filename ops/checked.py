"""Data from outside, checked part by part: sizes are limited, types are checked, text is cut. Standard library only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from ops.errors import OpsError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 20_000_000
"""Bytes of one input file."""
LONGEST_TEXT = 300
"""Characters of a name, a type, a version."""


def read_bytes(file: Path) -> bytes:
    """A file of at most LARGEST_FILE bytes."""
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise OpsError(f"{file} could not be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise OpsError(f"{file} is larger than {LARGEST_FILE:,} bytes")
    return data


def load_json(data: bytes, name: str) -> Any:
    """The file's JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise OpsError(f"{name} is not JSON") from None


def mapping(value: Any, what: str) -> dict[str, Any]:
    """An object, or an error that shows nothing of what came instead."""
    if not isinstance(value, dict):
        raise OpsError(f"{what} is not an object")
    return cast("dict[str, Any]", value)


def sequence(value: Any, what: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise OpsError(f"{what} is not a list")
    return cast("list[Any]", value)


def text(value: Any, what: str, longest: int = LONGEST_TEXT) -> str:
    """Text, cut to what is shown at most."""
    if not isinstance(value, str):
        raise OpsError(f"{what} is not text")
    return value[:longest]


def count(value: Any, what: str) -> int:
    """A number of bytes."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 50:
        raise OpsError(f"{what} is not a number of bytes")
    return value
