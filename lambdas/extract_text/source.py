"""A document in a bucket: which object, which of its versions, and the order of events about it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

UNVERSIONED = "null"
"""What S3 calls the version of an object that was put while its bucket had no versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One version of an object."""

    bucket: str
    key: str
    version_id: str | None
    """None in a bucket without versions."""
    etag: str
    bytes: int
    modified: str
    """When it was put, ISO 8601."""

    def document(self) -> dict[str, Any]:
        """For answers and results."""
        return {key: value for key, value in asdict(self).items() if key != "modified"}

    @property
    def is_folder(self) -> bool:
        """Whether it is what the S3 console makes when somebody makes a folder: no document, and no mistake either."""
        return self.key.endswith("/") and self.bytes == 0

    @property
    def identity(self) -> list[str]:
        """Tells this version of the object from any other that is or was under its key."""
        if self.version_id not in (None, UNVERSIONED):
            return [self.version_id or ""]
        return [self.etag, self.modified]

    def generation(self, cutting: list[object]) -> str:
        """A name for the chunks that this version gives when it is cut in this way."""
        return _digest([*self.identity, *cutting])[:16]


def document_id(bucket: str, key: str) -> str:
    """What the ids of a document's chunks begin with: keys may be longer than an id and need not be ASCII."""
    return _digest([bucket, key])[:32]


def chunk_ids(bucket: str, key: str, generation: str, count: int) -> list[str]:
    """The ids of a version's chunks: no two versions share any, so what is sent is never what is deleted."""
    document = document_id(bucket, key)
    return [f"{document}-{generation}-{index}" for index in range(count)]


def is_older(sequencer: str | None, than: str | None) -> bool:
    """Whether one event of a key came before another: hexadecimal numbers, the shorter one padded on its right.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    if not sequencer or not than:
        return False
    width = max(len(sequencer), len(than))
    return sequencer.upper().ljust(width, "0") < than.upper().ljust(width, "0")


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
