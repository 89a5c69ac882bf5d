"""Which of two messages about one document is the newer: by when they were sent, not by when they arrive.

Owns the order and how it is kept beside a vector. What follows from it is `documents`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.embedding.messages import OWN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.embedding.messages import Metadata

SENT_FIELD = f"{OWN_PREFIX}sent_ms"
MESSAGE_FIELD = f"{OWN_PREFIX}message"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """What one message makes of a document; the greater one is the newer."""

    sent_ms: int
    """When SQS took the message, in milliseconds since the epoch; the same at every delivery."""
    message_id: str
    """Decides between two of the same millisecond, at random and everywhere alike."""

    def fields(self) -> Metadata:
        """What is kept of it beside a vector."""
        return {SENT_FIELD: self.sent_ms, MESSAGE_FIELD: self.message_id}

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Version:
        """The version of a stored vector; older than all others when there is none beside it."""
        sent, message = metadata.get(SENT_FIELD), metadata.get(MESSAGE_FIELD)
        return cls(int(sent) if isinstance(sent, int | float) else 0, message if isinstance(message, str) else "")
