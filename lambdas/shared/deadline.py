"""When work has to stop, and how long a server asks to be left alone.

Owns the arithmetic of time. Who waits, and what is retried, is decided where the calls are made.
"""

from __future__ import annotations

import email.utils
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVE_SECONDS = 5.0
"""Left of a function's time for its answer, its logs and its metrics."""


class HasRemainingTime(Protocol):
    """The part of Lambda's context that a deadline needs."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""
        ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment after which nothing new is begun."""

    at: float
    """Seconds of `time.monotonic`."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment so many seconds from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def of(cls, context: HasRemainingTime, reserve_seconds: float = RESERVE_SECONDS) -> Deadline:
        """The moment `reserve_seconds` before Lambda stops the function."""
        return cls.after(context.get_remaining_time_in_millis() / 1000 - reserve_seconds)

    def left(self) -> float:
        """Seconds until then; negative when it has passed."""
        return self.at - time.monotonic()

    def earlier(self, seconds: float) -> Deadline:
        """A deadline that leaves time for what comes next."""
        return Deadline(self.at - seconds)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long an answer asks to wait: `retry-after-ms`, then `retry-after` as seconds or as an HTTP date.

    Args:
        headers: of the answer, with names in lower case or a mapping that ignores case.

    Returns:
        Seconds, 0 or more; None when it does not say, or says nothing that can be read.
    """
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / divisor
        except ValueError:
            continue
        if not math.isnan(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
