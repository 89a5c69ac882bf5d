"""Why work was not done: one class per reason. What is said in them goes to the log, so no secret and no text in them.

A service's own words are repeated only by `lambdas.shared.quotes`.
"""

from __future__ import annotations

from typing import ClassVar


class WorkError(Exception):
    """Why something was not done."""

    reason: ClassVar[str] = "unknown"


class RefusedInputError(WorkError):
    """A service refused the content of a request: one of the things in it is bad, the others may be good."""

    reason = "refused"


class TooLargeError(WorkError):
    """A request was more than a server or an account takes at once, however often it is made."""

    reason = "too large"

    def __init__(self, message: str, share: float = 0.5) -> None:
        """Remember how much would pass.

        Args:
            message: for the log.
            share: of the request that was made, as far as it is known; below 1.
        """
        super().__init__(message)
        self.share = share


class UnavailableError(WorkError):
    """A service did not answer as it should, and retrying within the function's time did not help."""

    reason = "unavailable"

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        """Remember when it may be worth another try.

        Args:
            message: for the log.
            retry_after_seconds: as the service asked; None when it did not.
        """
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BusyError(UnavailableError):
    """A service has too much to do, whatever is in a request."""


class OutOfTimeError(WorkError):
    """The function's time ended before this was done."""

    reason = "out of time"


class KeyRefusedError(WorkError):
    """A service refused the API key, also after reading it again."""

    reason = "key refused"


class ForbiddenError(WorkError):
    """A service knows the key and does not allow the request: a quota, a protection, a model that is not granted."""

    reason = "forbidden"


class ConfigurationError(WorkError):
    """Nothing can succeed until somebody changes the configuration."""

    reason = "configuration"
