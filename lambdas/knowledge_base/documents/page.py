"""A page of a document, as it is kept. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a page."""

    key: str
    width: int
    height: int
    """Pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, as it is kept. What is cited of it are characters of `text`."""

    text: str
    tables: list[list[list[str | None]]]
    images: list[Image]

    @classmethod
    def of(cls, stored: bytes) -> Page:
        """From an object."""
        value = json.loads(stored)
        images = [Image(**image) for image in value["images"]]
        return cls(text=value["text"], tables=value["tables"], images=images)

    def stored(self) -> bytes:
        """For an object."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
