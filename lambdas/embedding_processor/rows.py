"""Chunks and their vectors → rows, and rows → requests. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lambdas.embedding_processor.contract import MAX_REQUEST_BYTES, MAX_REQUEST_ROWS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VALUE_BYTES = 16
"""A float32 of nine significant digits and its comma, at most, in JSON."""


def digest(*parts: Any) -> str:
    """SHA-256, hexadecimal, of values that JSON has."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def row(bucket: str, key: str, content: str, vector: NDArray[np.float32], metadata: dict[str, Any]) -> dict[str, Any]:
    """One row, as `contract.ROW_FIELDS` has it.

    Args:
        bucket: of the object.
        key: of the object.
        content: of the chunk.
        vector: (dimension,) float32; nine digits name each value exactly.
        metadata: `chunk` is the position that the id is made of.
    """
    return {
        "id": digest(bucket, key, content, metadata["chunk"]),
        "content": content,
        "key": f"{bucket}/{key}",
        "embedding": [float(f"{value:.9g}") for value in vector.tolist()],
        "metadata": metadata,
    }


class Request:
    """Rows that are sent together, within the limits of one request."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._bytes = 0

    def takes(self, row: dict[str, Any]) -> bool:
        """Whether there is room for a row; there always is for the first."""
        fits = len(self.rows) < MAX_REQUEST_ROWS and self._bytes + _bytes(row) <= MAX_REQUEST_BYTES
        return fits or not self.rows

    def add(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self.rows.append(row)
        self._bytes += _bytes(row)


def _bytes(row: dict[str, Any]) -> int:
    return len(row["embedding"]) * VALUE_BYTES + len(row["content"].encode()) + 512
