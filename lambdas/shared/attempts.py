"""The one retry loop: a request is made until it succeeds, is refused for good, or the time is up.

Owns how often and when. What a failure means is told by the caller, in data: the status, the headers, and the exception
to raise when it is not tried again.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from lambdas.shared.deadline import retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdas.shared.deadline import Deadline

T = TypeVar("T")

RETRIED_STATUSES = frozenset({408, 409, 425, 429})
"""Beside those of 500 and above."""
SERVER_ERROR = 500


class NoTimeLeftError(Exception):
    """The deadline came before the first try, or while nothing but waiting was left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often something is tried, and what is waited between."""

    retries: int
    """After the first try."""
    first_wait_seconds: float
    """Doubled for each retry."""
    max_wait_seconds: float
    """What doubling ends at. A server that asks for more gets more."""
    try_seconds: float
    """The most that one try may take."""
    statuses: frozenset[int] = RETRIED_STATUSES
    """Of answers that are tried again, beside server errors."""

    def wait_seconds(self, retry: int) -> float:
        """Before a retry, counted from 0; half of it is left to chance, so what failed together returns apart."""
        longest = min(self.first_wait_seconds * 2**retry, self.max_wait_seconds)
        return longest * (1 + random.random()) / 2  # noqa: S311  no secret

    def retried(self, failure: Failure) -> bool:
        """Whether a failure is worth another try."""
        if failure.final:
            return False
        return failure.status is None or failure.status >= SERVER_ERROR or failure.status in self.statuses


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed."""

    error: Exception
    """Raised when there is no further try."""
    status: int | None = None
    """Of the answer; None when there was none that could be read."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the answer, with names in any case."""
    final: bool = False
    """Whether another try cannot change it, whatever the status says."""


def attempt(
    work: Callable[[float], T], explain: Callable[[Exception], Failure | None], policy: Policy, deadline: Deadline
) -> T:
    """Do something until it succeeds.

    Args:
        work: one try; gets the seconds that it may take.
        explain: what a failed try means; None is an exception that nobody expects.
        policy: what is tried again, and when.
        deadline: no try begins after it, and no wait reaches beyond it.

    Raises:
        NoTimeLeftError: the deadline has passed, before or during a try.
        Exception: of the last try's `Failure`; or what nobody expects.
    """
    for retry in range(policy.retries + 1):
        left = deadline.left()
        if left <= 0:
            break
        try:
            return work(min(policy.try_seconds, left))
        except Exception as error:
            failure = explain(error)
            if failure is None:
                raise
            if failure.status is None and deadline.left() <= 0:
                break
            wait = max(policy.wait_seconds(retry), _asked(failure))
            if not policy.retried(failure) or retry == policy.retries or wait >= deadline.left():
                raise failure.error from None
        time.sleep(wait)
    raise NoTimeLeftError


def _asked(failure: Failure) -> float:
    """How long the server asked to be left alone, in seconds."""
    return retry_after_seconds({name.lower(): value for name, value in failure.headers.items()}) or 0.0
