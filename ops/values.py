"""JSON and YAML values of unknown shape."""

from __future__ import annotations

import json
from typing import Any, cast


def as_object(value: object) -> dict[str, Any] | None:
    """The value if it is an object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """The value if it is a list, else None."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def as_items(value: object) -> list[Any] | None:
    """A list of a stack's config if the value is one, else None; as JSON text too, as in `as_section`."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return as_list(json.loads(value))
        except (ValueError, RecursionError):
            return None
    return as_list(value)


def as_section(value: object) -> dict[str, Any] | None:
    """A section of a stack's config if the value is one, else None.

    `pulumi config set` without --path writes it as JSON text, which the program reads just as well.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return as_object(json.loads(value))
        except (ValueError, RecursionError):
            return None
    return as_object(value)
