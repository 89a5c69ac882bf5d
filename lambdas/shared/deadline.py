"""When work has to stop, and how long a server asks to be left alone.

Owns the arithmetic of time. Who waits, and what is retried, is decided where the calls are made.
"""

from __future__ import annotations

import email.utils
import math
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

RESERVE_SECONDS = 5.0
"""Left of a function's time for its answer, its logs and its metrics."""
OVERRUN_SECONDS = 1.0
"""How much of the reserve work may use that ends by itself."""


class OverrunError(Exception):
    """Work did not end by its deadline."""


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


class Worker:
    """Does work that keeps to a deadline as far as it can, and leaves it behind when it does not end a second after it.

    An HTTP client's timeout is for one read: a server that sends a byte now and then outlives it, and a name server
    that does not answer is no part of it. What is left behind is frozen with the environment; by its deadline it begins
    nothing more.

    All work is done in one thread, since libraries keep caches for each that they meet: tiktoken 0.2 MB for each of up
    to 128. Only what was left behind keeps its thread to itself.
    """

    def __init__(self) -> None:
        """No thread is started before there is work."""
        self._thread = ThreadPoolExecutor(1, "work")

    def within(self, deadline: Deadline, work: Callable[[], T]) -> T:
        """Do it, and wait for it.

        Raises:
            OverrunError: it was left behind; what it was using may still be in use.
        """
        outcome = self._thread.submit(work)
        if wait([outcome], max(0.0, deadline.left()) + OVERRUN_SECONDS).not_done:
            self._thread.shutdown(wait=False)
            self._thread = ThreadPoolExecutor(1, "work")
            raise OverrunError(f"not back {OVERRUN_SECONDS:g} s after the deadline")
        return outcome.result()


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
