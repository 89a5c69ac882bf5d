"""Parts of parsed JSON that may be missing or null, as AWS's answers and requests to the stand-ins have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def part(whole: Mapping[str, Any], name: str, *further: str) -> dict[str, Any]:
    """The object at a key, or at a path of keys; empty where it, or one above it, is missing or null."""
    found: dict[str, Any] = whole.get(name) or {}
    return part(found, *further) if further else found
