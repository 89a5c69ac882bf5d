"""What can go wrong, one class for each reason that a caller treats differently."""

from __future__ import annotations


class CodeRippleError(Exception):
    """Anything that this package raises on purpose."""


class ConfigurationError(CodeRippleError):
    """Variables or secrets are missing or wrong; says which."""


class PayloadError(CodeRippleError):
    """A body, or a message of the queue, is not one that can be read; says why. Another try cannot change it."""


class RetryLaterError(CodeRippleError):
    """Something failed that may work later: the message goes back to the queue."""


class RefusedError(CodeRippleError):
    """GitHub, or a rule, refuses for good: reported, and not tried again."""


class GoneError(CodeRippleError):
    """What was pushed is no longer there: a branch was deleted, or a force push replaced it. Nothing is to be done."""
